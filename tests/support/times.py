"""The table of right times, tests/golden/times.yaml: by hand what the calendar must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import yaml

from journeys.events import Json
from journeys.policy import Policy, policy_from_json

FILE = Path(__file__).parents[1] / "golden" / "times.yaml"


@dataclass(frozen=True)
class TimeCase:
    """One case: of a send (`opens`, `because`) or of a wait (`ends`, `where`)."""

    id: str
    profile: Mapping[str, Json]
    plain_policy: Mapping[str, Json]
    policy: Policy
    at: datetime
    data: Mapping[str, Json]
    send: Mapping[str, str] | None = None
    opens: datetime | None = None
    because: str | None = None
    wait: str | Mapping[str, str] | None = None
    ends: datetime | None = None
    where: str | None = None
    is_to_the_second: bool = False
    is_history: bool = False


def time_cases() -> list[TimeCase]:
    """Every case of the table, in its order."""
    return [_case(plain) for plain in yaml.safe_load(FILE.read_text(encoding="utf-8"))]


def _case(plain: dict[str, Any]) -> TimeCase:
    policy = policy_from_json(plain.get("policy", {}))
    assert isinstance(policy, Policy), (plain["id"], policy)
    return TimeCase(
        id=plain["id"],
        profile=plain["profile"],
        plain_policy=plain.get("policy", {}),
        policy=policy,
        at=cast("datetime", _instant(plain["at"])),
        data=plain.get("data", {}),
        send=plain.get("send"),
        opens=_instant(plain.get("opens")),
        because=plain.get("because"),
        wait=plain.get("wait"),
        ends=_instant(plain.get("ends")),
        where=plain.get("where"),
        is_to_the_second=plain.get("is_to_the_second", False),
        is_history=plain.get("is_history", False),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
