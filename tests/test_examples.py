"""The example journeys: each compiles without a word, and its rehearsal is what its folder says.

examples/<name>/journey.yaml     the definition
                learners.yaml    profiles by the learner's id
                events.jsonl     what happens
                expected.yaml    for each enrolment: how it ended, and what was said to whom, in the order it went
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.channels import CHANNELS
from connectors.sources import Raw, Translated
from connectors.sources.cloudevents import CloudEvents
from journeys.compiler import compile_definition
from journeys.composing import Reach
from journeys.events import Event
from journeys.policy import DEFAULT_POLICY
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.timeline import Rehearsal
from waymark.vocabulary import vocabulary

ROOT = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(folder for folder in ROOT.iterdir() if (folder / "journey.yaml").exists())
REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}

each_example = pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)


def test_there_are_thirteen_and_the_list_names_each() -> None:
    """The page of the examples has a line for each."""
    page = (ROOT / "README.md").read_text()
    assert 13 == len(EXAMPLES)
    assert [] == [folder.name for folder in EXAMPLES if f"({folder.name}/journey.yaml)" not in page]


@each_example
def test_an_example_compiles_without_a_word(folder: Path) -> None:
    """No error, and no warning either."""
    compiled = compile_definition((folder / "journey.yaml").read_text(), vocabulary=vocabulary())
    assert () == compiled.problems
    assert compiled.program is not None
    assert folder.name == compiled.program.journey


@each_example
def test_an_example_is_rehearsed_as_its_folder_says(folder: Path) -> None:
    """By the policy that holds until somebody changes it: every outcome and every message, at its instant."""
    assert yaml.safe_load((folder / "expected.yaml").read_text()) == told(rehearsed(folder))


def rehearsed(folder: Path) -> Rehearsal:
    """The rehearsal of an example."""
    program = compile_definition((folder / "journey.yaml").read_text(), vocabulary=vocabulary()).program
    assert isinstance(program, Program)
    events = [_event(line) for line in (folder / "events.jsonl").read_bytes().splitlines() if line.strip()]
    learners = yaml.safe_load((folder / "learners.yaml").read_text())
    return rehearse(program, learners, events, reach=REACH, policy=DEFAULT_POLICY)


def told(rehearsal: Rehearsal) -> dict[str, Any]:
    """What came of it, as `expected.yaml` says it; learners whom nothing was said to are left out."""
    return {
        f"{learner.learner} {each.key}".strip(): {
            "outcome": each.outcome,
            "messages": [
                f"{m.at:%Y-%m-%d %H:%M} {m.message} to {m.recipient} by {m.channel}: {m.subject}" for m in each.messages
            ],
        }
        for learner in rehearsal.learners
        for each in learner.enrolments
    }


def _event(line: bytes) -> Event:
    (translation,) = CloudEvents.translate(Raw(line))
    assert isinstance(translation, Translated), translation
    return translation.event
