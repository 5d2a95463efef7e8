"""The `messages` of a definition: texts, links, a channel's own wording. What is wrong is reported at its cursor."""

import re

from journeys.composing import SAFE_LINKS
from journeys.definition import Cursor, clip
from journeys.program import Link, Message
from journeys.source import Map

_MESSAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_LATER_IN_MESSAGES = {"draft": "`draft` (texts by a writer)", "languages": "`languages`"}


def messages_of(given: Cursor) -> dict[str, Message]:
    """The messages by name; each is judged by itself."""
    if not isinstance(given.node, Map):
        given.wrong("a map of messages by name")
        return {}
    messages: dict[str, Message] = {}
    for name, entry in given.entries().items():
        if not _MESSAGE.fullmatch(name):
            allowed = ("a-z 0-9 - _, at most 64",)
            entry.report("bad_name", f"{clip(name)!r} is no name for a message", allowed=allowed, at=entry.key_at)
        messages[name] = _message(name, entry)
    return messages


def _message(name: str, given: Cursor) -> Message:
    channels = sorted(given.judging.vocabulary.known_channels)
    fields = given.fields(("subject", "body", "link", *channels), later=_LATER_IN_MESSAGES) or {}
    has_link = "link" in fields

    def text_of(key: str) -> str | None:
        return fields[key].template(has_link=has_link) if key in fields else None

    own = {channel: text for channel in channels if (text := text_of(channel)) is not None}
    link = _link(fields["link"]) if has_link else None
    return Message(name, text_of("subject"), text_of("body"), link, own)


def _link(given: Cursor) -> Link | None:
    fields = given.fields(("label", "url"), required=("label", "url")) or {}
    label = fields["label"].template(has_link=False) if "label" in fields else None
    url = fields["url"].template(has_link=False) if "url" in fields else None
    if url is not None and not url.strip().startswith((*SAFE_LINKS, "{{", "{%")):
        detail = f"{clip(url)!r} is no address of a page"
        fields["url"].report("bad_value", detail, allowed=[f"{beginning}..." for beginning in SAFE_LINKS])
    return None if label is None or url is None else Link(label, url)


def look_at_texts(entry: Cursor, channels: tuple[str, ...]) -> None:
    """Report what a message lacks for the channels through which steps send it."""
    given = entry.entries()
    if "draft" in given:
        return
    silent = [channel for channel in channels if channel not in given and "body" not in given]
    if silent:
        detail = f"the message has no `body`, and no wording of its own for {', '.join(silent)}"
        entry.report("missing_key", detail, allowed=("body", *silent), at=entry.key_at)
    if "email" in channels and "subject" not in given:
        detail = "an email without `subject` goes with the journey's title"
        entry.report("no_subject", detail, allowed=("subject",), at=entry.key_at, severity="warning")
