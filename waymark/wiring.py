"""The one place that builds every part and hands it to the others. Settings are read once, here.

    settings ─> database ─┬─> programs ─┬─> turns, retries ──> worker
                          │             ├─> ingest ──────────> bridge, api
                          └─> channels ─┘
                temporal ───> gateway ──┘

Each `open_*` is a context that closes what it opened. Nothing below this row reads a setting or builds a part for
itself.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, cast


from temporalio.client import Client

from connectors.channels.base import Channel, Limits
from connectors.channels.opening import close_channels, known_channels, open_channels
from journeys.composing import Reach
from store.database import Database
from waymark.cli.errors import Unreachable
from waymark.settings import Settings
from workers.breaker import Breaker
from workers.delivering import Delivering, DeliverRule
from workers.ingest import Ingest
from workers.programs import Programs
from workers.retrying import Retries
from workers.turns import Turns
from workers.worker import Activities
from workflows.contracts import Queues
from workflows.gateway import Gateway, connect

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
    """Database, Temporal and what stands between them. Raises Unreachable where one does not answer."""
    queues = queues or Queues()
    async with AsyncExitStack() as stack:
        database = Database(settings.database())
        stack.push_async_callback(database.close)
        client = await connect_temporal(settings)
        gateway = Gateway(client, queues=queues)
        programs = Programs()
        secret = settings.signing_secret()
        ingest = Ingest(database, programs, secret, settings.event_lead, real_clock, gateway)
        yield House(settings, database, programs, client, gateway, ingest, queues)


async def connect_temporal(settings: Settings) -> Client:
    """Temporal, at the configured address."""
    try:
        return await connect(settings.temporal_address)
    except RuntimeError as error:
        where = settings.temporal_address or "the address of Temporal's own configuration"
        raise Unreachable(
            f"no Temporal answers at {where}: start one with `waymark up`, or set WAYMARK_TEMPORAL_ADDRESS"
        ) from error


@asynccontextmanager
async def open_activities(house: House) -> AsyncGenerator[tuple[Activities, Mapping[str, Channel]]]:
    """What the worker's process runs: turns and retries over the channels that are set up."""
    limits = Limits(
        hand_over_seconds=house.settings.hand_over.total_seconds(),
        answer_seconds=house.settings.answer.total_seconds(),
    )
    channels = open_channels(house.settings.of_channels(), limits=limits)
    try:
        delivering = build_delivering(house.settings, channels)
        turns = Turns(house.database, house.programs, delivering, real_clock, house.queues)
        retries = Retries(house.database, house.programs, delivering, real_clock)
        yield Activities(turns, retries), channels
    finally:
        await close_channels(channels)


def build_delivering(settings: Settings, channels: Mapping[str, Channel]) -> Delivering:
    """The road to the providers."""
    return Delivering(
        channels=channels,
        reach=reach_of(channels),
        breakers={name: Breaker(monotonic) for name in channels},
        rule=deliver_rule(settings.deliver),
        in_doubt=settings.in_doubt,
        attempt_limit=settings.hand_over + settings.answer + ATTEMPT_SLACK,
        clock=real_clock,
    )


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


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest form."""
    from store.migrate import upgrade

    await upgrade(settings.database())
