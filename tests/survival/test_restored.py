"""The database restored to an older state while Temporal went on: `waymark doctor --repair` finds and mends what
disagrees, and every journey ends.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from store.tables import DeliveryRow, Enrolment, Identity
from tests.support.api import event
from tests.support.backups import back_up, restore
from tests.support.command import Done, run
from tests.support.processes import Installation, installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until
from workflows.carrying import Carrying

WAITING = range(8)  # asleep at the backup, and after it: nothing disagrees
FINISHED = range(8, 14)  # asleep at the backup; their event came after it, and they ended
LATER = range(14, 20)  # entered after the backup
RETRIED = range(20, 24)  # their first message had been refused for now by the backup, and went after it
SENDING = range(24, 26)  # their first message was on its way at the backup

JOURNEY = """\
waymark: 1
journey: two
title: Two messages
enter:
  - on: hr.learner.promoted
steps:
  - send: one
    at: anytime
  - await: {on: lms.course.started, within: 30d}
    then:
      - send: two
        at: anytime
messages:
  one: {subject: One, body: First}
  two: {subject: Two, body: Second}
"""


def address(number: int) -> str:
    return f"learner-{number}@example.org"


def promoted(*numbers: int) -> list[dict[str, Any]]:
    at = datetime.now(UTC)
    return [event("hr.learner.promoted", f"learner-{n}", time=at, email=address(n)) for n in numbers]


def started(*numbers: int) -> list[dict[str, Any]]:
    at = datetime.now(UTC)
    return [event("lms.course.started", f"learner-{n}", time=at, course="MGR-101") for n in numbers]


async def doctor(installed: Installation, *options: str) -> Done:
    url = f"http://{installed.environment['WAYMARK_HTTP_ADDRESS']}"
    return await run(None, "doctor", "--json", *options, url=url, **installed.environment)


async def agreement(installed: Installation, *options: str) -> dict[str, Any]:
    told = await doctor(installed, *options)
    assert told.output, told.errors
    return json.loads(told.output)["agreement"]


def counted(told: dict[str, Any]) -> dict[str, int]:
    return {one["kind"]: one["count"] for one in told["disagreements"]}


@pytest.mark.timeout(600)
async def test_a_restored_database_and_a_temporal_that_went_on(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """All end; what the backup knew of is not said again, and what it could not know of is, once."""
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path,
            database_url=database_url,
            temporal_address=temporal.address,
            smtp_url=smtp_sink.url,
            WAYMARK_HAND_OVER="30s",
            WAYMARK_ANSWER="10s",
        ) as installed,
    ):
        for number in RETRIED:
            smtp_sink.always(address(number), "later")
        for number in SENDING:
            smtp_sink.always(address(number), "held")
        await installed.start_all("api", "worker")
        await installed.publish("two", JOURNEY)
        await installed.emit(promoted(*WAITING, *FINISHED, *RETRIED))
        await until(lambda: len(smtp_sink.arrived) == len(WAITING) + len(FINISHED))
        await until(lambda: _has_handed_over(installed, len(RETRIED)))
        assert {} == counted(await agreement(installed))

        await installed.emit(promoted(*SENDING))
        await until(lambda: set(map(address, SENDING)) <= set(smtp_sink.attempts))
        await back_up(database_url)
        for number in RETRIED:
            smtp_sink.always(address(number), None)
        smtp_sink.released.set()
        lost = [*promoted(*LATER), *started(*FINISHED)]
        await installed.emit(lost)
        await until(lambda: installed.have_ended(len(FINISHED)))
        first = len([*WAITING, *FINISHED, *LATER, *RETRIED, *SENDING])
        await until(lambda: len(smtp_sink.arrived) == first + len(FINISHED))
        carrying = Carrying(await Client.connect(temporal.address))
        await until(lambda: _is_at_rest(installed, carrying))

        await installed.end_all()
        await installed.database.close()
        await restore(database_url)
        trying = await _under_way(installed)
        tried = sorted({*RETRIED, *SENDING} - trying)
        wanted = {
            "not_carried": len(FINISHED), "not_known": len(LATER), "not_tried": len(tried), "abandoned": len(trying)
        }  # fmt: skip
        found = await until(lambda: _found(installed, wanted), timeout=120, every=1)
        assert {one.id for one in await installed.rows(Enrolment)} >= set(_examples(found, but="not_known"))
        assert "learner-" not in json.dumps(found)

        told = (await agreement(installed, "--repair"))["disagreements"]
        assert wanted == {one["kind"]: one["mended"] for one in told if one["left"] == 0}
        await installed.start_all("api", "worker")
        await until(lambda: _agrees(installed), timeout=120)

        await installed.emit(lost)  # who sends events sends those again that the backup does not know of
        await installed.emit(started(*WAITING, *LATER, *RETRIED, *SENDING))
        await until(lambda: installed.have_ended(first), timeout=120)
        subjects = {n: [str(m.message["subject"]) for m in smtp_sink.for_(address(n))] for n in range(first)}
        assert {n: ["One", "Two"] for n in (*WAITING, *trying)} == {n: subjects[n] for n in (*WAITING, *trying)}
        assert {n: ["One", "Two", "Two"] for n in FINISHED} == {n: subjects[n] for n in FINISHED}
        assert {n: ["One", "One", "Two"] for n in (*LATER, *tried)} == {n: subjects[n] for n in (*LATER, *tried)}
        status = {(row.message, row.status) for row in await installed.rows(DeliveryRow)}
        assert {("one", "sent"), ("one", "may_have_gone"), ("two", "sent")} == status
        assert {"completed"} == {row.outcome for row in await installed.rows(Enrolment)}


async def _has_handed_over(installed: Installation, number: int) -> bool:
    rows = await installed.rows(DeliveryRow)
    return number == len([row for row in rows if row.status == "queued" and row.attempts > 0 and row.attempt is None])


async def _is_at_rest(installed: Installation, carrying: Carrying) -> bool:
    """Whether no workflow waits for a retry, and nobody is carried who has ended: a letter arrives before the retry
    that gave it is over, and the store knows of an end before Temporal does. What is killed between is still waited
    for, rightly.
    """
    rows: Sequence[Enrolment] = await installed.rows(Enrolment)
    carried = await carrying.find_running([row.id for row in rows])
    ended = {row.id for row in rows if row.status == "ended"}
    return ended.isdisjoint(carried) and all(running.retries == 0 for running in carried.values())


async def _under_way(installed: Installation) -> set[int]:
    """Whose first message was being tried at the backup: all that were held, and who was just tried again."""
    numbers = {row.learner: int(row.source_id.removeprefix("learner-")) for row in await installed.rows(Identity)}
    trying = {numbers[row.learner] for row in await installed.rows(DeliveryRow) if row.attempt is not None}
    assert {*SENDING} <= trying
    assert trying <= {*RETRIED, *SENDING}
    return trying


async def _found(installed: Installation, wanted: dict[str, int]) -> dict[str, Any]:
    told = await agreement(installed)
    assert wanted == counted(told)
    return told


async def _agrees(installed: Installation) -> bool:
    """Another one finds nothing any more to mend."""
    repaired = await doctor(installed, "--repair")
    assert {} == counted(json.loads(repaired.output)["agreement"])
    assert 0 == repaired.status
    return True


def _examples(told: dict[str, Any], *, but: str) -> list[str]:
    return [id_ for one in told["disagreements"] if one["kind"] != but for id_ in one["examples"]]
