"""What `waymark doctor` says of the database and Temporal together, and `doctor --repair`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from waymark.cli.errors import NotSo, Unreachable
from waymark.cli.output import counted_words, in_words, progress
from waymark.settings import Loaded, Settings
from waymark.stack.health import Finding, is_set_up
from workers.mending import Disagreement, Kind, Looked, Mended, Mending
from workflows.carrying import Carrying

EXAMPLES = 3
STUCK = timedelta(minutes=5)
"""The relay takes a moment."""

_UP_TO_DATE = "`waymark db upgrade` brings an older database up to date; then again"
_MENDED_BY = "waymark doctor --repair"
_SAID: dict[Kind, tuple[str, str]] = {
    "not_carried": ("running without a workflow", "started again"),
    "not_known": ("carried by a workflow and unknown to the database", "their workflows are ended"),
    "has_ended": ("ended, and the workflow still runs", "woken, to end"),
    "not_woken": ("due or wanting to be woken, and nobody does", "woken"),
    "not_read": ("something came and was not read", "woken, to read it"),
    "abandoned": ("an attempt was under way, and its process is gone", "woken, to settle it"),
    "not_tried": ("a message or another system is to be tried, and nobody does", "woken"),
}
"""What is so, and what becomes of it."""


@dataclass(frozen=True)
class Told:
    """What was found, and what was mended where that was wanted; `looked` is None where there is nothing to
    look at, or `could_not` says why nobody could.
    """

    looked: Looked | None = None
    mended: Sequence[Mended] = ()
    is_repair: bool = False
    could_not: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_well(self) -> bool:
        """Whether what was to be mended is."""
        return self.could_not is None and all(one.left == 0 for one in self.mended)

    def findings(self) -> Iterator[Finding]:
        """In words."""
        if self.could_not is not None:
            yield Finding("agreement", "problem", self.could_not, _UP_TO_DATE)
        if self.looked is None:
            return
        looked = self.looked
        done = {one.kind: one for one in self.mended}
        for one in looked.disagreements:
            yield _finding(one, done.get(one.kind))
        if not looked.disagreements:
            told = f"the database and Temporal agree: {counted_words(looked.running, 'enrolment')} not ended"
            yield Finding("agreement", "well", told)
        yield self._outbox(looked)
        yield _letters(looked)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        if self.looked is None:
            return {"agreement": None if self.could_not is None else {"could_not": self.could_not}}
        looked, done = self.looked, {one.kind: one for one in self.mended}
        return {
            "agreement": {
                "running": looked.running,
                "workflows": looked.carried,
                "repaired": self.is_repair,
                "disagreements": [_as_json(one, done.get(one.kind)) for one in looked.disagreements],
                "outbox": {"waiting": looked.outbox.number, "since": _instant(looked.outbox.since)},
                "dead_letters": looked.letters.number,
                "last_event_arrived_at": _instant(looked.last_arrival),
            }
        }

    def _outbox(self, looked: Looked) -> Finding:
        waiting = looked.outbox
        if waiting.since is None or self.now - waiting.since < STUCK:
            return Finding("outbox", "well", f"{waiting.number:,} wait to be relayed")
        text = f"{counted_words(waiting.number, 'outcome')} not relayed, the oldest since {in_words(waiting.since)}"
        return Finding("outbox", "warning", text, "the bridge relays them to Kafka: `waymark status`, and its log")


def _letters(looked: Looked) -> Finding:
    if looked.letters.number == 0:
        return Finding("letters", "well", "no dead letters")
    text = counted_words(looked.letters.number, "dead letter")
    return Finding("letters", "warning", text, "`waymark dead-letters list` shows them, `replay` tries them again")


def _finding(one: Disagreement, mended: Mended | None) -> Finding:
    what, done = _SAID[one.kind]
    examples = ", ".join(one.enrolments[:EXAMPLES]) + (", ..." if len(one.enrolments) > EXAMPLES else "")
    text = f"{what}: {counted_words(len(one.enrolments), 'enrolment')}, {examples}"
    if mended is None:
        return Finding("agreement", "warning", text, f"`{_MENDED_BY}` mends it: {done}")
    if mended.left:
        advice = f"{mended.left:,} could not be {done}: is Temporal well? Then `{_MENDED_BY}` again"
        return Finding("agreement", "problem", text, advice)
    return Finding("agreement", "well", f"{text}; {done}")


def _as_json(one: Disagreement, mended: Mended | None) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "count": len(one.enrolments),
        "examples": list(one.enrolments[:EXAMPLES]),
        "text": _SAID[one.kind][0],
        "mended": None if mended is None else mended.done,
        "left": None if mended is None else mended.left,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


async def examine(loaded: Loaded, findings: Sequence[Finding], *, repair: bool, yes: bool) -> Told:
    """Look where the database and Temporal are there, and mend where that is wanted.

    With `repair` raises Unreachable where one is not there, and NotSo where this database looks like another
    installation's and nobody said `yes`.
    """
    are_there = is_set_up(loaded) and all(
        finding.verdict == "well" for finding in findings if finding.name in ("temporal", "database")
    )
    if not are_there:
        if repair:
            raise Unreachable(
                "there is no database, or no Temporal, to look at: see `waymark doctor`, and `waymark up`"
            )
        return Told()
    try:
        return await _examine(loaded.settings, repair=repair, yes=yes)
    except (SQLAlchemyError, RPCError, OSError) as error:
        why = f"the database or Temporal does not answer as it should ({type(error).__name__})"
        if repair:
            raise Unreachable(f"{why}: {_UP_TO_DATE}") from error
        return Told(could_not=why)


async def _examine(settings: Settings, *, repair: bool, yes: bool) -> Told:
    from waymark.wiring import open_house, real_clock

    async with open_house(settings) as house:
        mending = Mending(house.database, Carrying(house.client, queues=house.queues), house.gateway, real_clock)
        with progress("looked at", await mending.count()) as say:
            looked = await mending.look(say)
        if not repair:
            return Told(looked)
        if looked.is_suspect and not yes:
            raise NotSo(
                f"{looked.unknown:,} of {looked.carried:,} workflows are unknown to this database: is "
                "WAYMARK_DATABASE_URL right, and is this Temporal not another installation's? If the backup is so old, "
                f"`{_MENDED_BY} --yes` ends them"
            )
        with progress("mended", looked.number) as say:
            return Told(looked, await mending.mend(looked, say), is_repair=True)
