"""When the attempt of another process is over, by a monotonic clock of the test's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store.leases import LONGEST
from store.tables import RequestRow
from workers.watching import MOST, Watch

LIMIT = timedelta(seconds=30)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Monotonic:
    """A monotonic clock that goes when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> Monotonic:
    """At some instant."""
    return Monotonic()


def row(attempt: str | None = "another's", *, id_: str = "a-request", **changes: Any) -> RequestRow:
    """A request as a process has claimed it whose clock was right, and which allows itself what is allowed here."""
    values: dict[str, Any] = {"updated_at": NOW, "attempt_until": None if attempt is None else NOW + LIMIT, **changes}
    return RequestRow(
        id=id_, enrolment="e", node="n", visit=0, service="call", target="crm", body={}, expires_at=NOW,
        created_at=NOW, attempt=attempt, **values,
    )  # fmt: skip


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_an_attempt_is_over_once_it_stood_unchanged_for_as_long_as_one_may_last(monotonic: Monotonic) -> None:
    """And not at first sight, whatever its instant says."""
    watch = Watch(monotonic)
    assert LIMIT == watch.left(row(), limit=LIMIT)
    monotonic.now += 29
    assert seconds(1) == watch.left(row(), limit=LIMIT)
    monotonic.now += 1
    assert watch.left(row(), limit=LIMIT) is None
    assert watch.left(row(), limit=LIMIT) is None, "and remains so"


@pytest.mark.parametrize("off", [timedelta(hours=1), -timedelta(hours=1), -timedelta(minutes=5), timedelta(days=400)])
def test_the_instants_of_whoever_claimed_it_do_not_matter(monotonic: Monotonic, off: timedelta) -> None:
    """By whatever clock it was claimed, it is watched for as long."""
    watch = Watch(monotonic)
    claimed = row(updated_at=NOW + off, attempt_until=NOW + off + LIMIT)
    assert LIMIT == watch.left(claimed, limit=LIMIT)
    monotonic.now += 30
    assert watch.left(claimed, limit=LIMIT) is None


@pytest.mark.parametrize(
    ("allowed", "lasts"),
    [
        (timedelta(minutes=6), timedelta(minutes=6)),  # the setting was more when its process began
        (timedelta(seconds=7), LIMIT),  # and here less
        (LONGEST, LIMIT),  # no attempt lasts as long: one of the instants was not written by its claimant
        (-timedelta(hours=1), LIMIT),
    ],
)
def test_an_attempt_may_last_as_long_as_its_claimant_allows_it(
    monotonic: Monotonic, allowed: timedelta, lasts: timedelta
) -> None:
    """Where that is more than here, and less than any lease lasts."""
    assert lasts == Watch(monotonic).left(row(attempt_until=NOW + allowed), limit=LIMIT)


def test_another_attempt_is_watched_from_its_own_first_sight(monotonic: Monotonic) -> None:
    """What was seen of the one before does not count."""
    watch = Watch(monotonic)
    watch.left(row("the first"), limit=LIMIT)
    monotonic.now += 30
    assert LIMIT == watch.left(row("the second"), limit=LIMIT)


def test_what_nobody_tries_is_not_watched(monotonic: Monotonic) -> None:
    """There is nothing to wait for, and what was known of it is forgotten."""
    watch = Watch(monotonic)
    watch.left(row("an attempt"), limit=LIMIT)
    assert watch.left(row(None), limit=LIMIT) is None
    monotonic.now += 30
    assert LIMIT == watch.left(row("an attempt"), limit=LIMIT)


def test_each_row_is_watched_by_itself(monotonic: Monotonic) -> None:
    """Two rows never share a token, and would not be one if they did."""
    watch = Watch(monotonic)
    watch.left(row(id_="one"), limit=LIMIT)
    monotonic.now += 30
    assert LIMIT == watch.left(row(id_="another"), limit=LIMIT)
    assert watch.left(row(id_="one"), limit=LIMIT) is None


def test_who_was_not_looked_at_the_longest_is_forgotten_first(monotonic: Monotonic) -> None:
    """A process that runs for months sees many attempts, of which it learns no more."""
    watch = Watch(monotonic)
    watch.left(row(id_="looked at once"), limit=LIMIT)
    watch.left(row(id_="looked at again"), limit=LIMIT)
    for number in range(MOST - 1):
        watch.left(row(id_="looked at again"), limit=LIMIT)
        watch.left(row(id_=str(number)), limit=LIMIT)
    monotonic.now += 30
    assert watch.left(row(id_="looked at again"), limit=LIMIT) is None
    assert LIMIT == watch.left(row(id_="looked at once"), limit=LIMIT)
