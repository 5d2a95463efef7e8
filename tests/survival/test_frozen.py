"""A worker frozen (SIGSTOP) in the middle of a send, longer than its lease, while another takes over; then let go.

The SMTP server holds its answer, before the letter or after it; its own record is the judge.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.tables import DeliveryRow, Enrolment, JournalRow
from tests.support.api import event
from tests.support.processes import Installation, installation, own_temporal
from tests.support.smtp import Behaviour, SmtpSink
from tests.support.until import until

ADA = "ada@example.org"
JOURNEY = """\
waymark: 1
journey: two
title: Two messages
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - send: two
    at: anytime
messages:
  one: {subject: One, body: First}
  two: {subject: Two, body: Second}
"""


async def by_message(installed: Installation) -> dict[str, DeliveryRow]:
    """The first delivery of each."""
    return {row.message: row for row in await installed.rows(DeliveryRow) if row.leg == 0}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("behaviour", "arrives", "statuses"),
    [
        # the letter was taken before the freeze: its answer, where it is read in time, is the truth
        ("held_after_data", ["One", "Two"], {"sent", "may_have_gone"}),
        # the letter was not given yet: it must not be given by that attempt, and goes by another one
        ("held", ["Two", "One"], {"failed"}),
    ],
)
async def test_a_worker_frozen_in_the_middle_of_a_send(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path, behaviour: Behaviour, arrives: list[str], statuses: set[str]
) -> None:
    """Another one takes the journey to its end; the first one, let go, says nothing twice, and tells what it knows."""
    smtp_sink.treat(ADA, behaviour)
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url,
            WAYMARK_HAND_OVER="10s", WAYMARK_ANSWER="10s",
        ) as installed,
    ):  # fmt: skip
        await installed.start_all("api", "worker")
        await installed.publish("two", JOURNEY)
        given = {"given_name": "Ada", "email": ADA}
        await installed.emit([event("hr.learner.promoted", "ada", time=datetime.now(UTC), **given)])
        await until(lambda: len(smtp_sink.attempts) == 1 and (behaviour == "held" or smtp_sink.arrived))
        installed.freeze("worker")
        await installed.start("worker", "another worker")
        await until(lambda: installed.have_ended(1), timeout=120, every=0.2)
        deliveries = await by_message(installed)
        assert ("may_have_gone", "sent") == (deliveries["one"].status, deliveries["two"].status)
        smtp_sink.released.set()
        installed.thaw("worker")

        async def has_told() -> bool:
            return (await by_message(installed))["one"].attempt is None

        if behaviour == "held":
            await until(has_told, timeout=120)
            await until(lambda: len(smtp_sink.arrived) == 2, timeout=120)

        async def is_written() -> bool:
            rows: Sequence[DeliveryRow] = await installed.rows(DeliveryRow)
            return all(row.attempt is None for row in rows if row.status != "may_have_gone")

        await until(is_written)
        assert 0 == await installed.stop("worker")  # in order: whatever it was doing is done
        deliveries = await by_message(installed)
        assert deliveries["one"].status in statuses
        assert "sent" == deliveries["two"].status
        assert arrives == [str(mail.message["subject"]) for mail in smtp_sink.arrived]
        (enrolment,) = await installed.rows(Enrolment)
        assert ("ended", "completed", None) == (enrolment.status, enrolment.outcome, enrolment.lease_until)
        kinds = Counter(line.kind for line in await installed.rows(JournalRow) if line.kind != "deferred")
        assert {"entered": 1, "sent": 2, "ended": 1} | ({"resent": 1} if behaviour == "held" else {}) == kinds
