"""Learners as a person writes them down for a rehearsal: a map of id to profile. Pure; finds all that is wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from journeys.events import Json
from journeys.problems import did_you_mean
from journeys.profile import PROFILE_FIELDS, is_of_kind

_KINDS = {"text": "a text", "list": "a list of texts", "map": "a map", "date": "a date as 2026-03-02"}


@dataclass(frozen=True, slots=True)
class Learners:
    """The profiles by id, and every problem in words; where there is a problem the profiles are not to be used."""

    profiles: Mapping[str, Mapping[str, Json]]
    problems: tuple[str, ...] = ()


def read_learners(given: Json) -> Learners:
    """The learners that `given` says; None is none."""
    if given is None:
        return Learners({})
    if not isinstance(given, dict):
        return Learners({}, ("learners are a map of id to profile, such as `ada: {email: ada@example.com}`",))
    profiles: dict[str, Mapping[str, Json]] = {}
    problems: list[str] = []
    for learner, profile in given.items():
        problems += _problems_of(learner, profile)
        profiles[learner] = cast("dict[str, Json]", profile) if isinstance(profile, dict) else {}
    return Learners(profiles, tuple(problems))


def _problems_of(learner: str, profile: Json) -> Iterator[str]:
    if profile is None:
        return
    if not isinstance(profile, dict):
        yield f"{learner}: a profile is a map of fields, such as {{email: ada@example.com}}"
        return
    for name, value in profile.items():
        if name not in PROFILE_FIELDS:
            yield f"{learner}.{name}: no such field; {_meant(name)}"
        elif value is not None and not is_of_kind(value, PROFILE_FIELDS[name]):
            yield f"{learner}.{name}: {_KINDS[PROFILE_FIELDS[name]]} is wanted"


def _meant(name: str) -> str:
    close = did_you_mean(name, PROFILE_FIELDS)
    return close or f"fields are {', '.join(PROFILE_FIELDS)}; your own go into attributes"
