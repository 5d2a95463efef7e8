"""A definition's text as a tree whose every key and value knows its line and column. Never raises.

YAML by the 1.2 core schema, and so JSON too. What makes YAML surprising is closed: dates and `1_000` are texts;
anchors, aliases, merges, tags, directives and duplicate keys are problems. Text of any origin may be given: size, depth
and the number of values are limited, so that reading takes less than a second.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from journeys.events import Json
from journeys.problems import Problem

LARGEST = 524_288
"""The largest definition, in bytes; twice as much can take more than a second to read."""

DEEPEST = 100
"""How deep lists and maps may be nested."""

MOST_VALUES = 30_000
"""How many keys and values a definition may have."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `is_inline`: its text stands in the source as it is, from `column` (plus one where it is quoted).
    `is_spoiled`: a problem has been reported of it, and its value says nothing.
    """

    line: int
    column: int
    value: bool | int | float | str | None
    text: str
    is_quoted: bool = False
    is_inline: bool = True
    is_spoiled: bool = False


def _no_items() -> "list[Node]":
    return []


def _no_entries() -> "dict[str, Node]":
    return {}


@dataclass(slots=True)
class List:
    """A list."""

    line: int
    column: int
    items: "list[Node]" = field(default_factory=_no_items)


@dataclass(slots=True)
class Map:
    """A map; `keys` says where each key stands."""

    line: int
    column: int
    entries: "dict[str, Node]" = field(default_factory=_no_entries)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


Node = Scalar | List | Map


@dataclass(frozen=True, slots=True)
class Read:
    """The tree, where there is one, and what is wrong with the text."""

    root: Node | None
    problems: tuple[Problem, ...] = ()


def read_source(given: str | bytes) -> Read:
    """Read a definition's text."""
    text, problem = _decode(given)
    if problem is not None:
        return Read(None, (problem,))
    reading = _Reading(text)
    try:
        reading.run()
    except MarkedYAMLError as error:
        reading.problems.append(_syntax(error, text, reading.path()))
    except (YAMLError, ValueError, RecursionError, IndexError, AttributeError, AssertionError) as error:
        reading.problem("yaml_syntax", 1, 1, f"the text cannot be read as YAML ({type(error).__name__})")
    return Read(None if any(p.code in _FATAL for p in reading.problems) else reading.root, tuple(reading.problems))


_FATAL = frozenset({"yaml_syntax", "too_large", "too_deep", "several_documents"})


def _decode(given: str | bytes) -> tuple[str, Problem | None]:
    size = len(given)
    if size > LARGEST:
        return "", _problem("too_large", 1, 1, f"the definition has {size} bytes, at most {LARGEST} go")
    if isinstance(given, bytes):
        try:
            text = given.decode("utf-8")
        except UnicodeDecodeError as error:
            before = given[: error.start]
            line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
            detail = f"byte {given[error.start]:#04x} is not UTF-8"
            return "", _problem("bad_encoding", line, column, detail, "save the file as UTF-8")
    else:
        text = given
    text = text.removeprefix("\ufeff")
    if found := _UNREADABLE.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        return "", _problem("bad_character", line, column, f"the character U+{ord(found[0]):04X} is not allowed")
    return _untabbed(text), None


_DIRECTIVE = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*(?=%)")
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _untabbed(text: str) -> str:
    """JSON may be indented by tabs, which YAML forbids even there."""
    return re.sub(r"(?m)^[ \t]+", lambda m: " " * len(m[0]), text) if text.lstrip()[:1] in ("{", "[") else text


def plain(node: Node | None) -> Json:
    """What was read, as plain JSON; without its places."""
    match node:
        case Map():
            return {name: plain(value) for name, value in node.entries.items()}
        case List():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value
        case None:
            return None


def joined(path: str, name: str) -> str:
    """The path of an entry: `steps[3].await.when`; a name that is no word stands in brackets."""
    if not _WORD.fullmatch(name):
        return f'{path}["{name[:80]}"]'
    return f"{path}.{name}" if path else name


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


# --- events to tree -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A list or map under construction; `key` is the map's key whose value comes next."""

    node: List | Map
    key: str | None = None
    is_key_unusable: bool = False


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = _without_breaks(text)
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.open: list[_Open] = []
        self.documents = 0

    def problem(
        self, code: str, line: int, column: int, detail: str, suggestion: str | None = None, key: str | None = None
    ) -> None:
        found = _problem(code, line, column, detail, suggestion)
        self.problems.append(replace(found, path=self.path(key)))

    def path(self, key: str | None = None) -> str:
        """Where the reading stands; `key` is one that is not yet taken up."""
        path = ""
        for level in self.open:
            if isinstance(level.node, List):
                path = f"{path}[{len(level.node.items)}]"
            elif level.key is not None:
                path = joined(path, level.key)
        return path if key is None else joined(path, key)

    def run(self) -> None:
        if found := _DIRECTIVE.match(self.text):
            line = self.text.count("\n", 0, found.end()) + 1
            self.problem("yaml_directive", line, 1, "a line that begins with % is not allowed")
        for number, event in enumerate(_events(self.text)):
            if number > MOST_VALUES:
                return self.problem("too_large", 1, 1, f"the definition has more than {MOST_VALUES} keys and values")
            self.take(event)
            if len(self.open) > DEEPEST:
                line, column = _at(event)
                return self.problem("too_deep", line, column, f"nested deeper than {DEEPEST} levels")
            if self.documents > 1:
                line, column = _at(event)
                return self.problem(
                    "several_documents", line, column, "a file holds one definition: `---` begins a second"
                )
        return None

    def take(self, event: Any) -> None:
        line, column = _at(event)
        match event:
            case ScalarEvent():
                self.look_at_marks(event)
                self.place(self.scalar(event))
            case MappingStartEvent():
                self.look_at_marks(event)
                self.open.append(_Open(Map(line, column)))
            case SequenceStartEvent():
                self.look_at_marks(event)
                self.open.append(_Open(List(line, column)))
            case MappingEndEvent() | SequenceEndEvent():
                self.place(self.open.pop().node)
            case AliasEvent():
                detail = "an alias (*) is not allowed: write the value again"
                self.problem("yaml_alias", line, column, detail)
                self.place(Scalar(line, column, None, "", is_spoiled=True))
            case DocumentStartEvent():
                self.documents += 1
            case _:
                pass

    def look_at_marks(self, event: Any) -> None:
        line, column = _at(event)
        tag = str(event.tag) if event.tag else ""
        if tag.startswith("!") and not tag.startswith("!!"):
            column = self.column_of(tag, event.start_mark.index) or column
            detail = f"YAML reads {tag[:60]} as a tag: quote this expression"
            self.problem("quote_expression", line, column, detail, _quoted(self.text, line, column))
        elif tag:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.problem("yaml_tag", line, column, f"the tag {shown[:60]} is not allowed")
        elif event.anchor:
            self.problem("yaml_anchor", line, column, f"the anchor &{event.anchor[:60]} is not allowed")

    def column_of(self, tag: str, before: int) -> int | None:
        """Where a tag stands: the parser tells the place of what follows it in the same line."""
        begins = self.text.rfind("\n", 0, before) + 1
        found = self.text.rfind(tag, begins, before + len(tag))
        return None if found < 0 else found - begins + 1

    def scalar(self, event: Any) -> Scalar:
        line, column = _at(event)
        text = _with_breaks(_joined(str(event.value)))
        if found := _UNREADABLE.search(text):
            self.problem("bad_character", line, column, f"the character U+{ord(found[0]):04X} is not allowed")
            text = _UNREADABLE.sub("?", text)
        is_plain = event.style is None
        is_inline = (
            event.end_mark.line == event.start_mark.line
            and "\\" not in self.text[event.start_mark.index : event.end_mark.index]
        )
        value = _core(text) if is_plain else text
        return Scalar(line, column, value, text, not is_plain, is_inline, is_spoiled=bool(event.tag or event.anchor))

    def place(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        if isinstance(top.node, List):
            top.node.items.append(node)
        elif top.key is None and not top.is_key_unusable:
            self.begin_entry(top, top.node, node)
        else:
            if top.key is not None:
                top.node.entries[top.key] = _placed(node, top.node.keys[top.key])
            top.key, top.is_key_unusable = None, False

    def begin_entry(self, top: _Open, into: Map, key: Node) -> None:
        if not isinstance(key, Scalar):
            top.is_key_unusable = True
            return self.problem("bad_key", key.line, key.column, "a key is a word, not a list or a map")
        if key.text == "<<" and not key.is_quoted:
            top.is_key_unusable = True
            return self.problem("yaml_merge", key.line, key.column, "the merge key << is not allowed")
        if key.text in into.entries:
            top.is_key_unusable = True
            first = into.keys[key.text]
            detail = f"the key {key.text[:60]!r} stands here twice; first in line {first[0]}"
            return self.problem("duplicate_key", key.line, key.column, detail, key=key.text)
        top.key = key.text
        into.keys[key.text] = (key.line, key.column)
        return None


def _placed(node: Node, key_at: tuple[int, int]) -> Node:
    """Where nothing stands behind a key, the parser tells the place of whatever comes next: the key's is meant."""
    is_nothing = isinstance(node, Scalar) and node.value is None and not node.text
    return replace(node, line=key_at[0], column=key_at[1]) if is_nothing else node


_BREAKS = {0x0085: 0xF0085, 0x2028: 0xF2028, 0x2029: 0xF2029}
"""Line breaks of YAML 1.1, which 1.2 reads as characters like any other; each with its stand-in while reading."""

_MEANT = {stand_in: meant for meant, stand_in in _BREAKS.items()}


def _without_breaks(text: str) -> str:
    return text if text.isascii() else text.translate(_BREAKS)


def _with_breaks(text: str) -> str:
    return text if text.isascii() else text.translate(_MEANT)


def _events(text: str) -> Iterator[Any]:
    reader: Any = YAML(typ="safe", pure=True)
    return reader.parse(text)


def _at(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


def _core(text: str) -> bool | int | float | str | None:
    """A plain scalar by the YAML 1.2 core schema; what is not finite stays a text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if len(text) < 40 and _NUMBER.fullmatch(text):
        number = float(text)
        return number if abs(number) < 1e300 else text
    return text


def _joined(text: str) -> str:
    r"""JSON writes a character beyond the first plane as two escapes, `\ud83d\ude00`: here they are one again."""
    if not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


# --- what the parser says -----------------------------------------------------------------------------------------

_EXPRESSION = re.compile(r"""\b(?P<key>when|if|key|audience|until|choose|unit)["']?\s*:\s+(?P<value>\S.*)$""")


def _syntax(error: MarkedYAMLError, text: str, path: str) -> Problem:
    found: Any = error
    mark: Any = found.problem_mark or found.context_mark
    line, column = (int(mark.line) + 1, int(mark.column) + 1) if mark is not None else (1, 1)
    lines = text.split("\n")
    for number in (line, line - 1):
        shown = lines[number - 1] if 0 < number <= len(lines) else ""
        match = _EXPRESSION.search(shown[:2_000])
        if match and _misleads(match["value"]):
            at = match.start("value") + 1
            detail = "YAML misreads this expression: quote this expression"
            is_inside = path == match["key"] or path.endswith("." + match["key"])
            where = path if is_inside else joined(path, match["key"])
            return replace(_problem("quote_expression", number, at, detail, _quoted(text, number, at)), path=where)
    said = str(found.problem or found.context or "it is not YAML")
    context = f" {found.context}" if found.problem and found.context else ""
    detail = f"the text cannot be read as YAML{context}: {said}"[:500]
    return replace(_problem("yaml_syntax", line, column, detail), path=path)


def _misleads(value: str) -> bool:
    return value[0] in "!\"'[{@`%&*|>" or value.startswith(("- ", "? ")) or ": " in value


def _quoted(text: str, line: int, column: int) -> str | None:
    """The rest of the line in single quotes, as it could be written."""
    rest = text.split("\n")[line - 1][column - 1 :].strip()
    if len(rest) > 200 or not rest:
        return "put it between single quotes"
    return "write '" + rest.replace("'", "''") + "'"


def _problem(code: str, line: int, column: int, detail: str, suggestion: str | None = None) -> Problem:
    return Problem("error", code, "", line, column, detail, suggestion=suggestion)
