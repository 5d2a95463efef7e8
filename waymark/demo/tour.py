"""The guided tour: servers, journey, story, picture, verdict, one learner in plain words, and where to look."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from connectors.channels.opening import open_channels
from journeys.compiler import compile_definition
from journeys.program import Program
from store.database import Database
from waymark import wiring
from waymark.cli.client import Api, connect, path_of
from waymark.cli.errors import NotSo
from waymark.cli.records import tell as tell_enrolment
from waymark.demo import story
from waymark.demo.drawing import Picture
from waymark.demo.expecting import FACTS, expect
from waymark.demo.feed import Feed
from waymark.demo.judging import judge
from waymark.demo.playing import Player
from waymark.demo.postbox import Postbox
from waymark.demo.records import Records, read_records
from waymark.demo.stage import Stage
from waymark.settings import Settings
from workflows.timelapse import Timelapse

JOURNEY = Path(__file__).resolve().parents[2] / "examples" / "first-time-manager" / "journey.yaml"
TOLD = "ivy.chen"
"""Whose story is told in plain words at the end."""
REFUSED = ("missing_field",)
"""Why the broken record cannot be used."""


@dataclass
class Tour:
    """A tour on this stage, shown on this console; `as_json` keeps standard output free. `drawn` is its picture."""

    stage: Stage
    console: Console
    as_json: bool = False
    drawn: Picture | None = field(default=None, init=False)

    def run(self) -> dict[str, Any]:
        """Take it, from nothing to the verdict; the summary. Raises NotSo where what arrived is not as it must be."""
        began = time.monotonic()
        self._set_up()
        ready_after = time.monotonic() - began
        summary, problems = asyncio.run(self._play())
        summary["seconds_of_setting_up"] = round(ready_after, 1)
        if problems:
            self._say("", f"[bold red]What arrived is not what the journey says:[/] {len(problems)} differences", "")
            for problem in problems:
                self.console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
        self._say_where_to_look()
        if problems:
            raise NotSo(f"{len(problems)} differences between what arrived and what the journey says, see above")
        return summary

    def _set_up(self) -> None:
        self._say("[bold]The servers[/]  Temporal, Kafka and a mailbox of the demo's own; API, worker and bridge", "")
        self.stage.clear()
        self.stage.up(output=sys.stderr if self.as_json else None)

    async def _play(self) -> tuple[dict[str, Any], list[str]]:
        settings = self.stage.settings()
        api = connect(settings)
        program = self._publish(api, settings)
        told = story.tell(story.next_monday(datetime.now(UTC)))
        picture = self.drawn = Picture(told, program.title)
        async with _opened(settings, self.stage, told, picture) as player:
            await self._show(player, picture)
            records = await asyncio.to_thread(read_records, api)
            mails = player.postbox.mails
            expected = expect(program, told, reach=wiring.reach_of(open_channels(settings.of_channels())))
            problems = judge(expected, records.found(mails), people=told.people, facts=FACTS, refused=REFUSED)
            self._tell_one(records, told)
            self._conclude(records, player, picture, problems)
        return _summary(records, player, picture), problems

    def _publish(self, api: Api, settings: Settings) -> Program:
        definition = JOURNEY.read_bytes()
        vocabulary = wiring.vocabulary(open_channels(settings.of_channels()))
        compiled = compile_definition(definition, vocabulary=vocabulary)
        if compiled.program is None:
            raise NotSo(f"{JOURNEY} has problems: `waymark check` prints them")
        answer = api.put(path_of("journeys", compiled.program.journey), definition, media_type="application/yaml")
        self._say("", f"[bold]The journey[/]  {answer['journey']}, version {answer['version']}, is published", "")
        return compiled.program

    async def _show(self, player: Player, picture: Picture) -> None:
        is_live = self.console.is_terminal
        live = Live(picture, console=self.console, refresh_per_second=8, transient=True) if is_live else nullcontext()
        with live:
            telling = None if is_live else asyncio.create_task(self._tell_weeks(picture))
            try:
                await player.play()
                picture.done()
            finally:
                if telling is not None:
                    telling.cancel()
        picture.unfold()
        if is_live:
            self.console.print(picture)
        else:
            self._say_lines(picture)

    async def _tell_weeks(self, picture: Picture) -> None:
        told = 0
        while True:
            await asyncio.sleep(0.2)
            if picture.weeks > told:
                told = picture.weeks
                self.console.print(f"-- week {told}", markup=False, highlight=False, soft_wrap=True)
                self._say_lines(picture)

    def _say_lines(self, picture: Picture) -> None:
        for line in picture.take_said():
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _tell_one(self, records: Records, told: story.Story) -> None:
        person = next(person for person in told.people if person.id == TOLD)
        body = next(enrolment for enrolment in records.enrolments if enrolment["learner"] == TOLD)
        self._say("", f"[bold]{person.given_name}'s story[/]  {person.twist}", "")
        for line in tell_enrolment(body, now=told.ends_at)[2:]:
            self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)

    def _conclude(self, records: Records, player: Player, picture: Picture, problems: list[str]) -> None:
        if not problems:
            self._say(
                "",
                f"[bold green]What arrived is what the journey says[/], to the second: {player.feed.sent} events, "
                f"{len(records.enrolments)} enrolments, {len(player.postbox.mails)} messages; "
                f"{story.WEEKS} weeks in {picture.seconds:.0f} s. One record of HR was broken and is a dead letter.",
            )

    def _say_where_to_look(self) -> None:
        stage = self.stage
        example = f"{stage.command} enrolments --learner dilip.rao"
        self._say(
            "",
            "[bold]To look at[/], until you stop it:",
            f"  messages    {stage.address_of('mailbox')}",
            f"  API         {stage.address_of('api')}/openapi.json   (key: {stage.shown}/admin.key)",
            f"  Temporal    {stage.address_of('temporal')}   Kafka  {stage.address_of('kafka')}",
            f"  a learner   {example}",
            f"  to stop     {stage.command} down",
        )

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.console.print(line, highlight=False, soft_wrap=True)


@asynccontextmanager
async def _opened(settings: Settings, stage: Stage, told: story.Story, picture: Picture) -> AsyncGenerator[Player]:
    async with AsyncExitStack() as stack:
        database = Database(settings.database())
        stack.push_async_callback(database.close)
        client = await wiring.connect_temporal(settings)
        feed = Feed(settings.kafka_bootstrap or "")
        stack.callback(feed.close)
        postbox = Postbox(stage.address_of("mailbox"))
        stack.push_async_callback(postbox.close)
        yield Player(told, feed, postbox, database, Timelapse(client), picture)


def _summary(records: Records, player: Player, picture: Picture) -> dict[str, Any]:
    outcomes = [enrolment["outcome"] for enrolment in records.enrolments]
    return {
        "events": player.feed.sent,
        "learners": len(player.story.people),
        "enrolments": len(records.enrolments),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes), key=str)},
        "deliveries": len(player.postbox.mails),
        "dead_letters": len(records.dead_letters),
        "seconds": round(picture.seconds, 1),
    }
