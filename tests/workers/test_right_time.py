"""The table of right times on both performers: every send and every wait of it happens in a rehearsal, and on real
Temporal with its time moved, a real database and real SMTP; both at the table's instant, for the table's reason.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import insert

from connectors.channels import CHANNELS
from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.identity import learner_id
from journeys.rehearse import rehearse
from journeys.timeline import RehearsedEnrolment
from store.tables import Enrolment, Identity, Learner
from tests.support.compiling import compiled
from tests.support.house import Running, running_house
from tests.support.policies import keep_policy
from tests.support.smtp import SmtpSink
from tests.support.times import TimeCase, time_cases
from workflows.timelapse import Timelapse

CASES = [case for case in time_cases() if not (case.is_to_the_second or case.is_history)]
REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}
NEVER_BY = timedelta(days=30)
"""What has not gone so long after it was ready has not gone."""

AT_ONCE = 24
"""Clocks that are moved side by side."""


@dataclass(frozen=True)
class Came:
    """What came of a case: when, and the reason why it was put off, where it was."""

    at: datetime | None
    because: str | None = None


def _expected(case: TimeCase) -> Came:
    """A wait that is over already ends where it begins."""
    if case.ends is not None:
        return Came(max(case.ends, case.at))
    return Came(case.opens, case.because)


def _form(case: TimeCase) -> str:
    """The step of the case as it is written; cases of one form share a journey."""
    if case.wait is not None:
        return f"wait: {json.dumps(case.wait)}"
    assert case.send is not None
    wanted = f", at: {json.dumps(case.send['at'])}" if "at" in case.send else ""
    return f"{{send: hello, via: [email], expires: never{wanted}}}"


FORMS = sorted({_form(case) for case in CASES})


def _definition(form: str) -> str:
    number = FORMS.index(form)
    return f"""\
waymark: 1
journey: form-{number}
title: Form {number}
enter:
  - on: hr.learner.hired
    when: event.data.form == "form-{number}"
steps:
  - {form}
  - end: over
messages:
  hello: {{subject: Hello, body: Hello.}}
"""


def _learner(case: TimeCase) -> str:
    return f"learner-{CASES.index(case)}"


def _profile(case: TimeCase) -> dict[str, Json]:
    return {**case.profile, "email": f"{_learner(case)}@example.com"}


def _entry(case: TimeCase) -> Event:
    """Known today, taking effect at the instant of the case."""
    data = {**case.data, "form": f"form-{FORMS.index(_form(case))}"}
    now = datetime.now(UTC).replace(microsecond=0)
    return Event(f"enters-{_learner(case)}", "/tests/hr", "hr.learner.hired", _learner(case), now, data, case.at)


def _looked_at(case: TimeCase) -> datetime:
    """When it is looked at: an hour after what is expected, or so late that it would have gone."""
    at = _expected(case).at
    return case.at + NEVER_BY if at is None else at + timedelta(hours=1)


def _policy(case: TimeCase) -> dict[str, Json]:
    """The budget is another matter."""
    return {**case.plain_policy, "budget": None}


# --- the rehearsal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id.replace(" ", "-"))
def test_in_a_rehearsal_every_case_comes_at_its_time(case: TimeCase) -> None:
    """The instant of the table, and its reason."""
    event = _entry(case)
    told = rehearse(
        compiled(_definition(_form(case))), {_learner(case): _profile(case)}, [event], reach=REACH,
        policy=case.policy, until=_looked_at(case) - event.time,
    )  # fmt: skip
    (enrolment,) = told.learners[0].enrolments
    assert _expected(case) == _rehearsed(case, enrolment)


def _rehearsed(case: TimeCase, enrolment: RehearsedEnrolment) -> Came:
    kind = "ended" if case.wait is not None else "sent"
    at = next((entry.at for entry in enrolment.timeline if entry.kind == kind), None)
    return Came(at, _reason(case, [e.reason or "" for e in enrolment.timeline if e.kind == "deferred"]))


def _reason(case: TimeCase, deferred: Sequence[str]) -> str | None:
    """The case's reason, where the first line that tells of a deferral ends with it; else that line."""
    if not deferred:
        return None
    return case.because if deferred[0].endswith(f": {case.because}.") else deferred[0]


# --- the real performer -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
async def test_on_real_servers_every_case_comes_at_its_time(
    sqlite_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """All cases in one house: the policies of the table one after the other, each with the clocks of its own cases."""
    async with running_house(
        database_url=sqlite_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as house:
        for form in FORMS:
            await house.publish(_definition(form))
        await _introduce(house)
        house.story_now = min(case.at for case in CASES) - timedelta(days=1)  # no further ahead than events may be
        taken = await house.take(*(_entry(case) for case in CASES))
        assert {"accepted"} == {each.status for each in taken}
        await house.quiet()
        enrolments = await _enrolments(house)
        timelapse = Timelapse(house.house.client, concurrency=AT_ONCE)
        for policy, cases in _by_policy():
            await keep_policy(sqlite_url, policy)
            moves = (timelapse.move([enrolments[_learner(case)].id], _looked_at(case)) for case in cases)
            await asyncio.gather(*moves)
        await house.quiet()
        came = {case.id: await _came(house, case, enrolments[_learner(case)].id) for case in CASES}
    assert {case.id: _expected(case) for case in CASES} == came
    expected = sorted(
        str(_profile(case)["email"]) for case in CASES if case.send is not None and case.opens is not None
    )
    assert expected == sorted(mail.recipient for mail in smtp_sink.arrived)


async def _introduce(house: Running) -> None:
    now = datetime.now(UTC)
    rows = [
        {"id": _our_id(house, case), "source_id": _learner(case), "profile": _profile(case), "profile_times": {},
         "created_at": now, "updated_at": now}
        for case in CASES
    ]  # fmt: skip
    async with house.house.database.write() as session:
        core = await session.connection()
        await core.execute(insert(Learner), rows)
        await core.execute(insert(Identity), [{"source_id": row["source_id"], "learner": row["id"]} for row in rows])


def _our_id(house: Running, case: TimeCase) -> str:
    return learner_id(house.house.settings.signing_secret(), _learner(case))


async def _enrolments(house: Running) -> dict[str, Enrolment]:
    """Each case has one."""
    ours = {_our_id(house, case): _learner(case) for case in CASES}
    found = {ours[each.learner]: each for each in await house.enrolments()}
    assert len(CASES) == len(found)
    return found


def _by_policy() -> Sequence[tuple[dict[str, Json], list[TimeCase]]]:
    groups: dict[bytes, list[TimeCase]] = {}
    for case in CASES:
        groups.setdefault(orjson.dumps(_policy(case), option=orjson.OPT_SORT_KEYS), []).append(case)
    return [(_policy(cases[0]), cases) for cases in groups.values()]


async def _came(house: Running, case: TimeCase, enrolment: str) -> Came:
    kind = "ended" if case.wait is not None else "sent"
    journal = await house.journal(enrolment)
    at = next((line.at for line in journal if line.kind == kind), None)
    return Came(at, _reason(case, [line.text for line in journal if line.kind == "deferred"]))
