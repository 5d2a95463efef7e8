"""The picture of the demo: a line for each learner on the time axis, what she did and what she got. On a terminal it
grows in place; elsewhere every week is told in plain lines.

It draws what it is told: events as they are put on Kafka, messages as they are found in the mailbox, outcomes as the
installation gives them. It decides and compares nothing.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from store.queries.stillness import Standing
from waymark.demo import cast
from waymark.demo.cast import Person
from waymark.demo.postbox import Mail
from waymark.demo.story import WEEKS, Arrival, Story

_DAYS = WEEKS * 7
_NAME, _ENDING, _LEAST_TWIST = 8, 9, 12
"""Widths of the columns beside the axis; the last is shown where it has room."""
_MARKS: Mapping[str, tuple[str, str]] = {
    cast.PROMOTED: ("◆", "bold cyan"),
    cast.HIRED: ("◆", "bold cyan"),
    cast.STARTED: ("▸", "yellow"),
    cast.PROGRESSED: ("▹", "yellow"),
    cast.COMPLETED: ("✓", "bold yellow"),
    cast.MEASURED: ("▲", "yellow"),
    cast.CHANGED: ("▫", "yellow"),
    cast.LEFT: ("✕", "bold red"),
}
_MAIL = ("●", "green")
_MAILS = ("◉", "bold green")
_AND_MAIL = "bold green"
"""How a mark of something she did is drawn on a day on which she also got a message."""
_WAY = ("·", "bright_black")
_WORDS: Mapping[str, str] = {
    cast.PROMOTED: "is promoted",
    cast.HIRED: "is hired",
    cast.STARTED: "starts a course",
    cast.PROGRESSED: "gets on with a course",
    cast.COMPLETED: "completes the course",
    cast.MEASURED: "one-to-ones are counted",
    cast.CHANGED: "HR changes what is known",
    cast.LEFT: "leaves the company",
}
_OUTCOMES: Mapping[str, str] = {"goal": "bold green", "completed": "green", "left": "red"}
_RANK = {"◆": 2, "✕": 2, "✓": 1, "▫": -1, "▹": -1}
"""Of two things she did on one day the higher is shown, of two alike the later."""


@dataclass
class _Line:
    """One learner's line."""

    person: Person
    marks: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    mails: dict[int, int] = field(default_factory=dict[int, int])
    is_active: bool = False
    until_day: int = 0
    from_day: int | None = None
    outcomes: list[str] = field(default_factory=list[str])

    def mark(self, day: int, mark: tuple[str, str]) -> None:
        """Put a mark of what she did on a day of hers."""
        there = self.marks.get(day)
        if there is None or _RANK.get(mark[0], 0) >= _RANK.get(there[0], 0):
            self.marks[day] = mark

    def axis(self) -> Text:
        """Her line on the axis."""
        text = Text(no_wrap=True)
        for day in range(_DAYS):
            text.append(*self._sign(day))
        return text

    def _sign(self, day: int) -> tuple[str, str]:
        mails = self.mails.get(day, 0)
        if day in self.marks:
            sign, style = self.marks[day]
            return sign, _AND_MAIL if mails else style
        if mails:
            return _MAIL if mails == 1 else _MAILS
        is_on_her_way = self.from_day is not None and self.from_day <= day < self.until_day
        return _WAY if is_on_her_way else (" ", "")


class Picture:
    """What is to be seen now; a rich renderable, and told by the player."""

    def __init__(self, story: Story, title: str) -> None:
        self._story = story
        self._title = title
        self._lines = {person.id: _Line(person) for person in story.people}
        self._by_address = {person.address: self._lines[person.id] for person in story.people}
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._events = 0
        self._mails = 0
        self._said: list[tuple[datetime, str]] = []
        self._is_unfolded = False
        self.weeks = 0

    # what the player tells

    def came(self, person: Person, arrival: Arrival) -> None:
        """An event of hers was put on Kafka."""
        self._events += 1
        day = self._day(arrival.event.time)
        if not arrival.is_introduction:
            self._lines[person.id].mark(day, _MARKS[arrival.event.type])
            again = " (sent once more)" if arrival.is_repeated else ""
            self._said.append((arrival.at, f"{person.given_name:<8} {_WORDS[arrival.event.type]}{again}"))

    def arrived(self, mails: Sequence[Mail]) -> None:
        """Messages came into the mailbox."""
        for mail in mails:
            self._mails += 1
            line = self._by_address.get(mail.recipient)
            if line is not None:
                day = self._day(mail.at)
                line.mails[day] = line.mails.get(day, 0) + 1
                self._said.append((mail.at, f'{line.person.given_name:<8} gets "{mail.subject}"'))

    def stands(self, person: Person, standings: Sequence[Standing], at: datetime) -> None:
        """Her enrolments stand so, and her clocks at `at`."""
        line = self._lines[person.id]
        ended = [one for one in standings if not one.is_active]
        line.is_active = len(ended) < len(standings)
        line.outcomes = [one.outcome or "" for one in ended]
        if standings:
            first = min(one.entered_at for one in standings)
            last = [one.ended_at for one in standings if one.ended_at is not None]
            line.from_day = self._day(first)
            line.until_day = self._day(at) if line.is_active else self._day(max(last)) + 1

    def week(self, number: int) -> None:
        """This week is over for all."""
        self.weeks = number

    def done(self) -> None:
        """The story is over: the clock stands."""
        self._seconds = time.monotonic() - self._began

    def unfold(self) -> None:
        """From now on every line is drawn, however low the window is."""
        self._is_unfolded = True

    @property
    def seconds(self) -> float:
        """How long the story has taken."""
        return time.monotonic() - self._began if self._seconds is None else self._seconds

    def take_said(self) -> list[str]:
        """What happened since the last call, in order of the story's time, in plain lines."""
        said, self._said = sorted(self._said, key=lambda one: one[0]), []
        return [f"{at:%a %d %b %H:%M}  {text}" for at, text in said]

    # what is seen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The whole picture; lines that have no room are left out and counted."""
        room = 1_000 if self._is_unfolded or not console.is_terminal else options.max_height - 6
        left_over = options.max_width - _NAME - _DAYS - _ENDING - 3
        lines = list(self._lines.values())
        shown = lines if len(lines) <= room else lines[: max(room - 1, 1)]
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=True, expand=False)
        table.add_column("", no_wrap=True, width=_NAME, min_width=_NAME)
        table.add_column(self._weeks_header(), no_wrap=True, width=_DAYS, min_width=_DAYS)
        table.add_column("ends as", no_wrap=True, width=_ENDING, header_style="bright_black")
        if left_over >= _LEAST_TWIST:
            table.add_column("", no_wrap=True, overflow="ellipsis", width=left_over, style="bright_black")
        for line in shown:
            twist = (line.person.twist,) if left_over >= _LEAST_TWIST else ()
            table.add_row(line.person.given_name, line.axis(), _ending(line), *twist)
        parts = [self._headline(), table]
        if len(shown) < len(lines):
            parts.append(Text(f"... and {len(lines) - len(shown)} more, for which this window is too low", "italic"))
        yield Group(*parts, _legend())

    def _headline(self) -> Text:
        week = f"week {min(self.weeks + 1, WEEKS)} of {WEEKS}" if self._seconds is None else f"{WEEKS} weeks"
        return Text.assemble(
            (self._title, "bold"), f"  {len(self._lines)} learners · {week} · ",
            (f"{self._events} events in", "yellow"), " · ", (f"{self._mails} messages out", "green"),
            f" · {self.seconds:.0f} s\n",
        )  # fmt: skip

    def _weeks_header(self) -> Text:
        text = Text(no_wrap=True)
        for number in range(1, WEEKS + 1):
            text.append(f"{f'week {number}':<7}", "bright_black" if number > self.weeks + 1 else "bold")
        return text

    def _day(self, at: datetime) -> int:
        return (at - self._story.starts_at).days


def _ending(line: _Line) -> Text:
    return Text(" ").join(Text(outcome, _OUTCOMES.get(outcome, "")) for outcome in line.outcomes)


def _legend() -> Text:
    text = Text("\n", no_wrap=False)
    for (sign, style), meaning in (
        (_MAIL, "a message"), (_MAILS, "two"), (("green:", _AND_MAIL), "that and a message"),
        (_MARKS[cast.PROMOTED], "promoted"),
        (_MARKS[cast.STARTED], "starts"), (_MARKS[cast.COMPLETED], "completes"),
        (_MARKS[cast.MEASURED], "measured"), (_MARKS[cast.CHANGED], "changed"), (_MARKS[cast.LEFT], "leaves"),
    ):  # fmt: skip
        text.append(sign, style).append(f" {meaning}  ", "bright_black")
    return text
