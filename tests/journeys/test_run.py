"""All that is remembered of an enrolment."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from journeys.run import Hold, Run, Sent

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_run_is_changed_as_replace_would_change_it() -> None:
    """One field or several; what it was stays as it is."""
    run = Run("enrolment", AT, AT, visits={"one": 1}, sent={"hello": Sent("sent")})
    later = {"at": AT + timedelta(days=1), "node": "one", "hold": Hold(AT)}
    assert replace(run, **later) == run.but(**later)  # type: ignore[arg-type]  # as `but`, it takes any field
    assert Run("enrolment", AT, AT, visits={"one": 1}, sent={"hello": Sent("sent")}) == run


def test_every_field_can_be_changed_and_no_other() -> None:
    """A name that no run has is an error, and makes no run with something nobody keeps."""
    run = Run("enrolment", AT, AT)
    assert run == run.but(**{field.name: getattr(run, field.name) for field in fields(run)})
    with pytest.raises(TypeError, match="nod"):
        run.but(nod="one")
