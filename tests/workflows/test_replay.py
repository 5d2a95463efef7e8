"""The workflows replay every history that was recorded of them: enrolments that began months ago go on under new
code.
"""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests.support.record_histories import DRAFTING_SCENARIOS, FOLDER, SCENARIOS
from workflows.contracts import DRAFTING_WORKFLOW, ENROLMENT_WORKFLOW, Drafted, Drafting, Ended, Living
from workflows.drafting import DraftingWorkflow
from workflows.enrolment import EnrolmentWorkflow

HISTORIES = sorted(FOLDER.glob("*.json"))


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text())


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
    """Waits, pokes, retries, turns that failed, a clock that was moved; texts sent back, put off, given up."""
    assert {*SCENARIOS, *DRAFTING_SCENARIOS} <= {file.stem for file in HISTORIES}


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    """In the sandbox, so that what would differ between two runs is seen as well."""
    await Replayer(workflows=[EnrolmentWorkflow, DraftingWorkflow]).replay_workflow(history(file))


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
async def test_a_workflow_that_does_otherwise_does_not(file: Path) -> None:
    """So that the test above can fail."""
    replayer = Replayer(workflows=[Changed, DraftingChanged], workflow_runner=UnsandboxedWorkflowRunner())
    with pytest.raises(workflow.NondeterminismError):
        await replayer.replay_workflow(history(file))


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
def test_a_history_knows_no_person(file: Path) -> None:
    """Ids and instants only: no name, no address, no subject of a message."""
    text = " ".join(readable(json.loads(file.read_text()))).lower()
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
