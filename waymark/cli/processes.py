"""One process each, for production and for `waymark up`: the API, the worker, the bridge; and the database's
migration.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from waymark import garbage, logs
from waymark.settings import Settings, load_settings


def add(app: typer.Typer) -> None:
    """Add `api`, `worker`, `bridge` and `db`."""
    app.command(help="Run the HTTP API. Example: waymark api", rich_help_panel="Processes")(api)
    app.command(
        help="Run a Temporal worker: turns and deliveries. Example: waymark worker", rich_help_panel="Processes"
    )(worker)
    app.command(help="Run the bridge: Kafka in and out, and the sweeper. Example: waymark bridge",
                rich_help_panel="Processes")(bridge)  # fmt: skip
    database = typer.Typer(no_args_is_help=True, help="The database. Example: waymark db upgrade")
    database.command("upgrade", help="Migrate the database to the newest form. Example: waymark db upgrade")(upgrade)
    app.add_typer(database, name="db", rich_help_panel="Processes")


def api() -> None:
    _run("api", _api)


def worker() -> None:
    _run("worker", _worker)


def bridge() -> None:
    _run("bridge", _bridge)


def upgrade() -> None:
    from waymark.wiring import migrate

    asyncio.run(migrate(load_settings()))
    typer.echo("The database is up to date.")


async def _worker(settings: Settings, stop: asyncio.Event) -> None:
    from waymark.wiring import open_activities, open_house
    from workers.worker import run_worker

    async with open_house(settings) as house, open_activities(house) as (activities, channels):
        await run_worker(
            house.client, activities, list(channels), queues=house.queues, stop=stop, ready=_ready(settings.ready_file)
        )


async def _bridge(settings: Settings, stop: asyncio.Event) -> None:
    from waymark.wiring import open_house, run_bridge

    async with open_house(settings) as house:
        await run_bridge(house, stop=stop, ready=_ready(settings.ready_file))


async def _api(settings: Settings, stop: asyncio.Event) -> None:
    from waymark.wiring import open_house, run_api

    async with open_house(settings) as house:
        await run_api(house, stop=stop, ready=_ready(settings.ready_file))


def _run(process: str, body: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGTERM or Ctrl-C, then let what is under way finish."""
    logs.configure(process)
    asyncio.run(_until_stopped(body))


async def _until_stopped(body: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await body(load_settings(), stop)


def _ready(file: Path | None) -> Callable[[], None]:
    """Says to who started this process that it is ready."""

    def say() -> None:
        garbage.settle()
        if file is not None:
            file.touch()

    return say
