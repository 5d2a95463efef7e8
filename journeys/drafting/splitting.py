"""Alternatives of one message as a `split`, to be pasted into the definition from which they were made. Pure.

definition as plain JSON, message, its alternatives ─> what stands in `steps` and in `messages` ─> YAML

The steps are those of the author: the first `send` of the message gives its options to each arm, and its `when` to the
whole. Alternatives for one value of `per` stand in a `branch`, beside the message for everybody else.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from journeys.drafting.order import DraftText, kind_of
from journeys.events import Json
from journeys.program import Draft

Texts = Mapping[str | None, DraftText]
"""One alternative, by language; None is the message's own."""

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Pasted:
    """What takes the place of the step that sends the message, and what comes into `messages`."""

    steps: tuple[Json, ...]
    messages: Mapping[str, Json]

    def to_yaml(self) -> str:
        """Both as YAML of a definition."""
        lines = ["steps:", *_block(list(self.steps), 2), "", "messages:", *_block(dict(self.messages), 2)]
        return "\n".join(lines) + "\n"


def split_of(definition: Json, message: str, texts: Sequence[Texts], *, when: str | None = None) -> Pasted:
    """A `split` over these alternatives; `when` is for whom they were written, where that is not everybody."""
    whole = definition if isinstance(definition, dict) else {}
    messages = whole.get("messages")
    known = messages if isinstance(messages, dict) else {}
    names = _names(message, len(texts), taken=known)
    sending = dict(next(_sendings(whole.get("steps"), message), {"send": message}))
    guard = {"when": sending.pop("when")} if "when" in sending else {}
    sending.pop("id", None)
    arms: dict[str, Json] = {name: {"weight": 1, "do": [{**sending, "send": name}]} for name in names}
    split: dict[str, Json] = {"split": f"{message}-texts"[:_LONGEST_NAME], "arms": arms}
    if when is not None:
        split = {"branch": [{"if": when, "do": [split]}, {"else": [{**sending, "send": message}]}]}
    written = known.get(message)
    given = written if isinstance(written, dict) else {}
    said = {name: _message(given, each) for name, each in zip(names, texts, strict=True)}
    return Pasted(({**split, **guard},), said)


def readers_are(draft: Draft, value: str) -> str | None:
    """The condition for readers with this value of `per`; None where there is no such thing."""
    if draft.per is None or draft.is_per_learner:
        return None
    text = draft.per.text
    is_text = draft.per.reads == (text,) and kind_of(text) == "text"
    return f"{text if is_text else f'string({text})'} == {json.dumps(value, ensure_ascii=False)}"


def _names(message: str, count: int, *, taken: Mapping[str, Json]) -> list[str]:
    stem = message[:_LONGEST_NAME]
    free = (name for number in range(1, len(taken) + count + 1) if (name := f"{stem}-{number}") not in taken)
    return [name for _, name in zip(range(count), free, strict=False)]


def _sendings(node: Json | None, message: str) -> Iterator[dict[str, Json]]:
    """The steps that send the message, in document order."""
    if isinstance(node, list):
        for item in node:
            yield from _sendings(item, message)
    elif isinstance(node, dict):
        if node.get("send") == message:
            yield node
        for item in node.values():
            yield from _sendings(item, message)


def _message(given: Mapping[str, Json], texts: Texts) -> Json:
    """The message with other words: its link and the wordings that its channels have stay."""
    rest = {key: value for key, value in given.items() if key not in ("subject", "body", "draft", "languages")}
    own = texts.get(None) or next(iter(texts.values()))
    said: dict[str, Json] = {"subject": own.subject, "body": own.body, **rest}
    written = given.get("languages")
    theirs = written if isinstance(written, dict) else {}
    others = {tag: _language(theirs.get(tag), text) for tag, text in texts.items() if tag is not None}
    if others and None in texts:
        said["languages"] = others
    return said


def _language(given: Json | None, text: DraftText) -> Json:
    rest = dict(given) if isinstance(given, dict) else {}
    return {**rest, "subject": text.subject, "body": text.body}


# --- YAML ---------------------------------------------------------------------------------------------------------

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN_TEXT = re.compile(r"[a-z][a-z0-9-]*")
_READ_OTHERWISE = frozenset({"true", "false", "null"})
_WIDTH = 100


def _block(node: Json, indent: int) -> Iterator[str]:
    """A map or a list in the block style, one line for each thing that is short."""
    pad = " " * indent
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _entry(f"{pad}{_key(key)}:", value, indent)
    elif isinstance(node, list):
        for item in node:
            first, *rest = _block(item, indent + 2) if _is_large(item) else [f"{pad}  {_flow(item)}"]
            yield f"{pad}- {first.lstrip()}"
            yield from rest


def _entry(head: str, value: Json, indent: int) -> Iterator[str]:
    if isinstance(value, str) and _is_literal(value):
        yield f"{head} |-"
        yield from (f"{' ' * (indent + 2)}{line}".rstrip() for line in value.split("\n"))
    elif _is_large(value):
        yield head
        yield from _block(value, indent + 2)
    else:
        yield f"{head} {_flow(value)}"


def _is_large(node: Json) -> bool:
    return isinstance(node, (dict, list)) and bool(node) and (len(_flow(node)) > _WIDTH or "\\n" in _flow(node))


def _is_literal(text: str) -> bool:
    """Whether a text may stand line by line as it is."""
    lines = text.split("\n")
    is_seen = all(line.isprintable() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and is_seen and bool(lines[0]) and bool(lines[-1]) and not lines[0].startswith(" ")


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _flow(node: Json) -> str:
    match node:
        case dict():
            return "{" + ", ".join(f"{_key(key)}: {_flow(value)}" for key, value in node.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(item) for item in node) + "]"
        case str() if _PLAIN_TEXT.fullmatch(node) and node not in _READ_OTHERWISE:
            return node
        case str() if '"' in node and "'" not in node and "\\" not in node and node.isprintable():
            return f"'{node}'"
        case _:
            return json.dumps(node, ensure_ascii=False)
