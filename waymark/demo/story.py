"""What happens in the demo, and when: the events of HR and LMS over nine weeks. Deterministic and pure.

Everything happens in working hours, so that no instant of the story lies near a midnight, where the clocks are moved
to: clocks run on while the machine is busy.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.sources import to_cloudevent
from journeys.events import Event
from waymark.demo.cast import CAST, CHANGED, Did, Person

WEEKS = 9
"""The last of them come in on the fifth day, and eight weeks are eight weeks."""
SEED = 1066
HR, LMS = "https://hr.acme.example", "https://lms.acme.example"
INTRODUCED = timedelta(hours=6)
"""When on the first day the HR system tells who there is."""

BROKEN = '{"specversion": "1.0", "id": "hr-broken", "source": "https://hr.acme.example", "type": "hr.learner.changed"}'
"""A record that names no learner and no time: it must hold up nobody."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and when it reaches us; the same event may arrive more than once."""

    at: datetime
    event: Event
    is_repeated: bool = False
    is_introduction: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """The whole story: who, and what arrives, in order."""

    starts_at: datetime
    people: tuple[Person, ...]
    arrivals: tuple[Arrival, ...]

    @property
    def ends_at(self) -> datetime:
        """When the last of them has come through."""
        return self.starts_at + timedelta(weeks=WEEKS)

    def of(self, person: Person) -> Sequence[Arrival]:
        """What arrives of one learner, in order."""
        return [arrival for arrival in self.arrivals if arrival.event.subject == person.id]


def tell(starts_at: datetime, people: Sequence[Person] = CAST, *, seed: int = SEED) -> Story:
    """The story of these people, from a midnight on that lies ahead of every clock."""
    chance = random.Random(seed)
    arrivals = [arrival for person in people for arrival in _of(person, starts_at, chance)]
    return Story(starts_at, tuple(people), tuple(sorted(arrivals, key=lambda a: (a.at, a.event.id))))


def next_monday(now: datetime) -> datetime:
    """The midnight (UTC) at which the story begins: no clock can be moved back."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=7 - now.weekday())


def cloud_event(event: Event) -> dict[str, Any]:
    """The event as it is put on Kafka."""
    return dict(to_cloudevent(event))


def _of(person: Person, starts_at: datetime, chance: random.Random) -> list[Arrival]:
    introduced_at = starts_at + INTRODUCED + timedelta(seconds=chance.randrange(1_800))
    known = Event(f"hr-{person.id}-0", HR, CHANGED, person.id, introduced_at, person.profile())
    began = starts_at + timedelta(days=person.begins, hours=7, seconds=chance.randrange(10_000))
    arrivals = [Arrival(introduced_at, known, is_introduction=True)]
    for number, did in enumerate(person.did, start=1):
        arrivals += _happens(person, did, began, number)
    return arrivals


def _happens(person: Person, did: Did, began: datetime, number: int) -> list[Arrival]:
    at = began + _so_many(did.day)
    source, prefix = (LMS, "lms") if did.type.startswith("lms.") else (HR, "hr")
    effective = None if did.effective_on is None else began + _so_many(did.effective_on)
    event = Event(f"{prefix}-{person.id}-{number}", source, did.type, person.id, at, did.data, effective)
    arrives = at if did.arrives_on is None else began + _so_many(did.arrives_on)
    return [Arrival(arrives + again * timedelta(minutes=20), event, again > 0) for again in range(did.times)]


def _so_many(days: float) -> timedelta:
    """Tenths of a day are hours of a working day."""
    whole = int(days)
    return timedelta(days=whole, hours=round((days - whole) * 10))
