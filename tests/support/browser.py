"""A real browser, driven over the pipe that Chromium opens for that (`--remote-debugging-pipe`): no server, no port and
no package between.
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.until import LONGEST_SECONDS, until

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
"""The browser of this machine, if it has one."""

_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--hide-scrollbars",
)  # fmt: skip

_START = (
    "import fcntl, os, sys; "
    "r, w = (fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]); "
    "os.dup2(r, 3); os.dup2(w, 4); os.execv(sys.argv[3], sys.argv[3:])"
)
"""Chromium reads its orders from 3 and answers on 4, whatever else is open there in a test."""


@dataclass
class Tab:
    """One page in it. `complaints` are what the page itself logged as errors, and what its policy stopped."""

    _browser: "_Pipe"
    _session: str
    complaints: list[str] = field(default_factory=list[str])

    async def open(self, url: str) -> None:
        """Go there, and wait until it stands."""
        await self._do("Page.navigate", url=url)
        await until(lambda: self.run("document.readyState === 'complete' && location.href !== 'about:blank'"))

    async def run(self, script: str) -> Any:
        """What the script is worth in the page; awaited where it is a promise."""
        said = await self._do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise AssertionError(said["exceptionDetails"]["exception"].get("description", said))
        return said["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until the script is worth something true."""
        await until(lambda: self.run(f"Boolean({script})"))

    async def press(self, key: str) -> None:
        """One key, as hands do it."""
        letter = {"text": key, "code": f"Key{key.upper()}"} if len(key) == 1 else {"code": key}
        if key == "Enter":
            letter = {"text": "\r", "code": "Enter", "windowsVirtualKeyCode": 13}
        await self._do("Input.dispatchKeyEvent", type="keyDown", key=key, **letter)
        await self._do(
            "Input.dispatchKeyEvent", type="keyUp", key=key, **{k: v for k, v in letter.items() if k != "text"}
        )

    async def write(self, text: str) -> None:
        """Text, where the cursor is."""
        await self._do("Input.insertText", text=text)

    async def size(self, width: int, height: int) -> None:
        """How large the window is."""
        await self._do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, file: Path) -> None:
        """What is to be seen, as PNG."""
        said = await self._do("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(said["data"]))

    async def _do(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.do(method, self._session, **params)


@asynccontextmanager
async def browsing() -> AsyncGenerator[Tab]:
    """A tab of a browser of its own, which ends with it."""
    assert CHROMIUM is not None, "skip where there is no browser"
    to_read, to_write = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _START, str(to_write[0]), str(to_read[1]), CHROMIUM, *_OPTIONS,
            f"--user-data-dir={home}", "about:blank", pass_fds=(to_write[0], to_read[1]),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_write[0])
        os.close(to_read[1])
        pipe = await _Pipe.opened(to_read[0], to_write[1])
        try:
            yield await pipe.tab()
        finally:
            pipe.close()
            process.terminate()
            await process.wait()


class _Pipe:
    """Messages as JSON, each ended by a zero."""

    def __init__(self, reader: asyncio.StreamReader, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def opened(cls, reads: int, writes: int) -> "_Pipe":
        reader = asyncio.StreamReader(limit=64 * 2**20)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reads, "rb"))
        return cls(reader, writes)

    def close(self) -> None:
        self._task.cancel()
        os.close(self._writer)

    async def tab(self) -> Tab:
        target = (await self.do("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.do("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log"):
            await self.do(f"{domain}.enable", session)
        return tab

    async def do(self, method: str, session: str | None = None, /, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(LONGEST_SECONDS):
            said = await answer
        if "error" in said:
            raise AssertionError(f"{method}: {said['error']}")
        return said["result"]

    async def _listen(self) -> None:
        while True:
            said = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self._complain(said, str(said["params"]["exceptionDetails"].get("text")))
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self._complain(said, str(said["params"]["entry"].get("text")))

    def _complain(self, said: dict[str, Any], what: str) -> None:
        if said.get("sessionId") in self._tabs:
            self._tabs[said["sessionId"]].complaints.append(what)
