"""The picture of how cost grows, drawn from `docs/reference/figures/growth.json` alone: small panels side by side, each
on logarithmic scales, where a line that rises by one square for each square to the right is linear, and a level one
costs the same whatever there is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

WIDTH, HEIGHT, GAP = 190, 170, 70
LEFT, TOP, BOTTOM = 50, 46, 58
COLOURS = {"SQLite": "#2563eb", "PostgreSQL": "#d97706"}
PANELS: Sequence[tuple[str, str, str]] = (
    ("learners", "an event", "learners known"),
    ("asleep", "an event in vain", "enrolments asleep"),
    ("idle journeys", "an event that concerns none", "journeys live"),
    ("keen journeys", "an event that each judges", "journeys live"),
    ("steps", "a turn with a letter", "steps of its journey"),
    ("her events", "a learner's next event", "events she has had"),
)
"""What a row's subject begins with, what is priced, and by what."""
SIZES = ("learners", "asleep", "journeys", "steps", "her events")
"""The columns of which a row has one: by what it is priced."""

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Whole powers of ten, from `first` on, so many, over a length."""

    first: int
    decades: int
    length: float

    @classmethod
    def of(cls, values: Sequence[float], length: float) -> "Scale":
        """One that holds all of these."""
        first = floor(log10(min(values)))
        return cls(first, max(1, ceil(log10(max(values)) - first)), length)

    def at(self, value: float) -> float:
        """How far along it a value lies."""
        return (log10(value) - self.first) / self.decades * self.length

    @property
    def marks(self) -> list[float]:
        """The powers of ten."""
        return [10.0 ** (self.first + place) for place in range(self.decades + 1)]


def picture(kept: Mapping[str, Any] | None) -> str:
    """An SVG; one that says so where no run was kept."""
    lines = {} if kept is None else _lines(kept["rows"])
    panels = [panel for panel in PANELS if panel[0] in lines]
    width = LEFT + len(panels) * (WIDTH + GAP) if panels else 420
    height = TOP + HEIGHT + BOTTOM
    style = "text{font:12px sans-serif;fill:#444}.axis{stroke:#ccc}.title{font-weight:bold;fill:#111}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
    ]
    if not panels:
        parts.append('<text x="20" y="40">No run of growth has been kept yet: make bench-full keeps one.</text>')
    for place, (name, priced, by) in enumerate(panels):
        parts += _panel(LEFT + place * (WIDTH + GAP), priced, by, lines[name])
    return "\n".join([*parts, "</svg>", ""])


def _lines(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """By panel and database, the points."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for subject, figures in rows.items():
        database, _, rest = subject.removeprefix("Waymark, ").partition(", ")
        panel = rest.partition(":")[0]
        size = next(figures[name] for name in SIZES if name in figures)
        found.setdefault(panel, {}).setdefault(database, []).append((size, figures["CPU"]))
    return found


def _panel(left: int, priced: str, by: str, lines: Mapping[str, Line]) -> Iterator[str]:
    points = [point for line in lines.values() for point in line]
    across, up = Scale.of([x for x, _ in points], WIDTH), Scale.of([y for _, y in points], HEIGHT)
    yield f'<g transform="translate({left},{TOP})">'
    yield f'<text class="title" x="0" y="-24">{priced}</text><text x="0" y="-9">ms of CPU</text>'
    for mark in up.marks:
        y = HEIGHT - up.at(mark)
        yield f'<line class="axis" x1="0" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}"/>'
        yield f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>'
    for mark in across.marks:
        x = across.at(mark)
        yield f'<line class="axis" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{HEIGHT}"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT + 17}" text-anchor="middle">{_short(mark)}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 34}" text-anchor="middle">{by}</text>'
    for place, (database, line) in enumerate(lines.items()):
        colour = COLOURS.get(database, "#444")
        path = " ".join(f"{across.at(x):.1f},{HEIGHT - up.at(y):.1f}" for x, y in line)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y in line:
            yield f'<circle cx="{across.at(x):.1f}" cy="{HEIGHT - up.at(y):.1f}" r="3" fill="{colour}"/>'
        yield f'<text x="{place * 80}" y="{HEIGHT + 52}" style="fill:{colour}">{database}</text>'
    yield "</g>"


def _short(mark: float) -> str:
    if mark >= 1_000_000:
        return f"{mark / 1_000_000:g}M"
    return f"{mark / 1_000:g}k" if mark >= 1_000 else f"{mark:g}"
