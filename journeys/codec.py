"""Runs and programs as JSON, and back the same. The one place that knows their written form."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

import orjson
from pydantic import TypeAdapter

from journeys.events import Json
from journeys.program import Entry, Node, Program
from journeys.run import Run
from journeys.steps import STEP_TYPES

_RUN = TypeAdapter(Run)
_ENTRY = TypeAdapter(Entry)
_PROGRAM = TypeAdapter(Program)


def run_to_json(run: Run) -> str:
    """The run as one JSON text."""
    return _RUN.dump_json(run).decode()


def run_from_json(text: str) -> Run:
    """The run again; fields that an older form lacks take their defaults."""
    return _RUN.validate_json(text)


def program_to_json(program: Program) -> str:
    """The program as canonical JSON: keys sorted, no white space; the same program gives the same text."""
    plain = _PROGRAM.dump_python(program, mode="json", exclude={"nodes"})
    plain["nodes"] = {name: _node_to_plain(node) for name, node in program.nodes.items()}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()


def program_from_json(text: str) -> Program:
    """The program again; raises pydantic's ValidationError where the text is none."""
    plain = orjson.loads(text)
    nodes = {name: _node_from_plain(node) for name, node in plain.pop("nodes").items()}
    bare = _PROGRAM.validate_python({**plain, "nodes": {}})
    return replace(bare, nodes=nodes)


def entry_to_plain(entry: Entry) -> dict[str, Json]:
    """The entry as the store keeps it."""
    return {"at": entry.at, "key": entry.key, "data": dict(entry.data), "event": entry.event}


def entry_from_plain(plain: Mapping[str, Json]) -> Entry:
    """The entry again."""
    return _ENTRY.validate_python(plain)


def _node_to_plain(node: Node) -> dict[str, Json]:
    options = _options_adapter(node.kind).dump_python(node.options, mode="json")
    guard = None if node.guard is None else {"text": node.guard.text, "reads": list(node.guard.reads)}
    return cast(
        "dict[str, Json]",
        {"id": node.id, "kind": node.kind, "options": options, "successors": dict(node.successors), "guard": guard},
    )


def _node_from_plain(plain: dict[str, Any]) -> Node:
    options = _options_adapter(plain["kind"]).validate_python(plain["options"])
    node = _NODE.validate_python({**plain, "options": None})
    return Node(node.id, node.kind, options, node.successors, node.guard)


_NODE = TypeAdapter(Node)


@cache
def _options_adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(STEP_TYPES[kind].options)
