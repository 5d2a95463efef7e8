"""`waymark draft`: texts for the drafted messages of a journey, from the writer that is set up. No server of ours."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from connectors.errors import ConnectorError, Misconfigured
from connectors.writers.base import Writer
from journeys.drafting.findings import House
from journeys.drafting.order import DraftOrder, DraftText
from journeys.drafting.splitting import readers_are, split_of
from journeys.events import Json
from journeys.source import plain
from waymark.cli import drafted
from waymark.cli.drafted import Told, lines_of, name_of, took
from waymark.cli.errors import NotSo, Unreachable, WrongUsage
from waymark.cli.files import compile_file, read_learners_file, read_policy, read_tree
from waymark.cli.output import AsJson, counted_words, print_json
from waymark.cli.printable import printable
from waymark.cli.texts_wanted import Wish, alternatives_of, improvements_of, texts_of
from waymark.cli.writing import LONGEST_ANSWER, Desk, Item, agreed
from waymark.demo.writer import MODEL, WriterServer, obliging
from waymark.settings import load_settings

AGAIN = "draft again"
MOST = 50
"""As many texts are bought at most, where nothing is said."""


def add(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("draft", epilog="Example: waymark draft journey.yaml --message reminder --alternatives 3")(draft)


def draft(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The journey's definition, YAML or JSON.")],
    messages: Annotated[
        list[str] | None, typer.Option("--message", help="Only this message; may be given several times.")
    ] = None,
    languages: Annotated[
        list[str] | None,
        typer.Option("--language", help="Only this language, as de, or `own`: the message's own. Several times."),
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--value", help="A value of `per` to draft for; may be given several times.")
    ] = None,
    learners: Annotated[
        Path | None,
        typer.Option("--learners", help="Whose values of `per` to draft for: a map of id to profile, YAML or JSON."),
    ] = None,
    alternatives: Annotated[
        int | None,
        typer.Option(
            "--alternatives",
            min=2,
            max=5,
            help="So many texts for one message, which differ, printed as a `split` to be pasted into the definition.",
        ),
    ] = None,
    improve: Annotated[
        bool, typer.Option("--improve", help="Check the texts that are there, and improve those with findings.")
    ] = False,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            help="Whose forbidden words hold, JSON or YAML, as `waymark policy show --json` prints it (default: none).",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, help="Ask for as many texts at most; where more are wanted, for none.")
    ] = MOST,
    imitation: Annotated[
        bool,
        typer.Option(
            "--imitation", help="Ask the demo's imitation of a model, on this machine: needs no key, and is no model."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose texts for the drafted messages of a journey: written by a model, checked, sent back with hard findings.

    Nothing is published, stored or sent. Exit status 1 where a text has a hard finding, or there is none; 3 where the
    writer cannot be reached.
    """
    if improve and alternatives is not None:
        raise WrongUsage("--improve and --alternatives do different things: give one of them")
    program = compile_file(file, then=AGAIN)
    profiles = None if learners is None else read_learners_file(learners, then=AGAIN)
    wish = Wish(program, tuple(messages or ()), tuple(languages or ()), tuple(values or ()), profiles)
    house = House(read_policy(policy, then=AGAIN).forbidden_words)
    jobs = _jobs(wish, alternatives=alternatives, improve=improve)
    texts = len(jobs) * (alternatives or 1)
    if texts > most:
        raise WrongUsage(f"{texts} texts are wanted, --most allows {most}: name messages or values, or raise --most")
    done = asyncio.run(_work(jobs, house, imitation=imitation))
    pasted = None if alternatives is None else _pasted(plain(read_tree(file, then=AGAIN)), wish, done.items)
    _tell(Told(program.journey, done.items, pasted), done, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Job:
    """One text, or one chain of alternatives, to be asked for."""

    order: DraftOrder
    do: Callable[[Desk], Coroutine[None, None, list[Item]]]


def _jobs(wish: Wish, *, alternatives: int | None, improve: bool) -> Sequence[Job]:
    """What is to be done for each text, or chain of them."""
    if improve:
        return [Job(order, partial(_improve, order, wish.program.title)) for order in improvements_of(wish)]
    if alternatives is not None:
        return [Job(order, partial(_alternate, order, alternatives)) for order in alternatives_of(wish)]
    return [Job(order, partial(_write, order)) for order in texts_of(wish)]


async def _write(order: DraftOrder, desk: Desk) -> list[Item]:
    return await desk.draft(order)


async def _alternate(order: DraftOrder, count: int, desk: Desk) -> list[Item]:
    return await desk.alternatives(order, count)


async def _improve(order: DraftOrder, title: str, desk: Desk) -> list[Item]:
    return await desk.improve(order, title=title)


def _pasted(definition: Json, wish: Wish, items: Sequence[Item]) -> str | None:
    """The split over the alternatives; None where not each of them has its text."""
    if any(item.text is None for item in items):
        return None
    texts: dict[int, dict[str | None, DraftText]] = {}
    for item in items:
        if item.text is not None and item.alternative is not None:
            texts.setdefault(item.alternative, {})[item.order.language] = item.text
    order = items[0].order
    given = wish.program.messages[order.message].draft
    when = None if given is None or order.value is None else readers_are(given, order.value)
    return split_of(definition, order.message, [texts[number] for number in sorted(texts)], when=when).to_yaml()


# --- the writer -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Done:
    """What there is when the work is over, or was broken off by an error."""

    items: Sequence[Item]
    desk: Desk
    failure: ConnectorError | None


async def _work(jobs: Sequence[Job], house: House, *, imitation: bool) -> _Done:
    found: dict[int, list[Item]] = {}
    failure: ConnectorError | None = None
    async with _opened(imitation=imitation) as writer:
        desk = Desk(writer, house, _say)

        async def do(place: int, job: Job) -> None:
            found[place] = await job.do(desk)
            _say(f"{len(found)} of {len(jobs)}: {name_of(job.order)}")

        try:
            async with asyncio.TaskGroup() as group:
                for place, job in enumerate(jobs):
                    group.create_task(do(place, job))
        except* ConnectorError as several:  # the others were cancelled, or have the same cause
            failure = cast("ConnectorError", several.exceptions[0])
    return _Done(agreed([item for place in sorted(found) for item in found[place]]), desk, failure)


@asynccontextmanager
async def _opened(*, imitation: bool) -> AsyncGenerator[Writer]:
    from connectors.writers import open_writer

    async with AsyncExitStack() as stack:
        if imitation:
            os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1")))
            server = WriterServer(usual=obliging)
            await server.start()
            stack.push_async_callback(server.stop)
            values = server.settings()
        else:
            values = load_settings().of_writer()
        try:
            writer = open_writer(values)
        except Misconfigured as error:
            raise WrongUsage(str(error)) from error
        if writer is None:
            missing = [name for name in ("OPENAI_API_KEY", "WAYMARK_WRITER_MODEL") if not values.get(name)]
            raise WrongUsage(
                f"no writer is set up: set {' and '.join(missing)} (OPENAI_BASE_URL leads to another server than "
                "OpenAI's); to see how it works without a key, add --imitation: it asks the demo's imitation of a model"
            )
        stack.push_async_callback(writer.close)
        yield writer


# --- what is told -----------------------------------------------------------------------------------------------------


def _tell(told: Told, done: _Done, *, as_json: bool) -> None:
    is_imitation = MODEL in done.desk.models
    if as_json:
        print_json(drafted.as_json(told, done.desk, is_imitation=is_imitation))
    else:
        typer.echo("\n".join(map(printable, lines_of(told))))
    _say(took(done.desk, told.items))
    if is_imitation:
        _say("these texts are an imitation's: for a model's, set OPENAI_API_KEY and WAYMARK_WRITER_MODEL")
    if done.failure is not None:
        if done.failure.provider_words:
            _say(f"what the writer's server said: {done.failure.provider_words[:LONGEST_ANSWER]}")
        raise (WrongUsage if isinstance(done.failure, Misconfigured) else Unreachable)(str(done.failure))
    bad = sum(not item.is_well for item in told.items)
    if bad:
        raise NotSo(f"{counted_words(bad, 'text')} of {len(told.items)} must not be sent as it is: see what was found")


def _say(line: str) -> None:
    typer.echo(printable(line), err=True)
