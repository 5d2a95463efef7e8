"""The generic LMS against a server that speaks its protocol."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.lms import LMS_KINDS, Assignment, Lms, LmsSettings, open_lmss
from connectors.lms.base import lms
from connectors.requests import OutgoingRequest, Reply
from tests.connectors.systems import TOKEN, Plan, System, by_token

ONE = OutgoingRequest("req-1", "ada", {"course": "MGR-101", "due": "2026-05-01T09:00:00Z"})


@pytest.fixture
async def moodle(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """An LMS, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    system = System(by_token)
    await system.start()
    yield system
    await system.stop()


async def attempt(system: System, *, outgoing: OutgoingRequest = ONE, within_seconds: float = 10.0) -> Reply:
    values = {"WAYMARK_LMS_MOODLE_URL": f"{system.url}/", "WAYMARK_LMS_MOODLE_TOKEN": TOKEN}
    opened = open_lmss(values, within_seconds=within_seconds)["moodle"]
    try:
        return await opened.request(outgoing)
    finally:
        await opened.close()


async def test_the_protocol(moodle: System) -> None:
    """Learner, course and due date, a bearer token, the request's id as the idempotency key."""
    await attempt(moodle)
    (asked,) = moodle.asked
    assert ("/waymark/enrolments", "req-1") == (asked.path, asked.id)
    assert {"learner": "ada", "course": "MGR-101", "due": "2026-05-01T09:00:00Z"} == asked.body


async def test_a_course_without_a_date(moodle: System) -> None:
    """Then `due` is null."""
    await attempt(moodle, outgoing=OutgoingRequest("req-1", "ada", {"course": "MGR-101"}))
    assert [None] == [asked.body["due"] for asked in moodle.asked]


@pytest.mark.parametrize("status", [200, 201, 204, 409])
async def test_what_is_done(moodle: System, status: int) -> None:
    """A course that she has already is assigned."""
    moodle.plans = [Plan(status, {}, b"" if status == 204 else b"said")]
    assert str(status) == (await attempt(moodle)).words.split()[0]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Retryable) for status in (408, 425, 429, 500, 503)),
        *((status, Permanent) for status in (400, 404, 410, 422)),
        *((status, Misconfigured) for status in (301, 307, 401, 403)),
    ],
)
async def test_each_status_says_who_must_act(moodle: System, status: int, expected: type[ConnectorError]) -> None:
    """A token that opens nothing is the operator's to mend; an unknown course is final, with the LMS's own words."""
    moodle.plans = [Plan(status, {"location": moodle.url, "retry-after": "7"}, b"unknown course")]
    with pytest.raises(ConnectorError) as raised:
        await attempt(moodle)
    assert (expected, f"{status} unknown course") == (type(raised.value), raised.value.provider_words)
    if isinstance(raised.value, Retryable):
        assert timedelta(seconds=7) == raised.value.after
    assert TOKEN not in str(raised.value)
    assert 1 == len(moodle.asked)


@pytest.mark.parametrize("trouble", ["hang", "drop", "stall"])
async def test_what_left_no_answer_is_repeated_under_the_same_key(moodle: System, trouble: str) -> None:
    """The LMS that remembers the key does nothing twice."""
    moodle.plans = [trouble]  # type: ignore[list-item]  # one of the troubles
    with pytest.raises(Retryable):
        await attempt(moodle, within_seconds=2.0)
    await attempt(moodle)
    assert ["req-1", "req-1"] == [asked.id for asked in moodle.asked]


@pytest.mark.parametrize("plan", [Plan(200, {}, b"<html>"), Plan(200, {}, b"a" * 300_000), "endless"], ids=str)
async def test_what_it_says_besides_does_not_matter(moodle: System, plan: Plan) -> None:
    """Garbage and endless talk behind a 2xx: it is done, and what is kept of it is short."""
    moodle.plans = [plan]
    assert len((await attempt(moodle)).words) <= 2_100


def test_an_address_without_a_token_is_an_error() -> None:
    """It names the setting that is missing, and every other wrong one."""
    with pytest.raises(Misconfigured) as raised:
        open_lmss({"WAYMARK_LMS_MOODLE_URL": "https://lms.example.org", "WAYMARK_LMS_OUR_LMS_URL": "nowhere"})
    assert "WAYMARK_LMS_MOODLE_TOKEN" in str(raised.value)
    assert "WAYMARK_LMS_OUR_LMS_URL" in str(raised.value)


async def test_a_kind_registered_under_its_name_serves_that_lms() -> None:
    """Every other is spoken to by the generic protocol; a second of a word is an error that names both files."""
    before = dict(LMS_KINDS)
    try:

        @lms("special")
        class Special(Lms):
            def __init__(self, settings: LmsSettings, *, within_seconds: float) -> None:
                self.name = settings.name

            async def assign(self, assignment: Assignment) -> Reply:
                return Reply(words=f"{self.name} {assignment.course}")

            async def close(self) -> None:
                pass

        values = {"WAYMARK_LMS_SPECIAL_URL": "https://lms.example.org", "WAYMARK_LMS_SPECIAL_TOKEN": TOKEN}
        assert "special MGR-101" == (await open_lmss(values)["special"].request(ONE)).words
        with pytest.raises(TypeError, match="'special' is defined twice"):
            lms("special")(Special)
    finally:
        LMS_KINDS.clear()
        LMS_KINDS.update(before)
