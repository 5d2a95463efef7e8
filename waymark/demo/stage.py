"""The demo's own home and servers: beside the user's, made afresh each time, and never a configured remote server.

Whatever names a server elsewhere (environment, `.env`) is kept from the processes that are started here: they get an
environment without our settings and a working folder without a `.env`. The one exception is the user's language model,
which is asked where a key is set; where none is, an imitation is started.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waymark.cli.errors import CommandError, NotSo, Unreachable, WrongUsage
from waymark.settings import Settings, load
from waymark.stack.home import Home

MARK = "this-is-the-demo"
"""A file in the home by which it is known as one that may be thrown away."""

_LEAD = "100d"
_OWN = {
    "WAYMARK_HTTP_ADDRESS": "127.0.0.1:0",
    "WAYMARK_TEMPORAL_PORT": "0",
    "WAYMARK_KAFKA_PORT": "0",
    "WAYMARK_MAILBOX_PORT": "0",
    "WAYMARK_MAILBOX_SMTP_PORT": "0",
    "WAYMARK_EVENT_LEAD": _LEAD,  # the story's events carry times of the weeks to come
    "PYTHONSAFEPATH": "1",  # folders of the home are named as our packages
}
_NOT_PASSED_ON = ("WAYMARK_", "TEMPORAL_", "OPENAI_")


@dataclass(frozen=True)
class Stage:
    """The home of the demo; `shown` is how its path is written for people. `writer` are the settings of the user's
    language model; where there are none, an imitation is started, because of the settings that are `lacking`.
    """

    path: Path
    shown: str
    writer: Mapping[str, str] = field(default_factory=dict[str, str])
    lacking: tuple[str, ...] = ()

    @property
    def is_up(self) -> bool:
        """Whether servers run in it."""
        return Home(self.path).is_locked()

    @property
    def command(self) -> str:
        """What begins every command that speaks to this home."""
        folder = Path(sys.executable).parent / "waymark"
        return f"WAYMARK_HOME={self.shown} {_short(folder)}"

    def clear(self) -> None:
        """Stop what an earlier demo left running, and throw away what it kept."""
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / MARK).exists():
            raise NotSo(f"{self.path} is no home of a demo, and is left alone: set WAYMARK_HOME to another folder")
        if self.path.exists():
            self.down()
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, mode=0o700)
        (self.path / MARK).touch()

    def up(self, *, output: Any = None) -> None:
        """Start every server and process, and return when all are ready; raises as `waymark up` fails."""
        self._run("up", "--detach", output=output)

    def down(self) -> None:
        """Stop them."""
        self._run("down", output=subprocess.DEVNULL)

    def settings(self) -> Settings:
        """The settings with which commands find what runs here."""
        return load(environment={"WAYMARK_HOME": str(self.path)}, dotenv=self.path / "no.env").settings

    def address_of(self, part: str) -> str:
        """Where one of the servers is found, for people."""
        return next(one.address for one in Home(self.path).record().parts if one.name == part)

    def addresses(self) -> dict[str, str]:
        """Where everything is found, by name."""
        return {name: self.address_of(name) for name in ("api", "mailbox", "temporal", "kafka")}

    def environment(self) -> dict[str, str]:
        """What the processes of the demo get: nothing that names a server elsewhere, but the user's model."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        writer = self.writer or {"WAYMARK_WRITER_IMITATION": "true"}
        return {**ours, **_OWN, **writer, "WAYMARK_HOME": str(self.path)}

    def _run(self, *command: str, output: Any) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "waymark", *command],
            cwd=self.path, env=self.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if done.returncode != 0:
            errors: Mapping[int, type[CommandError]] = {1: NotSo, 2: WrongUsage}
            raise errors.get(done.returncode, Unreachable)(done.stderr.strip().removeprefix("waymark: "))


def stage_in(home: Path, *, writer: Mapping[str, str] | None = None, lacking: tuple[str, ...] = ()) -> Stage:
    """The demo's home within the user's."""
    path = home.absolute() / "demo"
    return Stage(path, _short(path), writer or {}, lacking)


def _short(path: Path) -> str:
    """The path from the working folder where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
