"""Which texts a journey is expected to need, before anybody enters it: ordered when it is published. Pure.

    program ─> texts for all (no `per`)                          ─┐
    learners who pass its audience ─> texts for each value of `per` ┴─> Wanted, in every language of the message

What cannot be told of a learner alone (a `per` that reads the entry, or what a step finds out) is ordered at entry, or
when it is sent. So is a text for one learner alone: most of those who pass an audience never enter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from journeys.drafting.choosing import Wanted
from journeys.drafting.needing import SendsTo, drafted_steps, needed
from journeys.drafting.order import languages_of, value_of
from journeys.drafting.personal import personal_in
from journeys.events import Json
from journeys.expressions import Facts, holds
from journeys.policy import Policy
from journeys.program import Draft, Program

MOST_VALUES = 500
"""For so many values of a message's `per` texts are ordered ahead."""


@dataclass
class Expecting:
    """What is expected of a program, found out a few learners at a time; the same text is told once."""

    program: Program
    policy: Policy
    _values: dict[str, set[str | None]] = field(default_factory=dict[str, set[str | None]])
    _keys: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    @property
    def needs_learners(self) -> bool:
        """Whether another learner may make a difference."""
        return any(self._is_open(message, draft) for message, draft in self._drafts())

    def for_all(self) -> list[Wanted]:
        """The texts that are the same for everybody."""
        messages = {message for message, draft in self._drafts() if draft.per is None}
        return list(self._wanted(messages, Facts()))

    def for_learners(
        self, learners: Iterable[Facts], managers: Mapping[str, Mapping[str, Json]] | None = None
    ) -> list[Wanted]:
        """The texts that these learners need and none before them did; `managers` are profiles by the source's id.
        Never raises.
        """
        found: list[Wanted] = []
        for facts in learners:
            if not self.needs_learners:
                break
            if self.program.audience is None or holds(self.program.audience, facts).holds:
                found += self._wanted(set(self._new_values(facts, _manager(facts, managers or {}))), facts)
        return found

    def _new_values(self, facts: Facts, manager: Mapping[str, Json] | None) -> Iterator[str]:
        """The messages for which she has a value that nobody had before."""
        for message, draft in self._drafts():
            if not self._is_open(message, draft):
                continue
            value, finding = value_of(draft, facts, learner_id="")
            known = self._values.setdefault(message, set())
            if finding is not None or value in known:
                continue
            if value is None or personal_in(value, facts, manager=manager) is None:
                known.add(value)
                yield message

    def _is_open(self, message: str, draft: Draft) -> bool:
        is_by_value = draft.per is not None and not draft.is_per_learner
        return is_by_value and len(self._values.get(message, ())) < MOST_VALUES

    def _wanted(self, messages: set[str], facts: Facts) -> Iterator[Wanted]:
        for step in drafted_steps(self.program):
            if step.message in messages:
                yield from self._of_step(step, facts)

    def _of_step(self, step: SendsTo, facts: Facts) -> Iterator[Wanted]:
        for language in languages_of(self.program.messages[step.message]):
            wanted = needed(
                self.program, step, facts=facts, learner_id="", recipient={"language": language}, policy=self.policy
            )
            if isinstance(wanted, Wanted) and (step.message, wanted.key) not in self._keys:
                self._keys.add((step.message, wanted.key))
                yield wanted

    def _drafts(self) -> Iterator[tuple[str, Draft]]:
        for message in dict.fromkeys(step.message for step in drafted_steps(self.program)):
            draft = self.program.messages[message].draft
            if draft is not None:
                yield message, draft


def _manager(facts: Facts, managers: Mapping[str, Mapping[str, Json]]) -> Mapping[str, Json] | None:
    called = facts.learner.get("manager")
    return managers.get(called) if isinstance(called, str) else None
