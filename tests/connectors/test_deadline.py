"""A deadline, and a loop that stands still over it."""

import asyncio
import time

import pytest

from connectors.deadline import LAST_LOOK_SECONDS, Deadline


async def test_what_takes_too_long_is_ended() -> None:
    """And what was put off ends by the new one."""

    async def wait(seconds: float, new: float) -> None:
        async with Deadline(seconds) as deadline:
            deadline.put_off(new)
            await asyncio.get_running_loop().create_future()

    for seconds, new in [(0.01, 0.01), (3_600, 0.01)]:
        with pytest.raises(TimeoutError):
            await wait(seconds, new)


async def test_what_begins_has_its_time() -> None:
    """The deadline is only put off by it, never made earlier."""
    async with Deadline(3_600) as deadline:
        deadline.begin(0)
        await asyncio.sleep(0.02 + LAST_LOOK_SECONDS)
    async with Deadline(0.5) as deadline:  # a busy machine may do something else before it begins
        deadline.begin(3_600)
        await asyncio.sleep(0.52 + LAST_LOOK_SECONDS)


async def test_nothing_begins_in_the_last_look() -> None:
    """It is for reading."""
    async with Deadline(0.1) as deadline:
        await asyncio.sleep(0.1 + LAST_LOOK_SECONDS / 10)
        with pytest.raises(TimeoutError):
            deadline.begin(3_600)


async def test_what_has_ended_is_left_alone() -> None:
    """Nothing of it comes later."""
    async with Deadline(0.01):
        pass
    await asyncio.sleep(0.02 + LAST_LOOK_SECONDS)


async def test_what_had_arrived_while_the_loop_stood_still_is_read() -> None:
    """In several steps, of which each needs another round of the loop."""
    near, far = await asyncio.open_connection(*await _says_two_lines())
    async with Deadline(0.1):
        asyncio.get_running_loop().call_soon(time.sleep, 0.5)
        said = [await near.readline(), await near.readline()]
    far.close()
    assert [b"one\n", b"two\n"] == said


async def _says_two_lines() -> tuple[str, int]:
    async def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"one\n")
        await asyncio.sleep(0.02)
        writer.write(b"two\n")
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    return host, port


async def test_a_cancelled_one_is_cancelled() -> None:
    """It is no time-out of ours."""

    async def wait() -> None:
        async with Deadline(3_600):
            await asyncio.get_running_loop().create_future()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
