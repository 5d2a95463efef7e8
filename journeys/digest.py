"""A digest: several messages to one recipient through one channel, in one. Pure.

It adds no word of its own, so that it stands in the languages of its messages.
"""

import re
from collections.abc import Sequence

from journeys.composing import Composed
from journeys.program import Link

LONGEST_SUBJECT = 120
"""Characters; more subjects than fit are counted (`Welcome · First lesson · +3`)."""

LONGEST_TEXT = 20_000
"""Characters; where the texts are longer, the subjects and links stand alone."""

_BETWEEN = " · "
_MARKS = re.compile(r"([\\`*_\[\]<>])")


def merges(composed: Composed, into: Composed) -> bool:
    """Whether the two may go in one message."""
    return composed.channel == into.channel and composed.address == into.address


def digest_of(messages: Sequence[Composed], *, longest: int = LONGEST_TEXT) -> Composed:
    """One message of these, all of one channel and address, in their order; one alone stays as it is."""
    first = messages[0]
    assert all(merges(each, first) for each in messages), "messages of one channel and address"
    if len(messages) == 1:
        return first
    text = "\n\n---\n\n".join(_part(each) for each in messages)
    if len(text) > longest:
        text = "\n".join(f"- {_title(each)}" for each in messages)
    return Composed(first.channel, first.address, _subject(messages), text)


def _subject(messages: Sequence[Composed]) -> str:
    """As many subjects as fit, and how many more; the first in any case, clipped where it alone is too long."""
    subjects = [each.subject for each in messages]
    for count in range(len(subjects), 0, -1):
        rest = [] if count == len(subjects) else [f"+{len(subjects) - count}"]
        told = _BETWEEN.join([*subjects[:count], *rest])
        if len(told) <= LONGEST_SUBJECT:
            return told
    more = f"{_BETWEEN}+{len(subjects) - 1}"
    return f"{subjects[0][: LONGEST_SUBJECT - len(more) - 1]}…{more}"


def _part(message: Composed) -> str:
    """One message whole: its subject, its text, and its link where the text does not hold it already."""
    parts = [f"**{_plain(message.subject)}**", message.text.strip()]
    if message.link is not None and message.link.url not in message.text:
        parts.append(_linked(message.link))
    return "\n\n".join(part for part in parts if part)


def _title(message: Composed) -> str:
    subject = _plain(message.subject)
    return subject if message.link is None else f"{subject}: {_linked(message.link)}"


def _plain(text: str) -> str:
    """Text as Markdown that says just this."""
    return _MARKS.sub(r"\\\1", text)


def _linked(link: Link) -> str:
    """As Markdown; brackets of the label would end it."""
    label = link.label.replace("[", "(").replace("]", ")")
    return f"[{label}](<{link.url}>)" if any(c in link.url for c in " ()") else f"[{label}]({link.url})"
