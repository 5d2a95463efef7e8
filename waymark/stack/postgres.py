"""PostgreSQL on this machine, for tests and production-like runs: how it is had, and one server in a folder.

PostgreSQL refuses to run as root, so that it is run as `postgres` or `nobody` then.
"""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it brings no types

from waymark.stack import cache, had
from waymark.stack.parts import Launch, Listens, NotReady

OLDEST = 14
USER = "waymark"


@dataclass(frozen=True)
class Program:
    """The folder of PostgreSQL's programs."""

    binaries: Path


def take(say: had.Say) -> had.Had[Program]:
    """Have PostgreSQL in the first way that works; raises CannotHave with the reason of each."""
    ways: list[had.Way[Program]] = [
        had.Way("on PATH", _on_path),
        had.Way("on this machine", _in_debian_folder),
        had.Way("from the system's packages", lambda: _installed(say)),
    ]
    return had.take("postgresql", ways)


def _on_path() -> Program:
    found = shutil.which("initdb")
    if found is None or shutil.which("postgres", path=str(Path(found).resolve().parent)) is None:
        raise had.Unavailable("there is no initdb on PATH")
    return Program(Path(found).resolve().parent)


def _in_debian_folder() -> Program:
    """Debian keeps the programs of each version out of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: -float(file.parents[1].name))
    new_enough = [file.parent for file in folders if float(file.parents[1].name) >= OLDEST]
    if not new_enough:
        raise had.Unavailable(f"/usr/lib/postgresql has no version from {OLDEST} on")
    return Program(new_enough[0])


def _installed(say: had.Say) -> Program:
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise had.Unavailable(
            "install PostgreSQL by hand (Debian: sudo apt-get install postgresql), or run the tests as root"
        )
    with had.locked(cache.made() / "apt-get.lock"):
        if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            say("postgresql", "installing Debian's package", None)
            # its own cluster, which Debian would start, is not wanted
            kept = Path("/etc/postgresql-common/createcluster.conf")
            kept.parent.mkdir(parents=True, exist_ok=True)
            if not kept.exists():
                kept.write_text("create_main_cluster = false\n")
            for words in (
                ["update", "--quiet"],
                ["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"],
            ):
                command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *words]
                had.build("postgresql", command, folder=Path("/"), steps=0, say=say)
    return _in_debian_folder()


@dataclass(frozen=True)
class PostgresServer:
    """One server on 127.0.0.1 that trusts this machine; `is_durable=False` (no fsync) is for tests."""

    program: Program
    port: int
    is_durable: bool = True
    name: str = "postgresql"
    ready_within_seconds: float = 60.0

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Listens, ...]:
        """The port that clients use."""
        return (Listens(self.port),)

    def url(self, database: str = "postgres") -> str:
        """The database's URL as Waymark's settings write it."""
        return f"postgresql+asyncpg://{USER}@{self.address}/{database}"

    def prepare(self, folder: Path) -> Launch:
        """Make the cluster where it is new."""
        user = run_as()
        data = folder.absolute() / "data"
        if not (data / "PG_VERSION").is_file():
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            if user is not None:
                _open_the_way(data, user)
            self._initialise(data, user)
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "64MB",
            **({} if self.is_durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        command = (str(self.program.binaries / "postgres"), "-D", str(data), "-p", str(self.port), *flags)
        return Launch(command, as_user=user)

    def _initialise(self, data: Path, user: str | None) -> None:
        initdb = [str(self.program.binaries / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8"]
        options = ["--locale=C.UTF-8", *([] if self.is_durable else ["--no-sync"])]
        as_user = [] if user is None else ["runuser", "-u", user, "--"]
        done = subprocess.run([*as_user, *initdb, *options], capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise OSError(f"initdb failed: {(done.stdout + done.stderr).strip()[-500:]}")

    async def make_ready(self) -> None:
        """Ready when it takes a connection."""
        try:
            await self._connect_once()
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise NotReady(f"{self.address} does not answer yet: {type(error).__name__}") from error

    async def _connect_once(self) -> None:
        connect = cast(Callable[..., Awaitable[Any]], vars(asyncpg)["connect"])
        connection = await connect(host="127.0.0.1", port=self.port, user=USER, database="postgres", timeout=5)
        await connection.close()


def run_as() -> str | None:
    """Who PostgreSQL runs as: ourselves, unless we are root."""
    if getpass.getuser() != "root" and os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise OSError("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")


def _open_the_way(data: Path, user: str) -> None:
    """Give the data to its user, who must be able to pass through the temporary folders above it."""
    shutil.chown(data, user)
    temporary = Path(tempfile.gettempdir()).resolve()
    for folder in data.resolve().parents:
        if folder.is_relative_to(temporary) and folder != temporary:
            folder.chmod(folder.stat().st_mode | 0o001)
