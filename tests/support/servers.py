"""Servers that one test run shares: the first test that wants one starts it, for all the processes of the run.

A server is kept by a keeper, a process of its own, which stops it when the process that runs the tests is gone, however
that went. The run's folder holds, for each server, its data, its log, and `ready` with its address.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from waymark.stack import kafka, postgres, process, temporal
from waymark.stack.parts import Part
from waymark.stack.run import end, start_ready

FOLDER = "WAYMARK_TEST_RUN"
RUNNER = "WAYMARK_TEST_RUNNER"
START_SECONDS = 1_200.0  # on a new machine a server may have to be built


def begin_run() -> None:
    """Make the folder of this run; called once, in the process that runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="waymark-tests-"))
    runner = process.named(os.getpid())
    assert runner is not None
    os.environ[FOLDER] = str(folder)
    os.environ[RUNNER] = f"{runner.pid} {runner.identity}"


def end_run() -> None:
    """Stop what was started for this run, and remove its folder."""
    folder = Path(os.environ.pop(FOLDER))
    for file in folder.glob("*/keeper"):
        pid, _, identity = file.read_text().partition(" ")
        process.stop(process.Process(int(pid), identity), grace_seconds=30.0)
    shutil.rmtree(folder, ignore_errors=True)


def address_of(name: str) -> str:
    """The address of the server `temporal`, `kafka` or `postgresql`, started where it was not yet."""
    folder = Path(os.environ[FOLDER]) / name
    folder.mkdir(exist_ok=True)
    ready = folder / "ready"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_file():
            _keep(name, folder, ready)
    return ready.read_text()


def _keep(name: str, folder: Path, ready: Path) -> None:
    log = folder / "keeper.log"
    with log.open("ab") as output:
        command = [sys.executable, "-m", "tests.support.servers", name, str(folder)]
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
    identity = process.identify(keeper.pid)
    (folder / "keeper").write_text(f"{keeper.pid} {identity}")
    deadline = time.monotonic() + START_SECONDS
    while not ready.is_file():
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the {name} of this test run did not start:\n{process.last_lines(log, number=30)}")
        time.sleep(0.05)


def _part(name: str) -> Part:
    match name:
        case "temporal":
            return temporal.TemporalServer(temporal.take(_say).what, process.free_port(), in_memory=True)
        case "kafka":
            return kafka.KafkaServer(kafka.take(_say).what, process.free_port())
        case "postgresql":
            return postgres.PostgresServer(postgres.take(_say).what, process.free_port(), is_durable=False)
        case _:
            raise ValueError(f"there is no server {name!r} for tests")


def _say(part: str, text: str, share: float | None) -> None:
    if share is None:
        print(f"{part}: {text}", flush=True)


def keep(name: str, folder: Path) -> None:
    """Run one server until the process that runs the tests is gone, or we are told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pid, _, identity = os.environ[RUNNER].partition(" ")
    runner = process.Process(int(pid), identity)
    part = _part(name)
    server = asyncio.run(start_ready(part, folder / "server", log=folder / "log"))
    try:
        new = folder / "ready.new"
        new.write_text(part.address)
        new.rename(folder / "ready")
        _wait_for_end(runner, server)
    finally:
        end(server)
        if not runner.is_alive():
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()


def _wait_for_end(runner: process.Process, server: "subprocess.Popen[bytes]") -> None:
    while runner.is_alive() and server.poll() is None:
        time.sleep(0.5)


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]))
