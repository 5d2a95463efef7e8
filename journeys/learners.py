"""Learners as a person writes them down for a rehearsal: a map of id to profile. Pure; finds all that is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from journeys.events import Json
from journeys.expressions import kind_of
from journeys.problems import did_you_mean
from journeys.profile import PROFILE_FIELDS, is_of_kind

_KINDS = {"text": "a text", "list": "a list of texts", "map": "a map", "date": "a date as 2026-03-02"}


@dataclass(frozen=True, slots=True)
class LearnerProblem:
    """What is wrong, and where: a learner's id, perhaps with a field; nothing for the whole. Tells no value."""

    path: tuple[str, ...]
    detail: str

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{'.'.join(self.path)}: {self.detail}" if self.path else self.detail


@dataclass(frozen=True, slots=True)
class Learners:
    """The profiles by id, and every problem; where there is a problem the profiles are not to be used."""

    profiles: Mapping[str, Mapping[str, Json]]
    problems: tuple[LearnerProblem, ...] = ()


def read_learners(given: Json) -> Learners:
    """The learners that `given` says; None is none."""
    if given is None:
        return Learners({})
    if not isinstance(given, dict):
        detail = (
            f"found {_found(given)}: learners are a map of id to profile, such as `ada: {{email: ada@example.com}}`"
        )
        return Learners({}, (LearnerProblem((), detail),))
    profiles: dict[str, Mapping[str, Json]] = {}
    problems: list[LearnerProblem] = []
    for learner, profile in given.items():
        problems += _problems_of(learner, profile)
        profiles[learner] = cast("dict[str, Json]", profile) if isinstance(profile, dict) else {}
    return Learners(profiles, tuple(problems))


def _problems_of(learner: str, profile: Json) -> Iterator[LearnerProblem]:
    if profile is None:
        return
    if not isinstance(profile, dict):
        detail = f"found {_found(profile)}: a profile is a map of fields, such as {{email: ada@example.com}}"
        yield LearnerProblem((learner,), detail)
        return
    for name, value in profile.items():
        if name not in PROFILE_FIELDS:
            yield LearnerProblem((learner, name), f"no such field; {_meant(name)}")
        elif value is not None and not is_of_kind(value, PROFILE_FIELDS[name]):
            detail = f"found {_found(value)}, {_KINDS[PROFILE_FIELDS[name]]} is wanted"
            yield LearnerProblem((learner, name), detail)


def _found(value: Json) -> str:
    kind = kind_of(value)
    return kind if kind in ("null", "true or false") else f"a {kind}"


def _meant(name: str) -> str:
    close = did_you_mean(name, PROFILE_FIELDS)
    return close or f"fields are {', '.join(PROFILE_FIELDS)}; your own go into attributes"
