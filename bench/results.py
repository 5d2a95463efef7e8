"""Keeping the figures of a quiet run: `docs/reference/figures/<name>.json`, of which `python -m docs.generate` makes
the page `docs/reference/figures.md`.

    save("throughput", table_json(table), Machine())

A figure beside what it is to reach is a `Target` of its table. Why one is below its target, and what was tried, is
written by hand in `docs/reference/figures/reasons.json`, which no run overwrites: by the benchmark's name and the
target's `figure`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import orjson

from bench.figures import Machine, Target, table_json
from journeys.events import Json

__all__ = ["FOLDER", "Machine", "Target", "save", "table_json"]

FOLDER = Path(__file__).parents[1] / "docs" / "reference" / "figures"


def save(name: str, table: Mapping[str, Json], machine: Machine, *, folder: Path = FOLDER) -> Path:
    """Keep the figures of one benchmark in place of those before; answers the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    kept: dict[str, Json] = {"machine": asdict(machine), **table}
    file.write_bytes(orjson.dumps(_rounded(kept), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return file


def _rounded(value: Json) -> Json:
    """Six significant digits say all that a measurement knows."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
