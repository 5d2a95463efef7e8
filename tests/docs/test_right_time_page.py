"""The page on the right time: its policy is read, its journey is whole, its rehearsal is what comes of it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from journeys.compiler import compile_definition
from journeys.policy import Policy, policy_from_json
from tests.support.api import Api, api
from tests.support.command import run

__all__ = ["api"]

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "send-at-the-right-time.md").read_text("utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, under the names that its commands use."""
    for name, kind in (("policy.yaml", "yaml policy"), ("journey.yaml", "yaml"), ("learners.yaml", "yaml learners"),
                       ("events.jsonl", "jsonl")):  # fmt: skip
        (tmp_path / name).write_text(block(kind))
    return tmp_path


def test_the_policy_and_the_journey_have_no_problem() -> None:
    """As they stand."""
    assert isinstance(policy_from_json(yaml.safe_load(block("yaml policy"))), Policy)
    assert () == compile_definition(block("yaml")).problems


async def test_the_policy_is_shown_as_the_page_shows_it_and_can_be_set(api: Api, folder: Path) -> None:
    """Before anybody changed it; then the page's own."""
    shown = (await run(api, "policy", "show")).output.splitlines()
    assert [line for line in shown if f"    {line}" not in PAGE] == []
    assert 4 == len(shown)
    done = await run(api, "policy", "set", str(folder / "policy.yaml"))
    assert (0, True) == (done.status, "from 08:30 to 17:30" in done.output), done.errors


async def test_the_rehearsal_is_what_the_page_shows(folder: Path) -> None:
    """Every message, to the minute."""
    files = [f"--{name.partition('.')[0]}={folder / name}" for name in ("events.jsonl", "learners.yaml", "policy.yaml")]
    done = await run(None, "rehearse", str(folder / "journey.yaml"), *files, "--json")
    assert 0 == done.status, done.errors
    told = [
        f"{learner['learner']:<6} {entry['at'][:10]} {entry['at'][11:16]}  {entry['message']}"
        for learner in json.loads(done.output)["learners"]
        for entry in learner["timeline"]
        if entry["kind"] == "sent"
    ]
    assert block("text").splitlines() == told
