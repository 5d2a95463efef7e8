"""Running `waymark` as a person would: a process of its own, with settings in its environment."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.support.api import KEY, Api

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    output: str
    errors: str


async def begin(
    api: Api | None,
    *command: str,
    url: str | None = None,
    key: str = KEY,
    stdin: int = PIPE,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """Begin a command against this API; `settings` go to the environment as they are named."""
    url = url or (f"http://127.0.0.1:{api.port}" if api is not None else "http://127.0.0.1:9")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYMARK_", "TEMPORAL_"))}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "waymark", *command, cwd=ROOT, stdin=stdin, stdout=PIPE, stderr=PIPE,
        env={**clean, "WAYMARK_HOME": "/nonexistent/home", "WAYMARK_API_URL": url, "WAYMARK_API_KEY": key, **settings},
    )  # fmt: skip


async def run(
    api: Api | None, *command: str, url: str | None = None, key: str = KEY, given: str = "", **settings: str
) -> Done:
    """Run a command to its end."""
    process = await begin(api, *command, url=url, key=key, settings=settings)
    output, errors = await process.communicate(given.encode())
    assert process.returncode is not None
    return Done(process.returncode, output.decode(), errors.decode())
