"""The journeys in the how-to pages compile as they stand."""

import re
from pathlib import Path

import pytest

from journeys.compiler import compile_definition

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-journey.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[1].removeprefix("journey: ").split()[0])
def test_blocks(block: str) -> None:
    """Each is a whole definition without a problem."""
    assert compile_definition(block).problems == ()


def test_there_are_blocks() -> None:
    """The page shows four journeys."""
    assert len(BLOCKS) == 4
