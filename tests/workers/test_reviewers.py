"""The reviewers are told that drafts wait, by real letters: once for each draft, and not too often."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.channels.receiver import SECRET, Receiver
from tests.support.drafting import drafted, drafting_house, for_each
from tests.support.smtp import SmtpSink
from waymark.cli.errors import WrongUsage
from waymark.demo.writer import WriterServer
from waymark.settings import SettingsError, load

LD, OTHER = "ld@firm.example", "another@firm.example"
BY_ROLE = for_each("learner.role")


@pytest.fixture
def places(database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path) -> dict[str, Any]:
    """Where a house finds its servers, and where it is found."""
    return {
        "database_url": database_url, "temporal_address": temporal_address, "smtp_url": smtp_sink.url,
        "home": tmp_path, "public_url": "https://learning.firm.example",
    }  # fmt: skip


def subjects(sink: SmtpSink, address: str = LD) -> Sequence[str]:
    return [str(mail.message["subject"]) for mail in sink.for_(address)]


async def test_they_are_told_how_many_wait_and_where(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """And nothing of what the drafts say."""
    async with drafting_house(server, **places, reviewers=f"email:{LD}") as house:
        row = await house.draft(await house.publish(drafted()))
        await house.ended(row.id)

        (mail,) = smtp_sink.for_(LD)
        assert "1 drafted text waits for approval" == str(mail.message["subject"])
        assert "https://learning.firm.example/drafts" in mail.part("plain")
        assert "story: 1" in mail.part("plain")
        assert "ten minutes" not in mail.part("plain")
        assert (await house.row(row.id)).told_at is not None


async def test_they_are_told_of_each_draft_once_and_at_most_every_fifteen_minutes(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """What is proposed in between goes into the next message, which one of them sends for all."""
    async with drafting_house(server, **places, reviewers=f"email:{LD}") as house:
        program = await house.publish(drafted(BY_ROLE))
        first = await house.draft(program, value="one")
        await house.ended(first.id)
        others = [await house.want(program, value=value) for value in ("two", "three", "four")]
        await house.start(*others)
        for id_ in others:
            await house.settled(id_)
            await house.sleeps(id_)
        assert ["1 drafted text waits for approval"] == subjects(smtp_sink)

        await house.move(timedelta(minutes=15), *others)
        for id_ in others:
            await house.ended(id_)
        assert ["4 drafted texts wait for approval (3 of them new)"] == subjects(smtp_sink)[1:]


async def test_a_reviewer_who_cannot_be_reached_now_is_told_later_and_nobody_else_twice(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """The others know already."""
    smtp_sink.treat(LD, "later")
    async with drafting_house(server, **places, reviewers=f"email:{LD}, email:{OTHER}") as house:
        row = await house.draft(await house.publish(drafted()))
        await house.sleeps(row.id)
        assert ([], 1) == (subjects(smtp_sink), len(subjects(smtp_sink, OTHER)))

        await house.move(timedelta(minutes=2), row.id)
        await house.ended(row.id)
        assert (1, 1) == (len(subjects(smtp_sink)), len(subjects(smtp_sink, OTHER)))


async def test_a_reviewer_whom_no_server_takes_stops_nothing(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """Refused for good is not tried again."""
    smtp_sink.always(LD, "refuse")
    async with drafting_house(server, **places, reviewers=f"email:{LD},email:{OTHER}") as house:
        row = await house.draft(await house.publish(drafted()))
        await house.ended(row.id)

    assert 1 == len(subjects(smtp_sink, OTHER))


async def test_what_is_decided_already_is_told_to_nobody(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """Where nothing waits any more, nobody is asked to look."""
    async with drafting_house(server, **places, reviewers=f"email:{LD}") as house:
        program = await house.publish(drafted(BY_ROLE))
        await house.ended((await house.draft(program, value="one")).id)
        second = await house.draft(program, value="two")
        await house.sleeps(second.id)
        for row in await house.rows():
            await house.change(row.id, state="approved")
        await house.move(timedelta(minutes=15), second.id)
        await house.ended(second.id)

    assert 1 == len(subjects(smtp_sink))


async def test_where_nothing_is_delivered_reviewers_are_told_nothing(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """WAYMARK_DELIVER holds for them as for everybody."""
    async with drafting_house(server, **places, reviewers=f"email:{LD}", deliver="none") as house:
        row = await house.draft(await house.publish(drafted()))
        await house.ended(row.id)

    assert [] == smtp_sink.arrived


async def test_a_channel_that_needs_no_address_tells_them_too(
    server: WriterServer, places: dict[str, Any], receiver: Receiver
) -> None:
    """A webhook, with a key that is the same on every attempt."""
    hook: dict[str, Any] = {"webhook_url": receiver.url, "webhook_secret": SECRET}
    async with drafting_house(server, **places, reviewers="webhook", **hook) as house:
        row = await house.draft(await house.publish(drafted()))
        await house.ended(row.id)

    (taken,) = receiver.taken
    assert "1 drafted text waits for approval" == taken.body["subject"]
    assert taken.body["delivery"].startswith("ntc-")


@pytest.mark.parametrize(
    ("reviewers", "says_"),
    [
        ("webhook", "the channel webhook is not set up; those that are: email"),
        ("pigeon:ld", "the channel pigeon is not set up"),
        ("email", "write email:ADDRESS for the channel email"),
    ],
)
async def test_reviewers_who_cannot_be_told_are_an_error_at_once(
    server: WriterServer, places: dict[str, Any], reviewers: str, says_: str
) -> None:
    """Where there is a writer: else nobody would ever be told anything."""
    with pytest.raises(WrongUsage, match=says_):
        async with drafting_house(server, **places, reviewers=reviewers):
            pass


@pytest.mark.parametrize("value", ["email:", "email:a b", "Email:x@firm.example", ",", "email:x@firm.example,,webhook"])
def test_a_list_of_reviewers_that_is_none_is_refused(value: str, tmp_path: Path) -> None:
    """With what to write."""
    with pytest.raises(SettingsError, match="write channel:address, or a channel that needs none"):
        load(environment={"WAYMARK_REVIEWERS": value}, dotenv=tmp_path / "none", with_home=False)


async def test_nobody_is_told_where_nobody_is_named(
    server: WriterServer, places: dict[str, Any], smtp_sink: SmtpSink
) -> None:
    """Drafts wait all the same."""
    async with drafting_house(server, **places) as house:
        row = await house.draft(await house.publish(drafted()))
        await house.ended(row.id)
        assert ("proposed", None) == (row.state, (await house.row(row.id)).told_at)

    assert [] == smtp_sink.arrived
