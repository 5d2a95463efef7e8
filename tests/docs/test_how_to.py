"""The how-to pages are run as they stand, one after the other, in one house of their own.

A `sh` block is given to bash; every line of a `text` block behind it stands in what was printed, whatever spaces are
between its words.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.until import until

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = (
    "run-it.md", "connect-a-source.md", "take-people-in.md", "rehearse-a-journey.md", "mend-what-failed.md",
    "draft-messages.md",
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A block of a page, and what it must print."""

    page: str
    script: str
    printed: tuple[str, ...]


def _blocks(page: str) -> list[Block]:
    text = (HOW_TO / page).read_text("utf-8")
    found = re.findall(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", text, re.DOTALL)
    return [Block(page, script, tuple(line for line in printed.splitlines() if line)) for script, printed in found]


@dataclass(frozen=True)
class Shell:
    """A folder with the examples, and an environment in which every port is a free one."""

    folder: Path

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """What a reader would type."""
        ours = ("WAYMARK_", "TEMPORAL_", "OPENAI_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        ports = ("TEMPORAL_PORT", "KAFKA_PORT", "MAILBOX_PORT", "MAILBOX_SMTP_PORT")
        here = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        is_up = "waymark up" in script
        listen = {"WAYMARK_HTTP_ADDRESS": "127.0.0.1:0"} if is_up else {}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8800", self.address())],
            cwd=self.folder, capture_output=True, text=True, timeout=240,
            env={**clean, **{f"WAYMARK_{port}": "0" for port in ports}, **listen, "PATH": here, "NO_PROXY": "127.0.0.1",
                 "PYTHONSAFEPATH": "1"},
        )  # fmt: skip

    def address(self) -> str:
        """Where the API is found; before anything is up, where it would be."""
        record = self.folder / ".waymark" / "stack.json"
        found = re.search(r'"http_address": "([^"]+)"', record.read_text()) if record.exists() else None
        return f"http://{found[1]}" if found else "http://127.0.0.1:8800"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell; what was started in it is stopped."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shell = Shell(tmp_path)
    yield shell
    shell.run("waymark down")


@pytest.mark.timeout(1_500)
async def test_every_block_does_what_its_page_says(shell: Shell) -> None:
    """All blocks of the pages, in order; where something is on its way through Kafka, it is waited for."""
    for block in (block for page in PAGES for block in _blocks(page)):

        def is_as_said(block: Block = block) -> bool:
            done = shell.run(block.script)
            said = _squeezed(done.stdout)
            assert 0 == done.returncode, f"{block.page}:\n{block.script}\n{done.stdout}{done.stderr}"
            missing = [line for line in block.printed if _squeezed(line) not in said]
            assert [] == missing, f"{block.page}:\n{block.script}\n{done.stdout}{done.stderr}"
            return True

        if "waymark up" in block.script:
            is_as_said()
        else:
            await until(is_as_said, timeout=200)  # one try of a block takes seconds on busy cores


def test_the_pages_have_blocks() -> None:
    """None of them is without."""
    assert all(_blocks(page) for page in PAGES)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
