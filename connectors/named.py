"""Settings whose names an operator makes up: `WAYMARK_CALL_CRM_URL` belongs to the call `crm`.

A name is written in the environment in upper case, its hyphens as underscores; in a journey as `a-z 0-9 -`.
"""

import re
from collections.abc import Mapping

from pydantic import ValidationError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?")
"""How a journey names a call or an LMS."""


def by_name(values: Mapping[str, str], prefix: str, fields: tuple[str, ...]) -> Mapping[str, Mapping[str, str]]:
    """The settings of each name: `{"crm": {"url": ..., "secret": ...}}`, from values by their names in the environment.

    Empty values count as absent; what does not begin with `prefix` or end in a field is passed over.
    """
    pattern = re.compile(rf"{re.escape(prefix)}_([A-Z0-9][A-Z0-9_]*)_({'|'.join(f.upper() for f in fields)})")
    found: dict[str, dict[str, str]] = {}
    for name, value in sorted(values.items()):
        if value and (match := pattern.fullmatch(name)):
            found.setdefault(match[1].lower().replace("_", "-"), {})[match[2].lower()] = value
    return found


def setting_of(prefix: str, name: str, field: str) -> str:
    """The setting's name in the environment: the inverse of `by_name`."""
    return f"{prefix}_{name.replace('-', '_')}_{field}".upper()


def explained(error: ValidationError, prefix: str, name: str) -> list[str]:
    """One line for each problem: the setting and what is allowed, never the value."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        reason = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{setting_of(prefix, name, str(problem['loc'][0]))}: {reason}" if problem["loc"] else reason)
    return lines
