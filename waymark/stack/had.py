"""How a server is had on this machine: the first way that works is used, and said.

What was fetched or built is kept in the user's cache folder, for all projects. Nothing here falls back to a pretended
server.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

import httpx2

from waymark.stack import cache
from waymark.stack.parts import CannotHave
from waymark.stack.process import last_lines, with_parent

T = TypeVar("T")

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CONNECT_SECONDS = 3.0
REMEMBERED_SECONDS = 86_400.0  # how long a download that failed is not tried again
Say = Callable[[str, str, float | None], None]  # part, what is going on, share done from 0 to 1 where it is known

DOCKER_RUN = ("docker", "run", "--rm", "--network", "host")


class Unavailable(Exception):
    """This way does not work here; the text says why."""


@dataclass(frozen=True)
class Way(Generic[T]):
    """One way of having a server; `take` raises Unavailable."""

    how: str
    take: Callable[[], T]


@dataclass(frozen=True)
class Had(Generic[T]):
    """A server, and how it is had."""

    what: T
    how: str


def take(name: str, ways: Sequence[Way[T]]) -> Had[T]:
    """The first of the ways that works; raises CannotHave with the reason of each."""
    reasons: list[str] = []
    for way in ways:
        try:
            return Had(way.take(), way.how)
        except Unavailable as no:
            reasons.append(f"  {way.how}: {no}")
        except (OSError, subprocess.SubprocessError) as no:
            reasons.append(f"  {way.how}: {type(no).__name__}: {no}")
    raise CannotHave(name, "\n".join(["there is no way to get this server here:", *reasons]))


@contextlib.contextmanager
def making(folder: Path) -> Generator[Path | None]:
    """A folder beside `folder` to fill, moved into place at the end if nothing went wrong.

    Only one process at a time makes it; one that waited, and finds it made, is given None.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f"{folder.name}.lock"):
        if folder.exists():
            yield None
            return
        for left in folder.parent.glob(f".{folder.name}-*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield new
            new.chmod(0o755)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def locked(file: Path) -> Generator[None]:
    """Wait for the lock of a file; it ends with the process, however that ends."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fetch(name: str, url: str, *, into: Path, say: Say) -> None:
    """Download an archive and unpack it; a failure is remembered for a day. Raises Unavailable."""
    memory = cache.folder() / "failures" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
    if (remembered := _remembered(memory)) is not None:
        raise Unavailable(f"{url} did not work before ({remembered}); remove {memory} to try it again")
    try:
        with tempfile.TemporaryFile() as file:
            _download(name, url, file.write, say=say)
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                archive.extractall(into, filter="data")
    except (httpx2.HTTPError, tarfile.TarError, EOFError, OSError) as error:
        reason = f"{type(error).__name__}: {error}"
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps({"url": url, "at": time.time(), "reason": reason}))
        raise Unavailable(f"{url}: {reason}") from error


def _remembered(memory: Path) -> str | None:
    try:
        failure = cast(dict[str, object], json.loads(memory.read_text()))
        is_fresh = time.time() - float(str(failure["at"])) < REMEMBERED_SECONDS
        return str(failure["reason"]) if is_fresh else None
    except (OSError, ValueError, KeyError):
        return None


def _download(name: str, url: str, write: Callable[[bytes], object], *, say: Say) -> None:
    timeout = httpx2.Timeout(30.0, connect=CONNECT_SECONDS)
    with httpx2.stream("GET", url, follow_redirects=True, timeout=timeout) as response:
        response.raise_for_status()
        size = int(response.headers.get("content-length", 0))
        done = 0
        for piece in response.iter_bytes():
            write(piece)
            done += len(piece)
            say(name, "downloading", done / size if size else None)


def docker_image(name: str, image: str, *, say: Say) -> None:
    """Make sure that an engine answers and has the image; raises Unavailable."""
    if os.uname().sysname != "Linux":
        raise Unavailable("containers are used on Linux only, because they need the machine's own network")
    if shutil.which("docker") is None:
        raise Unavailable("there is no docker on PATH")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=10).returncode != 0:
        raise Unavailable("no Docker engine answers")
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0:
        return
    say(name, f"fetching the image {image}", None)
    pulled = subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, text=True)
    if pulled.returncode != 0:
        raise Unavailable(f"docker pull {image}: {pulled.stderr.strip()[-300:]}")


def mount(folder: Path) -> tuple[str, ...]:
    """What `docker run` needs so that a container sees `folder` where it is, as us."""
    return ("--volume", f"{folder}:{folder}", "--user", f"{os.getuid()}:{os.getgid()}", "--env", "GOGC=500")


def within_docker(command: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
    """`command` with options after its `docker run`; as it is where there are none."""
    place = len(DOCKER_RUN)
    return (*command[:place], *options, *command[place:]) if options else command


def build(name: str, command: Sequence[str], *, folder: Path, steps: int, say: Say) -> None:
    """Run a build that prints a line for each step; raises Unavailable with the end of what it said."""
    log = cache.folder() / f"build-{name}.log"
    with log.open("w+") as output:
        child = subprocess.Popen(
            with_parent(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert child.stdout is not None
        try:
            for number, line in enumerate(child.stdout, start=1):
                output.write(line)
                say(name, "building", min(number / steps, 0.99) if steps else None)
        except BaseException:
            child.terminate()
            raise
        finally:
            child.wait()
    if child.returncode != 0:
        raise Unavailable(f"{' '.join(command[:2])} ended with {child.returncode}, see {log}:\n{last_lines(log)}")
