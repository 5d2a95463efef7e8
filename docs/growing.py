"""What changes at ten million learners, with the arithmetic, from the figures that were kept and nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

LEARNERS = 10_000_000
MESSAGES_A_WEEK = 2
EVENTS_A_DAY = 5
WORKING_SECONDS_A_WEEK = 5 * 8 * 3600
PEAK = 3
BUSY = 0.6
TRANSITIONS_A_MESSAGE = 6
ROW = "Waymark, PostgreSQL"

_INTRO = f"""# Growing to ten million learners

What runs on a laptop runs there, too: the same three processes, more of each. Nothing in Waymark is the only one of its
kind; what is shared is PostgreSQL, Temporal and Kafka. This page says what to choose for them, and reckons how much of
everything that is from [the figures](figures.md) of one machine with two cores.

![What an event and a turn cost, by how much there is](../images/growth.svg)

## What is assumed

{LEARNERS:,} learners, each in one journey at a time; {MESSAGES_A_WEEK} messages a week and {EVENTS_A_DAY} events a
working day each, in the eight working hours of one zone, and at the peak {PEAK} times the mean. No process is to be
busy for more than {BUSY:.0%} of its time.
"""

_CHOICES = """
## What to choose

- **Temporal's shards.** Their number is fixed for good when the cluster is made: 4,096, where `docker-compose.yml` has
  512. More cost a little memory each, and too few cannot be mended. Run its four services apart: history and matching
  carry the load, three hosts of each to begin with.
- **Temporal's database.** PostgreSQL of its own, not the one that Waymark's tables are in, up to some ten thousand
  state transitions a second (an estimate, not measured here); Cassandra beyond, or with several sites. Visibility goes
  to a database of its own: Waymark asks it nothing on the way of a message.
- **Task queues.** Four partitions each, which is Temporal's own default; one, as `deploy/temporal/production.yaml` has
  it, is the cheapest until a single matching host is full. Turns and each channel's retries have queues of their own,
  so that they can be given workers of their own.
- **Kafka's partitions.** Their number is the most bridges that can work at once, and learners keep to their partition,
  so that growing it later mixes the order of their events for a while. Waymark does not need that order, but it is
  cheaper with it: make more than you need, 64 for each topic.
- **Workers.** One process a core; each keeps 5,000 workflows in memory, and one that is not there costs one replay of
  its history. All of them run the same, and any may be killed.
- **Bridges.** Each takes whole partitions. The sweeper in each of them is harmless beside the others.
- **Waymark's database.** PostgreSQL with memory for the indexes of those who are awake; the event log and the journal
  are what grows, and are read by one learner or one enrolment at a time. A replica serves lists and reports where they
  are many. SQLite is for one machine, and for a hundred thousand learners rather than for millions.
- **Providers.** An SMTP relay takes what it takes: eight connections a worker and channel. What it does not take waits
  on its channel's queue, and delays nothing else.
"""


@dataclass(frozen=True)
class Figures:
    """What one message and one sleeper cost, from the runs that were kept."""

    worker_ms: float
    bridge_ms: float
    temporal_ms: float
    database_ms: float
    events_per_second: float
    temporal_bytes: float
    waymark_bytes: float


def page(kept: Mapping[str, Mapping[str, Any]]) -> str:
    """The page; without the arithmetic where a run is missing."""
    figures = _figures(kept)
    told = "\n## The arithmetic\n\n" + ("".join(_arithmetic(figures)) if figures else _MISSING)
    return _INTRO + told + _CHOICES


_MISSING = (
    "The figures of `throughput`, `ingest` and `sleepers` have not been kept yet: `make bench-full` keeps them.\n"
)


def _figures(kept: Mapping[str, Mapping[str, Any]]) -> Figures | None:
    try:
        message = kept["throughput"]["rows"][ROW]
        sleeper = kept["sleepers"]["rows"][ROW]
        events = kept["ingest"]["rows"][f"{ROW}: profile updates"]
        return Figures(
            message["worker"], message["bridge"], message["of it Temporal"], message["database"],
            events["events per second"], sleeper["Temporal's bytes each"], sleeper["Waymark's bytes each"],
        )  # fmt: skip
    except KeyError:
        return None


def _arithmetic(f: Figures) -> Iterator[str]:
    mean = LEARNERS * MESSAGES_A_WEEK / WORKING_SECONDS_A_WEEK
    messages = mean * PEAK
    events = LEARNERS * EVENTS_A_DAY * 5 / WORKING_SECONDS_A_WEEK * PEAK
    bridges = ceil(events / (f.events_per_second * BUSY))
    yield "| | | at the peak |\n|---|---|---:|\n"
    yield _line(
        "messages", f"{LEARNERS:,} × {MESSAGES_A_WEEK} ÷ {WORKING_SECONDS_A_WEEK:,} s × {PEAK}", f"{messages:,.0f}/s"
    )
    yield _line(
        "events", f"{LEARNERS:,} × {EVENTS_A_DAY} × 5 ÷ {WORKING_SECONDS_A_WEEK:,} s × {PEAK}", f"{events:,.0f}/s"
    )
    for name, ms in (
        ("worker processes", f.worker_ms), ("cores for Temporal", f.temporal_ms),
        ("cores for Waymark's PostgreSQL, for messages", f.database_ms),
    ):  # fmt: skip
        reckoned = f"{messages:,.0f}/s × {ms:.1f} ms ÷ {BUSY}"
        yield _line(name, reckoned, f"{ceil(messages * ms / 1000 / BUSY):,}")
    yield _line("bridges", f"{events:,.0f}/s ÷ ({f.events_per_second:,.0f}/s × {BUSY})", f"{bridges:,}")
    yield _line("Kafka's partitions, at least", "as many as bridges, and as many again", f"{2 * bridges:,}")
    transitions = f"{messages:,.0f}/s × about {TRANSITIONS_A_MESSAGE} a message"
    yield _line("Temporal's state transitions", transitions, f"{messages * TRANSITIONS_A_MESSAGE:,.0f}/s")
    for name, size in (("Temporal's database", f.temporal_bytes), ("Waymark's database", f.waymark_bytes)):
        reckoned = f"{LEARNERS:,} × {size:,.0f} bytes a sleeper"
        yield _line(f"{name}, everybody asleep", reckoned, f"{LEARNERS * size / 1e9:,.0f} GB")
    yield (
        "\nThe bytes are those of Temporal on SQLite and of an enrolment that has just begun; each letter adds a "
        "delivery and some lines of journal, each event a row of the log.\n"
    )


def _line(name: str, reckoned: str, is_: str) -> str:
    return f"| {name} | {reckoned} | {is_} |\n"
