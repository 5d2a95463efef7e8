"""The count, which does not trust Waymark: what came in by Kafka's own log and the feed, what was said by the
providers' own logs, what should have been said by the definition. Pure.

    lost            entered, and a message was neither said nor marked `may_have_gone` (with resend: not said)
    stuck           no enrolment, or one that has not ended as the definition says, though all has been quiet
    said twice      kept by a provider more than once (with resend: what nobody needed to doubt)
    told wrongly    said, and Waymark says that it was not; or the other way round
    in doubt        marked `may_have_gone`
    unexplained     in doubt, though it was neither open when somebody died nor left without an answer by a provider
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from bench.chaos.feed import CHANNEL_OF, OUTCOME
from bench.chaos.providers import Letter

InDoubt = Literal["leave", "resend"]
Said = tuple[str, str]
"""A learner and a message."""
SLACK_SECONDS = 2.0
"""So long before and after a time without a database what a provider took may stay unwritten."""


@dataclass(frozen=True)
class Enrolled:
    """What the API says of an enrolment."""

    learner: str
    status: str
    outcome: str | None


@dataclass(frozen=True)
class Told:
    """What the API says of a delivery."""

    delivery: str
    learner: str
    message: str
    status: str


@dataclass(frozen=True)
class Evidence:
    """All that the count goes by. `entered`: who was promoted, by what was acknowledged or stands in Kafka's log.
    `open_then`: deliveries under way when somebody died. `windows`: when nothing could be written down.
    """

    entered: AbstractSet[str]
    letters: Sequence[Letter]
    enrolled: Sequence[Enrolled]
    told: Sequence[Told]
    open_then: AbstractSet[str]
    windows: Sequence[tuple[float, float]] = ()
    in_doubt: InDoubt = "leave"


@dataclass(frozen=True)
class Verdict:
    """What was found, by learner and message."""

    lost: Sequence[Said]
    stuck: Sequence[str]
    twice: Sequence[Said]
    wrong: Sequence[Said]
    doubts: Sequence[Said]
    unexplained: Sequence[Said]
    strange: Sequence[Said]
    might_doubt: int
    """How many deliveries may be in doubt: the bound."""

    @property
    def is_good(self) -> bool:
        """Nothing that must not be."""
        return not (self.lost or self.stuck or self.twice or self.wrong or self.unexplained or self.strange)

    def learners(self) -> Sequence[str]:
        """Whose stories are to be told."""
        said = [*self.lost, *self.twice, *self.wrong, *self.unexplained, *self.strange]
        return sorted({learner for learner, _ in said} | set(self.stuck))


def judge(evidence: Evidence) -> Verdict:
    """Hold what Waymark did and says against what came in and what was said."""
    kept = _kept(evidence.letters)
    status = {(told.learner, told.message): told for told in evidence.told}
    wanted = [(learner, message) for learner in sorted(evidence.entered) for message in CHANNEL_OF]
    may_doubt = explained(evidence)
    doubts = [said for said, told in status.items() if told.status == "may_have_gone"]
    return Verdict(
        lost=[said for said in wanted if said not in kept and not _is_marked(status.get(said), evidence.in_doubt)],
        stuck=_stuck(evidence),
        twice=[said for said, letters in kept.items() if _is_twice(letters, evidence.in_doubt, may_doubt)],
        wrong=[said for said in wanted if said in kept and _is_denied(status.get(said))],
        doubts=doubts,
        unexplained=[said for said in doubts if status[said].delivery not in may_doubt],
        strange=[
            said for said, letters in kept.items()
            if said not in set(wanted) or {letter.channel for letter in letters} != {CHANNEL_OF[said[1]]}
        ],
        might_doubt=len(may_doubt),
    )  # fmt: skip


def explained(evidence: Evidence) -> AbstractSet[str]:
    """The deliveries that may be in doubt."""
    unanswered = {letter.delivery for letter in evidence.letters if not letter.was_answered}
    unwritten = {
        letter.delivery for letter in evidence.letters
        if any(began - SLACK_SECONDS < letter.at < ended + SLACK_SECONDS for began, ended in evidence.windows)
    }  # fmt: skip
    return evidence.open_then | unanswered | unwritten


def _kept(letters: Sequence[Letter]) -> Mapping[Said, Sequence[Letter]]:
    kept: defaultdict[Said, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.was_kept:
            kept[letter.learner, letter.message].append(letter)
    return dict(kept)


def _is_marked(told: Told | None, in_doubt: InDoubt) -> bool:
    return told is not None and told.status == "may_have_gone" and in_doubt == "leave"


def _is_denied(told: Told | None) -> bool:
    return told is None or told.status not in {"sent", "may_have_gone"}


def _is_twice(letters: Sequence[Letter], in_doubt: InDoubt, may_doubt: AbstractSet[str]) -> bool:
    if len(letters) < 2:
        return False
    return in_doubt == "leave" or any(letter.delivery not in may_doubt for letter in letters)


def _stuck(evidence: Evidence) -> Sequence[str]:
    found: defaultdict[str, list[Enrolled]] = defaultdict(list)
    for enrolled in evidence.enrolled:
        found[enrolled.learner].append(enrolled)
    return [
        learner for learner in sorted(evidence.entered | found.keys())
        if learner not in evidence.entered
        or [(e.status, e.outcome) for e in found[learner]] != [("ended", OUTCOME)]
    ]  # fmt: skip
