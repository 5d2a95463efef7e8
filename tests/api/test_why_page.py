"""The page behind a message's last line: real turns, real letters, the real API; the link is taken from the letter."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from api.pages.why.endpoints import router
from api.parts import Parts
from journeys.composing import Reach
from journeys.definition import Vocabulary
from journeys.drafting.choosing import Wanted
from journeys.drafting.order import order_for, order_key
from journeys.events import Event, Json
from journeys.links import Links
from journeys.program import Program
from store.queries import drafts
from store.tables import DraftRow, Enrolment, Learner
from tests.support.api import Api, serving
from tests.support.compiling import compiled
from tests.support.smtp import Mail, SmtpSink
from tests.support.story import SECRET, Story, told

MONDAY = datetime(2037, 3, 2, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
BO: Mapping[str, str] = {"written_by": "Bo Writer"}
OFF: Mapping[str, Json] = {"sending": None, "budget": None, "digest": True}
JOURNEY = """\
waymark: 1
journey: first-weeks
title: First weeks <as a manager>
audience: learner.country == "GB"
holdout: 1%
enter: [{on: hr.learner.promoted, when: event.data.to_level == "M1", key: event.data.position_id}]
steps:
  - wait: 3d
  - await: {on: lms.assessment.scored, when: event.data.score < 0.5, within: 2d}
    else: [{set: {reminded: true}}]
  - branch:
      - if: learner.attributes.on_watch == true
        do: [{set: {watched: true}}]
  - split: opener
    arms:
      secret-arm: {weight: 1, do: [{set: {kind: 1}}]}
      other-arm: {weight: 1, do: [{set: {kind: 2}}]}
  - send: hello
    when: learner.level == "M1"
messages:
  hello:
    subject: "Hello {{ learner.given_name }}"
    body: "About {{ entry.data.course_title }}, as {{ learner.role }}."
    link: {label: Start, url: "https://lms.example.com/{{ learner.site }}"}
"""
SECRETS = (
    "Ada", "Okafor", "ada@example.org", "M1", "GB", "P-17", "Negotiating", "Sales lead", "Leeds", "0.5", "on_watch ==",
    "secret-arm", "other-arm", "lrn-",
)  # fmt: skip
"""What is true of her, and of what the rules want of her."""


def happens(
    type_: str, at: datetime = MONDAY, /, *, learner: str = "ada", source: str = "hr/core", **data: Json
) -> Event:
    known: dict[str, Json] = {
        "given_name": learner.title(), "family_name": "Okafor", "email": f"{learner}@example.org", "country": "GB",
        "level": "M1", "role": "Sales lead", "site": "Leeds", "attributes": {"on_watch": True}, **data,
    }  # fmt: skip
    return Event(f"{type_}-{learner}-{at.isoformat()}", source, type_, learner, at, known)


PROMOTED: Mapping[str, str] = {"to_level": "M1", "position_id": "P-17", "course_title": "Negotiating"}


@dataclass
class Told:
    """A story, its letters, and the API over the same store."""

    story: Story
    api: Api
    smtp: SmtpSink

    def letter(self, learner: str = "ada") -> Mail:
        return self.smtp.for_(f"{learner}@example.org")[-1]

    def link(self, learner: str = "ada") -> str:
        found = re.search(r"^Why did I get this\? (\S+)$", self.letter(learner).part("plain"), re.MULTILINE)
        assert found is not None
        return found[1]

    async def get(self, link: str, *, method: str = "GET") -> httpx2.Response:
        """What a browser does, without a key; the link's own host is another, as behind a proxy."""
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.api.port}", timeout=20) as client:
            return await client.request(method, urlsplit(link).path)

    async def page(self, learner: str = "ada") -> str:
        answer = await self.get(self.link(learner))
        assert answer.status_code == 200
        return _seen(answer.text)


def _seen(html: str) -> str:
    """The text as a reader sees it."""
    body = re.sub(r"<(style|title)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


@asynccontextmanager
async def telling(
    *programs: Program, database_url: str, smtp_sink: SmtpSink, home: Path, policy: Mapping[str, Json] = OFF
) -> AsyncGenerator[Told]:
    async with told(
        database_url=database_url, smtp_url=smtp_sink.url, home=home, policy=policy, begins_at=MONDAY
    ) as story:
        await story.publish(*programs)
        async with serving(_parts(story), story.ingest) as api:
            yield Told(story, api, smtp_sink)


def _parts(story: Story) -> Parts:
    async def replay(letter: str) -> None:
        raise AssertionError(f"nobody replays {letter}")

    return Parts(
        database=story.database, ingest=story.ingest, replay=replay, gateway=story.pokes,  # type: ignore[arg-type]  # as far as pages need them
        vocabulary=Vocabulary(channels=frozenset({"email"})), reach={"email": Reach(True, "email")},
        clock=lambda: story.now, links=Links(SECRET, "http://127.0.0.1:8800"),
        program_of=story.ingest.programs.by_hash,
    )  # fmt: skip


@pytest.fixture
def place(database_url: str, smtp_sink: SmtpSink, tmp_path: Path) -> dict[str, Any]:
    """Where a story takes place."""
    return {"database_url": database_url, "smtp_sink": smtp_sink, "home": tmp_path}


async def _came(told: Told, **more: str) -> None:
    await told.story.take(happens("hr.learner.promoted", **PROMOTED, **more))
    await told.story.play(until=MONDAY + 6 * DAY)


# --- what it says -------------------------------------------------------------------------------------------------


async def test_the_letter_leads_to_a_page_that_says_why_it_came(place: dict[str, Any]) -> None:
    """The journey, what began it, when and from where; what led to the message; the data by name; whose words."""
    async with telling(compiled(JOURNEY), **place) as told:
        await _came(told)
        page = await told.page()
    for said in (
        "First weeks &lt;as a manager&gt;",
        "because of a promotion on 2 March 2037, which reached us from the source “hr/core”",
        "whether you belong to it was judged by “country”",
        "The journey waited 3 days.",
        "The journey waited for the result of an assessment, at most 2 days.",
        "That had not come in time.",
        "It was decided how to go on, judged by “on watch”.",
        "its step “send-hello”",
        "a condition of its own, judged by “level”",
        "From your record country · on watch · level · site · given name · role From",
        "To bring it to you email · time zone",
        "From the events to level · position id · score · course title",
        "no rule of it reads your answers",
        "Whether you click on a link in it",
        "some people get it and some do not",
        "part of an experiment",
        "a person published them",
    ):
        assert said in page, page


async def test_it_names_data_and_tells_no_value(place: dict[str, Any]) -> None:
    """Who passes the letter on tells no more than its text: no value of hers, and none that a rule wants."""
    async with telling(compiled(JOURNEY), **place) as told:
        await _came(told)
        link = told.link()
        html = (await told.get(link)).text
        delivery = await told.story.delivery("first-weeks")
    assert [] == [secret for secret in SECRETS if secret in _seen(html)]
    token = urlsplit(link).path.removeprefix("/w/")
    assert token.startswith(f"{delivery.id}.")
    assert f"http://127.0.0.1:8800/w/{token}" == link


async def test_what_she_answers_or_clicks_is_only_said_to_be_unused_where_it_is(place: dict[str, Any]) -> None:
    """A journey that listens to clicks does not say that it looks away."""
    clicked = JOURNEY.replace("on: lms.assessment.scored, when: event.data.score < 0.5", "on: message.clicked")
    async with telling(compiled(clicked), **place) as told:
        await _came(told)
        page = await told.page()
    assert "Whether you click" not in page
    assert "waited for a click in a message" in page


async def test_a_manager_is_told_less_and_of_nobody_by_name(place: dict[str, Any]) -> None:
    """That it is about a colleague for whom she is the one to write to; not what happened to whom, nor what came."""
    journey = JOURNEY.replace("  - send: hello\n", "  - send: hello\n    to: manager\n")
    async with telling(compiled(journey), **place) as told:
        await told.story.take(happens("hr.learner.hired", MONDAY - DAY, learner="mia"))
        await _came(told, manager="mia")
        page = await told.page("mia")
    assert "about somebody else" in page
    assert "From the record of the person it is about" in page
    for untold in (*SECRETS, "Mia", "mia@", "promotion", "assessment", "send-hello", "hr/core", "waited"):
        assert untold not in page, page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"origin": "model", "model": "m-1"}, "A language model drafted these words"),
        ({"origin": "reuse", "model": "m-1"}, "A language model drafted these words"),
        ({"origin": "person", "model": "m-1", **BO}, "A person (“Bo Writer”) wrote these words, from a draft of"),
        ({"origin": "reuse", "model": "m-1", **BO}, "A person (“Bo Writer”) wrote these words, from a draft of"),
        ({"origin": "person", **BO}, "A person (“Bo Writer”) wrote these words. Rules"),
    ],
)
async def test_a_draft_says_who_wrote_and_who_approved_it(
    place: dict[str, Any], values: Mapping[str, str], said: str
) -> None:
    """By name and day, as the store has them; and the data are those of the draft's text, not of the other."""
    journey = JOURNEY.replace(
        "    subject:", "    draft: {brief: Say hello., uses: [learner.given_name]}\n    subject:"
    )
    program = compiled(journey)
    async with telling(program, **place) as told:
        await _approve(told.story, program, values)
        await _came(told)
        page = await told.page()
        assert "Drafted for Ada" in told.letter().part("plain")
    assert said in page
    assert "a person (“Cy Reviewer”) read and approved them on 1 March 2037" in page
    assert "course title" not in page


@pytest.mark.parametrize(
    ("despite", "said"),
    [
        (None, "Rules checked them, and a person (“Cy Reviewer”) read and approved them on 1 March 2037."),
        (0, "Rules checked them, and a person (“Cy Reviewer”) read and approved them on 1 March 2037."),
        (1, "Rules checked them and had one objection; a person (“Cy Reviewer”) read and approved them all the same"),
        (3, "Rules checked them and had 3 objections; a person (“Cy Reviewer”) read and approved them all the same"),
    ],
)
async def test_what_the_rules_had_against_it_is_told(place: dict[str, Any], despite: int | None, said: str) -> None:
    """A person took it all the same: not that rules had checked it, and no more."""
    journey = JOURNEY.replace(
        "    subject:", "    draft: {brief: Say hello., uses: [learner.given_name]}\n    subject:"
    )
    program = compiled(journey)
    async with telling(program, **place) as told:
        await _approve(told.story, program, {"origin": "model", "model": "m-1", "approved_despite": despite})
        await _came(told)
        page = await told.page()
    assert said in page


async def test_without_an_approved_draft_the_words_are_the_journeys_own(place: dict[str, Any]) -> None:
    """What nobody approved has not gone, and the page says so."""
    journey = JOURNEY.replace(
        "    subject:", "    draft: {brief: Say hello., uses: [learner.given_name]}\n    subject:"
    )
    async with telling(compiled(journey), **place) as told:
        await _came(told)
        page = await told.page()
    assert "No draft of a language model went here" in page


async def _approve(story: Story, program: Program, of: Mapping[str, str | int | None]) -> None:
    order = order_for(program, "hello", language=None, value=None)
    assert order is not None
    async with story.database.write() as session:
        (draft,) = await drafts.want(session, [Wanted(order, order_key(order))], program=program.hash, at=MONDAY - DAY)
        values = {
            "state": "approved", "subject": "Hello", "body": "Drafted for {{ learner.given_name }}.",
            "decided_by": "Cy Reviewer", "decided_at": MONDAY - DAY, **of,
        }  # fmt: skip
        core = await session.connection()
        await core.execute(update(DraftRow).where(col(DraftRow.id) == draft).values(**values))


async def test_a_digest_says_it_of_each_part(place: dict[str, Any]) -> None:
    """One link for one letter; behind it, every message that went in it."""
    names = ("a", "b", "c")
    programs = [
        compiled(
            f"waymark: 1\njourney: {name}\ntitle: Title {name}\nenter: [{{on: hr.learner.promoted}}]\n"
            f"steps: [{{send: {name}}}]\nmessages: {{{name}: {{subject: About {name}, body: Hello}}}}"
        )
        for name in names
    ]
    rules: Mapping[str, Json] = {"sending": None, "budget": {"per_day": 1, "per_week": 8}, "digest": True}
    async with telling(*programs, policy=rules, **place) as told:
        await told.story.take(happens("hr.learner.promoted"))
        await told.story.play(until=MONDAY + timedelta(hours=1))
        (digest,) = await told.story.digests()
        assert 1 == len(told.smtp.for_("ada@example.org"))
        page = await told.page()
        by_itself = _seen((await told.get(f"/w/{_sign(digest.id)}")).text)
    assert "Several messages for you went in one" in page
    assert all(f"Title {name}" in page for name in names)
    assert 3 == page.count("because of a promotion")
    assert all(f"Title {name}" in by_itself for name in names)


def _sign(delivery: str) -> str:
    return Links(SECRET, "").sign_why(delivery)


# --- what it does not say -----------------------------------------------------------------------------------------


async def test_whatever_opens_nothing_is_answered_alike(place: dict[str, Any]) -> None:
    """A changed token, a delivery that never was, one who is gone: one page."""
    async with telling(compiled(JOURNEY), **place) as told:
        await _came(told)
        token = urlsplit(told.link()).path.removeprefix("/w/")
        answers = [
            await told.get(f"/w/{each}")
            for each in (token[:-3], "x" + token, token.replace(".", "..", 1), "%00", "é", _sign("dlv-0"), "a" * 600)
        ]
        async with told.story.database.write() as session:
            await (await session.connection()).execute(delete(Learner))
        answers.append(await told.get(f"/w/{token}"))
        async with told.story.database.write() as session:
            await (await session.connection()).execute(delete(Enrolment))
        answers.append(await told.get(f"/w/{token}"))
    assert {404} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    assert "There is nothing to tell here" in answers[0].text


async def test_the_page_is_kept_by_nobody_and_loads_nothing(place: dict[str, Any]) -> None:
    """Its head is that of every page of ours; it has no script, no form, and no address to go to."""
    async with telling(compiled(JOURNEY), **place) as told:
        await _came(told)
        shown, head = await told.get(told.link()), await told.get(told.link(), method="HEAD")
    assert (200, b"") == (head.status_code, head.content)
    assert {"no-store", "no-referrer", "nosniff", "noindex, nofollow"} == {
        shown.headers[name] for name in ("cache-control", "referrer-policy", "x-content-type-options", "x-robots-tag")
    }
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert ['href="data:,"'] == re.findall(r'(?:href|src|action)="[^"]*"', shown.text)
    assert not re.search(r"<(script|form|img|iframe)", shown.text)
    assert all(not route.include_in_schema for route in router.routes)  # type: ignore[attr-defined]  # of FastAPI's own
