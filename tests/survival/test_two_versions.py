"""Two workers, one that knew a journey before its second version and one that never knew it otherwise, carry enrolments
of both: each learner gets what was written in the version that she entered.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.tables import DeliveryRow, Enrolment
from tests.support.api import event
from tests.support.processes import Installation, installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until

EACH = 8
JOURNEY = """\
waymark: 1
journey: changing
title: Two messages, and a third one later
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - wait: 4s
  - send: two
    at: anytime
messages:
  one: {subject: First of version 1, body: Hello}
  two: {subject: Second of version 1, body: Hello again}
"""
MORE = """\
  - send: three
    at: anytime
messages:
  three: {subject: Third of version 2, body: Goodbye}
"""
CHANGED = JOURNEY.replace("version 1", "version 2").replace("messages:\n", MORE)
SUBJECTS = {
    1: ["First of version 1", "Second of version 1"],
    2: ["First of version 2", "Second of version 2", "Third of version 2"],
}


async def promote(installed: Installation, version: int) -> None:
    events = [
        event(
            "hr.learner.promoted", f"learner-{version}-{n}", id_=f"promoted-{version}-{n}", time=datetime.now(UTC),
            given_name="Ann", email=f"learner-{version}-{n}@example.org",
        )
        for n in range(EACH)
    ]  # fmt: skip
    assert [] == (await installed.emit(events))["rejected"]


def told(sink: SmtpSink, learner: str) -> list[str]:
    return [str(mail.message["subject"]) for mail in sink.for_(f"{learner}@example.org")]


@pytest.mark.timeout(400)
async def test_two_workers_and_two_versions(database_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> None:
    """Each of them has to carry on what the other began, as each is killed once."""
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url
        ) as installed,
    ):
        await installed.start("api")
        await installed.start("worker", "old worker")
        await installed.publish("changing", JOURNEY)
        await promote(installed, 1)
        await until(lambda: len(smtp_sink.arrived) >= EACH, timeout=60)
        await installed.publish("changing", CHANGED)
        await installed.kill("old worker")
        await installed.start("worker", "new worker")
        await promote(installed, 2)
        await until(lambda: any(told(smtp_sink, f"learner-2-{n}") for n in range(EACH)), timeout=60)
        await installed.start("worker", "old worker")
        await installed.kill("new worker")
        await until(lambda: installed.have_ended(2 * EACH), timeout=150, every=0.2)
        rows = await installed.rows(Enrolment)
        assert {(1, "completed"): EACH, (2, "completed"): EACH} == {
            key: sum((row.version, row.outcome) == key for row in rows) for key in [(1, "completed"), (2, "completed")]
        }
        doubts = sum(row.status == "may_have_gone" for row in await installed.rows(DeliveryRow))
        missing = 0
        for learner, version in [(f"learner-{v}-{n}", v) for v in SUBJECTS for n in range(EACH)]:
            came = told(smtp_sink, learner)
            assert [subject for subject in SUBJECTS[version] if subject in came] == came, "in order, each once"
            missing += len(SUBJECTS[version]) - len(came)
        assert missing <= doubts <= EACH, "what did not come was open when its worker was killed"
