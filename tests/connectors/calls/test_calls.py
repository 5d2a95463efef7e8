"""Calls against a system that checks every signature."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from connectors.calls.opening import open_calls
from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.exchange import LARGEST_ANSWER
from connectors.requests import OutgoingRequest, Reply
from tests.connectors.systems import SECRET, Plan, System, by_signature
from tests.support.until import until

PATIENT = 10.0
ONE = OutgoingRequest("req-1", "ada", {"tip": "ask one question", "round": 2, "more": {"list": [1, None, True]}})


@pytest.fixture
async def crm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """A system, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    system = System(by_signature)
    await system.start()
    yield system
    await system.stop()


def values_of(system: System) -> dict[str, str]:
    return {"WAYMARK_CALL_CRM_URL": system.url, "WAYMARK_CALL_CRM_SECRET": SECRET}


async def attempt(system: System, *, within_seconds: float = PATIENT, outgoing: OutgoingRequest = ONE) -> Reply:
    call = open_calls(values_of(system), within_seconds=within_seconds)["crm"]
    try:
        return await call.request(outgoing)
    finally:
        await call.close()


async def test_the_body_is_what_the_journey_says_and_nothing_else(crm: System) -> None:
    """A signed POST of the body; the id of the request is the webhook's id; the learner is not in it."""
    await attempt(crm)
    (asked,) = crm.asked
    assert ("/waymark", "req-1", "application/json") == (asked.path, asked.id, asked.headers["content-type"])
    assert {"tip": "ask one question", "round": 2, "more": {"list": [1, None, True]}} == asked.body


async def test_an_answer_is_kept_as_json(crm: System) -> None:
    """What a 2xx says stands in the reply, its words beside it."""
    crm.plans = [Plan(200, {"content-type": "application/json"}, b'{"account": {"id": "A-7"}}')]
    reply = await attempt(crm)
    assert Reply({"account": {"id": "A-7"}}, None, '200 {"account": {"id": "A-7"}}') == reply


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Plan(204), "is empty"),
        (Plan(200, {}, b"  \n"), "is empty"),
        (Plan(201, {}, b"<html>Thanks</html>"), "is no JSON"),
        (Plan(200, {}, b'{"a": NaN}'), "is no JSON"),
        (Plan(200, {}, b'{"a": "\xff"}'), "is no JSON"),
        (Plan(200, {}, b'{"a": "\\ud800"}'), "is no JSON"),
        (Plan(200, {"content-encoding": "gzip"}, b"\x1f\x8b\x08\x00garbage"), "is no JSON"),
        (Plan(200, {}, b'{"a": "\\u0000"}'), "NUL"),
        (Plan(200, {}, b'{"\\u0000": 1}'), "NUL"),
        (Plan(200, {}, b"[" * 65 + b"]" * 65), "nested deeper"),
        (Plan(200, {}, b"[" * 100_000 + b"]" * 100_000), "is no JSON"),
        (Plan(200, {}, b'"' + b"a" * LARGEST_ANSWER + b'"'), "larger than 256 kB"),
        ("endless", "larger than 256 kB"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_an_answer_that_cannot_be_kept_is_done_all_the_same(crm: System, plan: Plan, problem: str) -> None:
    """The status is the answer; why nothing can be kept of it is said."""
    crm.plans = [plan]
    reply = await attempt(crm)
    assert reply.values is None
    assert problem in (reply.problem or "")


async def test_as_much_as_may_be_is_read(crm: System) -> None:
    """An answer of exactly 256 kB is whole."""
    crm.plans = [Plan(200, {}, b'"' + b"a" * (LARGEST_ANSWER - 2) + b'"')]
    reply = await attempt(crm)
    assert "a" * (LARGEST_ANSWER - 2) == reply.values


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Retryable) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, Permanent) for status in (400, 401, 403, 404, 409, 410, 413, 422, 451)),
        *((status, Misconfigured) for status in (301, 302, 307, 308)),
    ],
)
async def test_each_status_says_who_must_act(crm: System, status: int, expected: type[ConnectorError]) -> None:
    """408, 425, 429 and 5xx are tried again, every other 4xx is final with the provider's words, and no redirect is
    followed, to whatever host.
    """
    crm.plans = [Plan(status, {"location": crm.url}, b"no such account")]
    with pytest.raises(ConnectorError) as raised:
        await attempt(crm)
    assert (expected, str(status), f"{status} no such account") == (
        type(raised.value), raised.value.code, raised.value.provider_words
    )  # fmt: skip
    assert 1 == len(crm.asked)


async def test_retry_after_reaches_the_caller(crm: System) -> None:
    """In seconds and as a date; where nothing is said, nobody knows."""
    at = datetime.now(UTC) + timedelta(minutes=5)
    dated = {"retry-after": format_datetime(at, usegmt=True)}
    crm.plans = [Plan(429, {"retry-after": "30"}), Plan(503, dated), Plan(503)]
    afters: list[timedelta | None] = []
    for _ in range(3):
        with pytest.raises(Retryable) as raised:
            await attempt(crm)
        afters.append(raised.value.after)
    assert timedelta(seconds=30) == afters[0]
    assert afters[1] is not None
    assert timedelta(minutes=4, seconds=30) < afters[1] <= timedelta(minutes=5)
    assert afters[2] is None


@pytest.mark.parametrize("trouble", ["hang", "drop", "stall"])
async def test_what_left_no_answer_may_be_repeated_under_the_same_id(crm: System, trouble: str) -> None:
    """No doubt is marked: the system that remembers the id does nothing twice."""
    crm.plans = [trouble]  # type: ignore[list-item]  # one of the troubles
    with pytest.raises(Retryable):
        await attempt(crm, within_seconds=2.0)
    await attempt(crm)
    assert ["req-1", "req-1"] == [asked.id for asked in crm.asked]


async def test_a_system_that_is_not_there_is_tried_again(crm: System) -> None:
    """A refused connection is nobody's fault for good, and names no path, which may be a secret."""
    values = values_of(crm)
    await crm.stop()
    call = open_calls(values)["crm"]
    with pytest.raises(Retryable, match=r"the call crm at 127\.0\.0\.1 cannot be reached") as raised:
        await call.request(ONE)
    await call.close()
    assert "/waymark" not in str(raised.value)


async def test_many_requests_go_at_once(crm: System) -> None:
    """One that hangs holds up no other."""
    crm.plans = ["hang"]
    call = open_calls(values_of(crm), within_seconds=PATIENT)["crm"]
    first = asyncio.create_task(call.request(ONE))
    await until(lambda: len(crm.asked) == 1)
    await call.request(OutgoingRequest("req-2", "ada", {}))
    assert {"req-1", "req-2"} == crm.done
    await call.close()
    with pytest.raises(Retryable):
        await first


def test_the_name_is_in_the_setting() -> None:
    """Upper case, hyphens as underscores; what is empty is absent; a secret alone sets nothing up."""
    url = {"WAYMARK_CALL_BADGE_SHOP_URL": "https://badges.example.org/x", "WAYMARK_CALL_BADGE_SHOP_SECRET": SECRET}
    other = {"WAYMARK_CALL_CRM_URL": "", "WAYMARK_CALL_ERP_SECRET": SECRET, "WAYMARK_HOME": "x"}
    assert {"badge-shop"} == set(open_calls({**url, **other}))


def test_all_wrong_settings_are_named_at_once_and_no_secret() -> None:
    """Each by its name in the environment, with how to make a secret."""
    with pytest.raises(Misconfigured) as raised:
        open_calls({"WAYMARK_CALL_A_URL": "ftp://hidden", "WAYMARK_CALL_A_SECRET": "hidden",
                    "WAYMARK_CALL_B_URL": "https://hidden.example.org"})  # fmt: skip
    text = str(raised.value)
    assert all(name in text for name in ("WAYMARK_CALL_A_URL", "WAYMARK_CALL_A_SECRET", "WAYMARK_CALL_B_SECRET"))
    assert "openssl rand" in text
    assert "hidden" not in text
