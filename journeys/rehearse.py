"""The rehearsal: a journey run on a virtual timeline, and its performer.

Theory of operation. One clock for all learners jumps from instant to instant. At each instant first every event that
arrives then is taken in, as ingest takes it (`journeys.history`: profile, triggers, entries, look-back), and then each
enrolment that was concerned or is due takes one turn, by the same `take_turn` as in the real world. Messages go at the
virtual instant.

Deterministic, and without I/O: `take_turn` is a coroutine because the real performer awaits; this one never does.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar, assert_never

from journeys import attending
from journeys.advance import advance, waiting_for
from journeys.attention import Award, Bid, Late, Lead, Wait, merged_into, new_bid
from journeys.calendar import reckon
from journeys.catalogue import is_our_own
from journeys.composing import Composed, Reach, Skip, compose, recipient_of, unknown_recipient
from journeys.deciding import decide, evaluate, facts_of
from journeys.digest import digest_of, merges
from journeys.drafting.choosing import Drafted, Drafts, Wanted, beside_manager, manager_to_ask, without
from journeys.drafting.needing import needed
from journeys.durations import format_duration
from journeys.effects import (
    Answer,
    Answered,
    ArmChosen,
    Asking,
    Decide,
    Deferred,
    Deliver,
    Delivered,
    Effect,
    End,
    Enrol,
    Evaluate,
    Fired,
    Note,
    Paused,
    Reckon,
    Request,
    Resumed,
    Withdraw,
)
from journeys.effects import (
    Enrolled as EnrolledElsewhere,
)
from journeys.events import Event, Json
from journeys.expressions import Facts
from journeys.history import Enrolled, Happened, History, may_be_found_again
from journeys.holdout import entered_note, goal_note
from journeys.identity import delivery_id
from journeys.permitting import put_off
from journeys.policy import UNLIMITED, Budget, Policy
from journeys.profile import as_of, changes, is_ahead, updates_of
from journeys.program import Entry, Program
from journeys.routing import Entered, NotEntered, Routes, enters, fired, kept
from journeys.run import Pending, Run
from journeys.slots import Slots
from journeys.timeline import (
    Rehearsal,
    RehearsedEnrolment,
    RehearsedLearner,
    RehearsedMessage,
    TimelineEntry,
    Visit,
    entry_of_note,
)
from journeys.turn import Interrupted, depends_on, due_at, take_turn

REHEARSED_PAGES = "https://this-is-a-rehearsal.invalid"
"""What the addresses of pages begin with that no rehearsal makes."""

_ALWAYS = datetime.min.replace(tzinfo=UTC)
"""The rehearsed journey was published before anything happened."""

_MOMENT = timedelta(seconds=1)
"""When an enrolment that is due at once takes its next turn: nothing goes round within one instant."""

MOST_VISITS = 10_000
"""After so many steps of one enrolment the rehearsal leaves it where it stands: a round a minute for a year would take
minutes, and nobody would read it.
"""

Profiles = Mapping[str, Mapping[str, Json]]

NOTHING_APPROVED: Drafts = {}


def rehearse(
    program: Program,
    learners: Profiles,
    events: Sequence[Event],
    *,
    reach: Mapping[str, Reach],
    until: timedelta | None = None,
    arrivals: Mapping[str, datetime] | None = None,
    policy: Policy = UNLIMITED,
    identify: Callable[[str], str] = str,
    answers: Mapping[str, Json] | None = None,
    acts: Sequence[tuple[str, Paused | Resumed]] = (),
    drafts: Drafts = NOTHING_APPROVED,
) -> Rehearsal:
    """What each learner would get, were these the events; `reach` says what is known of each channel by name.

    Events are taken in order of their time, whatever their order here; one of which `arrivals` (by event id) says that
    it came later is taken in then. `until` counts from the first event; without it the rehearsal goes on until every
    enrolment has ended, by its `limit` at the latest. An event without a subject concerns nobody. `identify` answers
    the id by which chance knows a learner, from the source's: the same one, or ours. `answers` is what named webhooks
    say to every `call`; nothing is asked of anybody. `acts` are an admin's on all that a learner is in then. `drafts`
    are the texts that are approved: in these a drafted message goes, and in its own words where there is none.
    """
    stage = _Stage(program, reach, policy, identify, answers or {}, drafts)
    for learner, profile in learners.items():
        stage.person(learner).history.profile = dict(profile)
        stage.person(learner).given = profile
    arriving = [(max(event.time, (arrivals or {}).get(event.id, event.time)), event) for event in events]
    for at, event in sorted(arriving, key=lambda pair: (pair[0], pair[1].source, pair[1].id)):
        stage.plan(at, event)
    for learner, given in acts:
        stage.plan(given.at, _Act(stage.person(learner), given))
    stage.play(until=None if until is None or not arriving else min(at for at, _ in arriving) + until)
    return Rehearsal(tuple(_told(program, person) for person in stage.people.values()))


@dataclass(slots=True)
class _Enrolment:
    """One enrolment on the stage: its part in the history, and what it has become."""

    person: "_Person"
    enrolled: Enrolled
    entry: Entry
    run: Run
    inbox: list[Fired] = field(default_factory=list[Fired])
    notes: list[Note] = field(default_factory=list[Note])
    messages: list[RehearsedMessage] = field(default_factory=list[RehearsedMessage])
    planned: datetime | None = None
    path: list[Visit] = field(default_factory=list[Visit])
    bidding: set[str] = field(default_factory=set[str])

    def watch(self, at: datetime, step: str, arm: str | None) -> None:
        """It has arrived at a step, or left it by this arm."""
        if arm is None:
            self.path.append(Visit(step, at))
        else:
            self.path[-1] = replace(self.path[-1], arm=arm, left_at=at)

    def facts(self, now: datetime) -> Facts:
        """What expressions see of it now."""
        person = self.person
        return facts_of(self.run, source_id=person.source_id, profile=person.profile(now), entry=self.entry)


@dataclass(slots=True)
class _Person:
    """One learner on the stage, as the store would know her.

    `given` is the profile she came with; `latest` the event, of those taken, that counts last.
    """

    source_id: str
    history: History
    given: Mapping[str, Json] = field(default_factory=dict[str, Json])
    log: list[Happened] = field(default_factory=list[Happened])
    latest: Happened | None = None
    enrolments: dict[str, _Enrolment] = field(default_factory=dict[str, _Enrolment])
    remarks: list[TimelineEntry] = field(default_factory=list[TimelineEntry])

    def profile(self, now: datetime) -> Mapping[str, Json]:
        """Her profile as it is now; fields of an event count from its `effective`."""
        if is_ahead(self.history.times, now):
            return as_of((happened.event for happened in self.log), now, given=self.given)
        return self.history.profile


@dataclass(frozen=True, slots=True)
class _Act:
    """An admin pauses all that a learner is in, or lets it go on."""

    person: _Person
    given: Paused | Resumed


_Planned = Event | _Enrolment | _Person | _Act
"""What comes: an event, an enrolment that is due, an admin's act, or a change in somebody's profile of which was told
before.
"""


class _Stage:
    """The virtual world: people, the plan of what comes, and the instant it is."""

    def __init__(
        self,
        program: Program,
        reach: Mapping[str, Reach],
        policy: Policy,
        identify: Callable[[str], str],
        answers: Mapping[str, Json],
        drafts: Drafts,
    ) -> None:
        self.program = program
        self.answers = answers
        self.drafts = drafts
        self.identify = identify
        self.reach = reach
        self.policy = policy
        self.people: dict[str, _Person] = {}
        self._routes = Routes([program])
        self._plan: list[tuple[datetime, int, int, _Planned]] = []
        self._numbers = count()
        self._known: set[tuple[str, str]] = set()
        self.asking: dict[str, _Enrolment] = {}
        self.merged: dict[str, Composed] = {}
        self.slots = Slots(policy, self._wake)

    def person(self, source_id: str) -> _Person:
        """The learner; she exists from here on."""
        person = self.people.get(source_id)
        if person is None:
            person = self.people[source_id] = _Person(source_id, self._history(source_id, _ALWAYS))
        return person

    def plan(self, at: datetime, what: _Planned) -> None:
        """Have this happen then; at one instant events come before what is due, each in the order of planning."""
        heappush(self._plan, (at, int(not isinstance(what, Event)), next(self._numbers), what))

    def play(self, *, until: datetime | None) -> None:
        """Go from instant to instant until nothing is planned, or `until` is over."""
        while self._plan and (until is None or self._plan[0][0] <= until):
            now = self._plan[0][0]
            concerned: dict[str, _Enrolment] = {}
            while self._plan and self._plan[0][0] == now:
                for enrolment in self._happen(heappop(self._plan)[3], now):
                    concerned[f"{enrolment.person.source_id} {enrolment.enrolled.id}"] = enrolment
            for enrolment in concerned.values():
                self._take_turn(enrolment, now)

    def _wake(self, delivery: str, now: datetime) -> None:
        """Have the enrolment of this delivery take a turn at this instant."""
        enrolment = self.asking[delivery]
        enrolment.planned = now
        self.plan(now, enrolment)

    def _happen(self, what: _Planned, now: datetime) -> Sequence[_Enrolment]:
        match what:
            case Event():
                return self._take_in(what, now)
            case _Enrolment():
                is_due = what.planned == now and what.person.enrolments.get(what.enrolled.id) is what
                return [what] if is_due else []
            case _Act():
                return [each for each in what.person.enrolments.values() if self._act(each, what.given, now)]
            case _Person():
                return [each for each in what.enrolments.values() if depends_on(each.run)]
            case _:
                assert_never(what)

    def _act(self, enrolment: _Enrolment, given: Paused | Resumed, now: datetime) -> bool:
        """What is done by hand changes the run at once, as in the store; whether it did."""
        if enrolment.run.has_ended:
            return False
        given = replace(given, at=max(given.at, enrolment.run.at))
        enrolment.run, effects = advance(self.program, enrolment.run, given, watch=enrolment.watch)
        _Performer(self, enrolment, now).keep(effects)
        return True

    def _take_turn(self, enrolment: _Enrolment, now: datetime) -> None:
        performer = _Performer(self, enrolment, now)
        enrolment.run = _at_once(
            take_turn(self.program, enrolment.run, now=now, performer=performer, watch=enrolment.watch)
        )
        enrolment.planned = due_at(self.program, enrolment.run)
        if enrolment.planned is not None and enrolment.planned <= now:
            enrolment.planned = now + _MOMENT
        if enrolment.planned is not None and len(enrolment.path) > MOST_VISITS:
            often = "a `repeat` goes round very often"
            reason = f"The rehearsal of her enrolment stops here, after {MOST_VISITS:,} steps: {often}."
            enrolment.person.remarks.append(TimelineEntry(now, "stopped", reason=reason))
            enrolment.planned = None
        if enrolment.planned is not None:
            self.plan(enrolment.planned, enrolment)

    # -- what ingest does ----------------------------------------------------------------------------------------------

    def _take_in(self, event: Event, now: datetime) -> Sequence[_Enrolment]:
        """The enrolments that the event concerns. A duplicate (`source`, `id`) does nothing."""
        if event.subject is None or (event.source, event.id) in self._known:
            return []
        self._known.add((event.source, event.id))
        person = self.person(event.subject)
        event = _addressed(event, person)
        self._settle(person, now)
        changed = self._changed(person, event, now)
        happened = Happened(event, len(person.log), now)
        if person.latest is not None and happened.order < person.latest.order:
            self._take_again(person, happened, now)
        else:
            person.latest = happened
            person.history.now = now
            person.history.take([happened])
        person.log.append(replace(happened, is_new=False))
        concerned = self._reconcile(person)
        self._remark(person, event, concerned, now)
        return [*concerned, *(e for e in person.enrolments.values() if not changed.isdisjoint(depends_on(e.run)))]

    def _changed(self, person: _Person, event: Event, now: datetime) -> frozenset[str]:
        """The fields of her profile that the event changes, now or later; what lies ahead is planned."""
        updates, known = updates_of(event), person.history
        if updates and event.counts_from > now:
            self.plan(event.counts_from, person)
        return changes(known.profile, known.times, updates, event.counts_from, now=now)

    def _history(self, source_id: str, now: datetime) -> History:
        since = {self.program.journey: _ALWAYS}
        learner = self.identify(source_id)
        return History(learner=learner, source_id=source_id, routes=self._routes, since=since, now=now)

    def _settle(self, person: _Person, now: datetime) -> None:
        """Tell the history what has become of the enrolments since."""
        for enrolment in person.enrolments.values():
            enrolled, run = enrolment.enrolled, enrolment.run
            entered = None if enrolled.entry_seq is None else person.log[enrolled.entry_seq]
            may_change = entered is not None and may_be_found_again(entered, since=_ALWAYS, now=now)
            enrolled.is_begun = (run.has_begun or run.has_ended) and not enrolled.is_held_out
            enrolled.is_settled = enrolled.is_begun or not may_change
            enrolled.ended_at = run.at if run.has_ended else None

    def _take_again(self, person: _Person, newest: Happened, now: datetime) -> None:
        """What came out of order: the whole log again, without the enrolments that no turn has begun."""
        history = self._history(person.source_id, now)
        history.profile = dict(person.given)
        history.enrolled = [each for each in person.history.enrolled if each.is_settled]
        history.take([*person.log, newest])
        person.history = history

    def _reconcile(self, person: _Person) -> Sequence[_Enrolment]:
        """Bring the stage to what the history says; the enrolments that were made, moved or fired at."""
        concerned: list[_Enrolment] = []
        before = person.enrolments
        person.enrolments = {}
        for enrolled in person.history.enrolled:
            enrolment = before.get(enrolled.id)
            is_other = enrolment is None or enrolment.enrolled is not enrolled or enrolment.entry != enrolled.entry
            if enrolment is None or is_other:
                run = enrolled.new_run()
                enrolment = _Enrolment(person, enrolled, enrolled.entry, run)
                enrolment.notes += [entered_note(enrolled.entered_at)] if enrolled.is_held_out else []
            person.enrolments[enrolled.id] = enrolment
            if enrolled.fired or (is_other and not enrolled.is_held_out):
                concerned.append(enrolment)
            enrolment.notes += [goal_note(happened.event, trigger) for trigger, happened in enrolled.goals]
            enrolled.goals = []
            enrolment.inbox += [_fired(self.program, trigger, happened.event) for trigger, happened in enrolled.fired]
            exits = (h.event.time for trigger, h in enrolled.fired if self.program.exit_order(trigger) is not None)
            enrolled.exits = (*enrolled.exits, *exits)
            enrolled.fired = []
        return concerned

    # -- why not -------------------------------------------------------------------------------------------------------

    def _remark(self, person: _Person, event: Event, concerned: Sequence[_Enrolment], now: datetime) -> None:
        """Say what an event did not do, and why: entries that were refused, conditions that could not be judged."""
        facts = facts_of(None, source_id=person.source_id, profile=person.history.profile, entry=None)
        has_entered = any(e.enrolled.entry_seq == len(person.log) - 1 for e in person.enrolments.values())
        for entering in () if has_entered else enters(self.program, event, facts):
            reason = f"{event.type} starts nothing: {_why_not(entering, person, self.program)}."
            person.remarks.append(TimelineEntry(now, "not_entered", reason=reason))
        for enrolment in person.enrolments.values():
            if enrolment.run.has_ended or enrolment in concerned:
                continue
            entered_at = enrolment.run.entered_at
            firing = fired(self.program, event, enrolment.facts(now), entered_at=entered_at, entry_event=None)
            for finding in firing.findings:
                text = f"{event.type} came, and {finding}."
                person.remarks.append(TimelineEntry(now, "not_judged", reason=text))


class _Performer:
    """Performs one turn's effects in the virtual world."""

    def __init__(self, stage: _Stage, enrolment: _Enrolment, now: datetime) -> None:
        self._stage = stage
        self._enrolment = enrolment
        self._now = now

    async def unread(self) -> Sequence[Fired]:
        unread = tuple(self._enrolment.inbox)
        self._enrolment.inbox.clear()
        return unread

    def keep(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Note():
                    self._enrolment.notes.append(effect)
                case Withdraw():
                    self._stage.slots.fall(self._enrolment.bidding, now=self._now)
                case End() | ArmChosen():  # the run has the rest
                    pass
                case _:
                    assert_never(effect)

    async def perform(self, run: Run, effect: Asking) -> Answer | Interrupted:
        self._enrolment.run = run
        match effect:
            case Decide():
                return decide(effect, self._enrolment.facts(self._now), at=run.at)
            case Evaluate():
                return evaluate(effect, self._enrolment.facts(self._now), at=run.at)
            case Reckon():
                facts, person = self._enrolment.facts(self._now), self._enrolment.person
                return reckon(effect, facts, profile=person.profile(self._now), policy=self._stage.policy, at=run.at)
            case Deliver():
                return self._deliver(run, effect)
            case Request():
                return self._answer(run, effect)
            case Enrol():
                return EnrolledElsewhere(run.at, is_enrolled=True, reason="a rehearsal only says so")
            case _:
                assert_never(effect)

    def _answer(self, run: Run, request: Request) -> Answered:
        """What the rehearsal was told of a webhook; an LMS does what it is asked."""
        now, told = max(self._now, run.at), self._stage.answers
        if request.service == "call" and request.target not in told:
            return Answered(now, "done", reason=f"the rehearsal was told no answer of {request.target}")
        return Answered(now, "done", told.get(request.target))

    def _deliver(self, run: Run, deliver: Deliver) -> Delivered | Deferred:
        now = max(self._now, run.at)
        named = recipient_of(deliver, self._enrolment.facts(self._now))
        if isinstance(named, Skip):
            return Delivered(now, "skipped", None, named.text)
        recipient = self._enrolment.person.source_id if named.source_id is None else named.source_id
        person = self._stage.people.get(recipient)
        if person is None:
            return Delivered(now, "skipped", None, unknown_recipient(deliver).text)
        return _Delivering(self, run, deliver, person, now).answer()

    @property
    def enrolled(self) -> _Enrolment:
        """Whose turn it is."""
        return self._enrolment

    @property
    def stage(self) -> _Stage:
        """The world it is in."""
        return self._stage

    def compose(self, run: Run, deliver: Deliver, recipient: _Person, now: datetime) -> Composed | Skip:
        """The message as it would go."""
        person = self._enrolment.person
        profile, theirs = person.profile(self._now), recipient.profile(self._now)
        return compose(
            self._stage.program,
            deliver,
            now=now,
            run=run,
            entry=self._enrolment.entry,
            learner=profile,
            learner_id=person.source_id,
            recipient=theirs,
            recipient_id=recipient.source_id,
            reach=self._stage.reach,
            page=f"{REHEARSED_PAGES}/{deliver.node}",
            drafted=self._drafted(deliver, theirs),
        )

    def _drafted(self, deliver: Deliver, recipient: Mapping[str, Json]) -> Drafted:
        """The approved text of a drafted message, as far as there is one."""
        stage, facts = self._stage, self._enrolment.facts(self._now)
        learner = stage.identify(self._enrolment.person.source_id)
        wanted = needed(
            stage.program, deliver, facts=facts, learner_id=learner, recipient=recipient, policy=stage.policy
        )
        if not isinstance(wanted, Wanted):
            return wanted
        found = stage.drafts.get((wanted.order.message, wanted.key))
        if found is not None:
            return found
        manager = stage.people.get(manager_to_ask(wanted, facts) or "")
        return without(beside_manager(wanted, facts, None if manager is None else manager.profile(self._now)))


@dataclass(slots=True)
class _Delivering:
    """One message on its way to one recipient: hours and days, then attention, then it goes."""

    performer: _Performer
    run: Run
    deliver: Deliver
    person: _Person
    now: datetime

    def answer(self) -> Delivered | Deferred:
        gone = self._slots.gone_in(self._key)
        if gone is not None:
            return self._said_with_others(gone.at, gone.digest, self._stage.merged.get(self._key))
        if self._slots.has_had_no_room(self._recipient, self._key, now=self.now):
            return self._skip(attending.NO_ROOM)
        profile, policy = self._profile, self._stage.policy
        budget = attending.budget_for(self.deliver, policy)
        waiting = put_off(self.deliver, profile, policy=policy, now=self.now)
        composed = self.performer.compose(self.run, self.deliver, self.person, self.now)
        if isinstance(waiting, Deferred):
            self._postpone(waiting, composed, budget)
            return waiting
        composed = waiting or composed
        if isinstance(composed, Skip):
            return self._skip(composed)
        return self._go(composed) if budget is None else self._ask(composed, budget)

    def _postpone(self, waiting: Deferred, composed: Composed | Skip, budget: Budget | None) -> None:
        if budget is not None and waiting.until is not None and attending.has_a_bid(waiting, self.deliver):
            channel = None if isinstance(composed, Skip) else composed.channel
            self._slots.postpone(self._recipient, self._bid(channel), until=waiting.until, now=self.now)
        else:
            self._slots.fall([self._key], now=self.now)

    def _ask(self, composed: Composed, budget: Budget) -> Delivered | Deferred:
        mine = self.performer.enrolled
        others = sum(not each.run.has_ended and each is not mine for each in self.person.enrolments.values())
        bid = self._bid(composed.channel)
        verdict = self._slots.ask(
            self._recipient, bid, self.deliver, budget=budget, profile=self._profile, others=others, now=self.now
        )
        match verdict:
            case Award():
                return self._go(composed)
            case Wait():
                return attending.deferred(verdict, self._profile, policy=self._stage.policy, now=self.now)
            case Late():
                return self._skip(attending.NO_ROOM)
            case Lead():
                return self._lead(composed, verdict)

    def _lead(self, composed: Composed, lead: Lead) -> Delivered:
        """Send it with the others of its digest that can go with it now; with none, by itself."""
        parts = {member: self._part(member) for member in lead.members}
        merging = {member: part for member, part in parts.items() if part is not None and merges(part, composed)}
        if not merging:
            self._slots.merge(self._recipient, lead, (), now=self.now)
            return self._go(composed)
        self._slots.merge(self._recipient, lead, (self._key, *merging), now=self.now)
        self._slots.spend(self._recipient, at=self.now)
        self._stage.merged |= merging
        self._tell(attending.DIGEST, digest_of([composed, *merging.values()]))
        mine = self.performer.enrolled
        mine.notes.append(attending.said_together(self.now, self.deliver, composed.channel))
        return self._said_with_others(self.now, lead.digest, composed)

    @staticmethod
    def _said_with_others(at: datetime, digest: str, part: Composed | None) -> Delivered:
        draft, undrafted = (None, None) if part is None else (part.draft, part.undrafted)
        return Delivered(at, "skipped", None, merged_into(digest), draft, undrafted)

    def _part(self, member: str) -> Composed | None:
        """Another enrolment's message as it would go now; None where it cannot."""
        other = self._stage.asking[member]
        match other.run.hold:
            case Pending(effect=Deliver() as deliver) if _delivery_key(other, deliver) == member:
                performer = _Performer(self._stage, other, self.now)
                is_open = put_off(deliver, self._profile, policy=self._stage.policy, now=self.now) is None
                composed = performer.compose(other.run, deliver, self.person, self.now)
                return composed if is_open and isinstance(composed, Composed) else None
            case _:
                return None

    def _go(self, composed: Composed) -> Delivered:
        self._slots.spend(self._recipient, at=self.now)
        self._slots.conclude(self._recipient, self._key)
        self._tell(self.deliver.message, composed)
        return Delivered(self.now, "sent", composed.channel, None, composed.draft, composed.undrafted)

    def _tell(self, message: str, composed: Composed) -> None:
        link = None if composed.link is None else composed.link.url
        told = RehearsedMessage(
            self.now, self.deliver.node, message, composed.channel, self._recipient, composed.subject, composed.text,
            link, composed.draft, composed.undrafted,
        )  # fmt: skip
        self.performer.enrolled.messages.append(told)

    def _skip(self, skip: Skip) -> Delivered:
        self._slots.fall([self._key], now=self.now)
        return Delivered(self.now, "skipped", None, skip.text)

    def _bid(self, channel: str | None) -> Bid:
        mine = self.performer.enrolled
        self._stage.asking[self._key] = mine
        mine.bidding.add(self._key)
        return new_bid(self.deliver, delivery=self._key, enrolment=mine.enrolled.id, channel=channel, now=self.now)

    @property
    def _stage(self) -> _Stage:
        return self.performer.stage

    @property
    def _slots(self) -> Slots:
        return self._stage.slots

    @property
    def _key(self) -> str:
        return _delivery_key(self.performer.enrolled, self.deliver)

    @property
    def _recipient(self) -> str:
        return self.person.source_id

    @property
    def _profile(self) -> Mapping[str, Json]:
        return self.person.profile(self.now)


def _delivery_key(enrolment: _Enrolment, deliver: Deliver) -> str:
    return delivery_id(enrolment.enrolled.id, deliver.node, deliver.visit, deliver.leg)


T = TypeVar("T")


def _at_once(turn: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that awaits nothing."""
    try:
        turn.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the rehearsal's performer awaits nothing")


def _addressed(event: Event, person: _Person) -> Event:
    """An event of ours that names no enrolment, or no step, is about where she stands: who writes a rehearsal cannot
    know ids.
    """
    standing = [each for each in person.enrolments.values() if not each.run.has_ended]
    if not is_our_own(event.type) or not standing:
        return event
    run = standing[-1].run
    return replace(event, data={"enrolment": run.enrolment, "step": run.node, **event.data})


def _fired(program: Program, trigger: str, event: Event) -> Fired:
    return Fired(event.time, trigger, f"{event.source} {event.id}", event.type, kept(program, trigger, event))


def _why_not(entering: Entered | NotEntered, person: _Person, program: Program) -> str:
    match entering:
        case Entered(key=key):
            named = f" with the key {key!r}" if key else ""
            same = [each for each in person.enrolments.values() if each.enrolled.key == key]
            if any(not each.run.has_ended for each in same):
                return f"she is in the journey{named} already"
            after = program.again.after
            again = program.again.rule if after is None else format_duration(after)
            return f"she has been in the journey{named}, and it says `again: {again}`"
        case NotEntered(reason="when"):
            because = "its condition does not hold"
        case NotEntered(reason="key"):
            because = "it has no key"
        case NotEntered():
            because = "she is not in the audience"
    finding = f" ({entering.finding})" if entering.finding else ""
    later = "; judged again if the profile gets it within a day" if entering.is_missing else ""
    return f"{because}{finding}{later}"


def _told(program: Program, person: _Person) -> RehearsedLearner:
    enrolments = tuple(
        RehearsedEnrolment(
            key=each.enrolled.key,
            entered_at=each.run.entered_at,
            outcome=each.run.outcome,
            waiting_for=waiting_for(program, each.run),
            due_at=due_at(program, each.run),
            timeline=tuple(entry_of_note(note) for note in each.notes),
            messages=tuple(each.messages),
            path=tuple(each.path),
            entered_by=_entered_by(program, person, each),
            left_by=_left_by(each),
            ended_at=each.run.at if each.run.has_ended else None,
        )
        for each in person.enrolments.values()
    )
    return RehearsedLearner(person.source_id, enrolments, tuple(person.remarks))


def _entered_by(program: Program, person: _Person, enrolment: _Enrolment) -> str | None:
    """The rule it came in by; of several that accept the event's type the one whose condition holds."""
    seq = enrolment.enrolled.entry_seq
    if seq is None or not enrolment.path:
        return None
    event = person.log[seq].event
    rules = [rule.trigger for rule in program.enter if rule.trigger.accepts(event.type)]
    if len(rules) == 1:
        return rules[0].id
    facts = facts_of(None, source_id=person.source_id, profile=person.profile(enrolment.run.entered_at), entry=None)
    entered = [each.trigger for each in enters(program, event, facts) if isinstance(each, Entered)]
    return next(iter(entered), None)


def _left_by(enrolment: _Enrolment) -> str | None:
    """The exit that ended it, or `limit`."""
    if enrolment.enrolled.is_held_out:
        return None
    fired = next(
        (note.data.get("trigger") for note in enrolment.notes if note.kind == "event" and note.step is None), None
    )
    if enrolment.run.outcome == "expired" and enrolment.path:
        return "limit"
    return fired if isinstance(fired, str) else None
