"""The policy of an installation: read with every problem at once, written as it was read."""

from datetime import date, time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.events import Json
from journeys.policy import (
    DEFAULT_POLICY,
    UNLIMITED,
    Budget,
    Closed,
    Policy,
    PolicyProblem,
    Sending,
    policy_from_json,
    policy_to_json,
)

DEFAULT: dict[str, Json] = {
    "zone": "UTC",
    "sending": {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00", "holidays": True,
                "closed": []},
    "budget": {"per_day": 3, "per_week": 8},
    "digest": True,
    "drafts": {"per_learner": False, "forbidden": []},
}  # fmt: skip


def _problems(plain: object) -> tuple[PolicyProblem, ...]:
    found = policy_from_json(cast("Json", plain))
    assert not isinstance(found, Policy), plain
    return found


def test_the_default_is_the_one_of_the_interface() -> None:
    """What is left out is as in the default."""
    assert DEFAULT == policy_to_json(DEFAULT_POLICY)
    assert DEFAULT_POLICY == policy_from_json(DEFAULT)
    for empty in ({}, {"sending": {}, "budget": {}, "drafts": {}}):
        assert DEFAULT_POLICY == policy_from_json(cast("Json", empty))


def test_null_is_no_limit() -> None:
    """For the sending hours, for the budget, and for each number of it."""
    assert UNLIMITED == policy_from_json({"sending": None, "budget": None})
    assert Policy(budget=Budget(None, 8)) == policy_from_json({"budget": {"per_day": None}})


def test_a_full_policy_is_read() -> None:
    """Every key of it."""
    plain: dict[str, Json] = {
        "zone": "Europe/Berlin",
        "sending": {
            "days": ["sat", "sun"],
            "from": "09:30",
            "to": "24:00",
            "holidays": False,
            "closed": [
                {"from": "2026-12-24", "to": "2027-01-02", "country": "GB-SCT", "site": "Leith", "name": "Shutdown"}
            ],
        },
        "budget": {"per_day": 1, "per_week": 2},
        "digest": False,
        "drafts": {"per_learner": True, "forbidden": ["synergy", "deep dive"]},
    }
    closed = Closed(date(2026, 12, 24), date(2027, 1, 2), "GB-SCT", "Leith", "Shutdown")
    sending = Sending(frozenset({5, 6}), time(9, 30), time(0), holidays=False, closed=(closed,))
    words = ("synergy", "deep dive")
    expected = Policy("Europe/Berlin", sending, Budget(1, 2), False, drafts_per_learner=True, forbidden_words=words)
    assert expected == policy_from_json(plain)
    assert plain == policy_to_json(expected)


@pytest.mark.parametrize(
    ("plain", "path", "found"),
    [
        ([], "", "[]"),
        (None, "", "null"),
        ({"zones": "UTC"}, "zones", "zones"),
        ({"zone": "Europe/Dublni"}, "zone", "Europe/Dublni"),
        ({"zone": None}, "zone", "null"),
        ({"zone": "localtime"}, "zone", "localtime"),
        ({"zone": "../../etc/passwd"}, "zone", "passwd"),
        ({"sending": []}, "sending", "[]"),
        ({"sending": {"day": ["mon"]}}, "sending.day", "day"),
        ({"sending": {"days": []}}, "sending.days", "[]"),
        ({"sending": {"days": "mon"}}, "sending.days", "mon"),
        ({"sending": {"days": ["mon", "monday"]}}, "sending.days[1]", "monday"),
        ({"sending": {"days": [1]}}, "sending.days[0]", "1"),
        ({"sending": {"from": "25:00"}}, "sending.from", "25:00"),
        ({"sending": {"from": 540}}, "sending.from", "540"),
        ({"sending": {"from": "24:00"}}, "sending.from", "24:00"),
        ({"sending": {"to": "00:00"}}, "sending.to", "00:00"),
        ({"sending": {"to": "18h"}}, "sending.to", "18h"),
        ({"sending": {"from": "18:00", "to": "08:00"}}, "sending", "18:00"),
        ({"sending": {"from": "08:00", "to": "08:00"}}, "sending", "08:00"),
        ({"sending": {"from": "19:00"}}, "sending", "19:00"),
        ({"sending": {"holidays": "yes"}}, "sending.holidays", "yes"),
        ({"sending": {"closed": {}}}, "sending.closed", "{}"),
        ({"sending": {"closed": ["2026-12-24"]}}, "sending.closed[0]", "2026-12-24"),
        ({"sending": {"closed": [{"to": "2026-12-24"}]}}, "sending.closed[0]", "from is missing"),
        ({"sending": {"closed": [{"from": "2026-02-30", "to": "2026-03-01"}]}}, "sending.closed[0].from", "2026-02-30"),
        ({"sending": {"closed": [{"from": "2026-03-02", "to": "2026-03-01"}]}}, "sending.closed[0]", "2026-03-02"),
        ({"sending": {"closed": [{"from": "2026-03-01", "to": "2026-03-01", "country": "UK"}]}},
         "sending.closed[0].country", "UK"),
        ({"sending": {"closed": [{"from": "2026-03-01", "to": "2026-03-01", "country": "ireland"}]}},
         "sending.closed[0].country", "ireland"),
        ({"sending": {"closed": [{"from": "2026-03-01", "to": "2026-03-01", "site": 7}]}},
         "sending.closed[0].site", "7"),
        ({"sending": {"closed": [{"from": "2026-03-01", "to": "2026-03-01", "name": ""}]}},
         "sending.closed[0].name", '""'),
        ({"sending": {"closed": [{"from": "2026-03-01", "to": "2026-03-01", "reason": "x"}]}},
         "sending.closed[0].reason", "reason"),
        ({"budget": 3}, "budget", "3"),
        ({"budget": {"per_day": 0}}, "budget.per_day", "0"),
        ({"budget": {"per_day": -1}}, "budget.per_day", "-1"),
        ({"budget": {"per_week": 2.5}}, "budget.per_week", "2.5"),
        ({"budget": {"per_week": True}}, "budget.per_week", "true"),
        ({"budget": {"per_month": 3}}, "budget.per_month", "per_month"),
        ({"digest": "on"}, "digest", "on"),
        ({"drafts": None}, "drafts", "null"),
        ({"drafts": {"per_learner": 1}}, "drafts.per_learner", "1"),
        ({"drafts": {"forbidden": "synergy"}}, "drafts.forbidden", "synergy"),
        ({"drafts": {"forbidden": ["a"] * 1_001}}, "drafts.forbidden", "a"),
        ({"drafts": {"forbidden": ["synergy", 3]}}, "drafts.forbidden[1]", "3"),
        ({"drafts": {"forbidden": [" "]}}, "drafts.forbidden[0]", '" "'),
        ({"drafts": {"forbidden": ["!"]}}, "drafts.forbidden[0]", "!"),
        ({"drafts": {"forbidden": ["x" * 101]}}, "drafts.forbidden[0]", "xxx"),
    ],
)  # fmt: skip
def test_a_problem_says_where_what_and_what_is_allowed(plain: object, path: str, found: str) -> None:
    """One wrong thing is one problem."""
    (problem,) = _problems(plain)
    assert path == problem.path
    assert found in problem.detail
    assert problem.allowed


def test_a_forbidden_word_is_kept_once_and_without_its_spaces() -> None:
    """Whatever its case."""
    found = policy_from_json({"drafts": {"forbidden": ["synergy", " deep  dive ", "Synergy"]}})
    assert Policy(forbidden_words=("synergy", "deep dive")) == found


def test_every_problem_is_said_at_once() -> None:
    """Nothing hides behind another."""
    plain = {
        "zone": 1,
        "sending": {"days": ["x"], "from": "x", "to": "x"},
        "budget": {"per_day": "x"},
        "digest": 0,
        "e": 1,
    }
    expected = {"zone", "sending.days[0]", "sending.from", "sending.to", "budget.per_day", "digest", "e"}
    assert expected == {problem.path for problem in _problems(plain)}


def test_what_was_meant_is_said() -> None:
    """Where it looks like something allowed."""
    assert "did you mean Europe/Dublin?" == _problems({"zone": "Europe/Dublni"})[0].suggestion
    assert "did you mean sending?" == _problems({"sendin": None})[0].suggestion
    assert "did you mean mon?" == _problems({"sending": {"days": ["Monday"]}})[0].suggestion
    assert {"code", "path", "detail", "allowed", "suggestion"} == set(_problems({"digest": 1})[0].to_json())


_LIKELY = ["mon", "09:00", "2026-03-02", "GB"]
_KEYS = ["zone", "sending", "days", "from", "to", "closed", "budget", "per_day", "x"]
_json: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.sampled_from(_LIKELY),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(_KEYS), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(plain=_json)
def test_whatever_comes_is_read_or_refused(plain: Any) -> None:
    """A policy comes back the same from JSON; everything else has at least one problem."""
    found = policy_from_json(plain)
    if isinstance(found, Policy):
        assert found == policy_from_json(policy_to_json(found))
    else:
        assert found
