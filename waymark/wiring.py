"""The one place that builds every part and hands it to the others. Settings are read once, here.

    settings ─> database ─┬─> programs ─┬─> turns, retries ──> worker
                          │             ├─> ingest ──────────> bridge, api
                          └─> channels ─┘
                temporal ───> gateway ──┘

Each `open_*` is a context that closes what it opened. Nothing below this row reads a setting or builds a part for
itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, cast

from sqlalchemy.exc import DBAPIError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from api.parts import Parts
from api.serve import serve
from connectors.calls.opening import open_calls, read_calls
from connectors.channels.base import Channel, Limits
from connectors.channels.opening import close_channels, known_channels, open_channels
from connectors.lms import open_lmss, read_lmss
from connectors.requests import System, queue_of
from journeys.composing import Reach
from journeys.events import Event
from journeys.links import Links
from store.database import Database
from store.migrate import upgrade
from waymark.cli.errors import Unreachable, WrongUsage
from waymark.settings import Settings, shown
from waymark.vocabulary import vocabulary
from workers import bridge
from workers.breaker import Breaker
from workers.dead_letters import DeadLetters
from workers.delivering import Delivering, DeliverRule
from workers.ingest import Ingest, Taken
from workers.programs import Programs
from workers.records import Incoming
from workers.requesting import Requesting, RequestRetries
from workers.retrying import Retries
from workers.turns import Turns
from workers.watching import Watch
from workers.worker import Activities, DraftActivities
from workflows.contracts import Queues
from workflows.gateway import Gateway, NoAddress, connect

if TYPE_CHECKING:
    from workers.breath import Pacing
    from workers.drafting import Limits as DraftLimits
    from workers.reviewers import Reviewers

ATTEMPT_SLACK = timedelta(seconds=5)
"""What an attempt may take beyond the limits of its channel, before it is given up as in doubt."""


def real_clock() -> datetime:
    """The real time, UTC: for leases, arrivals and records, never for deciding."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class House:
    """The parts that all processes share."""

    settings: Settings
    database: Database
    programs: Programs
    client: Client
    gateway: Gateway
    ingest: Ingest
    queues: Queues


@asynccontextmanager
async def open_house(settings: Settings, *, queues: Queues | None = None) -> AsyncGenerator[House]:
    """Database, Temporal and what stands between them. Raises Unreachable where one does not answer, and WrongUsage
    where it is not said where one is.
    """
    queues = queues or Queues()
    secret = settings.signing_secret()
    async with AsyncExitStack() as stack:
        database = Database(settings.database())
        stack.push_async_callback(database.close)
        client = await connect_temporal(settings)
        gateway = Gateway(client, queues=queues, has_writer=settings.has_writer())
        programs = Programs()
        ingest = Ingest(database, programs, secret, settings.event_lead, real_clock, gateway)
        yield House(settings, database, programs, client, gateway, ingest, queues)


async def connect_temporal(settings: Settings) -> Client:
    """Temporal, at the configured address."""
    try:
        return await connect(settings.temporal_address)
    except NoAddress as error:
        raise WrongUsage(
            "no Temporal is configured: set WAYMARK_TEMPORAL_ADDRESS to host:port, or start one with `waymark up`"
        ) from error
    except RuntimeError as error:
        where = settings.temporal_address or "the address of Temporal's own configuration"
        raise Unreachable(
            f"no Temporal answers at {where}: start one with `waymark up`, or set WAYMARK_TEMPORAL_ADDRESS"
        ) from error


@asynccontextmanager
async def open_activities(
    house: House, *, pacing: "Pacing | None" = None
) -> AsyncGenerator[tuple[Activities, Mapping[str, Channel]]]:
    """What the worker's process runs: turns and retries over the channels that are set up; drafting, where a writer is,
    which pauses as `pacing` says while its server is in trouble.
    """
    limits = Limits(
        hand_over_seconds=house.settings.hand_over.total_seconds(),
        answer_seconds=house.settings.answer.total_seconds(),
    )
    channels = open_channels(house.settings.of_channels(), limits=limits)
    systems = open_systems(house.settings)
    try:
        delivering = build_delivering(house.settings, channels, house.programs)
        asking = build_requesting(house.settings, systems)
        turns = Turns(house.database, house.programs, delivering, real_clock, house.queues, asking, poker=house.gateway)
        retries = Retries(house.database, house.programs, delivering, real_clock, poker=house.gateway)
        asked = RequestRetries(house.database, asking, real_clock)
        async with open_drafting(house, channels, pacing=pacing) as drafting:
            yield Activities(turns, retries, asked, drafting), channels
    finally:
        await close_channels(channels)
        for system in systems.values():
            await system.close()


@asynccontextmanager
async def open_drafting(
    house: House, channels: Mapping[str, Channel], *, pacing: "Pacing | None" = None
) -> AsyncGenerator[DraftActivities | None]:
    """What has texts drafted; None where no writer is set up. What only a writer needs is imported only then."""
    if not house.settings.has_writer():
        yield None
        return
    from connectors.writers import open_writer
    from connectors.writers.openai import MOST_TOKENS
    from workers.breath import Pacing
    from workers.drafting import Drafting

    settings = house.settings
    telling = build_reviewers(house, channels)
    writer = open_writer(settings.of_writer())
    assert writer is not None, "a writer is set up"
    writing = Drafting(
        house.database, house.programs, writer, limits_of(settings, per_answer=MOST_TOKENS), real_clock,
        pacing or Pacing(), settings.writer_answer,
        prepare=_load_for_drafting,
    )  # fmt: skip
    try:
        yield DraftActivities(writing, telling)
    finally:
        await writer.close()


def limits_of(settings: Settings, *, per_answer: int) -> "DraftLimits":
    """What drafting may take in a day: tokens, and their price where one is set."""
    from store.queries.spending import MILLION, Budget
    from workers.drafting import Limits as DraftLimits
    from workers.drafting import Prices

    def budget(tokens: int, cost: float | None) -> Budget:
        return Budget(tokens, None if cost is None else round(cost * MILLION))

    return DraftLimits(
        budget(settings.writer_tokens_per_day, settings.writer_cost_per_day),
        budget(settings.writer_tokens_per_journey, settings.writer_cost_per_journey),
        per_answer,
        Prices(settings.writer_price_in, settings.writer_price_out),
    )


def _load_for_drafting() -> None:
    """The model's client and the detector of languages: a second, and more on a busy machine."""
    from journeys.drafting.tongues import detect

    import_module("openai")
    detect("Your course is waiting.")


def build_reviewers(house: House, channels: Mapping[str, Channel]) -> "Reviewers":
    """Who is told of drafts that wait; raises WrongUsage where somebody cannot be."""
    from workers.reviewers import Reviewer, Reviewers

    reviewers: list[Reviewer] = []
    for name, address in house.settings.told_of_drafts():
        channel = channels.get(name)
        if channel is None:
            known = ", ".join(sorted(channels)) or "none"
            raise WrongUsage(f"WAYMARK_REVIEWERS: the channel {name} is not set up; those that are: {known}")
        if channel.needs_address != (address is not None):
            form = f"{name}:ADDRESS" if channel.needs_address else name
            raise WrongUsage(f"WAYMARK_REVIEWERS: write {form} for the channel {name}")
        reviewers.append(Reviewer(name, address))
    page = f"{house.settings.links_begin_with()}/drafts"
    return Reviewers(house.database, reviewers, channels, deliver_rule(house.settings.deliver), page)


def open_systems(settings: Settings) -> Mapping[str, System]:
    """Every named webhook and LMS that is set up, by the name of its queue."""
    values, within = settings.of_systems(), (settings.hand_over + settings.answer).total_seconds()
    calls = {queue_of("call", name): call for name, call in open_calls(values, within_seconds=within).items()}
    return {**calls, **{queue_of("lms", name): lms for name, lms in open_lmss(values, within_seconds=within).items()}}


def build_requesting(settings: Settings, systems: Mapping[str, System]) -> Requesting:
    """The road to other systems."""
    return Requesting(
        systems=systems,
        breakers={name: Breaker(monotonic) for name in systems},
        is_withheld=settings.deliver != "all",
        attempt_limit=settings.hand_over + settings.answer + ATTEMPT_SLACK,
        clock=real_clock,
        watch=Watch(monotonic),
    )


def build_delivering(settings: Settings, channels: Mapping[str, Channel], programs: Programs) -> Delivering:
    """The road to the providers."""
    return Delivering(
        channels=channels,
        reach=reach_of(channels),
        breakers={name: Breaker(monotonic) for name in channels},
        rule=deliver_rule(settings.deliver),
        in_doubt=settings.in_doubt,
        attempt_limit=settings.hand_over + settings.answer + ATTEMPT_SLACK,
        links=links_of(settings),
        clock=real_clock,
        watch=Watch(monotonic),
        program_of=programs.by_hash,
    )


def links_of(settings: Settings) -> Links:
    """The links of this installation: signed with its secret, found where it is found."""
    return Links(settings.signing_secret(), settings.links_begin_with())


def reach_of(channels: Mapping[str, Channel]) -> Mapping[str, Reach]:
    """What composing must know of each channel: whether it is set up, and what in a profile is its address."""
    return {
        name: Reach(is_set_up=name in channels, address_field=known.address_field)
        for name, known in known_channels().items()
    }


def deliver_rule(setting: str) -> DeliverRule:
    """`WAYMARK_DELIVER`, which the settings have checked."""
    kind, _, addresses = setting.partition(":")
    listed = tuple(address.strip() for address in addresses.split(",") if address.strip())
    return DeliverRule(cast('Literal["all", "only", "redirect", "none"]', kind), listed)


async def run_bridge(house: House, *, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Kafka in and out, and the sweeper, until `stop` is set."""
    bootstrap = house.settings.kafka_bootstrap
    if bootstrap is None:
        raise WrongUsage(
            "no Kafka is configured: set WAYMARK_KAFKA_BOOTSTRAP to host:port, or to off where events come over HTTP"
        )
    await bridge.run_bridge(
        hold_after=house.settings.hold_after,
        database=house.database,
        ingest=house.ingest,
        bootstrap=None if bootstrap == "off" else bootstrap,
        drafter=house.gateway if house.settings.has_writer() else None,
        clock=real_clock,
        stop=stop,
        ready=ready,
    )


async def run_api(house: House, *, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """The HTTP API, until `stop` is set."""
    host, port = house.settings.http_host_and_port()
    await serve(api_parts(house), host=host, port=port, stop=stop, ready=lambda _port: ready())


@dataclass(frozen=True)
class _Taking:
    """The ingest as the API knows it: events alone."""

    ingest: Ingest

    async def take(self, events: Sequence[Event]) -> Sequence[Taken]:
        return await self.ingest.take([Incoming(event) for event in events])


def api_parts(house: House) -> Parts:
    """What the API is handed. The channels are opened to see which are set up, and never used here."""
    channels = open_channels(house.settings.of_channels())
    systems = house.settings.of_systems()
    key = key_in(house.settings.admin_key_file())
    return Parts(
        database=house.database,
        ingest=_Taking(house.ingest),
        replay=DeadLetters(house.database, house.ingest).replay,
        gateway=house.gateway,
        vocabulary=vocabulary(channels, calls=read_calls(systems), lms=read_lmss(systems)),
        reach=reach_of(channels),
        clock=real_clock,
        links=links_of(house.settings),
        program_of=house.programs.by_hash,
        key_digests={} if key is None else {sha256(key.encode()).hexdigest(): "admin"},
        health=health_checks(house),
    )


def health_checks(house: House) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """Every dependency by name; a check returns where it answers, and raises where it does not."""

    async def database() -> None:
        async with house.database.read() as session:
            await (await session.connection()).exec_driver_sql("SELECT 1")

    async def temporal() -> None:
        await house.client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=house.client.namespace), timeout=timedelta(seconds=3)
        )

    async def kafka() -> None:
        host, _, port = (house.settings.kafka_bootstrap or "").split(",")[0].rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    checks: dict[str, Callable[[], Awaitable[None]]] = {"database": database, "temporal": temporal}
    if house.settings.kafka_bootstrap not in {None, "off"}:
        checks["kafka"] = kafka
    return checks


def key_in(file: Path) -> str | None:
    """The first key of an installation, which `up` writes; None where there is none."""
    return file.read_text().strip() or None if file.is_file() else None


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest form. Raises Unreachable where it cannot be opened."""
    if settings.database_url is None:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    await _look_for_database(settings)
    await upgrade(settings.database())


async def _look_for_database(settings: Settings) -> None:
    database = Database(settings.database(), pool_size=1)
    try:
        async with database.engine.connect():
            pass
    except (OSError, DBAPIError) as error:
        where, why = shown(settings.database()), str(getattr(error, "orig", None) or error)
        raise Unreachable(f"the database {where} cannot be opened: {why}; is WAYMARK_DATABASE_URL right?") from error
    finally:
        await database.close()
