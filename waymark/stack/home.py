"""The home: everything that `waymark up` keeps, for the owner's eyes only.

`stack.json` says what runs. It is a record for others to read (`status`, `down`, the settings of other commands);
whether a home is really up is decided by the lock, which ends with its process however that ends.
"""

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from waymark.cli.errors import NotSo
from waymark.stack.process import Process

StackState = Literal["starting", "ready", "stopping", "down"]
PartState = Literal["starting", "ready", "restarting", "stopped"]


class PartRecord(BaseModel):
    """One part, as far as others need to know."""

    name: str
    address: str
    state: PartState
    pid: int | None = None
    identity: str | None = None
    since: datetime | None = None
    restarts: int = 0
    log: str | None = None
    how: str | None = None

    def process(self) -> Process | None:
        """The process that was started last."""
        return None if self.pid is None or self.identity is None else Process(self.pid, self.identity)


class StackRecord(BaseModel):
    """What `up` started in a home."""

    state: StackState = "down"
    pid: int | None = None
    identity: str | None = None
    since: datetime | None = None
    parts: list[PartRecord] = Field(default_factory=list[PartRecord])
    settings: dict[str, str] = Field(default_factory=dict[str, str])

    def supervisor(self) -> Process | None:
        """The process of `up`, where it lives."""
        if self.pid is None or self.identity is None:
            return None
        found = Process(self.pid, self.identity)
        return found if found.is_alive() else None


@dataclass(frozen=True)
class Home:
    """The folder, and what lies where in it."""

    path: Path

    @property
    def logs(self) -> Path:
        """Logs, one for each part."""
        return self.path / "logs"

    @property
    def admin_key_file(self) -> Path:
        """The first API key."""
        return self.path / "admin.key"

    @property
    def record_file(self) -> Path:
        """What runs."""
        return self.path / "stack.json"

    def make(self) -> None:
        """Make the folder with its key and its secret, where they are not there; what is there stays."""
        for folder in (self.path, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        _keep_secret(self.admin_key_file, lambda: f"wm_{secrets.token_urlsafe(32)}")
        _keep_secret(self.path / "secret", lambda: secrets.token_hex(32))

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold this home; raises NotSo, naming who holds it, where somebody does."""
        with (self.path / "up.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self.record().pid
                raise NotSo(
                    f"{self.path} is up already{f' (pid {holder})' if holder else ''}: "
                    "`waymark status` shows it, `waymark down` stops it, another WAYMARK_HOME can be up beside it"
                ) from None
            yield

    def is_locked(self) -> bool:
        """Whether an `up` holds this home."""
        try:
            with (self.path / "up.lock").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def record(self) -> StackRecord:
        """What runs, as last written; an empty record where there is none."""
        try:
            return StackRecord.model_validate_json(self.record_file.read_bytes())
        except (OSError, ValidationError):
            return StackRecord()

    def write(self, record: StackRecord) -> None:
        """Write the record, as a whole or not at all."""
        _write_private(self.record_file, json.dumps(record.model_dump(mode="json"), indent=2))


def _keep_secret(file: Path, make: Callable[[], str]) -> None:
    if not file.exists() or not file.read_text().strip():
        _write_private(file, make() + "\n")
    file.chmod(0o600)


def _write_private(file: Path, content: str) -> None:
    descriptor, new = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")  # made with mode 600
    with os.fdopen(descriptor, "w") as handle:
        handle.write(content)
    Path(new).rename(file)
