"""The page of a survey: real API, real store, real ingest; the run is brought to its survey by the core itself."""

import asyncio
import base64
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from journeys import codec
from journeys.advance import advance
from journeys.effects import Began, Delivered
from journeys.identity import delivery_id
from journeys.run import Hold, Run
from store.tables import DeliveryRow, Enrolment, Learner, LoggedEvent
from tests.support.api import Api, event

NODE = "ask-confidence"
JOURNEY = """\
waymark: 1
journey: survey
title: First weeks <as a manager>
enter: [{on: hr.learner.promoted}]
steps:
  - ask: confidence
    to: TO
    within: 5d
    intro: |
      How is it going, {{ recipient.given_name }}? **One** minute, <script>alert(1)</script>

      ![a picture](https://tracker.example.com/p.gif)
    questions:
      - {id: sure, text: "How sure is {{ learner.given_name }}?", scale: [1, 5]}
      - {id: barrier, text: "What stands in the way?", choices: [time, '<b>room</b>', topic]}
      - {id: other, text: "Anything else?", text_answer: true}
"""
IS_FORM = {"content-type": "application/x-www-form-urlencoded"}
FORM = {"sure": "4", "barrier": "time", "other": "Meetings, mostly."}


@dataclass
class Asked:
    """A learner who was asked, and her link."""

    api: Api
    enrolment: str

    @property
    def path(self) -> str:
        link = self.api.parts.links.survey(self.enrolment, NODE, 1)
        return link.removeprefix("http://waymark.test")

    async def get(self, path: str | None = None) -> httpx2.Response:
        async with self._anybody() as client:
            return await client.get(path or self.path)

    async def post(self, form: Any = None, path: str | None = None) -> httpx2.Response:
        async with self._anybody() as client:
            return await client.post(
                path or self.path, content=urlencode(FORM if form is None else form, doseq=True), headers=IS_FORM
            )

    def _anybody(self) -> httpx2.AsyncClient:
        """Whoever has the link: no key."""
        return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.api.port}", timeout=20)

    async def run(self) -> Run:
        return codec.run_from_json((await self.row()).run)

    async def row(self) -> Enrolment:
        async with self.api.parts.database.read() as session:
            return (await session.exec(select(Enrolment).where(col(Enrolment.id) == self.enrolment))).one()

    async def change(self, **values: Any) -> None:
        async with self.api.parts.database.write() as session:
            await (await session.connection()).execute(
                update(Enrolment).where(col(Enrolment.id) == self.enrolment).values(**values)
            )

    async def answers(self) -> list[LoggedEvent]:
        async with self.api.parts.database.read() as session:
            query = select(LoggedEvent).where(col(LoggedEvent.type) == "survey.answered")
            return list((await session.exec(query)).all())


async def ask(api: Api, *, to: str = "learner") -> Asked:
    """A learner enters, and her message goes."""
    assert 201 == (await api.publish(JOURNEY.replace("TO", to), "survey")).status_code
    await api.emit(
        event("hr.learner.hired", "mia", given_name="Mia", email="mia@example.org"),
        event("hr.learner.hired", "ada", given_name="Ada", email="ada@example.org", manager="mia"),
        event("hr.learner.promoted", "ada"),
    )
    (listed,) = (await api.get("/v1/enrolments", learner="ada"))["items"]
    asked = Asked(api, listed["id"])
    await _bring_to_survey(asked, recipient="mia" if to == "manager" else "ada")
    return asked


async def _bring_to_survey(asked: Asked, *, recipient: str) -> None:
    row = await asked.row()
    async with asked.api.parts.database.read() as session:
        program = await asked.api.ingest.programs.by_hash(session, row.program)
        person = (await session.exec(select(Learner).where(col(Learner.source_id) == recipient))).one()
    now = datetime.now(UTC)
    run, _ = advance(program, codec.run_from_json(row.run), Began(row.entered_at))
    run, _ = advance(program, run, Delivered(now, "sent", "email"))
    assert isinstance(run.hold, Hold), run
    await asked.change(run=codec.run_to_json(run), step=run.node, fence=1)
    delivery = DeliveryRow(
        id=delivery_id(row.id, NODE, 1, 0), enrolment=row.id, journey="survey", learner=row.learner,
        recipient=person.id, node=NODE, visit=1, message=NODE, status="sent", created_at=now, updated_at=now,
    )  # fmt: skip
    async with asked.api.parts.database.write() as session:
        session.add(delivery)


class Page(HTMLParser):
    """What a page asks for: its fields with what stands in them, and every address in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.checked: dict[str, str] = {}
        self.labels: set[str] = set()
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        for name in ("aria-describedby", "aria-labelledby", "for"):
            self.references |= set(given.get(name, "").split())
        self.references |= {given["href"][1:]} if given.get("href", "").startswith("#") else set()
        self.addresses += [given[name] for name in ("href", "src", "action", "srcset") if name in given]
        if tag in ("input", "textarea", "select"):
            self.fields.setdefault(given["name"], []).append(given.get("value", ""))
            if "checked" in given:
                self.checked[given["name"]] = given["value"]


# --- shown --------------------------------------------------------------------------------------------------------


async def test_the_link_shows_the_questions(api: Api) -> None:
    """Intro, every question with its kind of field, and what is done with the answers; nobody needs a key."""
    asked = await ask(api)
    shown = await asked.get()
    page = Page(shown.text)
    assert (200, "text/html; charset=utf-8") == (shown.status_code, shown.headers["content-type"])
    assert {
        "sure": ["1", "2", "3", "4", "5"],
        "barrier": ["time", "<b>room</b>", "topic"],
        "other": [""],
    } == page.fields
    assert {} == page.checked
    assert "How sure is Ada?" in shown.text
    assert "<strong>One</strong> minute" in shown.text
    assert "kept with your record" in shown.text
    assert "First weeks &lt;as a manager&gt;" in shown.text


async def test_the_page_is_safe_and_loads_nothing(api: Api) -> None:
    """No script, no picture, no address but anchors; texts are escaped; nothing may be kept, framed or indexed."""
    shown = await (await ask(api)).get()
    page = Page(shown.text)
    assert not {"script", "img", "iframe", "b"} & set(page.tags)
    assert {"data:,"} == set(page.addresses)
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert {"no-store", "no-referrer", "nosniff"} == {
        shown.headers[name] for name in ("cache-control", "referrer-policy", "x-content-type-options")
    }
    assert "mia" not in shown.text.lower()
    assert "ada@example.org" not in shown.text


async def test_the_style_is_the_one_that_is_allowed(api: Api) -> None:
    """The policy names the hash of the very text of the style."""
    shown = await (await ask(api)).get()
    (style,) = re.findall(r"<style>(.*?)</style>", shown.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in shown.headers["content-security-policy"]


async def test_every_field_has_its_name(api: Api) -> None:
    """Whatever describes, labels or is linked to is there, once; the page says its language and its size."""
    asked = await ask(api)
    for shown in (await asked.get(), await asked.post({"sure": "9", "barrier": "no", "other": "x" * 2001})):
        page = Page(shown.text)
        assert len(page.ids) == len(set(page.ids))
        assert page.references <= set(page.ids)
        assert 2 == page.tags.count("legend")
        assert '<html lang="en">' in shown.text
        assert "width=device-width" in shown.text


async def test_looking_changes_nothing(api: Api) -> None:
    """A scanner of mail that follows every link, by GET or HEAD, answers nothing."""
    asked = await ask(api)
    before = (await asked.row()).run
    for _ in range(3):
        assert 200 == (await asked.get()).status_code
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as client:
        assert (200, b"") == ((head := await client.head(asked.path)).status_code, head.content)
    assert [] == await asked.answers()
    assert before == (await asked.row()).run


async def test_a_manager_is_asked_about_a_learner(api: Api) -> None:
    """The page speaks to the manager, and says with whose record the answers are kept; the event is the learner's."""
    asked = await ask(api, to="manager")
    shown = await asked.get()
    assert "How is it going, Mia?" in shown.text
    assert "How sure is Ada?" in shown.text
    assert "record of the person they are about" in shown.text
    assert 200 == (await asked.post()).status_code
    (answer,) = await asked.answers()
    assert (await asked.row()).learner == answer.learner


# --- answered -----------------------------------------------------------------------------------------------------


async def test_an_answer_is_one_event(api: Api) -> None:
    """The form becomes `survey.answered`, fires the step's trigger, and wakes the enrolment."""
    asked = await ask(api)
    await asked.change(wake_wanted_at=None)
    thanked = await asked.post()
    assert 200 == thanked.status_code
    assert "Thank you" in thanked.text
    (answer,) = await asked.answers()
    assert ("waymark", "survey.answered") == (answer.source, answer.type)
    assert {
        "enrolment": asked.enrolment, "step": NODE, "item": "confidence",
        "answer": {"sure": 4, "barrier": "time", "other": "Meetings, mostly."},
    } == answer.data  # fmt: skip
    assert (await asked.row()).wake_wanted_at is not None


async def test_the_first_answer_counts(api: Api) -> None:
    """A second submission, and a second look, say so; the first is kept."""
    asked = await ask(api)
    await asked.post({"sure": "2"})
    for again in (await asked.post({"sure": "5"}), await asked.post({"sure": "2"}), await asked.get()):
        assert 200 == again.status_code
        assert "You have answered already" in again.text
    (answer,) = await asked.answers()
    assert {"sure": 2} == answer.data["answer"]


async def test_two_at_once_are_one(api: Api) -> None:
    """A double click is one answer: one thanks, one that says it was answered."""
    asked = await ask(api)
    answered = await asyncio.gather(*(asked.post({"sure": str(n)}) for n in (1, 2, 3, 4)))
    assert {200} == {each.status_code for each in answered}
    assert 1 == sum("Thank you" in each.text for each in answered)
    assert 1 == len(await asked.answers())


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"sure": "6"}, "choose a number from 1 to 5"),
        ({"barrier": "money"}, "choose one of these"),
        ({"other": "x" * 2001}, "2,000 characters at most"),
        ({"sure": ["1", "5"]}, "one answer here"),
        ({}, "answer at least one question"),
        ({"other": "   "}, "answer at least one question"),
        ({"sure": "1", "salary": "2"}, "a question that is not asked here"),
    ],
    ids=["scale", "choice", "long", "several", "nothing", "blank", "unknown"],
)
async def test_what_is_wrong_is_said(api: Api, form: dict[str, Any], said: str) -> None:
    """422, in plain words, and nothing is kept."""
    asked = await ask(api)
    refused = await asked.post(form)
    assert 422 == refused.status_code
    assert said in refused.text
    assert 'role="alert"' in refused.text
    assert [] == await asked.answers()


async def test_what_was_entered_is_kept_beside_what_is_wrong(api: Api) -> None:
    """Nobody types twice; and what comes back is escaped."""
    asked = await ask(api)
    text = "</textarea><script>alert(1)</script>\n  second line"
    refused = await asked.post({"sure": "9", "barrier": "<b>room</b>", "other": text})
    assert {"barrier": "<b>room</b>"} == Page(refused.text).checked
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n  second line</textarea>" in refused.text
    assert "script" not in Page(refused.text).tags


# --- closed -------------------------------------------------------------------------------------------------------


async def _ended(asked: Asked) -> None:
    await asked.change(status="ended", outcome="withdrawn", ended_at=datetime.now(UTC))


async def _too_late(asked: Asked) -> None:
    run = await asked.run()
    assert isinstance(run.hold, Hold)
    await asked.change(run=codec.run_to_json(replace(run, hold=replace(run.hold, due_at=_ago(seconds=1)))))


async def _gone_on(asked: Asked) -> None:
    await asked.change(run=codec.run_to_json(replace(await asked.run(), node=None, hold=None)))


async def _erased(asked: Asked) -> None:
    async with asked.api.parts.database.write() as session:
        await (await session.connection()).execute(delete(Enrolment).where(col(Enrolment.id) == asked.enrolment))


def _ago(**by: float) -> datetime:
    return datetime.now(UTC) - timedelta(**by)


@pytest.mark.parametrize("happens", [_ended, _too_late, _gone_on, _erased])
async def test_a_survey_that_is_over_is_closed(api: Api, happens: Any) -> None:
    """410, alike for every reason, by GET and by POST; nothing is kept and nothing is told."""
    asked = await ask(api)
    path = asked.path
    await happens(asked)
    pages = [await asked.get(path), await asked.post(path=path)]
    assert [410, 410] == [page.status_code for page in pages]
    for page in pages:
        assert "This survey is closed" in page.text
        assert not any(word in page.text.lower() for word in ("ada", "manager", "withdrawn", "erased"))
    assert [] == await asked.answers()


async def test_answered_stays_answered_when_the_journey_ends(api: Api) -> None:
    """Who answered is not told that she was too late."""
    asked = await ask(api)
    await asked.post()
    await _ended(asked)
    assert "You have answered already" in (await asked.get()).text


@pytest.mark.parametrize(
    "alter", [lambda t: t[:-3], lambda t: t.replace(".1.", ".2."), lambda t: "x" + t, lambda t: "%00"]
)
async def test_a_link_that_was_altered_is_nobodys(api: Api, alter: Any) -> None:
    """404 and a friendly word, by GET and by POST."""
    asked = await ask(api)
    path = "/a/" + alter(asked.path.removeprefix("/a/"))
    for page in (await asked.get(path), await asked.post(path=path)):
        assert 404 == page.status_code
        assert "This link does not work" in page.text
    assert [] == await asked.answers()


async def test_a_later_visit_has_a_link_of_its_own(api: Api) -> None:
    """In another round the link of the first is closed, and the new one open."""
    asked = await ask(api)
    await asked.change(run=codec.run_to_json(replace(await asked.run(), visits={NODE: 2})))
    assert 410 == (await asked.get()).status_code
    second = api.parts.links.survey(asked.enrolment, NODE, 2).removeprefix("http://waymark.test")
    assert 200 == (await asked.get(second)).status_code
    assert "Thank you" in (await asked.post(path=second)).text


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_body_has_an_end(api: Api) -> None:
    """413 where it is too long, 415 where it is no form, 400 where it has no end of fields: pages, all of them."""
    asked = await ask(api)
    url = f"http://127.0.0.1:{api.port}{asked.path}"
    async with httpx2.AsyncClient(timeout=20) as client:
        answers = [
            await client.post(url, content=b"other=" + b"x" * 1_100_000, headers=IS_FORM),
            await client.post(url, json={"sure": 4}),
            await client.post(url, content=b"&".join(b"q%d=1" % n for n in range(300)), headers=IS_FORM),
        ]
    assert [413, 415, 400] == [answer.status_code for answer in answers]
    assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)
    assert [] == await asked.answers()


async def test_bytes_that_are_no_text_are_taken_as_they_can(api: Api) -> None:
    """What is no UTF-8 is no crash, and what no database keeps is not in the answer."""
    asked = await ask(api)
    async with httpx2.AsyncClient(timeout=20) as client:
        answer = await client.post(
            f"http://127.0.0.1:{api.port}{asked.path}", content=b"other=a%00b%FFc\xff",
            headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        )  # fmt: skip
    assert 200 == answer.status_code
    (kept,) = await asked.answers()
    assert {"other": "ab\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"} == kept.data["answer"]


async def test_the_page_is_not_in_the_api(api: Api) -> None:
    """It is for people: OpenAPI does not know it."""
    assert not any(path.startswith("/a/") for path in (await api.get("/openapi.json"))["paths"])
