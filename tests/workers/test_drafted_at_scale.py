"""Many texts drafted, checked and approved while learners run: nothing is sent unapproved, and what is sent is right
for its learner. On real servers; the model is an imitation, which writes some texts badly, one always badly, and
refuses one.

`make drafted` plays it at full size (`DRAFTED_AT_SCALE=full`): 200 values of `per`, 3 messages, 2 languages, 500
learners.
"""

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from store.tables import DeliveryRow, DraftRow
from tests.support.api import Api, event, parts_over, serving
from tests.support.drafting import drafting_house
from tests.support.house import Running
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.demo.writer import Answer, Asked, WriterServer
from workers.sweeper import Sweeper

MESSAGES = ("first", "second", "third")
GERMAN = {"first": "erste", "second": "zweite", "third": "dritte"}
JOURNEY = """\
waymark: 1
journey: at-scale
title: At scale
enter:
  - on: hr.learner.promoted
steps:
  - send: first
  - wait: 4s
  - send: second
  - wait: 4s
  - send: third
messages:
""" + "".join(
    f"""\
  {name}:
    draft:
      brief: Tell her that the {name} lesson is open, and that it takes ten minutes.
      uses: [learner.given_name]
      per: learner.role
    subject: The {name} lesson
    body: "{{{{ learner.given_name }}}}, the {name} lesson is open. It takes ten minutes."
    languages:
      de:
        subject: Die {GERMAN[name]} Lektion
        body: "{{{{ learner.given_name }}}}, die {GERMAN[name]} Lektion ist offen. Sie dauert zehn Minuten."
"""
    for name in MESSAGES
)

PLACES = (
    "ward", "garden", "harbour", "kitchen", "library", "market", "museum", "office", "railway", "school", "shop",
    "station", "theatre", "village", "workshop", "bakery", "forest", "laboratory", "museum shop", "night",
)  # fmt: skip
WORKS = ("nurse", "clerk", "cook", "driver", "gardener", "guard", "painter", "porter", "teacher", "tailor")

LANGUAGE = re.compile(r"^- language: the language (\S+) \(BCP 47\)$", re.MULTILINE)
VALUE = re.compile(r"the readers are those for whom .*?>>>\n\| (.*)\n")


@dataclass(frozen=True)
class Size:
    """How much of it is played."""

    values: int
    learners: int
    seconds: float

    @property
    def texts(self) -> int:
        """One for each value, message and language."""
        return self.values * len(MESSAGES) * 2


SIZE = Size(200, 500, 1_500) if os.environ.get("DRAFTED_AT_SCALE") == "full" else Size(8, 40, 400)
ROLES = [f"{place} {work}" for work in WORKS for place in PLACES][: SIZE.values]

Order = tuple[str, str, str | None]
"""Message, value, language."""

ALWAYS_BAD: Order = ("second", ROLES[0], None)
REFUSED: Order = ("third", ROLES[1], "de")
REJECTED: Order = ("first", ROLES[2], None)
EDITED: Order = ("first", ROLES[3], "de")
GONE = {"sent", "may_have_gone"}
NEVER_APPROVED = {ALWAYS_BAD, REFUSED, REJECTED}


def model(asked: Asked) -> Answer:
    """What the model writes: right for its value; one in eight with pressure, until it is told of that."""
    ordered = _ordered(asked.user)
    message, role, language = ordered
    if ordered == REFUSED:
        return Answer(None, refusal="I cannot help with that.")
    if language == "de":
        subject, body = f"Die {GERMAN[message]} Lektion", _german(message, role)
    else:
        subject, body = f"The {message} lesson", _english(message, role)
    is_told = "what was found wrong" in asked.user
    if ordered == ALWAYS_BAD:
        body += " Begin here: https://lessons.example.net/now"
    elif not is_told and hashlib.sha256(repr(ordered).encode()).digest()[0] % 8 == 0:
        body += " Hurry, this is your last chance!" if language is None else " Beeilen Sie sich, letzte Chance!"
    return Answer(json.dumps({"subject": subject, "body": body}))


def _ordered(prompt: str) -> Order:
    value, language = VALUE.search(prompt), LANGUAGE.search(prompt)
    assert value is not None, prompt
    (message,) = [name for name in MESSAGES if f"the {name} lesson" in prompt.partition("WANTED")[0]]
    return message, value[1], None if language is None else language[1]


def _english(message: str, role: str) -> str:
    return f"{{{{ learner.given_name }}}}, the {message} lesson for the work of a {role} is open. It takes ten minutes."


def _german(message: str, role: str) -> str:
    name = "{{ learner.given_name }}"
    return f"{name}, die {GERMAN[message]} Lektion für die Arbeit als {role} ist offen. Sie dauert zehn Minuten."


@dataclass(frozen=True)
class Someone:
    """A learner of the play."""

    number: int

    @property
    def id(self) -> str:
        return f"l-{self.number}"

    @property
    def role(self) -> str:
        return ROLES[self.number % SIZE.values]

    @property
    def language(self) -> str:
        return "de" if (self.number // SIZE.values + self.number) % 2 else "en"

    @property
    def name(self) -> str:
        return "Ada" if self.number % 2 else "Grace"

    def order(self, message: str) -> Order:
        """What text she needs."""
        return message, self.role, "de" if self.language == "de" else None

    def profile(self) -> dict[str, str]:
        return {
            "given_name": self.name, "email": f"{self.id}@example.org", "role": self.role, "language": self.language,
        }  # fmt: skip


@dataclass
class Person:
    """Who looks at the drafts, over the API: approves what nothing stands against, rejects one, edits one."""

    api: Api
    approved: int = 0
    left: Mapping[str, str] = field(default_factory=dict[str, str])

    async def look(self) -> None:
        """Decide on all that is proposed now."""
        approving: list[str] = []
        for draft in await self.list_all("proposed"):
            ordered = (draft["message"], draft["value"], draft["language"])
            if ordered == REJECTED:
                await self._post(f"{draft['id']}/reject", {"reason": "not for this role", "again": False})
            elif ordered == EDITED and draft["origin"] == "model":
                text = f"{_german('first', ROLES[3])} Sie können gleich beginnen."
                await self._post(f"{draft['id']}/edit", {"subject": draft["subject"], "body": text})
            else:
                approving.append(draft["id"])
        self.left = {}
        for start in range(0, len(approving), 200):
            done = await self._post("approve", {"ids": approving[start : start + 200]})
            self.approved += done["done"]
            self.left = {**self.left, **{one["draft"]: one["code"] for one in done["could_not"]}}

    async def list_all(self, state: str) -> Sequence[dict[str, Any]]:
        """Every draft in this state."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.api.get("/v1/drafts", journey="at-scale", state=state, limit=200, **cursor)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.api.client.post(f"/v1/drafts/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()


@dataclass
class Play:
    """The house, the API over it, and a sweeper."""

    running: Running
    api: Api
    server: WriterServer

    async def promote(self, learners: Sequence[Someone]) -> None:
        """They enter."""
        for start in range(0, len(learners), 100):
            part = learners[start : start + 100]
            await self.api.emit(*(event("hr.learner.promoted", each.id) for each in part))

    async def drafts(self) -> Sequence[DraftRow]:
        async with self.running.house.database.read() as session:
            return (await session.exec(select(DraftRow))).all()

    async def have_gone(self, number: int, message: str) -> bool:
        of_it = [each for each in await self.running.deliveries() if each.message == message]
        return len(of_it) == number and all(each.status in GONE for each in of_it)

    async def all_ended(self, number: int) -> bool:
        enrolments = await self.running.enrolments()
        return len(enrolments) == number and all(each.status == "ended" for each in enrolments)


_WATCHED = tuple(
    f"CREATE TRIGGER claimed_by_{change} AFTER {change} ON deliveries WHEN NEW.attempt IS NOT NULL BEGIN "
    "INSERT INTO claims VALUES (NEW.id, NEW.draft, (SELECT state FROM drafts WHERE id = NEW.draft)); END"
    for change in ("insert", "update")
)
"""When an attempt is claimed its text stands, and is about to go: in what state its draft is then, the database itself
writes down. Any instant that is kept of a delivery is a later one.
"""


async def watch(running: Running) -> None:
    """From now on every claim is written down."""
    async with running.house.database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE claims (delivery TEXT, draft TEXT, state TEXT)"))
        for trigger in _WATCHED:
            await connection.execute(text(trigger))


async def claims(running: Running) -> set[tuple[str, str, str]]:
    """Of every attempt in a draft's words: the delivery, the draft, and the state of it when it was claimed."""
    async with running.house.database.engine.connect() as connection:
        found = await connection.execute(text("SELECT delivery, draft, state FROM claims WHERE draft IS NOT NULL"))
        return {(row[0], row[1], row[2]) for row in found}


@asynccontextmanager
async def swept(running: Running) -> AsyncGenerator[None]:
    """With a sweeper, as the bridge runs it: it starts what nobody else has had drafted."""
    house, stop = running.house, asyncio.Event()
    sweeper = Sweeper(house.database, house.gateway, lambda: datetime.now(UTC), drafter=house.gateway)
    task = asyncio.create_task(sweeper.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.fixture
async def play(
    sqlite_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Play]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = WriterServer(model)
    await server.start()
    async with drafting_house(
        server, database_url=sqlite_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path,
        writer_tokens_per_day=10**9, writer_tokens_per_journey=10**9,
    ) as drafting:  # fmt: skip
        running = drafting.running
        house = running.house
        await watch(running)
        async with (
            swept(running),
            serving(parts_over(house.database, house.ingest, house.gateway), house.ingest) as api,
        ):
            api.client.timeout = 120  # a busy machine, on which everything runs at once
            yield Play(running, api, server)
    await server.stop()


@pytest.mark.timeout(SIZE.seconds)
async def test_nothing_is_sent_unapproved_and_what_is_sent_is_right_for_its_learner(
    play: Play, smtp_sink: SmtpSink, capsys: pytest.CaptureFixture[str]
) -> None:
    """Learners run from before the first approval until after the last one."""
    learners = [Someone(number) for number in range(SIZE.learners)]
    waves = [learners[start : start + SIZE.learners // 5] for start in range(0, SIZE.learners, SIZE.learners // 5)]
    for start in range(0, len(learners), 100):
        part = learners[start : start + 100]
        await play.api.emit(
            *(event("hr.learner.hired", each.id, id_=None, time=None, **each.profile()) for each in part)
        )

    began = time.monotonic()
    assert 201 == (await play.api.publish(JOURNEY, "at-scale")).status_code
    published_after = time.monotonic() - began
    await play.promote(waves[0])
    await until(lambda: play.have_gone(len(waves[0]), "first"), timeout=SIZE.seconds / 4)
    person = Person(play.api)
    deciding = asyncio.create_task(_decide(person))
    for wave in waves[1:-1]:
        await play.promote(wave)
        await asyncio.wait({deciding}, timeout=SIZE.texts / 200)
    await deciding
    decided_after = time.monotonic() - began
    await play.promote(waves[-1])
    await until(lambda: play.all_ended(len(learners)), timeout=SIZE.seconds / 3)
    took = time.monotonic() - began

    drafts = {row.id: row for row in await play.drafts()}
    _look_at_drafts(drafts.values(), person)
    went = await _look_at_what_went(play, drafts, smtp_sink, learners)
    late = {each.id for each in waves[-1]}
    for learner, message, draft in went:
        if learner.id in late:
            assert (draft is None) == (learner.order(message) in NEVER_APPROVED), (learner, message)
    early = {each.id for each in waves[0]}
    first = [draft for learner, message, draft in went if message == "first" and learner.id in early]
    assert {None} == set(first), "nobody had approved anything yet"
    drafted = sum(draft is not None for _, _, draft in went)
    with capsys.disabled():
        print(
            f"\npublished in {published_after:.1f} s; {SIZE.texts} texts drafted in {len(play.server.asked)} calls, "
            f"checked and decided after {decided_after:.0f} s; {len(learners)} learners, {len(went)} messages in "
            f"{took:.0f} s: {drafted} drafted and approved, {len(went) - drafted} in their own words"
        )


async def _decide(person: Person) -> None:
    """Look again and again, until only what cannot be approved is left."""
    while True:
        await person.look()
        wanted, proposed = await person.list_all("wanted"), await person.list_all("proposed")
        if not wanted and {draft["id"] for draft in proposed} == set(person.left):
            return
        await asyncio.sleep(0.5)  # a person does not look all the time


def _look_at_drafts(drafts: Any, person: Person) -> None:
    """Each order has one text that was approved, but for those that cannot have; nothing else was."""
    approved: dict[Order, DraftRow] = {}
    for row in drafts:
        if row.state == "approved":
            approved[row.message, row.value, row.language] = row
        else:
            assert row.decided_at is None or row.state in ("rejected", "replaced")
    every: set[Order] = {(m, role, language) for m in MESSAGES for role in ROLES for language in (None, "de")}
    assert every - NEVER_APPROVED == set(approved)
    assert SIZE.texts + 1 == len(drafts)  # and the edited one
    assert SIZE.texts - len(NEVER_APPROVED) == person.approved
    assert ["hard_findings"] == list(person.left.values())
    assert {"person"} == {approved[EDITED].origin} != {row.origin for row in approved.values()}
    corrected = [row for row in approved.values() if row.calls > 1]
    assert corrected, "some were sent back to the model, and came back better"
    for row in approved.values():
        assert not re.search("chance|https?:", row.body or "", re.IGNORECASE), row.body


async def _look_at_what_went(
    play: Play, drafts: Mapping[str, DraftRow], sink: SmtpSink, learners: Sequence[Someone]
) -> Sequence[tuple[Someone, str, str | None]]:
    """Every message that arrived: whose, which, and in which draft's words; each is looked at against its draft.

    Where everything is in one process that is held up for long, an attempt may be given up before it was made.
    """
    mails = {match[0]: mail for mail in sink.arrived if (match := _DELIVERY.search(str(mail.message["message-id"])))}
    deliveries = await play.running.deliveries()
    claimed = await claims(play.running)
    by_address = {f"{each.id}@example.org": each for each in learners}
    assert 3 * len(learners) == len(deliveries)
    assert len(sink.arrived) == len(mails)
    assert GONE >= {each.status for each in deliveries}
    assert {each.id for each in deliveries if each.status == "sent"} <= mails.keys() <= {each.id for each in deliveries}
    assert len(mails) >= 0.99 * len(deliveries)
    assert {"approved"} == {state for _, _, state in claimed}
    assert {(each.id, each.draft) for each in deliveries if each.draft} <= {(one, draft) for one, draft, _ in claimed}
    went: list[tuple[Someone, str, str | None]] = []
    for delivery in (each for each in deliveries if each.id in mails):
        mail = mails[delivery.id]
        learner, said = by_address[mail.recipient], mail.part("plain")
        if delivery.draft is None:
            assert "no approved draft" == delivery.undrafted
            _is_own_words(learner, delivery, said)
        else:
            _is_approved(learner, delivery, drafts[delivery.draft], said)
        went.append((learner, delivery.message, delivery.draft))
    return went


_DELIVERY = re.compile("dlv-[0-9a-f]+")


def _is_own_words(learner: Someone, delivery: DeliveryRow, text: str) -> None:
    name = delivery.message
    english = f"{learner.name}, the {name} lesson is open. It takes ten minutes."
    german = f"{learner.name}, die {GERMAN[name]} Lektion ist offen. Sie dauert zehn Minuten."
    assert (german if learner.language == "de" else english) in text


def _is_approved(learner: Someone, delivery: DeliveryRow, draft: DraftRow, text: str) -> None:
    """A person approved it, for her value and language; and it is what arrived, with her name in it."""
    assert learner.order(delivery.message) == (draft.message, draft.value, draft.language)
    assert draft.state == "approved"
    assert "tests" == draft.decided_by
    assert draft.decided_at is not None
    said = (draft.body or "").replace("{{ learner.given_name }}", learner.name)
    assert said in text
    assert learner.role in said
