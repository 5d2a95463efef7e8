"""Whether what Waymark needs is there, each dependency by name: for `status` and `doctor`."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from waymark.settings import Loaded, Settings, setting_name, shown, unknown_settings
from waymark.stack import cache, kafka, plan, process, temporal
from waymark.stack.home import Home, PartRecord
from waymark.stack.ours import look_at_api
from waymark.stack.parts import NotReady

if TYPE_CHECKING:  # takes a second to import, and whoever is not set up yet has no use for it
    from sqlmodel.ext.asyncio.session import AsyncSession

Verdict = Literal["well", "warning", "problem"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` says what to do where it is not well."""

    name: str
    verdict: Verdict
    text: str
    advice: str | None = None


async def is_part_well(part: PartRecord) -> str | None:
    """Why a part that `up` started is not well; None where it is."""
    running = part.process()
    if running is None or not running.is_alive():
        return "it does not run"
    if part.state != "ready":
        return f"it is {part.state}"
    try:
        match part.name:
            case "temporal":
                await temporal.look(part.address, "default")
            case "kafka":
                await asyncio.to_thread(kafka.look, part.address)
            case "mailbox":
                port = int(part.address.rpartition(":")[2])
                if not await asyncio.to_thread(process.answers, port):
                    return f"nothing listens on port {port}"
            case "api":
                await look_at_api(part.address)
            case _:
                pass
    except NotReady as no:
        return str(no)
    return None


def is_set_up(loaded: Loaded) -> bool:
    """Whether there is a database, and a Temporal that should answer; what is not up yet, or down, is neither."""
    settings = loaded.settings
    is_up = Home(settings.home.absolute()).is_locked()
    has_temporal = settings.temporal_address is not None and (loaded.origins.get("temporal_address") != "home" or is_up)
    url = settings.database()
    return has_temporal and not (url.startswith("sqlite") and not Path(url.partition("///")[2]).exists())


async def examine(loaded: Loaded, environment: Mapping[str, str]) -> list[Finding]:
    """Everything, by name."""
    settings = loaded.settings
    home = Home(settings.home.absolute())
    is_up = home.is_locked()
    looks = await asyncio.gather(
        _temporal(loaded, is_up=is_up),
        _kafka(loaded, is_up=is_up),
        _mail(loaded, is_up=is_up),
        _database(settings, home),
        _journeys(settings),
        _drafts(settings),
    )
    return [_python(), *_names(environment), _home(home), _secret(loaded), *looks, await _api(settings, is_up=is_up)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "well", f"{version} in {sys.prefix}")


def _names(environment: Mapping[str, str]) -> list[Finding]:
    return [
        Finding("settings", "warning", f"{name} is no setting", f"did you mean {meant}?" if meant else "remove it")
        for name, meant in unknown_settings(environment)
        if not name.startswith("WAYMARK_TEST_")
    ] or [Finding("settings", "well", "every WAYMARK_* name is a setting, and every value is allowed")]


def _home(home: Home) -> Finding:
    if not home.path.exists():
        parent = next(folder for folder in home.path.parents if folder.exists())
        if os.access(parent, os.W_OK):
            return Finding("home", "well", f"{home.path} is made by `waymark up`")
        return Finding("home", "problem", f"{parent} cannot be written", "set WAYMARK_HOME to a folder of your own")
    if not os.access(home.path, os.W_OK):
        return Finding("home", "problem", f"{home.path} cannot be written", "set WAYMARK_HOME to a folder of your own")
    if home.path.stat().st_mode & 0o077:
        advice = f"chmod 700 {home.path}"
        return Finding("home", "problem", f"{home.path} holds personal data and is open to other users", advice)
    free = shutil.disk_usage(home.path).free / 2**30
    if free < 1:
        return Finding("home", "warning", f"{free:.1f} GB are free at {home.path}", "make room")
    return Finding("home", "well", f"{home.path}, {free:.0f} GB free")


def _secret(loaded: Loaded) -> Finding:
    if loaded.settings.secret is None:
        return Finding("secret", "well", "none yet: `waymark up` makes one; in production set WAYMARK_SECRET")
    return Finding("secret", "well", f"from {loaded.origins['secret']}")


async def _temporal(loaded: Loaded, *, is_up: bool) -> Finding:
    address = loaded.settings.temporal_address
    if address is None or (loaded.origins.get("temporal_address") == "home" and not is_up):
        return await asyncio.to_thread(_how_temporal)
    try:
        await temporal.look(address, loaded.settings.temporal_namespace)
    except NotReady as no:
        return Finding("temporal", "problem", str(no), _advice("temporal_address"))
    return Finding("temporal", "well", address)


def _how_temporal() -> Finding:
    if temporal.is_cached():
        return Finding("temporal", "well", f"not up; {temporal.version()} is in the cache, {cache.folder()}")
    tools = [tool for tool in ("temporal-server", "docker", "go") if shutil.which(tool)]
    if not tools:
        advice = "install Go 1.26.8 or later, or set WAYMARK_TEMPORAL_ADDRESS"
        return Finding("temporal", "warning", "not up; it has to be downloaded, as there is no way to build it", advice)
    return Finding(
        "temporal", "well", f"not up; `waymark up` gets {temporal.version()} once (here are: {', '.join(tools)})"
    )


async def _kafka(loaded: Loaded, *, is_up: bool) -> Finding:
    bootstrap = loaded.settings.kafka_bootstrap
    if bootstrap == "off":
        return Finding("kafka", "well", "off: events come over HTTP")
    if bootstrap is None or (loaded.origins.get("kafka_bootstrap") == "home" and not is_up):
        return await asyncio.to_thread(_how_kafka)
    try:
        topics = await asyncio.to_thread(kafka.look, bootstrap)
    except NotReady as no:
        return Finding("kafka", "problem", str(no), _advice("kafka_bootstrap"))
    missing = sorted(set(kafka.TOPICS) - set(topics))
    if missing:
        return Finding(
            "kafka", "problem", f"{bootstrap} lacks the topics {', '.join(missing)}", "make them, four partitions each"
        )
    return Finding("kafka", "well", bootstrap)


def _how_kafka() -> Finding:
    if shutil.which("java") is None and shutil.which("docker") is None:
        advice = f"install Java {kafka.JAVA} or later, set WAYMARK_KAFKA_BOOTSTRAP, or set it to off"
        return Finding("kafka", "problem", "not up; there is neither java nor docker on PATH", advice)
    where = f"is in the cache, {cache.folder()}" if kafka.is_cached() else "is got by `waymark up` once"
    return Finding("kafka", "well", f"not up; {kafka.version()} {where}")


async def _mail(loaded: Loaded, *, is_up: bool) -> Finding:
    configured = [one for one in plan.elsewhere(loaded.settings) if one.name == "mailbox"]
    if not configured or (loaded.origins.get("smtp_url") == "home" and not is_up):
        return Finding("mail", "well", "not configured: `waymark up` starts a catch-all mailbox")
    try:
        await plan.look_at(configured[0], loaded.settings)
    except (NotReady, socket.gaierror) as no:
        return Finding("mail", "problem", str(no), _advice("smtp_url"))
    return Finding("mail", "well", configured[0].address)


async def _database(settings: Settings, home: Home) -> Finding:
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    url = settings.database()
    if url.startswith("sqlite") and not Path(url.partition("///")[2]).exists():
        return Finding("database", "well", f"{url} is made by `waymark up` in {home.path}")
    try:
        engine = create_async_engine(url)
        try:
            async with engine.connect():
                return Finding("database", "well", shown(url) or "")
        finally:
            await engine.dispose()
    except (SQLAlchemyError, OSError, ImportError) as error:
        reason = f"{shown(url)}: {type(error).__name__}"
        return Finding("database", "problem", reason, _advice("database_url"))


async def _from_store(settings: Settings, ask: Callable[["AsyncSession"], Awaitable[T]]) -> T | None:
    """What the store answers; None where there is none yet, or it does not answer: what is wrong is said beside."""
    from sqlalchemy.exc import SQLAlchemyError

    from store.database import Database

    url = settings.database()
    if url.startswith("sqlite") and not Path(url.partition("///")[2]).exists():
        return None
    database = Database(url, pool_size=1)
    try:
        async with database.read() as session:
            return await ask(session)
    except (SQLAlchemyError, OSError, ImportError):
        return None
    finally:
        await database.close()


async def _journeys(settings: Settings) -> Finding:
    """Whether a journey holds itself because it fails for many."""
    from store.queries import pausing

    held = await _from_store(settings, pausing.list_held_by_themselves)
    if held is None:
        return Finding("journeys", "well", "the database tells of none yet")
    if not held:
        return Finding("journeys", "well", "none holds itself")
    told = "; ".join(f"{journey} holds itself: {paused.reason}" for journey, paused in held)
    advice = "mend the cause, then `waymark journey resume` it, and `waymark resend` what failed"
    return Finding("journeys", "warning", told, advice)


async def _drafts(settings: Settings) -> Finding:
    """Whether texts that are wanted are being written."""
    from store.queries import drafting

    number, reason = await _from_store(settings, drafting.count_wanted) or (0, None)
    if number == 0:
        return Finding("drafts", "well", "none is waited for")
    if reason is None and not (settings.has_writer() or settings.writer_imitation):
        advice = "set OPENAI_API_KEY and WAYMARK_WRITER_MODEL; until then messages go in their own words"
        return Finding("drafts", "warning", f"texts that are wanted: {number:,}; there is no writer", advice)
    if reason is None:
        return Finding("drafts", "well", f"texts that are being written: {number:,}")
    advice = "see the worker's log and the writer's settings; meanwhile messages go in their own words"
    return Finding("drafts", "warning", f"texts that are wanted: {number:,}; one of them {reason}", advice)


async def _api(settings: Settings, *, is_up: bool) -> Finding:
    try:
        await look_at_api(settings.api())
    except NotReady as no:
        if not is_up and settings.api_url is None:
            return Finding("api", "well", "not up: `waymark up` starts it")
        return Finding("api", "problem", str(no), "see `waymark status` and its log, or set WAYMARK_API_URL")
    return Finding("api", "well", settings.api())


def _advice(field: str) -> str:
    return f"start it, correct {setting_name(field)}, or see `waymark status` and its log"
