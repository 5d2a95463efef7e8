"""What is wrong with a definition: findings as values, all of them at once, each where it stands in the source."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Literal, cast

from journeys.events import Json


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (a warning) odd.

    `path` is empty for the document as a whole; `line` and `column` count from 1. `detail` names what was found,
    `allowed` what may stand there, `suggestion` what was probably meant.
    """

    severity: Literal["error", "warning"]
    code: str
    path: str
    line: int
    column: int
    detail: str
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The problem as the API gives it."""
        plain = cast("dict[str, Json]", asdict(self))
        plain["allowed"] = list(self.allowed)
        return plain


def did_you_mean(found: str, allowed: Iterable[str]) -> str | None:
    """`did you mean ...?` where something allowed looks much like what was found."""
    names = list(allowed)
    folded = {name.lower(): name for name in names}
    close = get_close_matches(found.lower()[:100], list(folded), 1, 0.6)
    return f"did you mean {folded[close[0]]}?" if close else None


def is_ok(problems: Iterable[Problem]) -> bool:
    """Whether none of them is an error."""
    return all(problem.severity != "error" for problem in problems)


def report_of(problems: Iterable[Problem]) -> dict[str, Json]:
    """The body of a check: `{"ok", "problems"}`."""
    listed = list(problems)
    return {"ok": is_ok(listed), "problems": [problem.to_json() for problem in listed]}
