"""Start one part, wait until it is ready, stop it: for tests and benchmarks that want a server of their own."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from waymark.stack import process
from waymark.stack.parts import CannotStart, NotReady, Part, PortTaken


@contextlib.asynccontextmanager
async def running(part: Part, folder: Path) -> AsyncGenerator["subprocess.Popen[bytes]"]:
    """The part, ready; its data and `log` lie below `folder`, and it is stopped at the end."""
    child = await start_ready(part, folder, log=folder / "log")
    try:
        yield child
    finally:
        await asyncio.to_thread(end, child)


async def start_ready(part: Part, folder: Path, *, log: Path) -> "subprocess.Popen[bytes]":
    """Start the part and wait until it is ready; raises PartError, and then nothing is left running."""
    child = await start(part, folder, log=log)
    try:
        await become_ready(part, child, log=log)
    except BaseException:
        await asyncio.to_thread(end, child)
        raise
    return child


async def start(part: Part, folder: Path, *, log: Path) -> "subprocess.Popen[bytes]":
    """Start the part without waiting until it is ready; raises PortTaken."""
    check_ports(part)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    launch = await asyncio.to_thread(part.prepare, folder)
    command = process.with_parent(launch.command, as_user=launch.as_user)  # in this thread, see there
    return process.start(command, environment=launch.environment, folder=Path.cwd(), log=log)


def check_ports(part: Part) -> None:
    """Raise PortTaken, with the process that has the port, where one is taken."""
    for listens in part.ports:
        if not process.is_free(listens.port, host=listens.host):
            holder = process.holder_of(listens.port)
            by = f" by {holder}" if holder else ""
            advice = (
                f": stop it, or set {listens.setting} to another port (0 takes a free one)" if listens.setting else ""
            )
            raise PortTaken(part.name, f"port {listens.port} of {listens.host} is taken{by}{advice}")


async def become_ready(part: Part, child: "subprocess.Popen[bytes]", *, log: Path) -> None:
    """Wait until the part is ready; raises CannotStart when it ends before, or is too slow."""
    deadline = asyncio.get_running_loop().time() + part.ready_within_seconds
    while True:
        ended = child.poll()
        if ended is not None:
            raise CannotStart(part.name, f"it {how_it_ended(ended)} before it was ready{_log(log)}")
        try:
            await part.make_ready()
            return
        except NotReady as not_yet:
            if asyncio.get_running_loop().time() > deadline:
                reason = f"it was not ready within {part.ready_within_seconds:.0f} s: {not_yet}{_log(log)}"
                raise CannotStart(part.name, reason) from None
        await asyncio.sleep(0.1)


def how_it_ended(returncode: int) -> str:
    """An exit status in words."""
    return f"was killed by signal {-returncode}" if returncode < 0 else f"ended with status {returncode}"


def _log(log: Path) -> str:
    lines = process.last_lines(log)
    return f"; its log is {log}" + (f" and ends with:\n{lines}" if lines else "")


def end(child: "subprocess.Popen[bytes]", *, grace_seconds: float = 15.0) -> None:
    """Stop a child of ours and wait until it is gone."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
