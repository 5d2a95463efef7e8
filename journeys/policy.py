"""When and how much may be sent: the policy of an installation, read from JSON with every problem at once. Pure.

    {"zone": "UTC",
     "sending": {"days": ["mon", ...], "from": "08:00", "to": "18:00", "holidays": true,
                 "closed": [{"from": "2026-12-24", "to": "2027-01-02", "country": "GB", "site": null, "name": "..."}]},
     "budget": {"per_day": 3, "per_week": 8}, "digest": true,
     "drafts": {"per_learner": false, "forbidden": []}}

What is left out is as in the default; `sending` and `budget`, and each number of the budget, may be null: no limit.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Literal, cast

from journeys.events import Json
from journeys.problems import did_you_mean
from journeys.wallclock import DAYS, country_codes, parse_clock, parse_date, zone_named, zone_names


@dataclass(frozen=True, slots=True)
class Closed:
    """Days on which the firm is closed, first and last inclusive: everywhere, in a country (ISO 3166, `GB` or
    `GB-SCT`), at a site, or at a site in a country.
    """

    start: date
    end: date
    country: str | None = None
    site: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """When an ordinary message may go: on these days (0 is Monday), from `start` up to but not at `end`, local time.

    An `end` of 00:00 is the midnight after the day. `holidays` keeps public holidays free.
    """

    days: frozenset[int]
    start: time
    end: time
    holidays: bool = True
    closed: tuple[Closed, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """How many optional messages one person gets at most; None is no limit."""

    per_day: int | None = 3
    per_week: int | None = 8


@dataclass(frozen=True, slots=True)
class Policy:
    """When and how much may be sent; `zone` is for those whose own is not known. No `sending`: at any time; no
    `budget`: any number. `forbidden_words` are words and phrases that no drafted text may say.
    """

    zone: str = "UTC"
    sending: Sending | None = Sending(frozenset(range(5)), time(8), time(18))
    budget: Budget | None = Budget()
    digest: bool = True
    drafts_per_learner: bool = False
    forbidden_words: tuple[str, ...] = ()


DEFAULT_POLICY = Policy()
"""The policy until somebody changes it."""

UNLIMITED = Policy(sending=None, budget=None)
"""No hours, no days, no budget."""


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One thing that is wrong: where (`sending.from`), what was found, what is allowed, what was probably meant."""

    path: str
    detail: str
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None
    code: Literal["bad_value", "missing_key", "unknown_key"] = "bad_value"

    def to_json(self) -> dict[str, Json]:
        """The problem as the API gives it."""
        return {
            "code": self.code,
            "path": self.path,
            "detail": self.detail,
            "allowed": list(self.allowed),
            "suggestion": self.suggestion,
        }


def policy_from_json(plain: Json) -> Policy | tuple[PolicyProblem, ...]:
    """The policy that this JSON says, or everything that is wrong with it, in the order of the policy's keys."""
    reading = _Reading([])
    policy = reading.policy(plain)
    return tuple(reading.problems) if reading.problems else policy


def policy_to_json(policy: Policy) -> dict[str, Json]:
    """The policy as JSON, every key said: the inverse of `policy_from_json`."""
    sending, budget = policy.sending, policy.budget
    return {
        "zone": policy.zone,
        "sending": None if sending is None else _sending_to_json(sending),
        "budget": None if budget is None else {"per_day": budget.per_day, "per_week": budget.per_week},
        "digest": policy.digest,
        "drafts": {"per_learner": policy.drafts_per_learner, "forbidden": list(policy.forbidden_words)},
    }


def _sending_to_json(sending: Sending) -> dict[str, Json]:
    return {
        "days": [DAYS[day] for day in sorted(sending.days)],
        "from": _clock_text(sending.start),
        "to": "24:00" if sending.end == time() else _clock_text(sending.end),
        "holidays": sending.holidays,
        "closed": [_closed_to_json(closed) for closed in sending.closed],
    }


def _closed_to_json(closed: Closed) -> Json:
    return {
        "from": closed.start.isoformat(),
        "to": closed.end.isoformat(),
        "country": closed.country,
        "site": closed.site,
        "name": closed.name,
    }


def _clock_text(clock: time) -> str:
    return clock.isoformat("seconds" if clock.second else "minutes")


_COUNTRY = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")
_LONGEST_TEXT = 200
_MOST = 1_000
_MOST_WORDS = 1_000
_LONGEST_WORD = 100
_LETTER = re.compile(r"[^\W_]")


class _Reading:
    """One reading of a policy: each method reads one part and adds what is wrong with it to `problems`."""

    def __init__(self, problems: list[PolicyProblem]) -> None:
        self.problems = problems

    def policy(self, plain: Json) -> Policy:
        default = DEFAULT_POLICY
        found = self._map(plain, "", ("zone", "sending", "budget", "digest", "drafts"))
        zone = self._zone(found.get("zone", default.zone))
        sending = default.sending
        if "sending" in found:
            sending = None if found["sending"] is None else self._sending(found["sending"])
        budget = default.budget
        if "budget" in found:
            budget = None if found["budget"] is None else self._budget(found["budget"])
        digest = self._truth(found, "digest", "digest", default.digest)
        drafts = self._map(found.get("drafts", {}), "drafts", ("per_learner", "forbidden"))
        per_learner = self._truth(drafts, "per_learner", "drafts.per_learner", default.drafts_per_learner)
        forbidden = self._words(drafts.get("forbidden", list(default.forbidden_words)), "drafts.forbidden")
        return Policy(zone, sending, budget, digest, per_learner, forbidden)

    def _zone(self, found: Json) -> str:
        if isinstance(found, str) and zone_named(found) is not None:
            return found
        suggestion = did_you_mean(found, zone_names()) if isinstance(found, str) else None
        self._wrong("zone", found, "the IANA name of a zone, such as Europe/Dublin or UTC", suggestion=suggestion)
        return DEFAULT_POLICY.zone

    def _sending(self, plain: Json) -> Sending | None:
        default = DEFAULT_POLICY.sending
        if default is None or not isinstance(plain, dict):
            self._wrong("sending", plain, "an object with days, from, to, holidays and closed, or null: no limit")
            return default
        found = self._map(plain, "sending", ("days", "from", "to", "holidays", "closed"))
        days = self._days(found["days"]) if "days" in found else default.days
        start = self._clock(found["from"], "sending.from") if "from" in found else default.start
        end = default.end
        if "to" in found:
            end = time() if found["to"] == "24:00" else self._clock(found["to"], "sending.to", is_end=True)
        if start is not None and end is not None and time() != end <= start:
            detail = f"from {_clock_text(start)} to {_clock_text(end)}: nothing could ever be sent"
            self.problems.append(PolicyProblem("sending", detail, ("from earlier than to, up to 24:00",)))
        holidays = self._truth(found, "holidays", "sending.holidays", default.holidays)
        closed = self._all_closed(found.get("closed", []))
        return Sending(days, start or default.start, default.end if end is None else end, holidays, closed)

    def _days(self, found: Json) -> frozenset[int]:
        if not isinstance(found, list) or not found:
            self._wrong("sending.days", found, "a list of at least one day", allowed=DAYS)
            return frozenset()
        days: set[int] = set()
        for place, day in enumerate(found):
            if day in DAYS:
                days.add(DAYS.index(cast("str", day)))
            else:
                suggestion = did_you_mean(day[:3], DAYS) if isinstance(day, str) else None
                self._wrong(f"sending.days[{place}]", day, "a day", allowed=DAYS, suggestion=suggestion)
        return frozenset(days)

    def _clock(self, found: Json, path: str, *, is_end: bool = False) -> time | None:
        clock = parse_clock(found) if isinstance(found, str) else None
        if clock is None or (is_end and clock == time()):
            last = "24:00" if is_end else "23:59"
            first = "00:01" if is_end else "00:00"
            self._wrong(path, found, f'a time of day from "{first}" to "{last}", in quotes where it is YAML')
            return None
        return clock

    def _all_closed(self, found: Json) -> tuple[Closed, ...]:
        if not isinstance(found, list):
            self._wrong("sending.closed", found, "a list of closed days, each with from and to")
            return ()
        each = (self._closed(item, f"sending.closed[{place}]") for place, item in enumerate(found))
        return tuple(closed for closed in each if closed is not None)

    def _closed(self, plain: Json, path: str) -> Closed | None:
        if not isinstance(plain, dict):
            self._wrong(path, plain, "an object with from, to, country, site and name")
            return None
        found = self._map(plain, path, ("from", "to", "country", "site", "name"))
        start, end = self._date(found, path, "from"), self._date(found, path, "to")
        if start is not None and end is not None and end < start:
            detail = f"from {start} to {end}: it ends before it begins"
            self.problems.append(PolicyProblem(path, detail, ("from no later than to; both days are closed",)))
        country = self._country(found.get("country"), f"{path}.country")
        site, name = self._text(found, path, "site"), self._text(found, path, "name")
        return None if start is None or end is None else Closed(start, end, country, site, name)

    def _date(self, found: Mapping[str, Json], path: str, key: str) -> date | None:
        if key not in found:
            self.problems.append(
                PolicyProblem(path, f"{key} is missing", ("a date, such as 2026-12-24",), code="missing_key")
            )
            return None
        text = found[key]
        day = parse_date(text) if isinstance(text, str) else None
        if day is None:
            self._wrong(f"{path}.{key}", text, "a date that there is, such as 2026-12-24")
        return day

    def _country(self, found: Json, path: str) -> str | None:
        if found is None:
            return None
        match = _COUNTRY.fullmatch(found) if isinstance(found, str) else None
        if isinstance(found, str) and match is not None and match[1] in country_codes():
            return found
        suggestion = did_you_mean(found, country_codes()) if isinstance(found, str) and len(found) == 2 else None
        allowed = "a country by ISO 3166, such as GB, or a part of one, such as GB-SCT; null for every country"
        self._wrong(path, found, allowed, suggestion="did you mean GB?" if found == "UK" else suggestion)
        return None

    def _text(self, found: Mapping[str, Json], path: str, key: str) -> str | None:
        text = found.get(key)
        if text is None or (isinstance(text, str) and 0 < len(text) <= _LONGEST_TEXT and text.isprintable()):
            return text
        self._wrong(f"{path}.{key}", text, f"a text of at most {_LONGEST_TEXT} characters in one line, or null")
        return None

    def _budget(self, plain: Json) -> Budget | None:
        if not isinstance(plain, dict):
            self._wrong("budget", plain, "an object with per_day and per_week, or null: no limit")
            return None
        found = self._map(plain, "budget", ("per_day", "per_week"))
        default = Budget()
        return Budget(
            self._number(found, "per_day", default.per_day), self._number(found, "per_week", default.per_week)
        )

    def _number(self, found: Mapping[str, Json], key: str, default: int | None) -> int | None:
        number = found.get(key, default)
        if number is None or (isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= _MOST):
            return number
        self._wrong(f"budget.{key}", number, f"a whole number from 1 to {_MOST}, or null: no limit")
        return default

    def _words(self, found: Json, path: str) -> tuple[str, ...]:
        """Words and phrases, the same one once."""
        if not isinstance(found, list) or len(found) > _MOST_WORDS:
            self._wrong(path, found, f"a list of at most {_MOST_WORDS} words or phrases")
            return ()
        words: dict[str, str] = {}
        for place, word in enumerate(found):
            said = " ".join(word.split()) if isinstance(word, str) else ""
            if not said or len(said) > _LONGEST_WORD or not said.isprintable() or not _LETTER.search(said):
                self._wrong(f"{path}[{place}]", word, f"a word or phrase of at most {_LONGEST_WORD} characters")
            else:
                words.setdefault(said.casefold(), said)
        return tuple(words.values())

    def _truth(self, found: Mapping[str, Json], key: str, path: str, default: bool) -> bool:
        truth = found.get(key, default)
        if isinstance(truth, bool):
            return truth
        self._wrong(path, truth, "true or false")
        return default

    def _map(self, plain: Json, path: str, keys: tuple[str, ...]) -> Mapping[str, Json]:
        """The object at this path without unknown keys, which are problems."""
        if not isinstance(plain, dict):
            self._wrong(path, plain, f"an object with {', '.join(keys)}")
            return {}
        for key in plain:
            if key not in keys:
                where = f"{path}.{key}" if path else key
                detail = f"there is no {_shown(key)} here"
                self.problems.append(PolicyProblem(where, detail, keys, did_you_mean(key, keys), "unknown_key"))
        return {key: value for key, value in plain.items() if key in keys}

    def _wrong(
        self, path: str, found: Json, wanted: str, *, allowed: Iterable[str] = (), suggestion: str | None = None
    ) -> None:
        detail = f"{_shown(found)} is not {wanted}"
        self.problems.append(PolicyProblem(path, detail, tuple(allowed) or (wanted,), suggestion))


def _shown(found: Json) -> str:
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
