"""Records that cannot be used among good ones, through the real bridge: each stands aside with its reason, and no good
one is lost by its neighbours.

Good records alternate with poison on `hr.events`: most are changes of a profile, of learners who exist from then on;
some enter the journey, so that it is seen that messages still go. What is counted afterwards is what the API lists:
every learner, every dead letter by its place in the topic, every letter by the providers' own log. Each dead letter
that is missing or misplaced is named, and the whole story of whoever entered and was not told everything once is told.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson
from kafka import KafkaProducer  # pyright: ignore[reportMissingTypeStubs] - kafka-python brings no types

from bench.chaos.feed import CHANNEL_OF, ENTERS, Coming
from bench.chaos.house import House, open_house
from bench.chaos.judge import Evidence
from bench.chaos.soak import not_once
from bench.chaos.stories import Stories, tell_aloud
from bench.figures import Column, Row, Table, Target

Place = tuple[int, int]
"""Of a record in its topic: partition and offset."""

TOPIC = "hr.events"
ENTRANTS = 20
PATIENCE_SECONDS = 120.0
POISON: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe", "not_utf8"),
    (b"{not json", "not_json"),
    (b"", "empty"),
    (b"[" * 5_000 + b"]" * 5_000, "too_deep"),
    (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "ada\\u0000"}', "nul_character"),
    (b'{"specversion": "1.0", "id": "\\ud800"}', "lone_surrogate"),
    (b'{"data": {"score": NaN}}', "not_finite"),
    (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2026-03-02T09:00:00Z"}', "missing_field"),
    (b'{"id": "1", "source": "s", "type": "t", "subject": "ada", "time": "2026-03-02T09:00:00"}', "bad_time"),
    (b'{"id": "1", "source": "s", "type": "t", "subject": "a", "time": "2970-03-02T09:00:00Z"}', "time_too_far_ahead"),
)
"""What cannot be used, and the reason that is given for it."""


@dataclass(frozen=True)
class Found:
    """What came of it: how many of each are as they should be."""

    learners: int
    dead_letters: int
    misplaced: int
    """Dead letters that are of no poison, or of the wrong reason."""
    letters: int
    seconds: float
    findings: Sequence[str]
    """The dead letters that are not as they should be, one by one."""


async def run(*, records: int, on: str, seed: int = 1) -> tuple[Table, bool]:
    """The table, and whether all was as it should be; `records` of each sort."""
    async with open_house(on, with_disk=False) as house:
        mixed = mix(records, seed=seed)
        began, begin_at = time.monotonic(), time.time()
        places = await asyncio.to_thread(_produce, house.bootstrap, mixed)
        expected = {place: reason for place, (_, reason) in zip(places, mixed, strict=True) if reason is not None}
        found = await _count(house, expected, records, began)
        letters = house.providers.letters()
        entrants = [f"learner-{number}" for number in range(records - ENTRANTS, records)]
        teller = Stories(house, Evidence(frozenset(entrants), letters, (), ()), (), begin_at)
        await tell_aloud(f"poison-{on}", teller, not_once(entrants, letters), more=found.findings)
    wanted = {"learners": records, "dead letters": records, "misplaced": 0, "messages": ENTRANTS * len(CHANNEL_OF)}
    figures = {
        "learners": found.learners, "dead letters": found.dead_letters, "misplaced": found.misplaced,
        "messages": found.letters, "until all was taken": found.seconds,
    }  # fmt: skip
    targets = [Target(f"{name}: {on}", figures[name], at_least=n, at_most=n, subject=on) for name, n in wanted.items()]
    columns = (*(Column(name) for name in wanted), Column("until all was taken", "s", 1))
    title = f"poison: {records:,} records that cannot be used among {records:,} good ones, through the bridge"
    return Table("poison", title, columns, [Row(on, figures)], (), targets), all(t.is_reached for t in targets)


def mix(records: int, *, seed: int) -> Sequence[tuple[bytes, str | None]]:
    """Good records (no reason) and poison with its reason, by turns; the last ones are good."""
    chance = Random(seed)
    mixed: list[tuple[bytes, str | None]] = []
    for number in range(records):
        enters = number >= records - ENTRANTS
        type_ = ENTERS if enters else "hr.learner.changed"
        learner = f"learner-{number}"
        event = Coming(0.0, "kafka", learner, f"{learner}-{type_}", type_).event(datetime.now(UTC))
        mixed += [chance.choice(POISON), (orjson.dumps(event), None)]
    return mixed


def _produce(bootstrap: str, mixed: Sequence[tuple[bytes, str | None]]) -> Sequence[Place]:
    """Where each record stands: partition and offset."""
    producer: Any = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20)
    sent = [producer.send(TOPIC, value, str(number // 2).encode()) for number, (value, _) in enumerate(mixed)]
    producer.flush(timeout=60)
    metadata = [future.get(timeout=10) for future in sent]
    producer.close()
    return [(one.partition, one.offset) for one in metadata]


async def _count(house: House, expected: Mapping[Place, str], records: int, began: float) -> Found:
    """Once every entrant has been told everything, and no more comes in."""
    moved_at, last = time.monotonic(), (-1, -1)
    while True:
        letters = [letter for letter in house.providers.letters() if letter.was_kept]
        learners = len(await house.items("/v1/learners"))
        dead = await house.items("/v1/dead-letters")
        now = len(dead) + learners, len(letters)
        if now != last:
            moved_at, last = time.monotonic(), now
        is_all = now == (2 * records, ENTRANTS * len(CHANNEL_OF))
        if is_all or time.monotonic() - moved_at > PATIENCE_SECONDS:
            break
        await asyncio.sleep(1.0)
    told = Counter((letter.learner, letter.message) for letter in letters)
    places = {(int(str(one["partition"])), int(str(one["offset"]))): str(one["reason"]) for one in dead}
    right = sum(expected.get(place) == reason for place, reason in places.items())
    findings = list(differences(expected, places))
    once = sum(1 for times in told.values() if times == 1)
    return Found(learners, right, len(dead) - right, once, time.monotonic() - began, findings)


def differences(expected: Mapping[Place, str], found: Mapping[Place, str]) -> Iterator[str]:
    """Every record that is no dead letter though it should be one, or the other way round, or for another reason."""
    for partition, offset in sorted(expected.keys() | found.keys()):
        should, is_ = expected.get((partition, offset)), found.get((partition, offset))
        if should != is_:
            yield f"{TOPIC} {partition}/{offset}: {is_ or 'no dead letter'}, and should be {should or 'none'}"
