"""The whole house in the test's own process, on real servers: ingest, gateway, turns, retries; and how to wait for
it.
"""

import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import insert
from sqlmodel import col, select
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from journeys import codec
from journeys.compiler import compile_definition
from journeys.events import Event, Json
from journeys.program import Program
from store.tables import DeliveryRow, Enrolment, InboxRow, JournalRow, JourneyRow, Version
from tests.support.definitions import LEFT, program_of, send
from tests.support.policies import keep_policy
from tests.support.until import until
from waymark.settings import Settings
from waymark.vocabulary import vocabulary
from waymark.wiring import House, migrate, open_activities, open_house
from workers.breath import Pacing
from workers.ingest import Incoming, Taken
from workers.worker import Activities, TakesTurns, asking_worker, drafting_worker, retries_worker, turns_worker
from workflows.contracts import Queues, TurnOrder, TurnTaken
from workflows.timelapse import Timelapse


@dataclass
class Running:
    """A house with its worker running."""

    house: House
    timelapse: Timelapse
    story_now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def publish(self, definition: str) -> Program:
        """Publish a definition that has no errors, as version 1."""
        compiled = compile_definition(definition, vocabulary=vocabulary())
        assert compiled.program is not None, compiled.problems
        await self.publish_program(compiled.program, definition)
        return compiled.program

    async def publish_program(self, program: Program, definition: str = "") -> None:
        """Publish a program that is compiled already."""
        now = datetime.now(UTC)
        async with self.house.database.write() as session:
            core = await session.connection()
            await core.execute(
                insert(Version),
                [
                    {
                        "journey": program.journey, "number": 1, "hash": program.hash, "title": program.title,
                        "media_type": "application/yaml", "definition": definition,
                        "program": codec.program_to_json(program), "published_at": now,
                    }
                ],
            )  # fmt: skip
            await core.execute(
                insert(JourneyRow), [{"name": program.journey, "version": 1, "created_at": now, "status": "live"}]
            )

    async def take(self, *events: Event) -> Sequence[Taken]:
        """Events arrive."""
        return await self.house.ingest.take([Incoming(event) for event in events])

    async def enrolments(self) -> Sequence[Enrolment]:
        """Every enrolment, as it stands."""
        async with self.house.database.read() as session:
            return (await session.exec(select(Enrolment).order_by(col(Enrolment.created_at), col(Enrolment.id)))).all()

    async def journal(self, enrolment: str) -> Sequence[JournalRow]:
        """The journal of one, in order."""
        async with self.house.database.read() as session:
            query = select(JournalRow).where(col(JournalRow.enrolment) == enrolment).order_by(col(JournalRow.seq))
            return (await session.exec(query)).all()

    async def deliveries(self) -> Sequence[DeliveryRow]:
        """Every delivery."""
        async with self.house.database.read() as session:
            return (await session.exec(select(DeliveryRow).order_by(col(DeliveryRow.created_at)))).all()

    async def quiet(self) -> None:
        """Until nothing wants waking, nothing is unread and no turn is under way."""
        await until(self._is_quiet)

    async def _is_quiet(self) -> bool:
        async with self.house.database.read() as session:
            busy = select(Enrolment.id).where(
                (col(Enrolment.wake_wanted_at).is_not(None)) | (col(Enrolment.lease_until).is_not(None))
                | ((col(Enrolment.fence) == 0) & (col(Enrolment.status) == "active"))
            ).limit(1)  # fmt: skip
            unread = (
                select(InboxRow.seq)
                .join(Enrolment, col(Enrolment.id) == col(InboxRow.enrolment))
                .where(col(InboxRow.read_at).is_(None), col(Enrolment.status) == "active")
                .limit(1)
            )
            return (await session.exec(busy)).first() is None and (await session.exec(unread)).first() is None

    def clock(self) -> datetime:
        """What time it is for what arrives: the story's, once a clock was moved."""
        return max(self.story_now, datetime.now(UTC))

    async def move_to(self, instant: datetime) -> None:
        """Move every running enrolment's clock to this instant, and the clock of what arrives.

        What is due by its own clock goes first: the server fires a timer up to a second late, and a clock that is moved
        in between passes it by.
        """
        await until(self._is_nothing_due)
        self.story_now = max(self.story_now, instant)
        living = [each.id for each in await self.enrolments() if each.status != "ended"]
        await self.timelapse.move(living, instant)
        await self.quiet()

    async def _is_nothing_due(self) -> bool:
        late = [e for e in await self.enrolments() if e.status != "ended" and e.due_at and e.due_at <= self.clock()]
        return not [e for e in late if e.due_at and e.due_at <= await self.timelapse.clock_of(e.id)]


class _StoryTurns:
    """A workflow that starts in the middle of a story has the real clock yet; its first turn is told the story's."""

    def __init__(self, turns: TakesTurns, clock: Callable[[], datetime]) -> None:
        self._turns = turns
        self._clock = clock
        self._begun: set[str] = set()

    async def take(self, order: TurnOrder) -> TurnTaken:
        if order.enrolment not in self._begun:
            self._begun.add(order.enrolment)
            order = replace(order, now=max(order.now, self._clock()))
        return await self._turns.take(order)


@asynccontextmanager
async def unmanned_house(
    *, database_url: str, temporal_address: str, smtp_url: str, home: Path, **settings: Any
) -> AsyncGenerator[tuple[Running, Activities]]:
    """A house without a worker, in which Ada has entered a journey of one message, which she leaves with `left`: turns
    and retries are made by hand.
    """
    made = Settings(
        home=home, database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_url,
        secret=SecretStr("a secret of this test"), **settings,
    )  # fmt: skip
    await migrate(made)
    await keep_policy(str(made.database()))
    async with (
        open_house(made, queues=Queues(prefix="nobody-")) as house,
        open_activities(house) as (activities, _),
    ):
        running = Running(house, Timelapse(house.client))
        await running.publish_program(program_of([send("one")], exits=[LEFT]))
        data: dict[str, Json] = {"given_name": "Ada", "email": "ada@example.org"}
        await running.take(Event("promoted", "hr", "hr.learner.promoted", "ada", datetime.now(UTC), data))
        yield running, activities


@asynccontextmanager
async def running_house(
    *,
    database_url: str,
    temporal_address: str,
    smtp_url: str,
    home: Path,
    policy: Mapping[str, Json] | None = None,
    pacing: Pacing | None = None,
    **overrides: Any,
) -> AsyncGenerator[Running]:
    """Everything but Kafka and HTTP, with a worker whose workflows run in the sandbox; without a policy, no limits."""
    settings = Settings(
        home=home,
        database_url=database_url,
        temporal_address=temporal_address,
        smtp_url=smtp_url,
        secret=uuid.uuid4().hex,  # type: ignore[arg-type]  # a secret of its own: no two tests share an id on one Temporal
        event_lead=timedelta(days=3650),
        **overrides,
    )
    queues = Queues(prefix=f"{uuid.uuid4().hex[:8]}-")
    await migrate(settings)
    await keep_policy(database_url, policy)
    restrictions = SandboxRestrictions.default
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(settings, queues=queues))
        activities, channels = await stack.enter_async_context(open_activities(house, pacing=pacing))
        runner = SandboxedWorkflowRunner(restrictions=restrictions)
        running = Running(house, Timelapse(house.client))
        activities = replace(activities, turns=_StoryTurns(activities.turns, running.clock))
        await stack.enter_async_context(turns_worker(house.client, activities, queues=queues, runner=runner))
        for channel in channels:
            await stack.enter_async_context(retries_worker(house.client, activities, channel, queues=queues))
        for system in activities.asking.requesting.systems:
            await stack.enter_async_context(asking_worker(house.client, activities, system, queues=queues))
        if activities.drafting is not None:
            drafting = drafting_worker(house.client, activities.drafting, queues=queues, runner=runner)
            await stack.enter_async_context(drafting)
        running.house = replace(house, ingest=replace(house.ingest, clock=running.clock))
        yield running
