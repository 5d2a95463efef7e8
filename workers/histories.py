"""What a batch's new events amount to, written down: profiles, inboxes, enrolments, entries that could not be judged.

`journeys.history` decides; this module loads what it needs for many learners at once, and writes what it found. It goes
on from what stands where all came in order, and takes a learner's whole log again where something did not.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from journeys import codec
from journeys.effects import ArmChosen, Note
from journeys.history import REJUDGED, Enrolled, Happened, History, may_be_found_again
from journeys.holdout import HOLDOUT, entered_note, goal_note
from journeys.profile import changes, is_ahead, merge, updates_of
from journeys.routing import kept
from store.queries import assignments, entering, events, inbox, learners, outbox
from store.queries.enrolling import as_held_out
from store.queries.entering import EnrolmentState, UnjudgedState
from store.queries.inbox import FiredTrigger
from store.queries.learners import LearnerState
from store.queries.ordering_drafts import Entering, want_at_entry
from store.queries.outbox import Outcome
from store.tables import Enrolment, JournalRow
from workers.programs import Live, Programs


@dataclass(slots=True)
class _Learner:
    """One learner of the batch: her row, what is new, and what stands."""

    state: LearnerState
    new: Sequence[Happened]
    may_enter: bool
    enrolments: list[EnrolmentState] = field(default_factory=list[EnrolmentState])
    has_unjudged: bool = False
    exits: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict[str, list[datetime]](list))
    """When exits fired that no turn has read, by enrolment."""
    log: list[Happened] | None = None
    """All that ever happened to her, where it is taken again."""
    changed: set[str] = field(default_factory=set[str])
    """The fields of her profile that change now, or of which a change lies ahead."""

    @property
    def is_in_order(self) -> bool:
        latest = self.state.latest_at
        return latest is None or all(h.event.counts_from > latest for h in self.new)

    @property
    def has_entry_ahead(self) -> bool:
        """Whether an enrolment has yet to start when something new happened: a new entry may move it."""
        first = min(h.event.time for h in self.new)
        return self.may_enter and any(row.step is None and row.entered_at > first for row in self.enrolments)


@dataclass
class _Changes:
    """What is to be written, for all learners together."""

    entered: list[Enrolment] = field(default_factory=list[Enrolment])
    moved: list[Enrolment] = field(default_factory=list[Enrolment])
    dropped: dict[str, str] = field(default_factory=dict[str, str])
    emptied: list[str] = field(default_factory=list[str])
    fired: list[FiredTrigger] = field(default_factory=list[FiredTrigger])
    lines: list[JournalRow] = field(default_factory=list[JournalRow])
    to_wake: list[str] = field(default_factory=list[str])
    judged_again: list[str] = field(default_factory=list[str])
    unjudged: list[UnjudgedState] = field(default_factory=list[UnjudgedState])
    chosen: list[tuple[str, ArmChosen]] = field(default_factory=list[tuple[str, ArmChosen]])
    goals: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    retold: dict[str, str] = field(default_factory=dict[str, str])
    """Enrolments (and their learners) of which outcomes are told anew."""
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    entering: list[tuple[LearnerState, Enrolled]] = field(default_factory=list[tuple[LearnerState, Enrolled]])
    """Who enters what, or enters anew, and is not held out."""


@dataclass
class Histories:
    """Takes the new events of one batch, in its transaction, with the learners locked."""

    session: AsyncSession
    programs: Programs
    now: datetime

    async def take(self, states: Mapping[str, LearnerState], new: Mapping[str, Sequence[Happened]]) -> Sequence[str]:
        """Write what the new events (by learner) amount to; answers the enrolments to poke."""
        live = await self.programs.live(self.session)
        of_batch = [self._begin(live, states[id_], happened) for id_, happened in new.items()]
        await self._load(live, of_batch)
        written = _Changes()
        for learner in of_batch:
            await self._take(live, learner, written)
        await learners.keep(self.session, [learner.state for learner in of_batch], at=self.now)
        return await self._write(written)

    # loading

    def _begin(self, live: Live, state: LearnerState, new: Sequence[Happened]) -> _Learner:
        may_enter = any(live.routes.entering(h.event.type) for h in new)
        return _Learner(state, new, may_enter)

    async def _load(self, live: Live, of_batch: Sequence[_Learner]) -> None:
        rejudged = {learner.state.id for learner in of_batch if self._is_rejudged(learner.state)}
        entering_now = {learner.state.id for learner in of_batch if learner.may_enter}
        by_id = {learner.state.id: learner for learner in of_batch}
        for row in await entering.list_enrolments(self.session, by_id.keys(), with_ended=rejudged | entering_now):
            by_id[row.learner].enrolments.append(row)
        for unjudged in await entering.list_unjudged(self.session, rejudged):
            by_id[unjudged.learner].has_unjudged = True
        again = {one.state.id: one.state.source_id for one in of_batch if self._is_taken_again(live, one)}
        if again:
            places = {h.seq for learner in of_batch for h in learner.new}
            for id_, log in (await events.list_of(self.session, again, new=places)).items():
                by_id[id_].log = log
        await self._load_exits([one for one in of_batch if one.may_enter or one.log is not None])

    async def _load_exits(self, entering_now: Sequence[_Learner]) -> None:
        rows = {row.id: (one, row) for one in entering_now for row in one.enrolments if row.status != "ended"}
        for enrolment, trigger, at in await entering.list_unread(self.session, rows.keys()):
            learner, row = rows[enrolment]
            program = await self.programs.by_hash(self.session, row.program)
            if program.exit_order(trigger) is not None:
                learner.exits[enrolment].append(at)

    def _is_rejudged(self, state: LearnerState) -> bool:
        return state.rejudge_until is not None and state.rejudge_until >= self.now

    def _is_taken_again(self, live: Live, learner: _Learner) -> bool:
        """Whether something came out of order, or tells of an entry ahead, that may change what no turn has begun; or
        the profile as it stands is not hers yet.
        """
        if learner.is_in_order and not learner.has_unjudged and not learner.has_entry_ahead:
            return False
        has_unbegun = any(row.fence == 0 and (row.status == "active" or row.is_held_out) for row in learner.enrolments)
        lies_ahead = is_ahead(learner.state.times, self.now)  # the row has it already, conditions must not see it yet
        if not (learner.may_enter or has_unbegun or lies_ahead or self._is_rejudged(learner.state)):
            return False
        routes = live.routes
        return any(
            updates_of(h.event) or routes.entering(h.event.type) or routes.watching(h.event.type) for h in learner.new
        )

    # taking

    async def _take(self, live: Live, learner: _Learner, written: _Changes) -> None:
        state = learner.state
        if learner.may_enter or learner.enrolments or learner.log is not None:
            history = await self._history(live, learner)
            history.take(learner.new if learner.log is None else learner.log)
            self._compare(live, learner, history, written)
        for happened in learner.new:
            updates = updates_of(happened.event)
            if updates:
                counts_from = happened.event.counts_from
                learner.changed |= changes(state.profile, state.times, updates, counts_from, now=self.now)
                state.profile, state.times = merge(state.profile, state.times, updates, counts_from)
        if learner.changed:
            concerned = (row.id for row in learner.enrolments if row.depends_on_one_of(learner.changed))
            written.to_wake += concerned
        instants = [h.event.counts_from for h in learner.new]
        state.latest_at = max(instants if state.latest_at is None else [*instants, state.latest_at])
        if learner.may_enter:
            state.rejudge_until = self.now + REJUDGED

    async def _history(self, live: Live, learner: _Learner) -> History:
        since = {name: journey.since for name, journey in live.journeys.items()}
        state = learner.state
        history = History(state.id, state.source_id, live.routes, since, self.now)
        if learner.log is None:
            history.profile, history.times = state.profile, state.times
        places = {h.seq: h for h in learner.log or ()}
        for row in learner.enrolments:
            entry = places.get(row.entry_seq) if row.entry_seq is not None else None
            enrolled = await self._enrolled(live, row, entry, learner.exits[row.id])
            if enrolled.is_settled:
                history.enrolled.append(enrolled)
        return history

    async def _enrolled(
        self, live: Live, row: EnrolmentState, entry: Happened | None, exits: Sequence[datetime]
    ) -> Enrolled:
        live_journey = live.journeys.get(row.journey)
        is_of_live_program = live_journey is not None and live_journey.program.hash == row.program
        since = live_journey.since if live_journey is not None and is_of_live_program else None
        is_begun = not row.is_held_out and (row.step is not None or row.status != "active")
        return Enrolled(
            id=row.id,
            learner=row.learner,
            program=await self.programs.by_hash(self.session, row.program),
            key=row.key,
            ordinal=row.ordinal,
            entered_at=row.entered_at,
            entry=codec.entry_from_plain(row.entry),
            entry_seq=row.entry_seq,
            entry_time=None if entry is None else entry.event.time,
            is_settled=is_begun
            or row.fence > 0
            or entry is None
            or not may_be_found_again(entry, since=since, now=self.now),
            is_begun=is_begun,
            ended_at=row.ended_at if row.status == "ended" else None,
            exits=exits,
            is_held_out=row.is_held_out,
        )

    # comparing what was found with what stands

    def _compare(self, live: Live, learner: _Learner, history: History, written: _Changes) -> None:
        standing = {row.id: row for row in learner.enrolments}
        for enrolled in history.enrolled:
            self._compare_one(live, learner, enrolled, standing.pop(enrolled.id, None), written)
        written.dropped |= dict.fromkeys(standing, learner.state.id)
        written.emptied += standing
        if learner.log is not None:
            written.judged_again.append(learner.state.id)
        written.unjudged += [
            UnjudgedState(u.journey, u.trigger, learner.state.id, u.happened.seq, u.finding, u.until)
            for u in history.unjudged
        ]

    def _compare_one(
        self, live: Live, learner: _Learner, enrolled: Enrolled, row: EnrolmentState | None, written: _Changes
    ) -> None:
        is_found_again = row is not None and (not enrolled.is_settled or row.entry_seq != enrolled.entry_seq)
        is_entering = row is None or (row.entry_seq, row.entered_at) != (enrolled.entry_seq, enrolled.entered_at)
        if row is None:
            version = live.journeys[enrolled.program.journey].version
            written.entered.append(self._row(learner, enrolled, version=version))
        elif is_entering:
            written.moved.append(self._row(learner, enrolled, version=row.version))
        if is_entering and not enrolled.is_held_out:
            written.entering.append((learner.state, enrolled))
        if is_found_again:
            written.emptied.append(enrolled.id)
        if enrolled.choice is not None:
            written.chosen.append((enrolled.id, enrolled.choice))
        if enrolled.is_held_out:
            version = live.journeys[enrolled.program.journey].version if row is None else row.version
            new = self._row(learner, enrolled, version=version)
            _compare_held_out(enrolled, new, None if is_found_again else row, written, is_found_again=is_found_again)
        written.fired += [_fired(enrolled, trigger, h) for trigger, h in enrolled.fired]
        written.lines += [_line(enrolled.id, finding, h) for finding, h in enrolled.findings]
        if row is not None and enrolled.fired:
            written.to_wake.append(enrolled.id)

    def _row(self, learner: _Learner, enrolled: Enrolled, *, version: int) -> Enrolment:
        """The row of an enrolment that begins with its next turn, or is held out."""
        at = enrolled.entered_at
        run = enrolled.new_run()
        row = Enrolment(
            id=enrolled.id,
            journey=enrolled.program.journey,
            version=version,
            program=enrolled.program.hash,
            learner=learner.state.id,
            entry_key=enrolled.key,
            ordinal=enrolled.ordinal,
            entry_event=enrolled.entry_seq,
            entry=asdict(enrolled.entry),
            due_at=run.begins_at,
            entered_at=at,
            run=codec.run_to_json(run),
            wake_wanted_at=self.now,
            created_at=self.now,
        )
        return as_held_out(row, run) if enrolled.is_held_out else row

    # writing

    async def _write(self, written: _Changes) -> Sequence[str]:
        session = self.session
        moved = {row.id: row.learner for row in written.moved}
        await inbox.empty(session, written.emptied)
        await entering.empty_journals(session, written.emptied)
        await entering.drop(session, written.dropped)
        await assignments.forget(session, [*written.dropped, *moved])
        await entering.enter(session, written.entered)
        await entering.move_entries(session, written.moved)
        await entering.keep_goals(session, written.goals)
        await assignments.record(session, written.chosen)
        await inbox.record(session, written.fired)
        await entering.record_lines(session, written.lines)
        await entering.replace_unjudged(session, written.judged_again, written.unjudged)
        await outbox.forget_enrolments(session, written.dropped | moved | written.retold)
        started = [row for row in written.entered + written.moved if row.status != "ended"]
        told = [outbox.of_enrolment(row, kind="started", at=row.entered_at) for row in started]
        await outbox.record_many(session, [*told, *written.outcomes])
        woken = await entering.want_waking(session, {*written.to_wake, *moved}, at=self.now)
        entrants = [
            Entering(each.program, state.id, state.source_id, state.profile, each.entry)
            for state, each in written.entering
        ]
        await want_at_entry(session, entrants, at=self.now)
        return [*(row.id for row in written.entered if row.status != "ended"), *woken]


def _fired(enrolled: Enrolled, trigger: str, happened: Happened) -> FiredTrigger:
    event, program = happened.event, enrolled.program
    return FiredTrigger(
        enrolled.id, program.hash, trigger, happened.seq, event.type, event.time, kept(program, trigger, event)
    )


def _compare_held_out(
    enrolled: Enrolled, new: Enrolment, before: EnrolmentState | None, written: _Changes, *, is_found_again: bool
) -> None:
    """What is told of who is held out: that she is, once, and when her goal came first."""
    if before is None:
        written.lines.append(_row_of(enrolled.id, entered_note(enrolled.entered_at)))
        written.outcomes.append(outbox.of_enrolment(new, kind="ended", outcome=HOLDOUT, at=enrolled.entered_at))
    if is_found_again:
        written.retold[enrolled.id] = enrolled.learner
    written.lines += [_row_of(enrolled.id, goal_note(h.event, trigger)) for trigger, h in enrolled.goals]
    known = None if before is None else before.goal_at
    times = [h.event.time for _, h in enrolled.goals]
    goal_at = min(times if known is None else [*times, known], default=None)
    if is_found_again or goal_at != known:
        written.goals[enrolled.id] = goal_at
    if goal_at is not None and goal_at != known:
        written.outcomes.append(outbox.of_enrolment(new, kind="goal", at=goal_at))


def _line(enrolment: str, finding: str, happened: Happened) -> JournalRow:
    """The line that says why an event did nothing, in the rehearsal's words, without personal values."""
    event = happened.event
    text = f"{event.type} came, and {finding}."
    return JournalRow(
        enrolment=enrolment, at=event.time, kind="not_judged", text=text, data={"event": str(happened.seq)}
    )


def _row_of(enrolment: str, note: Note) -> JournalRow:
    return JournalRow(
        enrolment=enrolment, at=note.at, kind=note.kind, step=note.step, text=note.text, data=dict(note.data)
    )
