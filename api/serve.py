"""One API process: listen, say so, answer until told to stop, let what is under way finish."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn

from api.app import create_app
from api.parts import Parts

GRACE_SECONDS = 10


class CannotListen(OSError):
    """The address is taken, or not one of this machine."""


class _Server(uvicorn.Server):
    """Signals are the process's own affair, so that every part of it stops in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


async def serve(
    parts: Parts,
    *,
    host: str,
    port: int,
    ready: Callable[[int], None] = lambda _port: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled; `ready` is told the port (0 takes a free one).

    Raises CannotListen.
    """
    config = uvicorn.Config(
        create_app(parts),
        log_config=None,
        access_log=False,  # paths hold ids of learners
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="off",
    )
    server = _Server(config)
    try:
        listening = await asyncio.to_thread(listen, host, port)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}; set WAYMARK_HTTP_ADDRESS") from error
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await _until_started(server, serving)
        ready(int(listening.getsockname()[1]))
        await _until(serving, stop)
    finally:
        server.should_exit = True
        await asyncio.shield(serving)
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # only where the protocol is said does asyncio set TCP_NODELAY; without it small answers wait 40 ms for an ACK
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    return listening


async def _until_started(server: uvicorn.Server, serving: "asyncio.Task[None]") -> None:
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)


async def _until(serving: "asyncio.Task[None]", stop: asyncio.Event | None) -> None:
    if stop is None:
        await asyncio.wait({serving})
        return
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
