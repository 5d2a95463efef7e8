"""What a learner's events amount to: which enrolments they start, and which triggers they fire. Pure.

Theory of operation. Events are taken in the order in which they count (`Happened.order`), one after the other; each
meets the profile as it is at that point:

    1. it updates the profile, and entries that lacked a field are judged again;
    2. it fires the exits and awaits of the enrolments that run;
    3. it starts enrolments; each looks back at what has been taken already and counts since its entry.

So the outcome depends on the events and not on the order of their arrival, as long as no turn has been taken. Ingest
uses it in two ways. What came in order goes on from what stands in the store. Where something came out of order, the
learner's whole log is taken again, and enrolments that no turn has begun (`is_settled` false) are left out first, to be
found again: perhaps with an earlier entry, perhaps not at all. What has been done is not undone: an enrolment that was
begun stays, and entries not after it are not judged again.

Who is held out enters like the others (`again` and keys count it), but has ended at her entry; of what happens only the
goal counts. No turn begins her enrolment, so it may be found again as long as her entry may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from journeys.catalogue import is_our_own
from journeys.effects import ArmChosen
from journeys.events import Event, Json
from journeys.expressions import Facts, learner_facts
from journeys.holdout import chosen, goal_of, held_out, is_holding_out
from journeys.identity import enrolment_id
from journeys.profile import merge, updates_of
from journeys.program import Entry, Program
from journeys.routing import Entered, Entering, NotEntered, Routes, enters, entry_facts, entry_of, fired, may_enter
from journeys.run import Run

REJUDGED = timedelta(days=1)
"""How long after its arrival an entry may still be judged again."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event in the log, at place `seq`; `is_new`: it came with this batch."""

    event: Event
    seq: int
    received_at: datetime
    is_new: bool = True

    @property
    def order(self) -> tuple[datetime, datetime, str, str]:
        """By when it counts from; at one instant by what does not depend on arrival."""
        return self.event.counts_from, self.event.time, self.event.source, self.event.id


@dataclass(slots=True)
class Enrolled:
    """One enrolment in a learner's history.

    `is_settled`: it stays whatever turns up. `is_begun`: it has taken its first step. `exits` are the times of exits
    that fired before and wait for a turn; `fired` is what fires now. `is_held_out`: it has ended at its entry, and
    `goals` (the exit, and what fired it) are those of its goals that come now. `choice` is what chance said of it now.
    """

    id: str
    learner: str
    program: Program
    key: str
    ordinal: int
    entered_at: datetime
    entry: Entry
    entry_seq: int | None
    entry_time: datetime | None
    is_settled: bool = False
    is_begun: bool = False
    ended_at: datetime | None = None
    exits: Sequence[datetime] = ()
    fired: list[tuple[str, Happened]] = field(default_factory=list[tuple[str, Happened]])
    findings: list[tuple[str, Happened]] = field(default_factory=list[tuple[str, Happened]])
    """Conditions of exits and awaits that could not be judged now, and why: for the journal."""
    is_held_out: bool = False
    goals: list[tuple[str, Happened]] = field(default_factory=list[tuple[str, Happened]])
    choice: ArmChosen | None = None

    def new_run(self) -> Run:
        """The run it begins with: on arrival, or where the entry takes effect later than its time, then. That of who is
        held out has ended.
        """
        takes_effect_later = self.entry_time is not None and self.entry_time < self.entered_at
        begins_at = self.entered_at if takes_effect_later else None
        run = Run(self.id, entered_at=self.entered_at, at=self.entered_at, begins_at=begins_at, learner=self.learner)
        return held_out(run) if self.is_held_out else run

    def is_active(self, at: datetime) -> bool:
        """Whether it runs at this instant, as far as is known: an exit that fired ends it, taken by a turn or not."""
        if self.ended_at is not None:
            return at < self.ended_at
        exits = [h.event.time for trigger, h in self.fired if self.program.exit_order(trigger) is not None]
        return at < self.entered_at + self.program.limit and not any(exit_ <= at for exit_ in (*self.exits, *exits))


@dataclass(frozen=True, slots=True)
class Unjudged:
    """An entry that lacked a field of the profile when it was judged; judged again until `until`."""

    journey: str
    trigger: str
    happened: Happened
    finding: str
    until: datetime


@dataclass(slots=True)
class History:
    """One learner's history as far as it has been taken; `since`: from when each live journey takes entries."""

    learner: str
    source_id: str | None
    routes: Routes
    since: Mapping[str, datetime]
    now: datetime
    profile: Mapping[str, Json] = field(default_factory=dict[str, Json])
    times: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    enrolled: list[Enrolled] = field(default_factory=list[Enrolled])
    unjudged: list[Unjudged] = field(default_factory=list[Unjudged])
    _past: list[tuple[Happened, Mapping[str, Json]]] = field(default_factory=list[tuple[Happened, Mapping[str, Json]]])
    _known: Mapping[str, Json] | None = None

    def take(self, happened: Sequence[Happened]) -> None:
        """Take these, in the order in which they count."""
        for one in sorted(happened, key=lambda h: h.order):
            self._take(one)

    def _take(self, happened: Happened) -> None:
        if self._update_profile(happened.event):
            self._judge_again(happened)
        for enrolled in self.enrolled:
            if happened.is_new or not enrolled.is_settled:
                self._fire(enrolled, happened, self._facts)
        if _may_enter_by(happened, self.now):
            for program in sorted(self.routes.entering(happened.event.type), key=lambda p: p.journey):
                if happened.is_new or happened.received_at >= self.since[program.journey]:
                    for entering in self._enters(program, happened.event):
                        self._consider(program, entering, happened)
        self._past.append((happened, self._facts))

    @property
    def _facts(self) -> Mapping[str, Json]:
        if self._known is None:
            self._known = learner_facts(self.profile, source_id=self.source_id)
        return self._known

    def _update_profile(self, event: Event) -> bool:
        updates = updates_of(event)
        if updates:
            self.profile, self.times = merge(self.profile, self.times, updates, event.counts_from)
            self._known = None
        return bool(updates)

    def _fire(self, enrolled: Enrolled, happened: Happened, learner: Mapping[str, Json]) -> None:
        event = happened.event
        if happened.seq == enrolled.entry_seq or (enrolled.ended_at is not None and not enrolled.is_held_out):
            return
        if not any(trigger.accepts(event.type) for trigger in enrolled.program.triggers.values()):
            return
        if is_our_own(event.type) and event.data.get("enrolment") != enrolled.id:
            return
        facts = Facts(learner=learner, entry=entry_facts(enrolled.entry))
        firing = fired(enrolled.program, event, facts, entered_at=enrolled.entered_at, entry_event=None)
        if enrolled.is_held_out:
            goal = goal_of(enrolled.program, firing.triggers, entered_at=enrolled.entered_at, at=event.time)
            enrolled.goals += [] if goal is None else [(goal, happened)]
            return
        enrolled.fired.extend((trigger, happened) for trigger in firing.triggers)
        enrolled.findings.extend((finding, happened) for finding in firing.findings)

    def _enters(self, program: Program, event: Event) -> tuple[Entering, ...]:
        return enters(program, event, Facts(learner=self._facts))

    def _judge_again(self, by: Happened) -> None:
        waiting, self.unjudged = self.unjudged, []
        programs = {p.journey: p for u in waiting for p in self.routes.entering(u.happened.event.type)}
        for one in sorted(waiting, key=lambda u: (u.happened.order, u.journey, u.trigger)):
            program = programs.get(one.journey)
            if program is None or by.received_at > one.until:
                self.unjudged.append(one)
                continue
            for entering in self._enters(program, one.happened.event):
                if entering.trigger == one.trigger:
                    self._consider(program, entering, one.happened)

    def _consider(self, program: Program, entering: Entering, happened: Happened) -> None:
        match entering:
            case Entered():
                self._enter(program, entering, happened)
            case NotEntered(trigger=trigger, finding=finding, is_missing=True):
                until = happened.received_at + REJUDGED
                self.unjudged.append(Unjudged(program.journey, trigger, happened, finding or "", until))
            case NotEntered():
                pass

    def _enter(self, program: Program, entered: Entered, happened: Happened) -> None:
        mine = [e for e in self.enrolled if e.program.journey == program.journey and e.key == entered.key]
        last = max(mine, key=lambda e: e.ordinal, default=None)
        if last is not None and _is_settled_by(last, entered, happened):
            return
        if last is not None and _is_moved_by(last, happened):
            self._move(last, entered, happened)
            return
        last_entered_at = None if last is None else last.entered_at
        is_active = last is not None and last.is_active(entered.at)
        if may_enter(program.again, last_entered_at=last_entered_at, is_active=is_active, at=entered.at):
            self._start(program, entered, happened, ordinal=0 if last is None else last.ordinal + 1)

    def _start(self, program: Program, entered: Entered, happened: Happened, *, ordinal: int) -> None:
        event = happened.event
        choice = chosen(program, self.learner, at=entered.at)
        is_held_out = is_holding_out(choice)
        started = Enrolled(
            id=enrolment_id(program.journey, self.learner, entered.key, ordinal), learner=self.learner,
            program=program, key=entered.key, ordinal=ordinal, entered_at=entered.at,
            entry=entry_of(event, key=entered.key), entry_seq=happened.seq, entry_time=event.time,
            ended_at=entered.at if is_held_out else None, is_held_out=is_held_out, choice=choice,
        )  # fmt: skip
        self.enrolled.append(started)
        self._look_back(started)

    def _move(self, enrolled: Enrolled, entered: Entered, happened: Happened) -> None:
        """An entry that lies ahead was sent again with another instant."""
        enrolled.entered_at = entered.at
        enrolled.entry = entry_of(happened.event, key=entered.key)
        enrolled.entry_seq, enrolled.entry_time = happened.seq, happened.event.time
        enrolled.choice = chosen(enrolled.program, self.learner, at=entered.at)
        enrolled.ended_at = entered.at if enrolled.is_held_out else None
        enrolled.fired.clear()
        enrolled.findings.clear()
        enrolled.goals.clear()
        self._look_back(enrolled)

    def _look_back(self, enrolled: Enrolled) -> None:
        for happened, learner in self._past:
            self._fire(enrolled, happened, learner)


def may_be_found_again(happened: Happened, *, since: datetime | None, now: datetime) -> bool:
    """Whether the enrolment that this entry started is left out when the history is taken again."""
    return since is not None and happened.received_at >= since and _may_enter_by(happened, now)


def _may_enter_by(happened: Happened, now: datetime) -> bool:
    return happened.is_new or happened.received_at + REJUDGED >= now


def _is_settled_by(last: Enrolled, entered: Entered, happened: Happened) -> bool:
    """Whether an entry of earlier batches was judged before the last enrolment was settled."""
    return not happened.is_new and last.is_settled and entered.at <= last.entered_at


def _is_moved_by(last: Enrolled, happened: Happened) -> bool:
    """Whether the event, later than the last enrolment's entry and before its start, says another start.

    Of two of one time the one whose source and id are greater is the later, so that the order of arrival never matters.
    """
    if last.is_begun or (last.ended_at is not None and not last.is_held_out) or last.entry_time is None:
        return False
    event = happened.event
    is_later = (last.entry_time, last.entry.event or "") < (event.time, f"{event.source} {event.id}")
    return is_later and event.time < last.entered_at
