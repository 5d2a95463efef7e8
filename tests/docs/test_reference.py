"""The reference is as the code is, and leaves nothing out."""

from docs.generate import FOLDER, PAGES, stale, written
from journeys.catalogue import EVENT_TYPES
from journeys.steps.base import STEP_TYPES
from waymark.settings import Settings, setting_name


def test_the_reference_is_current() -> None:
    """`python -m docs.generate` would change nothing."""
    assert [] == stale()


def test_every_page_is_a_generated_one() -> None:
    """No page lies there that nobody writes any more."""
    written_here = {name for name in PAGES if not name.startswith("../")}
    assert written_here == {file.name for file in FOLDER.iterdir() if file.is_file()}


def test_nothing_is_left_out() -> None:
    """Every setting, every step, every event type and a code of each kind have their line."""
    assert all(f"`{setting_name(field)}`" in written("settings.md") for field in Settings.model_fields)
    assert all(f"## `{word}`" in written("steps.md") for word in STEP_TYPES)
    assert all(f"| `{type_}` |" in written("events.md") for type_ in EVENT_TYPES)
    codes = written("codes.md")
    assert all(f"| `{code}` |" in codes for code in ("unknown_key", "conflicting_duplicate", "journey_not_found"))
    assert "| `` |" not in codes
