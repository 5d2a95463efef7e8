"""The count, which does not trust Waymark: what came in by Kafka's own log and the feed, what was said by the
providers' own logs, what should have been said by the definition. Who is stuck, and which of her deliveries are in
doubt, only Waymark can say: there its API is asked, and Temporal beside it. Pure.

    lost              entered, and a message was neither said nor marked `may_have_gone` (with resend: not said)
    lost by Kafka     acknowledged to the feed by Kafka, and not in its log: what came of it is no matter of Waymark.
                      Who was to enter by it, and of whom neither a letter nor an enrolment is known, is not missed
    stuck             no enrolment, or one that has not ended as the definition says, though all has been quiet: by the
                      word of Waymark's API
    still carried     a workflow that Temporal carries on though all has been quiet, whatever our tables say of it: by
                      Temporal's word
    said twice        kept by a provider more than once (with resend: where nobody needed to doubt it)
    said again        (in doubt) with resend: said more than once, each time but the first because it had to be doubted
    told wrongly      said, and Waymark says that it was not; or the other way round
    outcomes missing  said, or ended, and no record of it stands in `waymark.outcomes`, by Kafka's log, once nothing is
                      left to be relayed or enough was waited. One that Kafka lost itself is among them
    in doubt          marked `may_have_gone`
    may be in doubt   those for which there is an excuse by the rules below: more than the sends that were open when
                      somebody died, as a provider that hangs or drops the line and a database that is away leave
                      doubts, too, and nobody dies
    unexplained       in doubt, though nothing that happened explains it
    ended by itself   a process that nobody killed and that met nothing by which it may end
    taken over        (while frozen) how often another took over what a worker had been frozen over, and was not let go
                      yet
    database away     seconds in which nothing could be written down: by so much of the run a doubt may be excused. No
                      plan says when that was, but a writer beside Waymark that could not either, and a server's end

**What explains a doubt.** A letter that a provider took may be doubted where its answer never came, or came and could
not be written down. The provider's log decides, and the times of what happened; our own tables do not:

1. The provider itself hung or dropped the line after it had the letter: its answer was withheld.
2. The process that had handed it over (each has a port of its own) died while it was open: from `LAG_SECONDS` before
   the provider noted the letter until the answer was due, and, where it was said, `WRITING_SECONDS` for the sender to
   write it down; longer only where the database was away meanwhile. Where it was said, our table must have shown the
   attempt as open at the death, too, if it could be read: the provider cannot know what had been written down by then.
3. The process that had handed it over had been frozen before, and was let go just then: another had taken over. Our
   table must have shown the attempt as open when it was frozen, if it could be read: what it claims afresh is no doubt.
4. The database was away when the answer came, and so long that its owner could not write it down within the attempt's
   time (`WITHIN_SECONDS`): an outage that is over before explains nothing, as whoever has the answer tries again.

A delivery in doubt that no provider ever saw was claimed and not handed over. Of it the providers know nothing, and so
our own table is asked, and only here: its attempt must have been open when a worker died (either: the table does not
say whose it was), or while the database was away for as long as rule 4 asks, or when all connections to it were broken,
however shortly: a claim may stand of which its owner was never told. What was open at a death or a cut is read a
little after it: only what had been claimed by then counts; where it could be read so late only that an attempt may have
been over meanwhile, what was taken over between counts too.

With `resend` a letter that came more than once is in order where each that was followed by another may be doubted by
these rules. After one that may not, another is in order by rule 3 alone: it was on its way already.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from bench.chaos.feed import CHANNEL_OF, OUTCOME
from bench.chaos.providers import LATENCY_SECONDS, Letter

InDoubt = Literal["leave", "resend"]
Said = tuple[str, str]
"""A learner and a message."""
Became = tuple[str, str]
"""The id of a delivery or an enrolment, and what became of it: `delivery.sent`, `enrolment.ended`."""

HAND_OVER_SECONDS, ANSWER_SECONDS, ATTEMPT_SLACK_SECONDS = 2.0, 3.0, 5.0
"""What an attempt of the run may take: the settings of its processes, and the slack that the wiring adds."""
LAG_SECONDS = 1.0
"""So much later than it was sent a letter may be noted, on a machine that is busy."""
WRITING_SECONDS = 2.0
"""So long after the provider's answer it may stay unwritten while nothing is wrong."""
PAUSE_SECONDS = 2.0
"""How long whoever has an answer waits at the longest before the database is asked again."""
WITHIN_SECONDS = ATTEMPT_SLACK_SECONDS + ANSWER_SECONDS - PAUSE_SECONDS - LAG_SECONDS
"""An attempt is claimed at most a hand-over before its letter is taken, and is over a hand-over, an answer and the
slack after that: a database that is back a pause earlier has been written to.
"""
NEEDS: Mapping[str, AbstractSet[str]] = {
    "worker": {"temporal", "database"},
    "bridge": {"kafka", "temporal", "database"},
    "api": {"temporal", "database"},
}
"""What a process of this kind must reach to begin."""
GONE = ("delivery.sent", "delivery.may_have_gone")
"""What a record may say of a letter that was kept."""
SERVERS = ("temporal", "kafka", "database")
BREAKING = {"cut", "kill", "restart"}
"""The faults that break every connection to the database: nobody knows whether it took what it was told last."""
FULL_SECONDS = 5.0
"""So long after a disk was full PostgreSQL may still end of it."""


@dataclass(frozen=True)
class Enrolled:
    """What the API says of an enrolment."""

    learner: str
    status: str
    outcome: str | None
    id: str = ""


@dataclass(frozen=True)
class Told:
    """What the API says of a delivery."""

    delivery: str
    learner: str
    message: str
    status: str


@dataclass(frozen=True)
class Death:
    """A worker that was killed, frozen, or ended, between `began` and `at`. `open`: the attempts that our table showed
    as open then; `is_known`: whether it could be read while they still were. `thawed_at`: when it was let go.
    """

    who: str
    began: float
    at: float
    open: AbstractSet[str] = frozenset()
    is_known: bool = False
    thawed_at: float | None = None


@dataclass(frozen=True)
class Window:
    """When nothing could be written down (or no room was left), from what cause. `open`: the attempts that our table
    showed as open then.
    """

    cause: str
    began: float
    ended: float
    open: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Away:
    """When a server was down: from its end until it was ready again."""

    server: str
    began: float
    ended: float


@dataclass(frozen=True)
class Ended:
    """A process that nobody had killed and that ended: it had been started when, and had become ready or not."""

    name: str
    status: int
    began: float
    at: float
    was_ready: bool

    def __str__(self) -> str:
        """For people."""
        stood = "having been ready" if self.was_ready else "before it was ready"
        return f"{self.at:.1f} {self.name} ended with {self.status}, {self.at - self.began:.1f} s old, {stood}"


@dataclass(frozen=True)
class Evidence:
    """All that the count goes by. `entered`: who was promoted, by what was acknowledged or stands in Kafka's log.
    `windows`: when nothing could be written down, as it was seen. `full`: when the disk was. `forgotten`: whose events
    were acknowledged by Kafka and are not in its log; `never_came`: those of them who were to enter by one.
    `carried`: the workflows that Temporal still carries on. `outcomes`: what the records of `waymark.outcomes`
    say; None where they were not read.
    """

    entered: AbstractSet[str]
    letters: Sequence[Letter]
    enrolled: Sequence[Enrolled]
    told: Sequence[Told]
    deaths: Sequence[Death] = ()
    windows: Sequence[Window] = ()
    in_doubt: InDoubt = "leave"
    ended: Sequence[Ended] = ()
    away: Sequence[Away] = ()
    full: Sequence[Window] = ()
    forgotten: Sequence[str] = ()
    carried: Sequence[str] = ()
    never_came: AbstractSet[str] = frozenset()
    outcomes: AbstractSet[Became] | None = None

    def missed(self) -> AbstractSet[str]:
        """Of whom Waymark never heard: Kafka lost the events by which they were to enter, and nothing came of them."""
        known = {letter.learner for letter in self.letters} | {enrolled.learner for enrolled in self.enrolled}
        return self.never_came - known


@dataclass(frozen=True)
class Verdict:
    """What was found, by learner and message."""

    lost: Sequence[Said]
    stuck: Sequence[str]
    carried: Sequence[str]
    """Learners, or workflows that are of nobody's enrolment."""
    forgotten: Sequence[str]
    twice: Sequence[Said]
    wrong: Sequence[Said]
    untold: Sequence[Said]
    """Learners, and the message or the end of which no record tells."""
    doubts: Sequence[Said]
    unexplained: Sequence[Said]
    strange: Sequence[Said]
    fallen: Sequence[Ended]
    """Processes that ended without a cause."""
    again: Sequence[Said]
    """Said more than once, and in order, as each was doubted."""
    might_doubt: int
    """How many deliveries may be in doubt: the bound."""
    away_seconds: float
    """How long nothing could be written down: so much of the run is excused by rule 4."""

    @property
    def is_good(self) -> bool:
        """Nothing that must not be."""
        return not (self.learners() or self.fallen)

    def __str__(self) -> str:
        """What must not be, and how often."""
        found = {
            "lost": self.lost, "lost by Kafka": self.forgotten, "stuck": self.stuck,
            "still carried by Temporal": self.carried, "said twice": self.twice,
            "told wrongly": [*self.wrong, *self.strange], "outcomes missing": self.untold,
            "unexplained": self.unexplained, "ended by itself": self.fallen,
        }  # fmt: skip
        return ", ".join(f"{name} {len(each)}" for name, each in found.items() if each) or "nothing that must not be"

    def learners(self) -> Sequence[str]:
        """Whose stories are to be told."""
        said = [*self.lost, *self.twice, *self.wrong, *self.untold, *self.unexplained, *self.strange]
        return sorted({learner for learner, _ in said}.union(self.stuck, self.carried, self.forgotten))


def judge(evidence: Evidence) -> Verdict:
    """Hold what Waymark did and says against what came in and what was said."""
    kept = _kept(evidence.letters)
    tellings = _tellings(evidence.told)
    came = evidence.entered - evidence.missed()
    wanted = {(learner, message): None for learner in sorted(came) for message in CHANNEL_OF}
    more = [said for said, letters in kept.items() if len(letters) > 1]
    twice = [said for said in more if not _is_in_order(kept[said], evidence)]
    may_doubt = explained(evidence)
    doubts = [told for told in evidence.told if told.status == "may_have_gone"]
    return Verdict(
        lost=[said for said in wanted if said not in kept and not _is_marked(tellings.get(said), evidence.in_doubt)],
        stuck=_stuck(came, evidence.enrolled),
        carried=_carried(evidence),
        forgotten=sorted(set(evidence.forgotten)),
        twice=twice,
        wrong=[said for said in wanted if said in kept and _is_denied(tellings.get(said))],
        untold=_untold(evidence),
        doubts=[(told.learner, told.message) for told in doubts],
        unexplained=[(told.learner, told.message) for told in doubts if told.delivery not in may_doubt],
        strange=[
            said for said, letters in kept.items()
            if said not in wanted or {letter.channel for letter in letters} != {CHANNEL_OF[said[1]]}
        ],
        fallen=[ended for ended in evidence.ended if why_ended(ended, evidence) is None],
        again=[said for said in more if said not in twice],
        might_doubt=len(may_doubt),
        away_seconds=sum(ended - began for began, ended in merged(evidence.windows)),
    )  # fmt: skip


# what explains a doubt


def explained(evidence: Evidence) -> AbstractSet[str]:
    """The deliveries that may be in doubt."""
    outages = merged(evidence.windows)
    seen = {letter.delivery for letter in evidence.letters}
    doubted = {letter.delivery for letter in evidence.letters if _may_be_doubted(letter, evidence.deaths, outages)}
    grave = [window for window in evidence.windows if _is_grave(window, evidence.windows, outages)]
    unseen = {delivery for trouble in (*evidence.deaths, *grave) for delivery in trouble.open} - seen
    return doubted | unseen


def _is_grave(window: Window, windows: Sequence[Window], outages: Sequence[tuple[float, float]]) -> bool:
    """Whether an attempt that was open then may have stayed unwritten: by the whole outage to which it belongs."""
    began, ended = next(outage for outage in outages if outage[0] <= window.began and window.ended <= outage[1])
    is_broken = any(other.cause in BREAKING and began <= other.began <= ended for other in windows)
    return is_broken or ended - began >= WITHIN_SECONDS


def merged(windows: Sequence[Window]) -> Sequence[tuple[float, float]]:
    """From when until when nothing could be written: windows that meet are one."""
    found: list[tuple[float, float]] = []
    for began, ended in sorted((window.began, window.ended) for window in windows):
        if found and began <= found[-1][1]:
            found[-1] = found[-1][0], max(ended, found[-1][1])
        else:
            found.append((began, ended))
    return found


def _may_be_doubted(letter: Letter, deaths: Sequence[Death], outages: Sequence[tuple[float, float]]) -> bool:
    """By the rules at the top of this file."""
    return (
        letter.answer in {"withheld", "owed"}
        or any(_was_open(letter, death, outages) for death in deaths)
        or any(_was_unwritten(letter, *outage) for outage in outages)
    )


def _was_open(letter: Letter, death: Death, outages: Sequence[tuple[float, float]]) -> bool:
    """Whether its sender died over it, or had been frozen over it and handed it over when it was let go."""
    if letter.by != death.who:
        return False
    if _was_let_go(letter, death):
        return True
    if not (death.began <= _open_until(letter, outages) and letter.at - LAG_SECONDS <= death.at):
        return False
    return letter.answer == "gone" or not death.is_known or letter.delivery in death.open


def _was_let_go(letter: Letter, death: Death) -> bool:
    """Whether its sender had been frozen over it, and handed it over when it was let go."""
    thawed = death.thawed_at
    if letter.by != death.who or thawed is None:
        return False
    is_then = thawed <= letter.at < thawed + HAND_OVER_SECONDS + LAG_SECONDS
    return is_then and (not death.is_known or letter.delivery in death.open)


def _open_until(letter: Letter, outages: Sequence[tuple[float, float]]) -> float:
    """The answer is due; where it was said, it has been written down a little later, or once the database was back."""
    if letter.answered_at is None or letter.answer == "gone":
        return letter.at + LATENCY_SECONDS + LAG_SECONDS
    until = letter.answered_at + WRITING_SECONDS
    for began, ended in outages:
        if began <= until and letter.answered_at <= ended:
            until = max(until, ended + WRITING_SECONDS)
    return until


def _was_unwritten(letter: Letter, began: float, ended: float) -> bool:
    """Whether the database was away when its answer came, and too long for it to be written within its time."""
    return began - WRITING_SECONDS <= letter.at <= ended and ended >= letter.at + WITHIN_SECONDS


# what explains an end


def why_ended(ended: Ended, evidence: Evidence) -> str | None:
    """Why a process may have ended by itself; None where it may not. One that had been ready may never, but for a
    PostgreSQL whose disk is full: a server that goes away and comes again is outlasted. One that begins may give up
    where a server it needs is away, and is started again. A server that was killed may fail to begin over what the dead
    one had left, as often as it takes: it is none of Waymark, and until it is ready again it counts as away.
    """
    if ended.name == "database" and any(w.began <= ended.at <= w.ended + FULL_SECONDS for w in evidence.full):
        return "its disk was full"
    if ended.was_ready:
        return None
    if ended.name in SERVERS:
        is_again = any(away.server == ended.name and _meets(away, ended) for away in evidence.away)
        return "it began again after it was killed" if is_again else None
    needs = NEEDS[ended.name.partition("-")[0]]
    missing = sorted({away.server for away in evidence.away if away.server in needs and _meets(away, ended)})
    if any(_meets(window, ended) for window in evidence.windows):
        missing.append("a database that can be written to")
    return f"it began without {', '.join(missing)}" if missing else None


def _meets(trouble: Window | Away, ended: Ended) -> bool:
    return trouble.began <= ended.at and ended.began <= trouble.ended


# the other counts


def _kept(letters: Sequence[Letter]) -> Mapping[Said, Sequence[Letter]]:
    kept: defaultdict[Said, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.was_kept:
            kept[letter.learner, letter.message].append(letter)
    return dict(kept)


def _tellings(told: Sequence[Told]) -> dict[Said, set[str]]:
    """What is said of each message: of one that went after all there is a delivery that failed, too."""
    tellings: defaultdict[Said, set[str]] = defaultdict(set)
    for each in told:
        tellings[each.learner, each.message].add(each.status)
    return dict(tellings)


def _is_marked(telling: set[str] | None, in_doubt: InDoubt) -> bool:
    return telling is not None and "may_have_gone" in telling and in_doubt == "leave"


def _is_denied(telling: set[str] | None) -> bool:
    return telling is None or telling.isdisjoint({"sent", "may_have_gone"})


def _is_in_order(letters: Sequence[Letter], evidence: Evidence) -> bool:
    """Whether one message that was said more than once had to be, by the rule for `resend`."""
    if evidence.in_doubt == "leave":
        return False
    outages = merged(evidence.windows)
    in_time = sorted(letters, key=lambda letter: letter.at)
    first_certain = next(
        (n for n, letter in enumerate(in_time) if not _may_be_doubted(letter, evidence.deaths, outages)), len(in_time)
    )
    after = in_time[first_certain + 1 :]
    return all(any(_was_let_go(letter, death) for death in evidence.deaths) for letter in after)


def _untold(evidence: Evidence) -> Sequence[Said]:
    """Of what no record tells."""
    records = evidence.outcomes
    if records is None:
        return []
    ends = [
        (enrolled.learner, kind)
        for enrolled in evidence.enrolled if enrolled.status == "ended"
        for kind in ("enrolment.started", "enrolment.ended") if (enrolled.id, kind) not in records
    ]  # fmt: skip
    gone = {
        (letter.learner, letter.message): None for letter in evidence.letters
        if letter.was_kept and records.isdisjoint({(letter.delivery, kind) for kind in GONE})
    }  # fmt: skip
    return [*gone, *ends]


def _carried(evidence: Evidence) -> Sequence[str]:
    learner_of = {enrolled.id: enrolled.learner for enrolled in evidence.enrolled}
    return sorted({learner_of.get(workflow, workflow) for workflow in evidence.carried})


def _stuck(came: AbstractSet[str], all_enrolled: Sequence[Enrolled]) -> Sequence[str]:
    found: defaultdict[str, list[Enrolled]] = defaultdict(list)
    for enrolled in all_enrolled:
        found[enrolled.learner].append(enrolled)
    return [
        learner for learner in sorted(came | found.keys())
        if learner not in came
        or [(e.status, e.outcome) for e in found[learner]] != [("ended", OUTCOME)]
    ]  # fmt: skip
