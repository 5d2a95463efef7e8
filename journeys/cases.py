"""Cases made from a journey itself: *what if she never starts the course?* Every way through it is reached by one, or
is reported with the reason why none came there. Pure, and the same for the same program.

Theory of operation. What is to be reached (`Aim`) are the ways in, every arm of every step, every exit, the limit, the
holdout, and both ends of `confirm`. For each that no case before has reached:

    a path to it          found in the graph of the program; others go by what the conditions read (`sent`, `vars`)
    what it asks for      conditions that hold or not on the way: taken apart into values (`journeys.supposing`);
                          events that come, or never come
    a learner             with such a profile and such an entry; where chance decides, one for whom it does so
    a rehearsal           tells when she arrives where an event is wanted: it comes a little later; and so on
    what was reached      is what the rehearsal says, never what was meant

So a case proves that its way can be taken. That none was found proves nothing, and is said so, but where no step leads
to it or its condition can never hold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from journeys.catalogue import EVENT_TYPES, is_our_own
from journeys.chance import arm_of, is_held_out
from journeys.checked_expr import Call, Constant, Field, Path, Tree
from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.flow import arms_of
from journeys.identity import enrolment_id
from journeys.labels import step_label
from journeys.plain_words import condition_words, duration_words, tree_of, trigger_words
from journeys.policy import UNLIMITED, Policy
from journeys.program import EntryRule, Expression, Node, Program, Span, Trigger
from journeys.rehearse import rehearse
from journeys.steps.ask import AskOptions
from journeys.steps.await_ import AwaitOptions
from journeys.steps.branch import BranchOptions
from journeys.steps.call import CallOptions
from journeys.steps.repeat import RepeatOptions
from journeys.steps.send import SendOptions
from journeys.steps.set_ import SetOptions
from journeys.steps.split import SplitOptions
from journeys.steps.wait import WaitOptions
from journeys.supposing import ANYHOW, MISSING, Domain, Suppositions, Ways, either, together, value_of, ways
from journeys.timeline import Rehearsal, RehearsedEnrolment, RehearsedLearner, Visit

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When every case begins: a Monday."""

DAY = timedelta(days=1)
_ROUNDS = 14
_IDS = 400
_TRIES = 3
_MOST = 400
"""As many learners are made up at most."""
_SOON = (timedelta(hours=26), timedelta(hours=1), timedelta(minutes=1))
"""When an exit is tried, after she came in."""
_SOURCE = "/rehearsal/cases"

AimKind = Literal["enter", "arm", "exit", "limit", "holdout", "reacted", "not reacted"]


@dataclass(frozen=True, slots=True)
class Aim:
    """Something to be reached: of which step or trigger, and by which arm."""

    kind: AimKind
    of: str
    arm: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A learner made up, what happens to her, and what she is the first to reach. `learner` is her id."""

    name: str
    learner: str
    profile: Mapping[str, Json]
    events: tuple[Event, ...]
    reaches: tuple[Aim, ...]


@dataclass(frozen=True, slots=True)
class Unreached:
    """What no case reached, and why, in words. `is_proven`: none can."""

    aim: Aim
    what: str
    why: str
    is_proven: bool = False


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases, their rehearsal (a learner for each, in this order), and what is left of so many `aims`."""

    cases: tuple[Case, ...]
    rehearsal: Rehearsal
    unreached: tuple[Unreached, ...]
    aims: int
    left: int


def cases_for(program: Program, *, reach: Mapping[str, Reach], policy: Policy = UNLIMITED) -> Cases:
    """Cases that reach what can be found to be reached; `reach` says what is known of each channel by name."""
    return _Search(program, reach, policy).run()


def aims_of(program: Program) -> tuple[Aim, ...]:
    """Everything that a case might reach, in the order of the definition."""
    arms = [Aim("arm", id_, arm) for id_, node in program.nodes.items() for arm in arms_of(node)]
    confirms = [
        Aim(kind, id_)
        for id_, node in program.nodes.items()
        if isinstance(node.options, SendOptions) and node.options.confirm is not None
        for kind in ("reacted", "not reacted")
    ]
    exits = [Aim("exit", trigger.id) for trigger in program.exits]
    holdout = [Aim("holdout", "holdout")] if program.holdout else []
    ends = [Aim("arm", id_) for id_, node in program.nodes.items() if not arms_of(node)]
    enter = [Aim("enter", rule.trigger.id) for rule in program.enter]
    limit = [Aim("limit", "limit")] if program.limit != Program.__dataclass_fields__["limit"].default else []
    return (*enter, *arms, *ends, *confirms, *exits, *limit, *holdout)


# -- what is tried -----------------------------------------------------------------------------------------------------

_Choice = tuple[str, str]
"""A step, and the arm by which it is left."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An event that is to come once she has been at a step so long (None: so long after she came in)."""

    at: str | None
    after: timedelta
    trigger: Trigger
    way: Suppositions
    kind: Literal["event", "answer", "click"] = "event"


@dataclass(frozen=True, slots=True)
class _Plan:
    """How something might be reached: the way in, the choices on the way, the events wanted, in order. `last` is the
    choice that it is about; of the others only where they lead counts.
    """

    rule: EntryRule
    choices: tuple[_Choice, ...] = ()
    events: tuple[_Wanted, ...] = ()
    last: _Choice | None = None


@dataclass(slots=True)
class _Try:
    """A learner made up for a plan; `left` are the events that have not been given their time."""

    learner: str
    profile: Mapping[str, Json]
    events: list[Event]
    left: list[_Wanted]
    answers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    told: RehearsedLearner | None = None


@dataclass(slots=True)
class _Search:
    """The search: what has been reached, and by whom."""

    program: Program
    reach: Mapping[str, Reach]
    policy: Policy
    reached: dict[Aim, str] = field(default_factory=dict[Aim, str])
    cases: list[tuple[Case, RehearsedLearner]] = field(default_factory=list[tuple[Case, RehearsedLearner]])
    failed: dict[Aim, RehearsedLearner] = field(default_factory=dict[Aim, RehearsedLearner])
    contrary: set[Aim] = field(default_factory=set[Aim])
    aims: frozenset[Aim] = frozenset()
    number: int = 0

    def run(self) -> Cases:
        """Reach one after the other; what came along is not tried again."""
        aims = aims_of(self.program)
        self.aims = frozenset(aims)
        for rule in self.program.enter[:1]:
            self._try(Aim("enter", rule.trigger.id), [_Plan(rule)])
        for aim in aims:
            if aim not in self.reached and self._proof(aim) is None:
                self._try(aim, self._plans(aim))
        left = [aim for aim in aims if aim not in self.reached]
        told = tuple(self._unreached(aim) for aim in left if not self._follows(aim))
        cases = tuple(case for case, _ in self.cases)
        return Cases(cases, Rehearsal(tuple(learner for _, learner in self.cases)), told, len(aims), len(left))

    def _follows(self, aim: Aim) -> bool:
        """Whether it is left only because nobody came to its step, which is told of the arm before."""
        if aim.of not in self.program.nodes or self._proof(aim) is not None:
            return False
        been = {visit.step for _, told in self.cases for each in told.enrolments for visit in each.path}
        return aim.of not in been

    def _try(self, aim: Aim, plans: Iterable[_Plan]) -> None:
        """Rehearse plan after plan until one gets there."""
        for plan in plans:
            for one in self._learners(plan, aim):
                self._rehearse(one)
                if self._keep(aim, one):
                    return

    def _keep(self, aim: Aim, one: _Try) -> bool:
        """Keep the case where it gets to what it was made for."""
        if one.told is None:
            return False
        found = self._reached_by(one.told)
        if aim not in found:
            self.failed.setdefault(aim, one.told)
            return False
        fresh = tuple(each for each in found if each in self.aims and each not in self.reached)
        self.reached.update(dict.fromkeys(fresh, one.learner))
        name = self._name(aim, one)
        self.cases.append((Case(name, one.learner, one.profile, tuple(one.events), fresh), one.told))
        return True

    # -- learners ------------------------------------------------------------------------------------------------------

    def _learners(self, plan: _Plan, aim: Aim) -> Iterator[_Try]:
        """Learners for whom it may come so."""
        asked = together(
            [_entry_ways(self.program, plan.rule), *(_keyed(way, plan.rule) for way in self._ways_of(plan))]
        )
        if not asked.each:
            self.contrary.add(aim)
        for way in asked.each[:_TRIES]:
            if self.number < _MOST:
                yield self._learner(plan, way, aim)

    def _learner(self, plan: _Plan, way: Suppositions, aim: Aim) -> _Try:
        self.number += 1
        name = self._id(plan, is_held_out_wanted=aim.kind == "holdout")
        profile = _profile(name, way)
        for step, arm in plan.choices:
            _suit(profile, self.program, self.program.nodes[step].options, arm, way)
        _set_dates(profile, self.program, way)
        entry = _entry(self.program, plan.rule, way, name, profile)
        events = [_with(wanted, way) for wanted in plan.events]
        return _Try(name, profile, [entry], events, _answers(self.program, way))

    def _id(self, plan: _Plan, *, is_held_out_wanted: bool) -> str:
        """An id for which chance decides as wanted: of the holdout, and of splits that go by the learner."""
        names = (f"case-{self.number}{f'-{more}' if more else ''}" for more in range(_IDS))
        return next((name for name in names if self._suits(name, plan, is_held_out_wanted)), f"case-{self.number}")

    def _suits(self, name: str, plan: _Plan, is_held_out_wanted: bool) -> bool:
        program = self.program
        if is_held_out(program.holdout, journey=program.journey, learner=name) != is_held_out_wanted:
            return False
        return all(
            _takes(program, options, arm, name)
            for step, arm in plan.choices
            if isinstance(options := program.nodes[step].options, SplitOptions) and options.unit is None
        )

    def _rehearse(self, one: _Try) -> None:
        """Rehearse, give the next event its time, rehearse again."""
        for _ in range(_ROUNDS):
            people = {one.learner: one.profile, _MANAGER: _MANAGER_PROFILE}
            told = rehearse(self.program, people, one.events, reach=self.reach, policy=self.policy, answers=one.answers)
            one.told = told.learners[0]
            if not self._give_time(one):
                return

    def _give_time(self, one: _Try) -> bool:
        """Put the next event where it is wanted; False where there is none, or she never comes there."""
        if not one.left or one.told is None or not one.told.enrolments:
            return False
        wanted = one.left.pop(0)
        enrolment = one.told.enrolments[0]
        since = _arrived(enrolment, wanted.at, one.events[-1].time if len(one.events) > 1 else None)
        if since is None:
            return False
        one.events.append(self._event(one, wanted, enrolment, since + wanted.after))
        return True

    def _event(self, one: _Try, wanted: _Wanted, enrolment: RehearsedEnrolment, at: datetime) -> Event:
        type_ = _type_of(wanted.trigger)
        way = {**wanted.way, **_first(_ways_to_event(wanted.trigger.when, known=_known(one, enrolment)))}
        data: dict[str, Json] = _under(way, ("event", "data"))
        if wanted.kind != "event" or is_our_own(type_):
            id_ = enrolment_id(self.program.journey, one.learner, enrolment.key, 0)
            data = {"enrolment": id_, "step": wanted.at or "", **data}
        if wanted.kind == "answer":
            data |= _answer(self.program, wanted)
        return Event(f"{one.learner}-{len(one.events)}", _SOURCE, type_, one.learner, at, data)

    # -- plans ---------------------------------------------------------------------------------------------------------

    def _plans(self, aim: Aim) -> Iterator[_Plan]:
        """Ways that may lead there, the most likely first."""
        for rule in self.program.enter:
            match aim.kind:
                case "enter" if rule.trigger.id == aim.of:
                    yield _Plan(rule)
                case "exit":
                    trigger = self.program.triggers[aim.of]
                    for way in _event_ways(trigger).each[:_TRIES]:
                        for after in _SOON:
                            yield _Plan(rule, (), (_Wanted(None, after, trigger, way),))
                case "limit":
                    yield _Plan(rule)
                    for path in _longest(self.program):
                        yield self._plan(rule, path, quiet=True)
                case "holdout":
                    yield _Plan(rule)
                case "arm" | "reacted" | "not reacted":
                    for path in self._paths(aim):
                        yield self._plan(rule, path, aim=aim)
                case _:
                    pass

    def _plan(self, rule: EntryRule, path: Sequence[_Choice], *, aim: Aim | None = None, quiet: bool = False) -> _Plan:
        events: list[_Wanted] = []
        last = (aim.of, aim.arm) if aim is not None and aim.arm else None
        for step, arm in path:
            node = self.program.nodes[step]
            is_needless = quiet or ((step, arm) != last and len(_alike(node, arm)) > 1)
            events += () if is_needless else self._wanted(node, arm)
        if aim is not None and aim.kind == "reacted":
            clicked = Trigger("click", ("message.clicked",))
            events.append(_Wanted(aim.of, timedelta(hours=1), clicked, {}, "click"))
        return _Plan(rule, tuple(path), tuple(events), last)

    def _paths(self, aim: Aim) -> Iterator[Sequence[_Choice]]:
        """Simple paths to the step, and out of it by the arm; by way of what its conditions read, or round it."""
        last = [(aim.of, aim.arm)] if aim.arm else []
        seen: set[tuple[_Choice, ...]] = set()
        for by, without in self._detours(aim):
            path = _path(self.program, self.program.start, aim.of, by=by, without=without)
            if path is not None and tuple(path) not in seen:
                seen.add(tuple(path))
                yield [*path, *last]

    def _detours(self, aim: Aim) -> Iterator[tuple[Sequence[str], frozenset[str]]]:
        node = self.program.nodes[aim.of]
        makers = list(_makers(self.program, [*_questions(node), *((node.guard,) if node.guard else ())]))
        if makers:
            yield makers, frozenset()
            yield (), frozenset(makers)
            for maker in makers:
                yield (maker,), frozenset()
        yield (), frozenset()
        for other in _forks(self.program, aim.of):
            yield (), frozenset({other})

    def _wanted(self, node: Node, arm: str) -> Sequence[_Wanted]:
        """The events that make a step be left by this arm."""
        match node.options:
            case AwaitOptions() if arm == "then":
                triggers = [self.program.triggers[t] for t in node.options.triggers]
                needed = triggers if node.options.needs == "all" else triggers[:1]
                after = _within(node.options.span or node.options.within)
                return [_Wanted(node.id, after, t, _first(_event_ways(t))) for t in needed]
            case AskOptions() if arm == "then":
                trigger = self.program.triggers[node.options.trigger]
                way = _first(_event_ways(trigger))
                return [_Wanted(node.id, _within(node.options.within), trigger, way, "answer")]
            case _:
                return ()

    def _ways_of(self, plan: _Plan) -> Iterator[Ways]:
        """What the choices of a plan ask of the learner."""
        for step, arm in plan.choices:
            node = self.program.nodes[step]
            alike = (arm,) if (step, arm) == plan.last else _alike(node, arm)
            yield _without_own(either(together(_ways_at(node, each)) for each in alike), self.program)
        for wanted in plan.events:
            yield Ways(({p: d for p, d in wanted.way.items() if p[0] != "event"},))

    # -- what was reached ----------------------------------------------------------------------------------------------

    def _reached_by(self, told: RehearsedLearner) -> Sequence[Aim]:
        found: dict[Aim, None] = {}
        for enrolment in told.enrolments:
            if enrolment.entered_by is not None:
                found[Aim("enter", enrolment.entered_by)] = None
            for visit in enrolment.path:
                if visit.arm is not None:
                    found[Aim("arm", visit.step, visit.arm)] = None
                elif not arms_of(self.program.nodes[visit.step]):
                    found[Aim("arm", visit.step)] = None
                found |= dict.fromkeys(self._confirmed(enrolment, visit))
            if enrolment.left_by is not None:
                found[Aim("limit" if enrolment.left_by == "limit" else "exit", enrolment.left_by)] = None
            if enrolment.outcome == "holdout":
                found[Aim("holdout", "holdout")] = None
        return tuple(found)

    def _confirmed(self, enrolment: RehearsedEnrolment, visit: Visit) -> Iterator[Aim]:
        """Whether she reacted to the message of this visit, or it went on to the next channel."""
        options = self.program.nodes[visit.step].options
        if not isinstance(options, SendOptions) or options.confirm is None or visit.arm != "next":
            return
        until = visit.left_at or visit.at
        notes = [note for note in enrolment.timeline if note.step == visit.step and visit.at <= note.at <= until]
        has_reacted = any(note.kind == "event" for note in notes)
        if has_reacted:
            yield Aim("reacted", visit.step)
        elif sum(note.message is not None for note in notes) > 1:
            yield Aim("not reacted", visit.step)

    # -- words ---------------------------------------------------------------------------------------------------------

    def _name(self, aim: Aim, one: _Try) -> str:
        assert one.told is not None
        if not self.cases:
            return self._quiet_name(one)
        said = self._said(aim, one)
        return f"{said} (at {aim.of})" if any(case.name == said for case, _ in self.cases) else said

    def _quiet_name(self, one: _Try) -> str:
        """She does nothing at all: what she never does."""
        assert one.told is not None
        passed = [self.program.nodes[v.step] for each in one.told.enrolments for v in each.path if v.arm == "else"]
        options = [node.options for node in passed]
        never = dict.fromkeys(
            trigger_words(self.program.triggers[t]) for o in options if isinstance(o, AwaitOptions) for t in o.triggers
        )
        if not never:
            return "Nothing happens after she came in"
        return f"She never {' and never '.join(list(never)[:2])}"

    def _said(self, aim: Aim, one: _Try) -> str:
        program = self.program
        match aim.kind:
            case "enter":
                return f"She {trigger_words(next(r.trigger for r in program.enter if r.trigger.id == aim.of))}"
            case "exit":
                trigger = program.triggers[aim.of]
                outcome = (trigger.outcome or "goal").replace("-", " ").capitalize()
                return f"{outcome} on day {_day_of(one.events[-1])}: she {trigger_words(trigger)}"
            case "limit":
                return f"The limit of {duration_words(program.limit)} ends it"
            case "holdout":
                return "She gets nothing, for comparison"
            case "reacted":
                return f"She reacts to the message {_message(program, aim.of)}"
            case "not reacted":
                return f"She does not react to the message {_message(program, aim.of)}"
            case "arm":
                return self._arm_said(program.nodes[aim.of], aim.arm, one)

    def _arm_said(self, node: Node, arm: str, one: _Try) -> str:
        match node.options:
            case AwaitOptions() if arm == "then":
                what = " and ".join(trigger_words(self.program.triggers[t]) for t in node.options.triggers[:2])
                return f"She {what} on day {_day_of(one.events[-1])}"
            case AwaitOptions() if arm == "else":
                return f"She {_never([self.program.triggers[t] for t in node.options.triggers])} in time"
            case AskOptions():
                does = "answers" if arm == "then" else "does not answer"
                return f"She {does} the survey {node.options.survey}"
            case SplitOptions():
                return f"Chance takes the arm {arm.removeprefix('arm-')} of {node.options.name}"
            case BranchOptions() if arm.startswith("arm-"):
                return _capital(condition_words(node.options.questions[int(arm.removeprefix("arm-"))]))
            case BranchOptions() if len(node.options.questions) == 1:
                return f"Not so: {condition_words(node.options.questions[0])}"
            case BranchOptions():
                return f"None of: {'; '.join(condition_words(q) for q in node.options.questions)}"
            case _ if arm == "skip" and node.guard is not None:
                return f"Not so: {condition_words(node.guard)}"
            case _ if node.guard is not None:
                return _capital(condition_words(node.guard))
            case RepeatOptions():
                return f"The rounds of {node.id} {'begin' if arm == 'do' else 'are over'}"
            case _:
                return f"She comes to {node.id}"

    # -- what was not --------------------------------------------------------------------------------------------------

    def _proof(self, aim: Aim) -> str | None:
        """Why it can never be reached; None where that cannot be told."""
        program = self.program
        if aim.kind in ("enter", "exit"):
            rule = next((r for r in program.enter if r.trigger.id == aim.of), None)
            asked = _entry_ways(program, rule) if rule is not None else _event_ways(program.triggers[aim.of])
            return "what it asks for can never be so" if asked.is_impossible else None
        if aim.of not in program.nodes:
            return None
        if _path(program, program.start, aim.of, by=(), without=frozenset()) is None:
            return "no step leads to it"
        return _never_taken(program.nodes[aim.of], aim.arm)

    def _unreached(self, aim: Aim) -> Unreached:
        proof = self._proof(aim)
        what = _what(self.program, aim)
        if proof is not None:
            return Unreached(aim, what, f"It can never be reached: {proof}.", is_proven=True)
        return Unreached(aim, what, f"No case that was tried came there. {self._why_not(aim)}".strip())

    def _why_not(self, aim: Aim) -> str:
        if aim.kind == "limit":
            took = [e.ended_at - e.entered_at for _, t in self.cases for e in t.enrolments if e.ended_at is not None]
            longest = duration_words(max(took, default=timedelta()))
            return f"The longest took {longest}; the limit is {duration_words(self.program.limit)}."
        told = self.failed.get(aim)
        asked = "; ".join(self._asked(aim))
        needs = f"It needs: {asked}." if asked else ""
        if told is None and aim in self.contrary:
            return f"{needs} That is not so together, or not of anybody who comes in."
        if told is None:
            return needs
        if not told.enrolments:
            return f"{needs} The one that tried did not get in: {told.reason}".strip()
        last = told.enrolments[-1]
        at = f" at {last.path[-1].step}" if last.path else ""
        return f"{needs} The one that tried ended as {last.outcome or 'nothing'}{at}.".strip()

    def _asked(self, aim: Aim) -> Iterator[str]:
        path = next(self._paths(aim), ()) if aim.of in self.program.nodes else ()
        for step, arm in path:
            label = step_label(self.program, self.program.nodes[step]).arms.get(arm)
            if label and len(arms_of(self.program.nodes[step])) > 1:
                yield f"at {step}: {label}"


# -- the graph ---------------------------------------------------------------------------------------------------------


def _path(
    program: Program, start: str | None, goal: str, *, by: Sequence[str], without: frozenset[str]
) -> list[_Choice] | None:
    """The choices from one step to another, by way of the steps `by` as far as that can be, not through `without`."""
    path: list[_Choice] = []
    at = start
    for stop in (*by, goal):
        found = _shortest(program, at, stop, without - {stop})
        if found is None and stop != goal:
            continue
        if found is None:
            return None
        path += found
        at = stop
    return path


def _shortest(program: Program, start: str | None, goal: str, without: frozenset[str]) -> list[_Choice] | None:
    if start is None:
        return None
    came: dict[str, tuple[str, str] | None] = {start: None}
    ahead = [start]
    while ahead and goal not in came:
        following: list[str] = []
        for id_ in ahead:
            for arm, to in arms_of(program.nodes[id_]).items():
                is_open = to is not None and to not in came and to not in without
                if is_open and to is not None and _never_taken(program.nodes[id_], arm) is None:
                    came[to] = (id_, arm)
                    following.append(to)
        ahead = following
    if goal not in came:
        return None
    path: list[_Choice] = []
    at = came[goal]
    while at is not None:
        path.append(at)
        at = came[at[0]]
    return path[::-1]


def _forks(program: Program, goal: str) -> Sequence[str]:
    """Steps on the shortest way that another way might go round."""
    shortest = _shortest(program, program.start, goal, frozenset()) or ()
    return [step for step, _ in shortest if step != program.start][:8]


def _longest(program: Program) -> Iterator[Sequence[_Choice]]:
    """Paths to each of the ends, those to the last steps first."""
    for id_ in list(program.nodes)[::-1][:4]:
        path = _shortest(program, program.start, id_, frozenset())
        if path:
            yield path


def _alike(node: Node, arm: str) -> Sequence[str]:
    """The arms that lead where this one leads."""
    arms = arms_of(node)
    return [each for each, to in arms.items() if to == arms.get(arm)] or [arm]


def _never_taken(node: Node, arm: str) -> str | None:
    """Why no run leaves the step by this arm; None where one may."""
    options = node.options
    if isinstance(options, SplitOptions) and not options.weights.get(arm.removeprefix("arm-"), 1):
        return "the arm has no weight"
    if arm and together(_ways_at(node, arm)).is_impossible:
        return "its condition can never hold, or one before it always does"
    return None


def _ways_at(node: Node, arm: str) -> Iterator[Ways]:
    """What it takes for a step to be left by this arm: its guard, and its own conditions."""
    if node.guard is not None:
        yield _ways_to(node.guard, wanted=arm != "skip")
        if arm == "skip":
            return
    match node.options:
        case BranchOptions(questions=questions):
            place = int(arm.removeprefix("arm-")) if arm.startswith("arm-") else len(questions)
            for question in questions[:place]:
                yield _ways_to(question, wanted=False)
            if place < len(questions):
                yield _ways_to(questions[place], wanted=True)
        case _:
            return


def _ways_to(expression: Expression, *, wanted: bool) -> Ways:
    """What it takes for a condition to hold, or not; of what the journey itself makes nothing is supposed."""
    tree = tree_of(expression)
    if tree is None:
        return Ways(({},), is_whole=False)
    found = ways(tree, wanted=wanted)
    bare = [{p: d for p, d in way.items() if p[0] in ("learner", "entry", "answers", "vars")} for way in found.each]
    unsent = [_unsent(way) for way in found.each]
    return Ways(tuple({**b, **u} for b, u in zip(bare, unsent, strict=True)), found.is_whole)


def _unsent(way: Suppositions) -> Suppositions:
    """A message that is to be skipped goes nowhere: to somebody without an address."""
    for path, domain in way.items():
        is_unsent = "sent" not in domain.only if domain.only is not None else "sent" in domain.never
        if path[0] == "sent" and path[-1] == "status" and is_unsent:
            return {("learner", "email"): MISSING}
    return {}


def _questions(node: Node) -> Sequence[Expression]:
    match node.options:
        case BranchOptions(questions=questions):
            return questions
        case RepeatOptions(until=until) if until is not None:
            return (until,)
        case _:
            return ()


def _makers(program: Program, questions: Sequence[Expression]) -> Iterator[str]:
    """The steps that make what the conditions read: messages sent, answers, variables."""
    reads = [path.split(".") for question in questions for path in question.reads]
    for id_, node in program.nodes.items():
        made = set(_made(node))
        if any((path[0], path[1]) in made for path in reads if len(path) > 1):
            yield id_


def _made(node: Node) -> Iterator[tuple[str, str]]:
    match node.options:
        case SendOptions(message=message):
            yield "sent", message
        case AskOptions(survey=survey):
            yield "answers", survey
        case SetOptions(terms=terms):
            yield from (("vars", term.name) for term in terms)
        case CallOptions(keep=keep):
            yield from (("vars", name) for name in keep)
        case _:
            return


# -- learners and events -----------------------------------------------------------------------------------------------

_MANAGER = "manager-of-cases"
_MANAGER_PROFILE: Mapping[str, Json] = {"given_name": "Grace", "family_name": "Hopper", "email": "manager@example.com"}
_USUAL: Mapping[str, Json] = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "phone": "+44 20 7946 0000",
    "zone": "Europe/London",
    "language": "en",
    "country": "GB",
    "site": "London",
    "department": "Operations",
    "role": "Team lead",
    "level": "manager",
    "team": "Team One",
    "manager": _MANAGER,
    "starts_on": "2026-03-09",
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
    "working_hours": {"from": "09:00", "to": "17:30"},
    "slack_id": "U0000001",
    "teams_id": "29:00000001",
}
"""Whoever nothing else is asked of."""


def _profile(name: str, way: Suppositions) -> dict[str, Json]:
    """The usual profile, with what is asked for."""
    profile: dict[str, Json] = {**_USUAL, "email": f"{name}@example.com", "attributes": {}}
    for path, domain in way.items():
        if path[0] == "learner" and len(path) > 1 and path[1] != "id":
            _put(profile, path[1:], domain, path)
    return profile


def _takes(program: Program, options: SplitOptions, arm: str, unit: str) -> bool:
    """Whether chance takes this arm for the unit."""
    taken, _ = arm_of(options.weights, journey=program.journey, split=options.name, unit=unit)
    return f"arm-{taken}" == arm


def _suit(profile: dict[str, Json], program: Program, options: object, arm: str, way: Suppositions) -> None:
    """Where a split goes by a text of the profile, another text for which chance takes the arm."""
    if not isinstance(options, SplitOptions) or options.unit is None or len(options.unit.reads) != 1:
        return
    root, _, name = options.unit.reads[0].partition(".")
    usual = profile.get(name)
    if root != "learner" or ("learner", name) in way or not isinstance(usual, str):
        return
    texts = [usual, *(f"{usual} {number}" for number in range(2, _IDS))]
    profile[name] = next((text for text in texts if _takes(program, options, arm, f"unit {text}")), usual)


def _put(into: dict[str, Json], path: Sequence[str], domain: Domain, whole: tuple[str, ...]) -> None:
    for name in path[:-1]:
        inner = into.get(name)
        into[name] = inner = dict(inner) if isinstance(inner, dict) else {}
        into = inner
    if domain.is_there:
        into[path[-1]] = value_of(whole, domain, usual=into.get(path[-1]))
    else:
        into.pop(path[-1], None)


def _under(way: Suppositions, root: tuple[str, ...], usual: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The values asked for under this name, as data; the usual ones where they will do."""
    data: dict[str, Json] = dict(usual or {})
    for path, domain in way.items():
        if path[: len(root)] == root and len(path) > len(root):
            _put(data, path[len(root) :], domain, path)
    return data


def _entry(program: Program, rule: EntryRule, way: Suppositions, learner: str, profile: Mapping[str, Json]) -> Event:
    """The event that lets her in."""
    dates = {path[2]: at.date().isoformat() for path, at in _dates(program) if path[:2] == ("entry", "data")}
    data = _under(way, ("entry", "data"), dates)
    for path in () if rule.key is None else (read.split(".") for read in rule.key.reads):
        if path[:2] == ["event", "data"] and len(path) > 2:
            data.setdefault(path[2], f"{path[2].replace('_', '-')}-1")
    inner, known = data.get("attributes"), profile.get("attributes")
    if isinstance(inner, dict) and isinstance(known, dict):
        data["attributes"] = {**known, **inner}  # the event's take the place of all that she had
    return Event(f"{learner}-0", _SOURCE, _type_of(rule.trigger), learner, BEGIN, data)


def _dates(program: Program) -> Iterator[tuple[Path, datetime]]:
    """Fields that a step waits by, each with an instant for which it is not too late."""
    latest: dict[Path, datetime] = {}
    for node in program.nodes.values():
        until = node.options.until if isinstance(node.options, WaitOptions) else None
        tree = None if until is None else tree_of(until.expression)
        if until is not None and isinstance(tree, Field):
            before = until.before.elapsed + 2 * until.before.working_days * DAY
            latest[tree.path] = max(latest.get(tree.path, BEGIN), BEGIN + before + 14 * DAY)
    yield from latest.items()


def _set_dates(profile: dict[str, Json], program: Program, way: Suppositions) -> None:
    for path, at in _dates(program):
        if path[0] == "learner" and path not in way and len(path) > 1:
            _put(profile, path[1:], Domain(only=(at.date().isoformat(),)), path)


def _without_own(found: Ways, program: Program) -> Ways:
    """Of variables only what another system says of them can be supposed; what the journey sets is as it sets it."""
    kept = {
        name for node in program.nodes.values() if isinstance(node.options, CallOptions) for name in node.options.keep
    }
    each = [{p: d for p, d in way.items() if p[0] != "vars" or (len(p) == 2 and p[1] in kept)} for way in found.each]
    return Ways(tuple(each), found.is_whole)


def _answers(program: Program, way: Suppositions) -> Mapping[str, Json]:
    """What other systems answer: the values asked for, where the journey keeps them."""
    answers: dict[str, Json] = {}
    for node in program.nodes.values():
        if not isinstance(node.options, CallOptions):
            continue
        answer: dict[str, Json] = {}
        for name, path in node.options.keep.items():
            wanted = way.get(("vars", name), Domain())
            _put(answer, path.split("."), wanted, ("vars", name))
        answers.setdefault(node.options.name, answer)
    return answers


def _entry_ways(program: Program, rule: EntryRule) -> Ways:
    """What it takes to come in by this rule: the event's data stand as the entry's."""
    audience = ANYHOW if program.audience is None else _ways_to(program.audience, wanted=True)
    return together([_as_entry(_ways_to_event(rule.trigger.when)), audience])


def _keyed(found: Ways, rule: EntryRule) -> Ways:
    """What is asked of the entry's key is asked of what it is made of, where that is one field."""
    tree = tree_of(rule.key)
    if not isinstance(tree, Field) or tree.path[:2] != ("event", "data"):
        return found
    named = ("entry", *tree.path[1:])
    each = [
        {(named if path == ("entry", "key") else path): domain for path, domain in way.items()} for way in found.each
    ]
    return Ways(tuple(each), found.is_whole)


def _as_entry(found: Ways) -> Ways:
    renamed = [{(("entry", *p[1:]) if p[0] == "event" else p): d for p, d in way.items()} for way in found.each]
    return Ways(tuple(renamed), found.is_whole)


def _event_ways(trigger: Trigger) -> Ways:
    return _ways_to_event(trigger.when)


def _ways_to_event(when: Expression | None, *, known: Mapping[Path, Json] | None = None) -> Ways:
    tree = tree_of(when)
    if tree is None:
        return ANYHOW if when is None else Ways(({},), is_whole=False)
    return ways(_filled(tree, known or {}), wanted=True)


def _known(one: _Try, enrolment: RehearsedEnrolment) -> Mapping[Path, Json]:
    """What is known of a learner and her entry before an event is made: it may be compared with that."""
    learner = {("learner", name): value for name, value in one.profile.items()}
    entry = {("entry", "data", name): value for name, value in one.events[0].data.items()}
    return {**learner, **entry, ("learner", "id"): one.learner, ("entry", "key"): enrolment.key}


def _filled(tree: Tree, known: Mapping[Path, Json]) -> Tree:
    """The condition with what is known in the place of fields that are compared with another one."""
    match tree:
        case Call(function="_==_" | "_!=_", arguments=(left, right)):
            this, other = (right, left) if _constant(left, known) is not None else (left, right)
            value = _constant(other, known)
            return tree if value is None else Call(tree.function, (this, value))
        case Call():
            return Call(tree.function, tuple(_filled(argument, known) for argument in tree.arguments))
        case _:
            return tree


def _constant(tree: Tree, known: Mapping[Path, Json]) -> Constant | None:
    """The value of a field that is known, or of texts and numbers put together."""
    match tree:
        case Constant():
            return tree
        case Field(is_asked=False):
            value = known.get(tree.path)
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                return None
            return Constant(value, "text" if isinstance(value, str) else "number")
        case Call(function="_+_", arguments=(left, right)):
            a, b = _constant(left, known), _constant(right, known)
            if a is None or b is None:
                return None
            if isinstance(a.value, str) and isinstance(b.value, str):
                return Constant(a.value + b.value, "text")
            if isinstance(a.value, (int, float)) and isinstance(b.value, (int, float)):
                return Constant(a.value + b.value, "number")
            return None
        case _:
            return None


def _type_of(trigger: Trigger) -> str:
    type_ = trigger.on[0]
    if not type_.endswith(".*"):
        return type_
    return next((known for known in EVENT_TYPES if known.startswith(type_[:-1])), f"{type_[:-1]}something")


def _with(wanted: _Wanted, way: Suppositions) -> _Wanted:
    """The event with what the way asks of answers."""
    answers = {path: domain for path, domain in way.items() if path[0] == "answers"}
    return _Wanted(wanted.at, wanted.after, wanted.trigger, {**wanted.way, **answers}, wanted.kind)


def _answer(program: Program, wanted: _Wanted) -> dict[str, Json]:
    """The answers to a survey: those asked for, else the best."""
    options = program.nodes[wanted.at or ""].options
    assert isinstance(options, AskOptions)
    message = program.messages.get(options.message)
    answer: dict[str, Json] = {}
    for question in () if message is None else message.questions:
        usual: Json = question.scale[1] if question.scale else question.choices[0] if question.choices else "Yes."
        domain = wanted.way.get(("answers", options.survey, question.id))
        if domain is None:
            answer[question.id] = usual
        elif domain.is_there:
            answer[question.id] = value_of(("answers", question.id), domain, usual=usual)
    return {"item": options.survey, "answer": answer}


def _arrived(enrolment: RehearsedEnrolment, step: str | None, after: datetime | None) -> datetime | None:
    """When she came to the step (since the last event, where there was one)."""
    if step is None:
        return enrolment.entered_at
    stays = [visit for visit in enrolment.path if visit.step == step]
    later = [visit.at for visit in stays if after is None or (visit.left_at or visit.at) >= after]
    return max(later[0], after or later[0]) if later else None


def _within(span: Span | timedelta | None) -> timedelta:
    """A little later: a day, or half of what there is."""
    if span is None:
        return DAY
    whole = span if isinstance(span, timedelta) else span.elapsed + span.working_days * DAY
    return min(DAY, whole / 2)


def _first(found: Ways) -> Suppositions:
    return found.each[0] if found.each else {}


# -- words -------------------------------------------------------------------------------------------------------------


def _what(program: Program, aim: Aim) -> str:
    match aim.kind:
        case "enter":
            return f"Coming in: she {trigger_words(next(r.trigger for r in program.enter if r.trigger.id == aim.of))}"
        case "exit":
            return f"Leaving at once: she {trigger_words(program.triggers[aim.of])}"
        case "limit":
            return f"The limit of {duration_words(program.limit)}"
        case "holdout":
            return "The group that gets nothing, for comparison"
        case "reacted" | "not reacted":
            return f"At {aim.of}: she has {aim.kind}"
        case "arm":
            label = step_label(program, program.nodes[aim.of])
            arm = label.arms.get(aim.arm) or aim.arm
            return f"At {aim.of} ({label.title}){f': {arm}' if arm else ''}"


def _message(program: Program, step: str) -> str:
    options = program.nodes[step].options
    return options.message if isinstance(options, SendOptions) else step


def _never(triggers: Sequence[Trigger]) -> str:
    return " or ".join(f"never {trigger_words(trigger)}" for trigger in triggers[:2])


def _day_of(event: Event) -> int:
    return (event.time - BEGIN) // DAY + 1


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
