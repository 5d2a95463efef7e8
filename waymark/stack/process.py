"""Processes and ports of this machine: who is who, who holds what, start and stop.

A process is named by its pid *and* an identity (boot and start time), so that a pid which was given to another process
in the meantime is never taken for ours, and never killed.
"""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waymark.stack import cache

# Below the range from which kernels take ports for outgoing connections, so that a server that is started again
# finds its port still free.
_FREE_PORTS = range(10_000, 32_000)
_CHANCE = random.SystemRandom()
"""Not the one that tests seed: two of them at once would be given the same ports."""
PROMISED_SECONDS = 300.0
"""So long who was given a port has the time to listen on it; a server may be taken from an archive first."""
_LISTEN = "0A"


@dataclass(frozen=True)
class Process:
    """One process, once and for all."""

    pid: int
    identity: str

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return identify(self.pid) == self.identity


def identify(pid: int) -> str | None:
    """Boot and start time of a living process; None where there is none."""
    if sys.platform != "linux":
        return _identify_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in "ZX" else f"{_boot()}-{fields[19]}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:13]


def _identify_by_ps(pid: int) -> str | None:
    said = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True)
    state, _, started = said.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def named(pid: int) -> Process | None:
    """The living process with this pid."""
    identity = identify(pid)
    return None if identity is None else Process(pid, identity)


def with_parent(command: Sequence[str], *, as_user: str | None = None) -> list[str]:
    """`command` so that it is told to stop (SIGTERM) when its parent dies, and optionally as another user.

    Where the machine has no `setpriv` it stays as it is; the next `up` then stops what was left behind. The kernel
    looks at the parent's *thread*: start such a process from a thread that lives as long as it shall.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None and as_user is not None:
        return ["runuser", "-u", as_user, "--", *command]
    if setpriv is None:
        return list(command)
    user = [] if as_user is None else [f"--reuid={as_user}", f"--regid={as_user}", "--clear-groups"]
    return [setpriv, "--pdeathsig", "TERM", *user, "--", *command]


def environment_with(added: Mapping[str, str]) -> dict[str, str]:
    """Our environment and what is added."""
    return {**os.environ, **added}


def start(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own (a terminal's Ctrl-C does not reach it), with its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_with(environment),
            cwd=folder,
            start_new_session=True,
        )


def stop(process: Process, *, grace_seconds: float = 15.0, kill_group: bool = True) -> None:
    """Ask a process to stop, and make it where it does not within the grace; returns when it is gone."""
    for signal_number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 10.0)):
        if not process.is_alive():
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal_number)
            if signal_number == signal.SIGKILL and kill_group and os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal_number)
        wait_gone(process, within_seconds=seconds)


def wait_gone(process: Process, *, within_seconds: float) -> bool:
    """Wait until a process that may not be our child is gone; False where it is still there."""
    deadline = time.monotonic() + within_seconds
    while process.is_alive():
        if time.monotonic() > deadline:
            return False
        _reap(process.pid)
        time.sleep(0.05)
    return True


def _reap(pid: int) -> None:
    """Where it is our own child, take note of its end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and which no other process of this user was given just now."""
    with _promises() as promises:
        for _ in range(500):
            port = _CHANCE.choice(_FREE_PORTS)
            if port not in promises and is_free(port):
                promises[port] = time.monotonic()
                return port
    raise OSError("no free port was found between 10000 and 32000 on 127.0.0.1")


@contextlib.contextmanager
def _promises() -> Generator[dict[int, float]]:
    """The ports that were given lately, and when (monotonic seconds, which all processes of a machine share); what is
    added is kept. One process at a time.
    """
    try:
        file = (cache.made() / "ports").open("a+", encoding="ascii", errors="replace")
    except OSError:  # without a cache, promises are kept by nobody
        yield {}
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        file.seek(0)
        given = (line.split() for line in file)
        now = time.monotonic()
        known = {int(words[0]): float(words[1]) for words in given if len(words) == 2 and _is_promise(words)}
        promises = {port: at for port, at in known.items() if 0 <= now - at < PROMISED_SECONDS}
        yield promises
        file.truncate(0)
        file.write("".join(f"{port} {at!r}\n" for port, at in promises.items()))


def _is_promise(words: Sequence[str]) -> bool:
    return words[0].isdecimal() and words[1].replace(".", "", 1).isdecimal()


def free_ports(number: int) -> list[int]:
    """As many different free ports."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return sorted(ports)


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
            candidate.listen(1)
        except OSError:
            return False
    return True


def holder_of(port: int) -> str | None:
    """The process that listens on a port, in words; None where it cannot be found out."""
    inodes = _listening_inodes(port)
    for folder in Path("/proc").glob("[0-9]*"):
        if inodes and inodes & _socket_inodes(folder):
            return f"{_command_of(folder)} (pid {folder.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            found |= {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}
    return found


def _socket_inodes(folder: Path) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _command_of(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    return " ".join(word for word in words[:3] if word)[:80] or "a process"


def last_lines(log: Path, *, number: int = 5) -> str:
    """The end of a log, for an error's reason."""
    try:
        lines = log.read_bytes()[-8_192:].decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines[-number:] if line.strip())


def answers(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether somebody takes connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return True
    except OSError:
        return False
