"""The workflows replay every history that was recorded of them: enrolments that began months ago go on under new
code.
"""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests.support.record_histories import (
    CONTINUED,
    CONTINUED_WHEN_POKED,
    CUT_OFF,
    DRAFTING_SCENARIOS,
    SCENARIOS,
    recorded,
)
from workflows.contracts import DRAFTING_WORKFLOW, ENROLMENT_WORKFLOW, Drafted, Drafting, Ended, Living
from workflows.drafting import DraftingWorkflow
from workflows.enrolment import EnrolmentWorkflow

HISTORIES = recorded()


def history(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(name, HISTORIES[name])


def last_of(name: str) -> str:
    return json.loads(HISTORIES[name])["events"][-1]["eventType"].removeprefix("EVENT_TYPE_")


@workflow.defn(name=ENROLMENT_WORKFLOW)
class Changed:
    """One that waits before its first turn."""

    @workflow.signal
    def poke(self) -> None:
        pass

    @workflow.run
    async def run(self, living: Living) -> Ended:
        await asyncio.sleep(1)
        return Ended(living.enrolment)


@workflow.defn(name=DRAFTING_WORKFLOW)
class DraftingChanged:
    """One that waits before its first call."""

    @workflow.run
    async def run(self, drafting: Drafting) -> Drafted:
        await asyncio.sleep(1)
        return Drafted(drafting.draft)


def test_every_kind_of_run_was_recorded() -> None:
    """Waits, pokes, retries, turns that failed, a clock that was moved; one that goes on as a new run, and that run;
    some that are cut off in the middle; texts sent back, put off, given up.
    """
    recorded_ones = {*SCENARIOS, *CUT_OFF, *CONTINUED, CONTINUED_WHEN_POKED, *DRAFTING_SCENARIOS}
    assert recorded_ones <= HISTORIES.keys()


def test_histories_end_as_their_names_say() -> None:
    """What is replayed below is what their names say."""
    assert {"cut-off-in-a-wait": "TIMER_STARTED", "cut-off-in-a-retry": "ACTIVITY_TASK_SCHEDULED",
            "cut-off-in-a-turn": "WORKFLOW_TASK_STARTED"} == {name: last_of(name) for name in CUT_OFF}  # fmt: skip
    assert ["WORKFLOW_EXECUTION_CONTINUED_AS_NEW", "WORKFLOW_EXECUTION_COMPLETED"] == [last_of(n) for n in CONTINUED]
    assert "WORKFLOW_EXECUTION_CONTINUED_AS_NEW" == last_of(CONTINUED_WHEN_POKED)


@pytest.mark.parametrize("name", sorted(HISTORIES))
async def test_a_recorded_history_replays(name: str) -> None:
    """In the sandbox, so that what would differ between two runs is seen as well."""
    await Replayer(workflows=[EnrolmentWorkflow, DraftingWorkflow]).replay_workflow(history(name))


@pytest.mark.parametrize("name", sorted(HISTORIES))
async def test_a_workflow_that_does_otherwise_does_not(name: str) -> None:
    """So that the test above can fail."""
    replayer = Replayer(workflows=[Changed, DraftingChanged], workflow_runner=UnsandboxedWorkflowRunner())
    with pytest.raises(workflow.NondeterminismError):
        await replayer.replay_workflow(history(name))


@pytest.mark.parametrize("name", sorted(HISTORIES))
def test_a_history_knows_no_person(name: str) -> None:
    """Ids and instants only: no name, no address, no subject of a message."""
    text = " ".join(readable(json.loads(HISTORIES[name]))).lower()
    assert "enr-" in text or "drf-" in text
    assert [] == re.findall(r"\bada\b|example\.org|hello|about one|firm\.example|course|minutes|hurry", text)


def readable(found: Any) -> Iterator[str]:
    """Every text of a history, payloads decoded."""
    match found:
        case {"data": str() as data, "metadata": _}:
            yield b64decode(data).decode()
        case dict():
            for value in found.values():
                yield from readable(value)
        case list():
            for value in found:
                yield from readable(value)
        case _:
            yield str(found)
