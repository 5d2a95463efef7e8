"""The `messages` of a definition: texts, links, a channel's own wording. What is wrong is reported at its cursor."""

import re
from collections.abc import Mapping

from journeys.composing import SAFE_LINKS
from journeys.definition import Cursor, clip
from journeys.program import Link, Message, Wording
from journeys.source import Map

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_LATER_IN_MESSAGES = {"draft": "`draft` (texts by a writer)"}


def messages_of(given: Cursor) -> dict[str, Message]:
    """The messages by name; each is judged by itself."""
    if not isinstance(given.node, Map):
        given.wrong("a map of messages by name")
        return {}
    messages: dict[str, Message] = {}
    for name, entry in given.entries().items():
        entry.named(name, "a message")
        messages[name] = _message(name, entry)
    return messages


def _message(name: str, given: Cursor) -> Message:
    channels = sorted(given.judging.vocabulary.known_channels)
    fields = given.fields(("subject", "body", "link", "languages", *channels), later=_LATER_IN_MESSAGES) or {}
    ours = _wording(fields, channels, has_link="link" in fields)
    languages = _languages(fields["languages"], channels, has_link="link" in fields) if "languages" in fields else {}
    return Message(name, ours.subject, ours.body, ours.link, ours.channels, languages)


def _wording(fields: Mapping[str, Cursor], channels: list[str], *, has_link: bool) -> Wording:
    def text_of(key: str) -> str | None:
        return fields[key].template(has_link=has_link) if key in fields else None

    own = {channel: text for channel in channels if (text := text_of(channel)) is not None}
    link = _link(fields["link"]) if "link" in fields else None
    return Wording(text_of("subject"), text_of("body"), link, own)


def _languages(given: Cursor, channels: list[str], *, has_link: bool) -> dict[str, Wording]:
    """The wordings by language tag; what one lacks is the message's own."""
    if not isinstance(given.node, Map):
        given.wrong("a map of wordings by language: {de: {subject, body}}")
        return {}
    found: dict[str, Wording] = {}
    for tag, entry in given.entries().items():
        if not _TAG.fullmatch(tag):
            allowed = ("a BCP 47 tag: de, pt-BR",)
            entry.report("bad_language", f"{clip(tag)!r} is no language", allowed=allowed, at=entry.key_at)
        fields = entry.fields(("subject", "body", "link", *channels)) or {}
        if not fields and isinstance(entry.node, Map):
            entry.report(
                "empty", f"the wording for {clip(tag)} is empty", allowed=("subject", "body", "link", *channels)
            )
        found[tag] = _wording(fields, channels, has_link=has_link or "link" in fields)
    return found


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
