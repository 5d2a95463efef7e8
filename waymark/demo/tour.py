"""The guided tour: servers, journey, its drafted texts, story, picture, verdict, one learner in plain words, and where
to look.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
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
from waymark.demo.reviewing import Reviewed, faults_of, review
from waymark.demo.stage import Stage
from waymark.settings import Settings
from workflows.timelapse import Timelapse

JOURNEY = Path(__file__).resolve().parents[2] / "examples" / "first-time-manager" / "journey.yaml"
TOLD = "ivy.chen"
"""Whose story is told in plain words at the end."""
WORDS = ("ada.okafor", "liam.byrne")
"""Of whom it is told in whose words the drafted message went: one of Sales, one of Operations."""
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
        program = _compiled(settings)
        told = story.tell(story.next_monday(datetime.now(UTC)))
        picture = self.drawn = Picture(told, program.title)
        async with _opened(settings, self.stage, told, picture) as player:
            await player.introduce()
            self._publish(api)
            reviewed = await asyncio.to_thread(review, api, program)
            self._tell_drafts(reviewed)
            await self._show(player, picture)
            records = await asyncio.to_thread(read_records, api)
            mails = player.postbox.mails
            reach = wiring.reach_of(open_channels(settings.of_channels()))
            expected = expect(program, told, reach=reach, drafts=reviewed.approved)
            problems = judge(expected, records.found(mails), people=told.people, facts=FACTS, refused=REFUSED)
            self._tell_one(records, told)
            self._tell_words(records, told)
            self._conclude(records, player, picture, problems)
        return _summary(records, player, picture, reviewed), problems

    def _publish(self, api: Api) -> None:
        path = path_of("journeys", JOURNEY.parent.name)
        answer = api.put(path, JOURNEY.read_bytes(), media_type="application/yaml")
        self._say("", f"[bold]The journey[/]  {answer['journey']}, version {answer['version']}, is published", "")

    def _tell_drafts(self, reviewed: Reviewed) -> None:
        is_imitation = not self.stage.writer
        drafts, back = reviewed.drafts, len(reviewed.sent_back)
        counted = f"{len(drafts)} texts of the message [bold]{drafts[0]['message']}[/], one for each department"
        self._say(f"[bold]The drafts[/]  {counted}; {back or 'none'} sent back with what was found", "")
        if is_imitation:
            self._say(*why_imitated(self.stage.lacking, model=reviewed.model))
        else:
            self._say(f"  written by {reviewed.model}")
        for draft in drafts:
            lines = [f"{draft['value']}: {draft['subject'] or draft['reason']}", f"  {draft['body'] or ''}"]
            lines += [f"  sent back for {fault}" for fault in faults_of(draft)]
            lines += [f"  found now: {found['severity']}, {found['detail']}" for found in draft["findings"]]
            lines.append(f"  {_decided(draft)}")
            for line in lines:
                self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        self._say("")

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

    def _tell_words(self, records: Records, told: story.Story) -> None:
        """In whose words the drafted message went: to somebody whose text is approved, and to somebody else."""
        self._say("", "[bold]Whose words[/]  what the journal says of the drafted message", "")
        for person in told.people:
            if person.id in WORDS:
                line = next(_lines_about_words(records, person.id), "it did not go")
                said = f"  {person.given_name} ({person.department}): {line}"
                self.console.print(said, markup=False, highlight=False, soft_wrap=True)

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
            f"  drafts      {stage.address_of('api')}/drafts   (key: {stage.shown}/admin.key)",
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


def _compiled(settings: Settings) -> Program:
    vocabulary = wiring.vocabulary(open_channels(settings.of_channels()))
    compiled = compile_definition(JOURNEY.read_bytes(), vocabulary=vocabulary)
    if compiled.program is None:
        raise NotSo(f"{JOURNEY} has problems: `waymark check` prints them")
    return compiled.program


def why_imitated(lacking: Sequence[str], *, model: str) -> tuple[str, str]:
    """That an imitation wrote the texts, and for want of which settings, by their names in the environment."""
    are, them = ("is", "it") if len(lacking) == 1 else ("are", "them")
    because = f"{' and '.join(lacking)} {are} not set: an" if lacking else "An"
    instead = f" With {them} a real one writes them." if lacking else ""
    return f"  {because} imitation of a language model ({model}) made them", f"  of the journey's own words.{instead}"


def _decided(draft: Mapping[str, Any]) -> str:
    if draft["state"] == "approved":
        return f"approved by {draft['decided_by']}"
    return f"{draft['state']}, approved by nobody: its readers get the journey's own words"


def _lines_about_words(records: Records, learner: str) -> Iterator[str]:
    """What the journal of a learner says of messages that are drafted."""
    for enrolment in records.enrolments:
        if enrolment["learner"] == learner:
            data = ((line["text"], line["data"]) for line in enrolment["journal"])
            yield from (text for text, said in data if {"draft", "undrafted"} & said.keys())


def _summary(records: Records, player: Player, picture: Picture, reviewed: Reviewed) -> dict[str, Any]:
    outcomes = [enrolment["outcome"] for enrolment in records.enrolments]
    return {
        "events": player.feed.sent,
        "learners": len(player.story.people),
        "enrolments": len(records.enrolments),
        "outcomes": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes), key=str)},
        "deliveries": len(player.postbox.mails),
        "dead_letters": len(records.dead_letters),
        "drafts": [
            {key: draft[key] for key in ("id", "value", "state", "model", "decided_by")}
            | {"calls": draft["cost"]["calls"], "sent_back_for": faults_of(draft)}
            for draft in reviewed.drafts
        ],
        "in_approved_words": sum(delivery["draft"] is not None for delivery in records.deliveries),
        "in_own_words": sum(delivery["undrafted"] is not None for delivery in records.deliveries),
        "seconds": round(picture.seconds, 1),
    }
