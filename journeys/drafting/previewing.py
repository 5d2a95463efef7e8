"""A drafted text as somebody would read it, with made-up values in place of hers. Pure: it knows nobody."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from journeys.catalogue import DataKind
from journeys.drafting.order import LINK, DraftOrder, DraftText, kind_of
from journeys.events import Json
from journeys.program import Link
from journeys.sandbox import LANGUAGE
from journeys.templates import Failed, LinkFacts, Missing, Rendered, check, render

_PROFILE: Mapping[str, Json] = {
    "id": "ada",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "email": "ada@example.com",
    "phone": "+44 20 7946 0000",
    "zone": "Europe/London",
    "language": "en",
    "country": "GB",
    "site": "London",
    "department": "Research",
    "role": "analyst",
    "level": "3",
    "team": "Analytical Engines",
    "manager": "charles",
    "starts_on": "2026-03-02",
    "working_days": ["mon", "tue", "wed", "thu", "fri"],
}
"""What is known of somebody who never was our learner."""

_OF_KIND: Mapping[DataKind, Json] = {
    "date": "2026-03-02",
    "number": 3,
    "true or false": True,
    "list": ["one", "two"],
}
_SHARES = frozenset({"progress", "score"})
_PATH = re.compile(r"[a-z]\w*(?:\.\w+)*")


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be read, or why it could not be; `values` are those that were made up, by their paths."""

    subject: str = ""
    text: str = ""
    link: Link | None = None
    values: Mapping[str, Json] = field(default_factory=dict[str, Json])
    problem: str | None = None


def preview(text: DraftText, order: DraftOrder) -> Preview:
    """The text and the link of its message with sample values; where it is for one value of `per`, with that one."""
    link = order.fallback.link
    sources = (text.subject, text.body, *((link.label, link.url) if link is not None else ()))
    values = {path: sample(path, order) for path in _paths(sources)}
    context = _context(values)
    context[LANGUAGE] = order.language
    try:
        shown = None if link is None else Link(_said(link.label, context).strip(), _said(link.url, context).strip())
        if shown is not None:
            context[LINK] = LinkFacts(shown.label, shown.url)
        subject = " ".join(_said(text.subject, context).split())
        return Preview(subject, _said(text.body, context), shown, values)
    except _UnsaidError as error:
        return Preview(values=values, problem=str(error))


def sample(path: str, order: DraftOrder) -> Json:
    """A value that may stand behind this path."""
    per = order.draft.per
    if per is not None and per.text == path and order.value is not None and not order.draft.is_per_learner:
        return order.value
    root, _, name = path.partition(".")
    if root in ("learner", "recipient") and name in _PROFILE:
        return _PROFILE[name]
    if path == "entry.at":
        return "2026-03-02T09:00:00+00:00"
    last = path.rpartition(".")[2]
    kind = kind_of(path)
    if kind == "number" and last in _SHARES:
        return 0.8
    return _OF_KIND.get(kind, f"‹{last.replace('_', ' ')}›")


class _UnsaidError(Exception):
    """A text cannot be rendered."""


def _said(source: str, context: Mapping[str, object]) -> str:
    match render(source, context):
        case Rendered(text):
            return text
        case Missing(variable):
            raise _UnsaidError(f"{variable} has no value")
        case Failed(detail):
            raise _UnsaidError(detail)


def _paths(sources: tuple[str, ...]) -> Iterator[str]:
    names = (variable.name for source in sources for variable in check(source).variables)
    roots = (LINK, f"{LINK}.label", f"{LINK}.url")
    return (name for name in dict.fromkeys(names) if name not in roots and _PATH.fullmatch(name))


def _context(values: Mapping[str, Json]) -> dict[str, object]:
    """The values as templates see them: `learner.role` in `learner`."""
    context: dict[str, object] = {}
    for path in sorted(values):  # what is inside a value comes after it, and is part of it
        *parents, last = path.split(".")
        here = context
        for parent in parents:
            inner = here.get(parent)
            if not isinstance(inner, dict):
                inner = here[parent] = {}
            here = cast("dict[str, object]", inner)
        here[last] = values[path]
    return context
