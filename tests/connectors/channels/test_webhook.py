"""The channel `webhook` against a receiver that checks every signature."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from httpcore2._backends.anyio import AnyIOStream

from connectors.answers import wait_asked_for
from connectors.channels import Limits, open_channels
from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.outgoing import Outgoing
from tests.connectors.channels.receiver import SECRET, Receiver
from tests.connectors.channels.suite import PATIENT, SLOW_SECONDS, Behaviour, ChannelSuite, outgoing
from tests.support.until import until

PLANS: dict[Behaviour, tuple[int, dict[str, str]] | str] = {
    "refuse": (410, {}),
    "later": (429, {"retry-after": "30"}),
    "later_after": (503, {}),
    "hang_after": "hang",
    "drop_after": "drop",
    "slow": "slow",
}


class WebhookProvider:
    """The receiver, in the suite's words."""

    channel = "webhook"

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    @property
    def values(self) -> Mapping[str, str]:
        return {"WAYMARK_WEBHOOK_URL": self.receiver.url, "WAYMARK_WEBHOOK_SECRET": SECRET}

    def values_at(self, port: int) -> Mapping[str, str]:
        """By TLS, because only there does a receiver speak before the body is handed over."""
        return {"WAYMARK_WEBHOOK_URL": f"https://127.0.0.1:{port}/", "WAYMARK_WEBHOOK_SECRET": SECRET}

    def treat(self, recipient: str, *behaviours: Behaviour) -> None:
        self.receiver.plans.setdefault(recipient, []).extend(PLANS[behaviour] for behaviour in behaviours)

    def address(self, recipient: str) -> str | None:
        return None

    def keys(self, recipient: str) -> list[str]:
        return [r.headers["webhook-id"] for r in self.receiver.taken if r.body["learner"] == recipient]

    async def drop_idle_lines(self) -> None:
        await self.receiver.drop_lines()


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookProvider]:
    """A receiver, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    receiver = Receiver(slow_seconds=SLOW_SECONDS)
    await receiver.start()
    yield WebhookProvider(receiver)
    await receiver.stop()


class TestWebhook(ChannelSuite):
    """Every channel's cases."""

    @pytest.fixture
    def provider(self, provider: WebhookProvider) -> WebhookProvider:
        return provider


async def attempt(provider: WebhookProvider, *, limits: Limits = PATIENT, message: Outgoing | None = None) -> None:
    channel = open_channels(provider.values, limits=limits)["webhook"]
    try:
        await channel.send(message or outgoing(provider))
    finally:
        await channel.close()


async def test_the_body_is_what_the_interface_says(provider: WebhookProvider) -> None:
    """The body has exactly the ten fields, the text as Markdown and the link as its URL."""
    await attempt(provider)
    (request,) = provider.receiver.taken
    assert request.path == "/hooks/waymark"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "d-ada"
    assert request.body == {
        "delivery": "d-ada",
        "enrolment": "e-1",
        "journey": "first-time-manager",
        "message": "welcome",
        "learner": "ada",
        "subject": "Your first week",
        "text": "Hello **Ada**, this is private.",
        "link": "https://lms.example.com/MGR-101",
        "sent_at": "2026-03-02T09:00:00Z",
        "why": "https://learning.example.org/w/d-ada",
    }


async def test_without_an_address_of_ours_there_is_no_link_to_why(provider: WebhookProvider) -> None:
    """The field is there and null."""
    channel = open_channels(provider.values)["webhook"]
    await channel.send(replace(outgoing(provider), why=None))
    await channel.close()
    assert provider.receiver.taken[0].body["why"] is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Retryable) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((status, Permanent) for status in (400, 401, 403, 404, 409, 410, 413, 422, 451)),
        *((status, Misconfigured) for status in (301, 302, 307, 308)),
    ],
)
async def test_each_status_says_who_must_act(
    provider: WebhookProvider, status: int, expected: type[ConnectorError]
) -> None:
    """408, 425, 429 and 5xx are tried again, a redirect is the operator's, every other 4xx is final."""
    provider.receiver.plans["ada"] = [(status, {"location": provider.receiver.url})]
    with pytest.raises(ConnectorError) as raised:
        await attempt(provider)
    assert type(raised.value) is expected
    assert raised.value.code == str(status)
    assert raised.value.provider_words == f'{status} {{"said": {status}}}'
    assert len(provider.receiver.received) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_sent(provider: WebhookProvider, status: int) -> None:
    """Any 2xx is a receipt."""
    provider.receiver.plans["ada"] = [(status, {})]
    await attempt(provider)
    assert len(provider.receiver.taken) == 1


async def test_retry_after_reaches_the_caller(provider: WebhookProvider) -> None:
    """The wait that a 429 asks for stands in `after`."""
    provider.treat("ada", "later")
    with pytest.raises(Retryable) as raised:
        await attempt(provider)
    assert raised.value.after == timedelta(seconds=30)


def test_retry_after_is_read_in_both_forms() -> None:
    """Seconds and dates are read, the past is now, a day is the most, and nonsense says nothing."""
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    expected = {
        "30": timedelta(seconds=30),
        "0": timedelta(),
        "999999999999": timedelta(days=1),
        format_datetime(now + timedelta(minutes=5), usegmt=True): timedelta(minutes=5),
        format_datetime(now - timedelta(minutes=5), usegmt=True): timedelta(),
        "-5": None,
        "soon": None,
        "٣": None,
        "": None,
    }
    assert expected == {value: wait_asked_for(value, now=now) for value in expected}


async def test_connections_are_used_again(provider: WebhookProvider) -> None:
    """Messages one after the other go over one connection, after errors too."""
    channel = open_channels(provider.values)["webhook"]
    provider.treat("bob", "refuse")
    for recipient in ("ada", "bob", "eve", "ada"):
        await asyncio.gather(channel.send(outgoing(provider, recipient)), return_exceptions=True)
    await channel.close()
    assert (provider.receiver.connections, len(provider.receiver.taken)) == (1, 3)


async def test_a_body_that_was_not_read_in_full_leaves_no_doubt(provider: WebhookProvider) -> None:
    """A receiver that resets the line while a large body is being sent cannot have accepted it."""
    paths: list[str] = []

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readline()).decode())
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    values = {**provider.values, "WAYMARK_WEBHOOK_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"}
    channel = open_channels(values)["webhook"]
    with pytest.raises(Retryable):
        await channel.send(outgoing(provider, text="x" * 30_000_000))
    await channel.close()
    server.close()
    assert len(paths) == 1


async def test_an_answer_that_trickles_is_an_answer(provider: WebhookProvider) -> None:
    """The status says it; nobody waits for words that come for ever, as others take the attempt to be over by then."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    values = {**provider.values, "WAYMARK_WEBHOOK_URL": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"}
    channel = open_channels(values, limits=Limits(3_600, 3_600))["webhook"]
    async with asyncio.timeout(60):
        assert (await channel.send(outgoing(provider))).words
    await channel.close()
    server.close()


async def test_a_body_that_is_written_has_been_handed_over(
    provider: WebhookProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop stood still as it was written, so that the time was over before the word came that it had gone: whoever
    says then that it did not go has it sent twice.
    """
    write, loop = AnyIOStream.write, asyncio.get_running_loop()

    async def stand_still(self: AnyIOStream, buffer: bytes, timeout: float | None = None) -> None:
        await write(self, buffer, timeout)
        if not buffer.startswith(b"POST"):  # that is the head
            loop.call_later(0, time.sleep, 0.6)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(AnyIOStream, "write", stand_still)
    channel = open_channels(provider.values, limits=Limits(0.3, 20))["webhook"]
    await channel.send(outgoing(provider, "ada"))
    await channel.close()
    assert len(provider.keys("ada")) == 1


async def test_a_cancelled_attempt_frees_its_place(provider: WebhookProvider) -> None:
    """Cancelling what hangs leaves room for the next, even with one connection allowed."""
    channel = open_channels(provider.values, limits=Limits(2, 20, connections=1))["webhook"]
    provider.treat("bad", "hang_after")
    bad = asyncio.create_task(channel.send(outgoing(provider, "bad")))
    await until(lambda: provider.receiver.received)
    with pytest.raises(Retryable):
        await channel.send(outgoing(provider, "ada"))
    bad.cancel()
    await asyncio.gather(bad, return_exceptions=True)
    await channel.send(outgoing(provider, "ada"))
    await channel.close()
    assert len(provider.keys("ada")) == 1


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"WAYMARK_WEBHOOK_URL": "ftp://hooks.example.org"}, "WAYMARK_WEBHOOK_URL"),
        ({"WAYMARK_WEBHOOK_URL": "https://hooks.example.org"}, "WAYMARK_WEBHOOK_SECRET"),
        (
            {"WAYMARK_WEBHOOK_URL": "https://h.example.org", "WAYMARK_WEBHOOK_SECRET": "hunter2"},
            "WAYMARK_WEBHOOK_SECRET",
        ),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(values: dict[str, str], setting: str) -> None:
    """A wrong value is an error that names the setting, says what is allowed and hides the value."""
    with pytest.raises(Misconfigured) as raised:
        open_channels(values)
    assert raised.value.setting == setting
    assert setting in str(raised.value)
    assert "hunter2" not in str(raised.value)
