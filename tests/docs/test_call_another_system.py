"""The page on calls: its journey is rehearsed with its answers, its settings are read, its receiver runs."""

import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from connectors.calls.opening import open_calls
from connectors.errors import Permanent
from connectors.requests import OutgoingRequest
from journeys.compiler import Vocabulary, compile_definition
from journeys.composing import Reach
from journeys.events import Event
from journeys.rehearse import rehearse
from waymark.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "call-another-system.md").read_text("utf-8")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    return found


@pytest.fixture
def values(tmp_path: Path) -> dict[str, str]:
    """The page's settings, from a `.env`."""
    (tmp_path / ".env").write_text(block("ini"))
    return load(environment={}, dotenv=tmp_path / ".env", with_home=False).settings.of_systems()


def test_the_journey_is_whole_and_is_rehearsed_with_the_answers() -> None:
    """No problem, where the call is set up; and she gets the message that the answer makes."""
    vocabulary = Vocabulary(calls_set_up=frozenset({"crm"}))
    compiled = compile_definition(block("yaml"), vocabulary=vocabulary)
    assert () == compiled.problems
    assert compiled.program is not None
    event = Event("1", "hr", "hr.learner.promoted", "ada", NOW, {"email": "ada@example.org", "position_id": "p"})
    reach = {"email": Reach(is_set_up=True, address_field="email")}
    answers = yaml.safe_load(block("yaml answers"))
    (ada,) = rehearse(compiled.program, {}, [event], reach=reach, answers=answers).learners
    assert ["It is A-7. Grace looked after it until today."] == [m.text for m in ada.enrolments[0].messages]
    (ada,) = rehearse(compiled.program, {}, [event], reach=reach).learners
    assert [] == list(ada.enrolments[0].messages)
    assert "told no answer of crm" in " ".join(str(entry.reason) for entry in ada.timeline)


def test_the_settings_are_read(values: dict[str, str]) -> None:
    """Both of them."""
    assert {"crm"} == set(open_calls(values))


async def test_the_receiver_takes_what_is_signed_and_answers_the_same_again(
    values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs as it stands; the second attempt under one id is answered as the first; a wrong secret is refused."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "hook.py").write_text(block("python"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(tmp_path / "hook.py"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        values["WAYMARK_CALL_CRM_URL"] = (await process.stdout.readline()).decode().strip()
        call = open_calls(values)["crm"]
        first = await call.request(OutgoingRequest("req-1", "ada", {"team": "north"}))
        again = await call.request(OutgoingRequest("req-1", "ada", {"team": "north"}))
        other = await call.request(OutgoingRequest("req-2", "ada", {"team": "north"}))
        await call.close()
        assert {"account": {"id": "A-1"}, "owners": [{"name": "Grace"}], "for": "north"} == first.values
        assert (first.values, True) == (again.values, other.values != first.values)
        wrong = open_calls({**values, "WAYMARK_CALL_CRM_SECRET": "whsec_" + "YWJj" * 11})["crm"]
        with pytest.raises(Permanent, match="401"):
            await wrong.request(OutgoingRequest("req-3", "ada", {"team": "north"}))
        await wrong.close()
    finally:
        process.kill()
        await process.wait()
