"""The journeys in the how-to pages compile as they stand, and what a page says of a rehearsal comes of it."""

import re
from pathlib import Path

import pytest

from connectors.sources import Raw, Translated
from connectors.sources.cloudevents import CloudEvents
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.rehearse import rehearse

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def _blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (HOW_TO / page).read_text("utf-8"), re.DOTALL)


BLOCKS = [*_blocks("write-a-journey.md", "yaml"), *_blocks("ask-learners.md", "yaml")]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[1].removeprefix("journey: ").split()[0])
def test_blocks(block: str) -> None:
    """Each is a whole definition without a problem."""
    assert compile_definition(block).problems == ()


def test_there_are_blocks() -> None:
    """The pages show eight journeys, and one."""
    assert len(BLOCKS) == 9


def test_a_survey_is_rehearsed_as_its_page_says() -> None:
    """The page's events answer the page's survey, and she gets what the answer asks for."""
    (definition,), (lines,) = _blocks("ask-learners.md", "yaml"), _blocks("ask-learners.md", "jsonl")
    program = compile_definition(definition).program
    assert program is not None
    translated = [one for line in lines.splitlines() for one in CloudEvents.translate(Raw(line.encode()))]
    events = [one.event for one in translated if isinstance(one, Translated)]
    (ada,) = rehearse(program, {}, events, reach={"email": Reach(is_set_up=True, address_field="email")}).learners
    assert ["ask-confidence", "help"] == [message.message for message in ada.enrolments[0].messages]
    assert "is: time." in ada.enrolments[0].messages[1].text
