"""What every channel must do, whatever its provider: one table of cases, run against each channel's own local server.

A channel's test file makes a class of `ChannelSuite` and gives it a `provider`. Recipients are named by a word; the
provider knows how its channel addresses them.
"""

import asyncio
import logging
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, Protocol

import pytest

from connectors.channels import Channel, Limits, open_channels
from connectors.errors import ConnectorError, InDoubt, Permanent, Retryable
from connectors.outgoing import Outgoing, OutgoingLink
from tests.support.until import until

Behaviour = Literal["refuse", "later", "later_after", "hang_after", "drop_after", "slow"]
SLOW_SECONDS = 3.0
QUICK = Limits(hand_over_seconds=0.4, answer_seconds=0.4, connections=4)
"""Where nothing is to be handed over in any time: for what is to succeed, a busy machine may be slower than this."""

SHORT_HAND_OVER = Limits(hand_over_seconds=2, answer_seconds=20, connections=4)
SHORT_ANSWER = Limits(hand_over_seconds=20, answer_seconds=0.4, connections=4)
PATIENT = Limits(hand_over_seconds=20, answer_seconds=20, connections=4)
SENT_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Provider(Protocol):
    """A local server that speaks the provider's protocol, and what it saw."""

    channel: str

    @property
    def values(self) -> Mapping[str, str]:
        """The settings that lead to it."""
        ...

    def values_at(self, port: int) -> Mapping[str, str]:
        """The settings that lead to another port, where the provider is silent or down."""
        ...

    def treat(self, recipient: str, *behaviours: Behaviour) -> None:
        """Treat the next attempts for this recipient so, then normally again."""
        ...

    def address(self, recipient: str) -> str | None:
        """Where this recipient is reached."""
        ...

    def keys(self, recipient: str) -> list[str]:
        """The keys of what was accepted for this recipient, or may have been, in order."""
        ...

    async def drop_idle_lines(self) -> None:
        """Close every connection, and return when the other side can know."""
        ...


def outgoing(provider: Provider, recipient: str = "ada", **changed: str) -> Outgoing:
    """A message for this recipient."""
    return Outgoing(
        delivery_id=changed.get("delivery_id", f"d-{recipient}"),
        enrolment_id="e-1",
        journey="first-time-manager",
        message="welcome",
        learner=recipient,
        address=provider.address(recipient),
        subject=changed.get("subject", "Your first week"),
        text=changed.get("text", "Hello **Ada**, this is private."),
        link=OutgoingLink("Start", "https://lms.example.com/MGR-101"),
        sent_at=SENT_AT,
        why="https://learning.example.org/w/d-ada",
    )


class ChannelSuite:
    """The cases."""

    @pytest.fixture
    def provider(self) -> Provider:
        """The channel's local server."""
        raise NotImplementedError

    @contextmanager
    def opened(self, provider: Provider, limits: Limits = PATIENT) -> Generator[Channel]:
        """The channel, set up for the provider; the test closes it."""
        yield open_channels(provider.values, limits=limits)[provider.channel]

    async def test_what_is_sent_arrives_once(self, provider: Provider) -> None:
        """A message arrives once, and the receipt holds the provider's words."""
        with self.opened(provider) as channel:
            receipt = await channel.send(outgoing(provider))
            await channel.close()
        assert len(provider.keys("ada")) == 1
        assert receipt.words

    @pytest.mark.parametrize(
        ("behaviour", "limits", "expected", "may_have_arrived"),
        [
            ("refuse", PATIENT, Permanent, False),
            ("later", PATIENT, Retryable, False),
            ("later_after", PATIENT, Retryable, False),
            ("hang_after", SHORT_ANSWER, InDoubt, True),
            ("drop_after", PATIENT, InDoubt, True),
        ],
    )
    async def test_each_failure_says_who_must_act(
        self,
        provider: Provider,
        behaviour: Behaviour,
        limits: Limits,
        expected: type[ConnectorError],
        may_have_arrived: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The error is the table's, is no wider type, is not tried again inside the attempt and names nobody."""
        caplog.set_level(logging.DEBUG)
        provider.treat("ada", behaviour)
        message = outgoing(provider)
        with self.opened(provider, limits) as channel:
            with pytest.raises(ConnectorError) as raised:
                await channel.send(message)
            await channel.close()
        assert type(raised.value) is expected
        assert len(provider.keys("ada")) == int(may_have_arrived)
        told = str(raised.value) + "".join(r.getMessage() for r in caplog.records if not r.name.startswith("mail."))
        assert [secret for secret in (message.address, message.text, "private") if secret and secret in told] == []

    async def test_a_slow_answer_is_waited_for(self, provider: Provider) -> None:
        """The short limit ends with the hand-over: an answer that takes longer than it is still an answer."""
        provider.treat("ada", "slow")
        assert SHORT_HAND_OVER.hand_over_seconds < SLOW_SECONDS
        with self.opened(provider, SHORT_HAND_OVER) as channel:
            await channel.send(outgoing(provider))
            await channel.close()
        assert len(provider.keys("ada")) == 1

    async def test_nothing_is_handed_over_after_its_time(self, provider: Provider) -> None:
        """A process that stood still over the limit hands nothing over, though its provider is ready by then: another
        may have taken over and given it already.
        """
        with self.opened(provider, SHORT_HAND_OVER) as channel:
            sending = asyncio.create_task(channel.send(outgoing(provider)))
            await asyncio.sleep(0)
            time.sleep(2 * SHORT_HAND_OVER.hand_over_seconds)  # noqa: ASYNC251 - the loop is what stands still
            with pytest.raises(Retryable):
                await sending
            await channel.send(outgoing(provider, "bob"))
            await channel.close()
        assert (len(provider.keys("ada")), len(provider.keys("bob"))) == (0, 1)

    async def test_a_provider_that_says_nothing_is_tried_again(self, provider: Provider) -> None:
        """A server that takes the connection and never speaks leaves no doubt: nothing was handed over."""
        silent = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(3600), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        channel = open_channels(provider.values_at(port), limits=QUICK)[provider.channel]
        with pytest.raises(Retryable):
            await channel.send(outgoing(provider))
        await channel.close()
        silent.close()

    async def test_a_provider_that_is_down_is_tried_again(self, provider: Provider) -> None:
        """A refused connection is retryable."""
        closed = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        channel = open_channels(provider.values_at(port))[provider.channel]
        with pytest.raises(Retryable):
            await channel.send(outgoing(provider))
        await channel.close()

    async def test_the_key_is_the_same_on_every_attempt(self, provider: Provider) -> None:
        """A provider that takes a key gets the delivery's, so that it can tell a repeated attempt."""
        provider.treat("ada", "later")
        with self.opened(provider) as channel:
            with pytest.raises(Retryable):
                await channel.send(outgoing(provider))
            await channel.send(outgoing(provider))
            await channel.send(outgoing(provider))
            await channel.send(outgoing(provider, delivery_id="d-other"))
            await channel.close()
        first, second, third = provider.keys("ada")
        assert first == second != third
        assert "d-ada" in first

    @pytest.mark.parametrize("behaviour", ["refuse", "later", "later_after", "hang_after", "drop_after"])
    async def test_one_failure_holds_nobody_else_up(self, provider: Provider, behaviour: Behaviour) -> None:
        """While one recipient's delivery fails or hangs, and after it, all others arrive over the same channel."""
        provider.treat("bad", behaviour)
        with self.opened(provider) as channel:
            bad = asyncio.create_task(channel.send(outgoing(provider, "bad")))
            good = [f"good{n}" for n in range(12)]
            await asyncio.gather(*(channel.send(outgoing(provider, name)) for name in good))
            bad.cancel()
            await asyncio.gather(bad, return_exceptions=True)
            await channel.send(outgoing(provider, "last"))
            await channel.close()
        assert [len(provider.keys(name)) for name in [*good, "last"]] == [1] * 13

    async def test_a_line_that_dropped_while_idle_costs_nothing(self, provider: Provider) -> None:
        """A connection that the provider closed between two messages is replaced within the attempt."""
        with self.opened(provider) as channel:
            await channel.send(outgoing(provider, "ada"))
            await provider.drop_idle_lines()
            await channel.send(outgoing(provider, "bob"))
            await channel.close()
        assert (len(provider.keys("ada")), len(provider.keys("bob"))) == (1, 1)

    async def test_hostile_texts_arrive(self, provider: Provider) -> None:
        """Line breaks in a subject, NUL, half surrogates and lone dots neither break the message nor add to it."""
        with self.opened(provider) as channel:
            await channel.send(
                outgoing(provider, subject="Hi\r\nBcc: eve@example.org\r\n\r\nx", text="a\0b\ud800c\n.\r\n.\n<script>")
            )
            await channel.close()
        await until(lambda: len(provider.keys("ada")) == 1)

    def test_it_is_not_there_until_it_is_set_up(self, provider: Provider) -> None:
        """Without its settings a channel is known and not open."""
        assert provider.channel not in open_channels({})
