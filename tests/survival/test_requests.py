"""A worker is killed (-9) while another system is being asked: it is asked again under the same id, what it says is
kept, and the journey goes on to start another. Real processes, with the settings as an operator writes them.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from store.tables import Enrolment, RequestRow
from tests.connectors.systems import SECRET, TOKEN, Plan, System, by_signature, by_token
from tests.support.api import event
from tests.support.processes import installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until

FIRST = """\
waymark: 1
journey: first
title: First
enter: [{on: hr.learner.promoted}]
steps:
  - call: crm
    body: {who: learner.id}
    keep: {account: id}
  - assign: {lms: moodle, course: MGR-101}
  - enrol: {journey: second, data: {account: vars.account}}
"""
SECOND = """\
waymark: 1
journey: second
title: Second
enter: [{on: hr.learner.left}]
steps:
  - set: {account: entry.data.account}
"""


@pytest.mark.timeout(300)
async def test_a_request_outlives_the_process_that_made_it(
    database_url: str, smtp_sink: SmtpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt hangs when its process dies; the LMS is busy at first; both are done once, by their ids."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    crm = System(by_signature, usual=Plan(200, {}, b'{"id": "A-7"}'), plans=["hang"])
    moodle = System(by_token, plans=[Plan(503)])
    await crm.start()
    await moodle.start()
    settings = {
        "WAYMARK_CALL_CRM_URL": crm.url, "WAYMARK_CALL_CRM_SECRET": SECRET,
        "WAYMARK_LMS_MOODLE_URL": moodle.url, "WAYMARK_LMS_MOODLE_TOKEN": TOKEN,
        "WAYMARK_HAND_OVER": "10s", "WAYMARK_ANSWER": "10s",
    }  # fmt: skip
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url, **settings
        ) as installed,
    ):
        await installed.start_all("worker", "api", "bridge")
        await installed.publish("first", FIRST)
        await installed.publish("second", SECOND)
        await installed.emit([event("hr.learner.promoted", "ada", id_="1", time=datetime.now(UTC))])
        await until(lambda: crm.asked)
        await installed.kill("worker")
        await installed.start("worker")
        await until(lambda: installed.have_ended(2), timeout=180)
        requests: list[RequestRow] = list(await installed.rows(RequestRow))
        enrolments: list[Enrolment] = list(await installed.rows(Enrolment))
        assert {("call", "done"), ("lms", "done")} == {(row.service, row.status) for row in requests}
        assert {row.id for row in requests} == crm.done | moodle.done
        assert (2, 2) == (len(crm.asked), len(moodle.asked))
        (second,) = [row for row in enrolments if row.journey == "second"]
        assert '"account":"A-7"' in second.run
    await crm.stop()
    await moodle.stop()
