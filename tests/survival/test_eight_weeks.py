"""Eight weeks on the real server in a moment of wall time, equal to the rehearsal's timeline to the second."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journeys.events import Event, Json
from journeys.rehearse import rehearse
from tests.connectors.channels.receiver import Receiver
from tests.connectors.systems import System
from tests.journeys.test_golden import REACH
from tests.support.compiling import compiled
from tests.support.golden import GoldenScript, rehearsed
from tests.support.playing import play
from tests.support.smtp import SmtpSink

JOURNEY = Path(__file__).parents[2] / "examples" / "first-time-manager" / "journey.yaml"
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def event(type_: str, learner: str, after: timedelta, **data: Json) -> Event:
    return Event(f"{type_} {learner} {after}", "hr", type_, learner, MONDAY + after, data)


def promoted(learner: str, after: timedelta, department: str) -> Event:
    return event(
        "hr.learner.promoted", learner, after, to_level="manager", position_id="p-1", country="GB",
        given_name=learner.title(), email=f"{learner}@example.org", department=department, team="Blue",
    )  # fmt: skip


def story() -> GoldenScript:
    """Ada takes the course, Ben does nothing, and both come through the eight weeks; Cleo leaves in the fifth."""
    day, hour = timedelta(days=1), timedelta(hours=1)
    events = (
        promoted("ada", 0 * day, "Sales"),
        promoted("ben", 1 * hour, "Product"),
        promoted("cleo", 2 * hour, "Finance"),
        event("lms.course.started", "ada", 3 * day, course="MGR-101"),
        event("lms.course.completed", "ada", 20 * day, course="MGR-101"),
        event("hr.learner.left", "cleo", 30 * day),
    )
    definition = JOURNEY.read_text()
    told = rehearsed(rehearse(compiled(definition), {}, events, reach=REACH))
    return GoldenScript("eight-weeks", definition, {}, events, {}, told)


@pytest.mark.timeout(300)
async def test_eight_weeks_pass_as_rehearsed(
    sqlite_url: str,
    temporal_address: str,
    smtp_sink: SmtpSink,
    receiver: Receiver,
    moodle: System,
    tmp_path: Path,
) -> None:
    """Every enrolment, every line of its journal and every message."""
    script = story()
    (ben,) = script.expected["ben"]
    took = datetime.fromisoformat(ben["timeline"][-1]["at"]) - MONDAY
    assert took >= timedelta(weeks=8)
    began = time.monotonic()
    await play(
        script, database_url=sqlite_url, temporal_address=temporal_address, smtp_sink=smtp_sink, receiver=receiver,
        moodle=moodle, home=tmp_path,
    )  # fmt: skip
    print(f"{took} for three learners in {time.monotonic() - began:.1f} s")
