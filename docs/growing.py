"""What changes at ten million learners, with the arithmetic, from the figures that were kept and nothing else.

Each line of the arithmetic says what it is reckoned of and where that was measured. One whose figures have not been
kept is left out, and the page says which benchmarks are missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

LEARNERS = 10_000_000
MESSAGES_A_WEEK = 2
EVENTS_A_DAY = 5
WORKING_SECONDS_A_WEEK = 5 * 8 * 3600
PEAK = 3
BUSY = 0.6
TRANSITIONS_A_TASK = 3
TASKS_A_MESSAGE = 2
RECORDS_A_MESSAGE = 2
ON_POSTGRESQL = 1.5
"""What Temporal costs on PostgreSQL, as a multiple of SQLite: assumed, of a trial with two thirds of the rate."""
SHARDS = 4_096
CONNECTIONS = 8
CALM_PERCENT = 4.0
CACHED = 5_000
"""Workflows that a worker keeps in its memory."""
WEEKS_A_YEAR = 52
ROW = "Waymark, PostgreSQL"
AT_HAND, FROM_HISTORY = "through Temporal, woken, at hand", "through Temporal, woken, from its history"
"""Rows of growth: a turn of which the worker has the workflow in its memory, and of which it has not."""
COLUMN_OF = {"of it the worker": "worker", "of it Temporal": "of it Temporal"}
"""What throughput calls a column of growth."""

_INTRO = f"""# Growing to ten million learners

What runs on a laptop runs there, too: the same three processes, more of each. Only one thing is done by a single
process at a time, whichever of the bridges has the lease: relaying what happened to our own topics; how much of one
relay that takes is reckoned below. What is shared is
PostgreSQL, Temporal and Kafka. This page says what to choose for them, and reckons how much of everything that is
from [the figures](figures.md) of one small machine.

A *worker* takes the turns of journeys and sends; a *bridge* takes events from Kafka into the log. A *partition* is a
part of one of Kafka's topics, or of one of Temporal's queues, that is handed out separately. A *shard* is a part of
all that Temporal keeps, written by one host at a time. A *state transition* is one change that Temporal writes down
of a workflow.

![What an event and a turn cost, by how much there is](../images/growth.svg)

## What is assumed

{LEARNERS:,} learners, each in one journey at a time; {MESSAGES_A_WEEK} messages a week and {EVENTS_A_DAY} events a
working day each, in the eight working hours of one zone, and at the peak {PEAK} times the mean. No process is to be
busy for more than {BUSY:.0%} of its time.

Three numbers are not from the figures. For each message an enrolment is woken {TASKS_A_MESSAGE} times, once by a timer
and once by an event, and takes a turn each time: a task in Temporal, with about {TRANSITIONS_A_TASK} state transitions
(to wake, to begin and to complete it). And each message makes {RECORDS_A_MESSAGE} records for our own topics: that it
went, and a share of who entered, reached the goal and ended.

What a turn costs is from [throughput](figures.md#throughput), where each message is one turn, by a timer or by
entering. A turn that an event woke is reckoned to cost as much, though it sends nothing. What it costs a bridge to wake
somebody is not in the bridges' line, which is of events that wake nobody.

One number is from elsewhere: here Temporal stood on SQLite, with one partition for each queue and Go's
collector of garbage at `GOGC=500`; on PostgreSQL a server of the same kind reached about two thirds of the rate, in a
trial of ours that is not among the figures. Its cores are reckoned {ON_POSTGRESQL:g} times as many for that. What four
partitions cost beside one is not in it.

**These are lower bounds.** The figures are of small runs, and what they leave out adds to what is reckoned of them:

- *Worker processes, and the cores of the servers for messages:* in a burst every workflow is in its worker's memory.
  Among {LEARNERS:,} who sleep there are at most {CACHED:,} for each worker, so that nearly every waking fetches a
  history from Temporal and replays it. Where the benchmark of growth has what a turn costs from its history, lines of
  their own reckon with that: histories of a few turns, and a long one costs more. Of the database it says nothing.
- *The workers' memory:* that of a soak, whose workers have few workflows at hand. To be measured: a worker with
  {CACHED:,} of them.
- *Bytes of a sleeper:* of one who has taken one turn. Each further turn adds to her history, and to her rows. To be
  measured: the same after ten turns, and after a journey's months.
- *Temporal's database:* those who are asleep, and nobody else. Workflows that have ended stay for as long as the
  namespace keeps them, three days as Waymark makes it; of how many there are at a time, and of how many bytes, nothing
  is reckoned.
- *Cores of Temporal while nothing happens:* from one look at one row. Where that had not grown calm, what was left of
  falling asleep is in it, and it says too much; that the cost grows with the sleepers and with nothing else is assumed.
  To be measured: two numbers of sleepers, both calm.
"""

_CHOICES = f"""
## What to choose

- **Temporal's shards.** Their number is fixed for good when the cluster is made: {SHARDS:,}, where `docker-compose.yml`
  has 512. More cost a little memory each, and too few cannot be mended. Run its four services apart: history and
  matching carry the load, three hosts of each to begin with.
- **Temporal's database.** PostgreSQL of its own, not the one that Waymark's tables are in, up to some ten thousand
  state transitions a second (an estimate, not measured here); Cassandra beyond, or with several sites. Visibility goes
  to a database of its own: Waymark asks it nothing on the way of a message.
- **Task queues.** Four partitions each, which is Temporal's own default; one, as `deploy/temporal/production.yaml` has
  it, spares the forwarding between them, until a single matching host is full. Turns and each channel's retries have
  queues of their own, so that they can be given workers of their own.
- **Kafka's partitions.** Their number is the most bridges that can work at once, and learners keep to their partition,
  so that growing it later mixes the order of their events for a while. Waymark does not need that order, but it is
  cheaper with it: make more than you need, 64 for each topic.
- **Workers.** One process a core; each keeps {CACHED:,} workflows in memory, and one that is not there costs one replay
  of its history. All of them run the same, and any may be killed.
- **Bridges.** Each takes whole partitions. The sweeper in each of them is harmless beside the others.
- **Waymark's database.** PostgreSQL with memory for the indexes of those who are awake; the event log and the journal
  are what grows, and are read by one learner or one enrolment at a time. Nothing takes old events out of the log by
  itself. A replica serves lists and reports where they are many. SQLite is for one machine, and for a hundred thousand
  learners rather than for millions.
- **Providers.** An SMTP relay takes what it takes: {CONNECTIONS} connections a worker and channel. What it does not
  take waits on its channel's queue, and delays nothing else.
"""


class Missing(Exception):
    """A figure that has not been kept; says of which benchmark."""


@dataclass
class Found:
    """The figures that were kept, and which of them one line has asked for."""

    kept: Mapping[str, Mapping[str, Any]]
    sources: list[str] = field(default_factory=list[str])

    def of(self, benchmark: str, subject: str, column: str) -> float:
        """One figure; raises Missing."""
        try:
            figure: float = self.kept[benchmark]["rows"][subject][column]
        except KeyError:
            raise Missing(benchmark) from None
        self._source(benchmark, column)
        return figure

    def most(self, benchmark: str, beginning: str, by: str) -> Mapping[str, float]:
        """The row with the greatest `by` of those whose subject begins so; raises Missing."""
        rows = rows_of(self.kept, benchmark, beginning, by)
        if not rows:
            raise Missing(benchmark)
        self._source(benchmark, f"{by} {rows[-1][by]:,.0f}")
        return rows[-1]

    def _source(self, benchmark: str, what: str) -> None:
        self.sources.append(f"[{benchmark}](figures.md#{benchmark}): {what}")


def rows_of(
    kept: Mapping[str, Mapping[str, Any]], benchmark: str, beginning: str, by: str
) -> Sequence[Mapping[str, float]]:
    """The rows whose subject begins so and that have the column `by`, in its order."""
    rows: Mapping[str, Mapping[str, float]] = kept.get(benchmark, {}).get("rows", {})
    found = [row for subject, row in rows.items() if subject.startswith(beginning) and by in row]
    return sorted(found, key=lambda row: row[by])


Line = tuple[str, str]
"""How it is reckoned, and what comes out."""

MEAN = LEARNERS * MESSAGES_A_WEEK / WORKING_SECONDS_A_WEEK
MESSAGES = MEAN * PEAK
TRANSITIONS = MESSAGES * TASKS_A_MESSAGE * TRANSITIONS_A_TASK
EVENTS = LEARNERS * EVENTS_A_DAY * 5 / WORKING_SECONDS_A_WEEK * PEAK


def _messages(_: Found) -> Line:
    return f"{LEARNERS:,} × {MESSAGES_A_WEEK} ÷ {WORKING_SECONDS_A_WEEK:,} s × {PEAK}", f"{MESSAGES:,.0f}/s"


def _events(_: Found) -> Line:
    return f"{LEARNERS:,} × {EVENTS_A_DAY} × 5 ÷ {WORKING_SECONDS_A_WEEK:,} s × {PEAK}", f"{EVENTS:,.0f}/s"


def _processes(found: Found, column: str, times: float = 1) -> tuple[str, int]:
    """So many are kept busy by the turns: of throughput's messages each is one."""
    ms = found.of("throughput", ROW, column)
    factor = "" if times == 1 else f" × {times:g}"
    reckoned = f"{MESSAGES:,.0f}/s × {TASKS_A_MESSAGE} turns × {ms:.1f} ms{factor} ÷ {BUSY}"
    return reckoned, ceil(MESSAGES * TASKS_A_MESSAGE * ms * times / 1000 / BUSY)


def _from_history(found: Found, column: str, times: float = 1) -> Line:
    """The same where no worker has the workflow at hand: what a turn costs more then is added to what it cost."""
    warm = found.of("throughput", ROW, COLUMN_OF[column])
    at_hand, replayed = (found.of("growth", f"{ROW}, {subject}", column) for subject in (AT_HAND, FROM_HISTORY))
    more = max(0.0, replayed - at_hand)
    factor = "" if times == 1 else f" × {times:g}"
    reckoned = f"{MESSAGES:,.0f}/s × {TASKS_A_MESSAGE} turns × ({warm:.1f} + {more:.1f}) ms{factor} ÷ {BUSY}"
    return reckoned, f"{ceil(MESSAGES * TASKS_A_MESSAGE * (warm + more) * times / 1000 / BUSY):,}"


def _workers_from_history(found: Found) -> Line:
    return _from_history(found, "of it the worker")


def _temporal_from_history(found: Found) -> Line:
    line = _from_history(found, "of it Temporal", ON_POSTGRESQL)
    found.sources.append("× assumed above")
    return line


def _workers(found: Found) -> Line:
    reckoned, number = _processes(found, "worker")
    return reckoned, f"{number:,}"


def _temporal(found: Found) -> Line:
    reckoned, number = _processes(found, "of it Temporal", ON_POSTGRESQL)
    found.sources.append("× assumed above")
    return reckoned, f"{number:,}"


def _database_for_messages(found: Found) -> Line:
    reckoned, number = _processes(found, "database")
    return reckoned, f"{number:,}"


def _database_for_events(found: Found) -> Line:
    row = found.most("growth", f"{ROW}, learners", "learners")
    ms = row.get("of it the database")
    if ms is None:
        raise Missing("growth")
    return f"{EVENTS:,.0f}/s × {ms:.2f} ms ÷ {BUSY}", f"{ceil(EVENTS * ms / 1000 / BUSY):,}"


def _bridge_number(found: Found) -> tuple[float, int]:
    each = found.of("ingest", f"{ROW}: profile updates", "events per second")
    return each, ceil(EVENTS / (each * BUSY))


def _bridges(found: Found) -> Line:
    each, number = _bridge_number(found)
    return f"{EVENTS:,.0f}/s ÷ ({each:,.0f}/s × {BUSY})", f"{number:,}"


def _partitions(found: Found) -> Line:
    _, number = _bridge_number(found)
    return f"{number:,} bridges, and as many again", f"{2 * number:,}"


def _relay(found: Found) -> Line:
    each = found.of("relay", ROW, "records per second")
    records = MESSAGES * RECORDS_A_MESSAGE
    return f"{MESSAGES:,.0f}/s × {RECORDS_A_MESSAGE} records ÷ {each:,.0f}/s", f"{records / each:.0%}"


def _memory(found: Found) -> Line:
    mib = max(found.of("soak", f"postgresql: {name}", "at the end") for name in ("worker-1", "worker-2"))
    found.sources[:] = ["[soak](figures.md#soak): at the end"]
    _, number = _processes(found, "worker")
    return f"{number:,} × {mib:,.0f} MiB", f"{number * mib / 1024:,.1f} GiB"


def _connections(found: Found) -> Line:
    _, number = _processes(found, "worker")
    return (
        f"{number:,} workers × {CONNECTIONS} connections ÷ {MESSAGES:,.0f}/s",
        f"{number * CONNECTIONS / MESSAGES:,.2f} s",
    )


def _transitions(_: Found) -> Line:
    reckoned = f"{MESSAGES:,.0f}/s × {TASKS_A_MESSAGE} tasks × {TRANSITIONS_A_TASK}"
    return reckoned, f"{TRANSITIONS:,.0f}/s"


def _a_shard(_: Found) -> Line:
    reckoned = f"{TRANSITIONS:,.0f}/s ÷ {SHARDS:,}; {LEARNERS:,} ÷ {SHARDS:,}"
    return reckoned, f"{TRANSITIONS / SHARDS:.1f}/s; {LEARNERS / SHARDS:,.0f}"


def _tasks(_: Found) -> Line:
    tasks = MESSAGES * TASKS_A_MESSAGE
    return f"{MESSAGES:,.0f}/s × {TASKS_A_MESSAGE} tasks ÷ 4", f"{tasks / 4:,.0f}/s"


def _asleep_in_temporal(found: Found) -> Line:
    return _asleep(found.of("sleepers", ROW, "Temporal's bytes each"))


def _asleep_in_waymark(found: Found) -> Line:
    return _asleep(found.of("sleepers", ROW, "Waymark's bytes each"))


def _asleep(size: float) -> Line:
    return f"{LEARNERS:,} × {size:,.0f} bytes a sleeper", _gigabytes(LEARNERS * size)


def _log(found: Found) -> Line:
    size = _bytes(found, "her events")
    events = LEARNERS * EVENTS_A_DAY * 5 * WEEKS_A_YEAR
    return (
        f"{LEARNERS:,} × {EVENTS_A_DAY} × 5 × {WEEKS_A_YEAR} × {size:,.0f} bytes an event",
        _gigabytes(events * size),
    )


def _journal(found: Found) -> Line:
    size = _bytes(found, "steps")
    messages = LEARNERS * MESSAGES_A_WEEK * WEEKS_A_YEAR
    return (
        f"{LEARNERS:,} × {MESSAGES_A_WEEK} × {WEEKS_A_YEAR} × {size:,.0f} bytes a message",
        _gigabytes(messages * size),
    )


def _bytes(found: Found, by: str) -> float:
    row = found.most("growth", f"{ROW}, {by}", by)
    if "bytes" not in row:
        raise Missing("growth")
    return row["bytes"]


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.0f} GB" if size < 10e12 else f"{size / 1e12:,.0f} TB"


def _idle(found: Found, column: str) -> Line:
    percent, asleep = found.of("sleepers", ROW, column), found.of("sleepers", ROW, "asleep")
    return f"{LEARNERS:,} ÷ {asleep:,.0f} × {percent:.2f} %", f"{LEARNERS / asleep * percent / 100:,.1f}"


def _idle_waymark(found: Found) -> Line:
    return _idle(found, "idle CPU of Waymark")


def _idle_temporal(found: Found) -> Line:
    return _idle(found, "Temporal")


PARTS: Mapping[str, Sequence[tuple[str, Callable[[Found], Line]]]] = {
    "What comes": (("messages", _messages), ("events", _events)),
    "Processes": (
        ("worker processes", _workers),
        ("worker processes, each turn from its history", _workers_from_history),
        ("their memory", _memory),
        ("bridges", _bridges),
        ("Kafka's partitions, at least", _partitions),
        ("the relay, of all that one manages", _relay),
        ("how long a provider may take for one message, if the workers are to keep up", _connections),
    ),
    "Servers": (
        ("cores for Temporal, with its database", _temporal),
        ("cores for Temporal, each turn from its history", _temporal_from_history),
        ("cores for Waymark's PostgreSQL, for messages", _database_for_messages),
        ("cores for Waymark's PostgreSQL, for events", _database_for_events),
        ("Temporal's state transitions", _transitions),
        ("of it in one shard; sleepers in one shard", _a_shard),
        ("tasks in one of a queue's four partitions", _tasks),
    ),
    "Waiting": (
        ("Temporal's database, everybody asleep", _asleep_in_temporal),
        ("Waymark's database, everybody asleep", _asleep_in_waymark),
        ("cores of Waymark while nothing happens, if all of it came of the sleepers", _idle_waymark),
        ("cores of Temporal, the same", _idle_temporal),
    ),
    "A year": (("the event log grows by", _log), ("deliveries and journal grow by", _journal)),
}
"""Every line by what it is about."""

_KINDS = (
    ("learners", "An event", "learners"),
    ("asleep", "An event that a sleeper listens to in vain", "asleep"),
    ("idle journeys", "An event that concerns no journey", "journeys"),
    ("keen journeys", "An event that each journey judges", "journeys"),
    ("steps", "A turn with its letter", "steps"),
    ("her events", "A learner's next event", "her events"),
)


def page(kept: Mapping[str, Mapping[str, Any]]) -> str:
    """The page; a line whose figures are missing is left out, and said to be."""
    missing: list[str] = []
    told = [line for part, lines in PARTS.items() for line in _part(part, lines, kept, missing)]
    left_out = ", ".join(f"`{name}`" for name in dict.fromkeys(missing))
    lacking = f"\nNot reckoned yet, as figures on PostgreSQL have not been kept: {left_out}.\n" if missing else ""
    return "".join([_INTRO, "\n## The arithmetic\n", *told, lacking, *_remarks(kept), *_grown(kept), _CHOICES])


def _part(
    part: str, lines: Sequence[tuple[str, Callable[[Found], Line]]], kept: Mapping[str, Any], missing: list[str]
) -> Iterator[str]:
    rows: list[str] = []
    for name, reckon in lines:
        found = Found(kept)
        try:
            reckoned, result = reckon(found)
        except Missing as error:
            missing.append(str(error))
        else:
            sources = "; ".join(dict.fromkeys(found.sources)) or "assumed above"
            rows.append(f"| {name} | {reckoned} | **{result}** | {sources} |\n")
    if rows:
        yield f"\n**{part}**\n\n| | reckoned | comes to | measured in |\n|---|---|---:|---|\n{''.join(rows)}"


def _remarks(kept: Mapping[str, Any]) -> Iterator[str]:
    if "sleepers" in kept:
        yield (
            "\nA sleeper's bytes are those of Temporal on SQLite, and in Waymark of a learner, her event, and an "
            "enrolment that has just begun. How much of what is spent while nothing happens grows with the sleepers "
            "was not measured: the cores are reckoned as if all of it did.\n"
        )
        just_before = kept["sleepers"]["rows"].get(ROW, {}).get("just before")
        if just_before is not None and just_before > CALM_PERCENT:
            yield (
                f"\nThe row that the idle cores are reckoned of was not calm: {just_before:.1f} % of a core in the ten "
                f"seconds before the count, where {CALM_PERCENT:g} % is calm.\n"
            )


def _grown(kept: Mapping[str, Any]) -> Iterator[str]:
    """Whether what was measured of few holds for many."""
    told: list[str] = []
    for beginning, said, by in _KINDS:
        rows = rows_of(kept, "growth", f"{ROW}, {beginning}:", by)
        if len(rows) > 1:
            few, many = rows[0], rows[-1]
            told.append(
                f"| {said} | {few[by]:,.0f} | {few['CPU']:.2f} ms | {many[by]:,.0f} | {many['CPU']:.2f} ms "
                f"| {many['CPU'] / few['CPU']:.1f} |\n"
            )
    if told:
        head = "| | among | costs | among | costs | times |\n|---|---:|---:|---:|---:|---:|\n"
        yield (
            "\n## Whether that holds for so many\n\nWhat one costs among few and among many, its CPU with that of "
            f"PostgreSQL, from [growth](figures.md#growth) and the picture above:\n\n{head}{''.join(told)}"
        )
