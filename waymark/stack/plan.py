"""What `waymark up` starts, from the settings: every server that is not configured elsewhere, and our own processes."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from waymark.settings import Settings, setting_name
from waymark.stack import had, kafka, process, temporal
from waymark.stack.home import Home
from waymark.stack.ours import Api, Background, Imitation, Mailbox
from waymark.stack.parts import CannotHave, NotReady
from waymark.stack.supervisor import Planned, Row, Task

SERVERS = ("temporal", "kafka", "mailbox", "writer")
OURS = ("database", "api", "worker", "bridge")
EVERYTHING = frozenset((*SERVERS, *OURS))


@dataclass(frozen=True)
class Elsewhere:
    """A server that is configured, and so not started here."""

    name: str
    address: str


@dataclass(frozen=True)
class Plan:
    """What to start, what is elsewhere, and the settings that other commands in this home shall find."""

    rows: list[Row]
    elsewhere: list[Elsewhere]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def elsewhere(settings: Settings) -> list[Elsewhere]:
    """The servers that the settings place elsewhere."""
    found: list[Elsewhere] = []
    if settings.temporal_address is not None:
        found.append(Elsewhere("temporal", settings.temporal_address))
    if settings.kafka_bootstrap is not None:
        found.append(Elsewhere("kafka", settings.kafka_bootstrap))
    if settings.smtp_url is not None:
        url = urlsplit(settings.smtp_url)
        found.append(Elsewhere("mailbox", f"{url.hostname}:{url.port or (465 if url.scheme == 'smtps' else 25)}"))
    return found


async def make(settings: Settings, home: Home, *, say: had.Say, only: frozenset[str] = EVERYTHING) -> Plan:
    """Have the servers, side by side, and lay out what is started; raises CannotHave or PartError."""
    away = [one for one in elsewhere(settings) if one.name in only]
    await asyncio.gather(*(_reach(one, settings) for one in away))
    wanted = only - {one.name for one in away}
    servers, addresses = await _servers(settings, wanted, say)
    host, port = settings.http_host_and_port()
    http_address = f"{host}:{port or process.free_port()}"
    ours = _ours(settings, home, http_address=http_address, addresses=addresses, only=only)
    shared = {**addresses, **({"http_address": http_address} if "api" in only else {})}
    return Plan([servers, *ours], away, shared)


async def _reach(one: Elsewhere, settings: Settings) -> None:
    """Raise CannotHave where a configured server does not answer."""
    try:
        await look_at(one, settings)
    except NotReady as no:
        setting = {
            "temporal": "WAYMARK_TEMPORAL_ADDRESS",
            "kafka": "WAYMARK_KAFKA_BOOTSTRAP",
            "mailbox": "WAYMARK_SMTP_URL",
        }
        advice = f"start it, or unset {setting[one.name]} so that `waymark up` starts one"
        raise CannotHave(one.name, f"it is configured, and cannot be reached: {no}; {advice}") from no


async def look_at(one: Elsewhere, settings: Settings) -> None:
    """Whether a server that is configured answers; raises NotReady with the reason."""
    match one.name:
        case "temporal":
            await temporal.look(one.address, settings.temporal_namespace)
        case "kafka" if one.address != "off":
            await asyncio.to_thread(kafka.look, one.address)
        case "mailbox":
            host, _, port = one.address.rpartition(":")
            if not await asyncio.to_thread(process.answers, int(port), host=host):
                raise NotReady(f"nobody takes mail at {one.address}")
        case _:
            pass


async def _servers(settings: Settings, wanted: frozenset[str], say: had.Say) -> tuple[Row, dict[str, str]]:
    temporal_had, kafka_had = await asyncio.gather(
        asyncio.to_thread(temporal.take, say) if "temporal" in wanted else _nothing(),
        asyncio.to_thread(kafka.take, say) if "kafka" in wanted else _nothing(),
    )
    row: list[Planned] = []
    addresses: dict[str, str] = {}
    if temporal_had is not None:
        server = temporal.TemporalServer(
            temporal_had.what,
            settings.temporal_port or process.free_port(),
            namespace=settings.temporal_namespace,
            port_setting="WAYMARK_TEMPORAL_PORT",
        )
        row.append(Planned(server, temporal_had.how))
        addresses["temporal_address"] = server.address
    if kafka_had is not None:
        broker = kafka.KafkaServer(
            kafka_had.what, settings.kafka_port or process.free_port(), port_setting="WAYMARK_KAFKA_PORT"
        )
        row.append(Planned(broker, kafka_had.how))
        addresses["kafka_bootstrap"] = broker.address
    if "mailbox" in wanted:
        mailbox = Mailbox(
            settings.mailbox_smtp_port or process.free_port(), settings.mailbox_port or process.free_port()
        )
        row.append(Planned(mailbox))
        addresses["smtp_url"] = mailbox.smtp_url
    if "writer" in wanted and settings.writer_imitation and not settings.has_writer():
        imitation = Imitation(process.free_port())
        row.append(Planned(imitation, "an imitation of a language model"))
        addresses |= imitation.settings
    return row, addresses


async def _nothing() -> None:
    return None


def _ours(
    settings: Settings, home: Home, *, http_address: str, addresses: Mapping[str, str], only: frozenset[str]
) -> list[Row]:
    local = settings.model_copy(update={"http_address": http_address}).local_url()
    environment = {
        "WAYMARK_HOME": str(home.path),
        "WAYMARK_DATABASE_URL": settings.database_url or f"sqlite+aiosqlite:///{home.path / 'waymark.db'}",
        "WAYMARK_HTTP_ADDRESS": http_address,
        "WAYMARK_PUBLIC_URL": settings.public_url or local,
        "WAYMARK_API_ADMIN_KEY_FILE": str(settings.api_admin_key_file or home.admin_key_file),
        **{setting_name(field): address for field, address in addresses.items()},
        "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1"))),  # where the parts are
    }
    host, _, port = http_address.rpartition(":")
    database = [Task("database", (sys.executable, "-m", "waymark", "db", "upgrade"), environment)]
    processes = [
        Planned(Api(host.strip("[]"), int(port), local, environment)),
        *(Planned(Background(name, _ready_file(home, name), environment)) for name in ("worker", "bridge")),
    ]
    return [
        database if "database" in only else [],
        [one for one in processes if one.part.name in only],
    ]


def _ready_file(home: Home, name: str) -> Path:
    return home.path / "run" / f"{name}.ready"
