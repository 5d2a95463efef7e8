"""A house with a writer, whose model is an imitation: what is ordered, asked and drafted in it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from journeys.codec import program_to_json
from journeys.drafting.choosing import Wanted
from journeys.drafting.findings import Finding, finding_from_json
from journeys.drafting.order import order_for, order_key
from journeys.events import Json
from journeys.program import Draft, Expression, Message, Program, Wording
from store.queries import drafts
from store.tables import DraftRow, DraftSpending, JourneyRow, Version
from tests.support.definitions import program_of, send
from tests.support.house import Running, running_house
from tests.support.until import until
from waymark.demo.writer import Answer, WriterServer
from workers.breath import Pacing

SWIFT = Pacing(timedelta(milliseconds=100), timedelta(milliseconds=400), timedelta(milliseconds=400))
"""Pauses for tests: nothing is different but their length."""

GOOD = {"subject": "Your course", "body": "The first lesson takes ten minutes, {{ learner.role }}."}
GOOD_IN_GERMAN = {"subject": "Ihr Kurs", "body": "Die erste Lektion dauert zehn Minuten, {{ learner.role }}."}
DRAFT = Draft(
    "Remind her that the course is waiting, and that the first lesson takes ten minutes.", uses=("learner.role",)
)


def says(text: Mapping[str, Json]) -> Answer:
    """An answer of the right form."""
    return Answer(json.dumps(text))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WriterServer]:
    """A server whose model writes well, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = WriterServer(lambda _asked: says(GOOD))
    await made.start()
    yield made
    await made.stop()


def drafted(
    draft: Draft = DRAFT,
    *,
    messages: Sequence[str] = ("hello",),
    journey: str = "story",
    german: bool = False,
    version: int = 1,
) -> Program:
    """A program whose messages are all drafted alike."""
    languages = {"de": Wording("Ihr Kurs wartet", "Die erste Lektion dauert zehn Minuten.")} if german else {}
    message = Message("hello", "Your course waits", "The first lesson takes ten minutes.", languages=languages)
    made = program_of([send(name) for name in messages], journey=journey)
    return replace(
        made,
        messages={name: replace(message, name=name, draft=draft) for name in messages},
        hash=f"{journey}-{version}",
    )


def for_each(per: str) -> Draft:
    """The same draft, with a text for each value."""
    return replace(DRAFT, per=Expression(per))


def findings_of(row: DraftRow) -> list[Finding]:
    """What was found wrong with a draft, as its row keeps it."""
    return [finding_from_json(plain) for plain in row.findings if isinstance(plain, dict)]


@dataclass
class Drafting:
    """The house, and the model's server."""

    running: Running
    server: WriterServer

    async def publish(self, program: Program) -> Program:
        """Publish a program as version 1."""
        await self.running.publish_program(program)
        return program

    async def publish_again(self, program: Program) -> Program:
        """Publish a program as version 2."""
        now = datetime.now(UTC)
        async with self.running.house.database.write() as session:
            session.add(
                Version(
                    journey=program.journey, number=2, hash=program.hash, title=program.title, media_type="",
                    definition="", program=program_to_json(program), published_at=now,
                )
            )  # fmt: skip
            await session.flush()
            row = (await session.exec(select(JourneyRow).where(col(JourneyRow.name) == program.journey))).one()
            row.version = 2
            session.add(row)
        return program

    async def want(
        self,
        program: Program,
        message: str = "hello",
        *,
        language: str | None = None,
        value: str | None = None,
    ) -> str:
        """Order a text; answers its draft's id."""
        order = order_for(program, message, language=language, value=value)
        assert order is not None
        wanted = Wanted(order, order_key(order))
        async with self.running.house.database.write() as session:
            (id_,) = await drafts.want(session, [wanted], program=program.hash, at=datetime.now(UTC))
        return id_

    async def start(self, *ids: str) -> None:
        """Have them drafted."""
        assert not await self.running.house.gateway.draft(ids)

    async def draft(self, program: Program, message: str = "hello", **which: str | None) -> DraftRow:
        """Order a text, and wait until it is drafted, or given up."""
        id_ = await self.want(program, message, **which)
        await self.start(id_)
        return await self.settled(id_)

    async def row(self, id_: str) -> DraftRow:
        """A draft as it stands."""
        async with self.running.house.database.read() as session:
            found = await drafts.find(session, id_)
        assert found is not None
        return found

    async def rows(self) -> Sequence[DraftRow]:
        """All of them, in order of id."""
        async with self.running.house.database.read() as session:
            return (await session.exec(select(DraftRow).order_by(col(DraftRow.id)))).all()

    async def change(self, id_: str, **values: Any) -> None:
        """Make a draft as somebody else would have left it."""
        async with self.running.house.database.write() as session:
            row = await drafts.lock(session, id_)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)

    async def settled(self, id_: str, *, timeout: float = 120.0) -> DraftRow:
        """The draft, once it is wanted no more."""

        async def found() -> DraftRow | None:
            row = await self.row(id_)
            assert row.state != "wanted", row.reason
            return row

        return await until(found, timeout=timeout)

    async def waits(self, id_: str, *, timeout: float = 120.0) -> str:
        """Why it is still wanted, once its row says so."""

        async def why() -> str | None:
            row = await self.row(id_)
            assert row.state == "wanted"
            return row.reason

        return await until(why, timeout=timeout)

    async def sleeps(self, id_: str) -> None:
        """Until its workflow has nothing to do but wait."""
        handle = self.running.house.client.get_workflow_handle(self.workflow(id_))

        async def is_asleep() -> bool:
            history = await handle.fetch_history()
            return history.events[-1].HasField("timer_started_event_attributes")

        await until(is_asleep)

    async def ended(self, id_: str) -> None:
        """Until its workflow has ended."""
        await self.running.house.client.get_workflow_handle(self.workflow(id_)).result()

    async def move(self, by: timedelta, *ids: str) -> None:
        """Move the clocks of these workflows."""
        for id_ in ids:
            await self.sleeps(id_)
            now = await self.running.timelapse.clock_of(self.workflow(id_))
            await self.running.timelapse.move([self.workflow(id_)], now + by)

    def workflow(self, id_: str) -> str:
        """The id of the workflow that has a text drafted."""
        return self.running.house.queues.drafting_id(id_)

    async def spent(self) -> Mapping[str, DraftSpending]:
        """What was spent on the last day, by journey; all together by the empty name."""
        async with self.running.house.database.read() as session:
            found = (await session.exec(select(DraftSpending).order_by(col(DraftSpending.day)))).all()
        return {row.journey: row for row in found}


@asynccontextmanager
async def drafting_house(
    server: WriterServer,
    *,
    database_url: str,
    temporal_address: str,
    smtp_url: str,
    home: Path,
    policy: Mapping[str, Json] | None = None,
    pacing: Pacing = SWIFT,
    **overrides: Any,
) -> AsyncGenerator[Drafting]:
    """A house whose writer asks this server."""
    settings: dict[str, Any] = {
        "openai_api_key": server.key,
        "openai_base_url": server.url,
        "writer_model": server.model,
        "writer_answer": timedelta(seconds=60),
        **overrides,
    }
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_url, home=home, policy=policy,
        pacing=pacing, **settings,
    ) as running:  # fmt: skip
        yield Drafting(running, server)
