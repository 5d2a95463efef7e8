"""A survey from end to end: the mail brings a link, the page takes the answers, the journey goes on by them. Real SMTP,
API, Temporal and database; only the clocks of workflows are moved.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from store.tables import Enrolment
from tests.connectors.channels.receiver import SECRET, Receiver
from tests.support.api import Api, event, parts_over, serving
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink

JOURNEY = """\
waymark: 1
journey: pulse
title: How it is going
enter: [{on: hr.learner.hired}]
limit: 60d
steps:
  - ask: confidence
    via: [VIA]
    within: 5d
    intro: "How is it going, {{ learner.given_name }}?"
    questions:
      - {id: sure, text: "How sure are you?", scale: [1, 5]}
      - {id: other, text: "Anything else?", text_answer: true}
    then:
      - branch:
          - if: answers.confidence.sure >= 4
            do: [{send: well-done}, {end: sure}]
          - else: [{send: help}, {end: unsure}]
    else:
      - wait: 20d
      - end: silent
messages:
  well-done: {subject: Well done, body: "You said: {{ answers.confidence.sure }}."}
  help: {subject: Some help, body: "You are not alone with that."}
"""
IS_FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Whole:
    """A house with its worker, the API over it, and what arrives."""

    api: Api
    running: Running
    smtp: SmtpSink
    hooks: Receiver

    async def enter(self, learner: str, *, via: str = "email") -> None:
        assert 201 == (await self.api.publish(JOURNEY.replace("VIA", via), "pulse")).status_code
        await self.api.emit(event("hr.learner.hired", learner, given_name="Ada", email=f"{learner}@example.org"))

    def links(self, learner: str) -> list[str]:
        """The addresses that her letters lead to, from their plain text."""
        letters = [mail.part("plain") for mail in self.smtp.for_(f"{learner}@example.org")]
        return [
            found[1] for letter in letters if (found := re.search(r"^Answer 2 questions: (\S+)$", letter, re.MULTILINE))
        ]

    async def post(self, link: str, **answers: str) -> httpx2.Response:
        """What a browser does; the link's own host is another, as behind a proxy."""
        async with httpx2.AsyncClient(timeout=20) as client:
            url = f"http://127.0.0.1:{self.api.port}{urlsplit(link).path}"
            return await client.post(url, content=urlencode(answers), headers=IS_FORM)

    async def enrolment(self) -> Enrolment:
        (enrolment,) = await self.running.enrolments()
        return enrolment

    async def outcome(self) -> str | None:
        return (await self.enrolment()).outcome

    def subjects(self, learner: str) -> list[str]:
        return [str(mail.message["subject"]) for mail in self.smtp.for_(f"{learner}@example.org")]


@pytest.fixture
async def whole(
    database_url: str,
    temporal_address: str,
    smtp_sink: SmtpSink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Whole]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    hooks = Receiver()
    await hooks.start()
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        public_url="https://learning.example.org", webhook_url=hooks.url, webhook_secret=SECRET,
    ) as running:  # fmt: skip
        house = running.house
        parts = parts_over(house.database, house.ingest, house.gateway, clock=running.clock)
        async with serving(parts, house.ingest) as api:
            yield Whole(api, running, smtp_sink, hooks)
    await hooks.stop()


async def test_the_journey_goes_on_by_the_answer(whole: Whole, until: Callable[..., Any]) -> None:
    """The letter's link is signed and public; what is answered there decides what she gets next."""
    await whole.enter("ada")
    (link,) = await until(lambda: whole.links("ada"))
    assert link.startswith("https://learning.example.org/a/")
    assert "ada" not in link.removeprefix("https://learning.example.org")
    html = whole.smtp.for_("ada@example.org")[0].part("html")
    assert f'<a href="{link}"' in html
    assert '<a href="https://learning.example.org/w/dlv-' in html
    assert "Thank you" in (await whole.post(link, sure="4", other="Not now.")).text

    async def is_over() -> bool:
        return await whole.outcome() == "sure"

    await until(is_over)
    assert ["How it is going", "Well done"] == whole.subjects("ada")
    assert "You said: 4." in whole.smtp.for_("ada@example.org")[1].part("plain")
    enrolment = await whole.enrolment()
    assert ["entered", "asked", "answered", "decided", "sent", "ended"] == [
        line.kind for line in await whole.running.journal(enrolment.id)
    ]


async def test_an_answer_counts_once(whole: Whole, until: Callable[..., Any]) -> None:
    """Sent four times at once, by an impatient thumb: one event, one way on, one letter."""
    await whole.enter("ada")
    (link,) = await until(lambda: whole.links("ada"))
    pages = await asyncio.gather(*(whole.post(link, sure=str(sure)) for sure in (5, 4, 5, 4)))
    assert 1 == sum("Thank you" in page.text for page in pages)
    assert 3 == sum("You have answered already" in page.text for page in pages)

    async def is_over() -> bool:
        return await whole.outcome() == "sure"

    await until(is_over)
    assert ["How it is going", "Well done"] == whole.subjects("ada")
    assert "You have answered already" in (await whole.post(link, sure="1")).text


async def test_an_answer_that_is_faster_than_the_provider(whole: Whole, until: Callable[..., Any]) -> None:
    """She answers before the server has said that it took the letter: the answer waits for that, and counts."""
    whole.smtp.always("ada@example.org", "held_after_data")
    await whole.enter("ada")
    (link,) = await until(lambda: whole.links("ada"))
    assert "Thank you" in (await whole.post(link, sure="2")).text
    assert await whole.outcome() is None
    whole.smtp.always("ada@example.org", None)
    whole.smtp.released.set()

    async def is_over() -> bool:
        return await whole.outcome() == "unsure"

    await until(is_over)
    assert ["How it is going", "Some help"] == whole.subjects("ada")


async def test_too_late_is_said(whole: Whole, until: Callable[..., Any]) -> None:
    """When its time is over the page says so, and the journey has taken its other way."""
    await whole.enter("ada")
    (link,) = await until(lambda: whole.links("ada"))
    await whole.running.quiet()
    await whole.running.move_to(datetime.now(UTC) + timedelta(days=6))
    late = await whole.post(link, sure="5")
    assert (410, True) == (late.status_code, "This survey is closed" in late.text)
    assert "wait-20d" == (await whole.enrolment()).step
    await whole.running.move_to(datetime.now(UTC) + timedelta(days=27))
    assert "silent" == await whole.outcome()
    assert ["How it is going"] == whole.subjects("ada")


async def test_an_altered_link_answers_nothing(whole: Whole, until: Callable[..., Any]) -> None:
    """Nobody can answer for another enrolment, step or visit by changing what stands in the link."""
    await whole.enter("ada")
    (link,) = await until(lambda: whole.links("ada"))
    await whole.running.quiet()
    for altered in (link[:-4] + "AAAA", link.replace("enr-", "enr-0"), link.replace(".1.", ".2.")):
        assert 404 == (await whole.post(altered, sure="5")).status_code
    assert ("ask-confidence", None) == ((await whole.enrolment()).step, await whole.outcome())
    assert "Thank you" in (await whole.post(link, sure="5")).text


async def test_the_webhook_gets_the_link(whole: Whole, until: Callable[..., Any]) -> None:
    """As `link` of its body; the intro is its text."""
    await whole.enter("ada", via="webhook")
    (taken,) = await until(lambda: whole.hooks.taken)
    assert "How is it going, Ada?" == taken.body["text"]
    assert "Thank you" in (await whole.post(taken.body["link"], sure="5")).text

    async def is_over() -> bool:
        return await whole.outcome() == "sure"

    await until(is_over)
