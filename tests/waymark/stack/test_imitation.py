"""The imitation of a language model as a part of the stack: started where it is wanted, and where no key is set."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waymark.stack.test_up import Place

JOURNEY = Path(__file__).parents[3] / "examples" / "course-in-your-role" / "journey.yaml"
WANTED = {"WAYMARK_WRITER_IMITATION": "true", "OPENAI_API_KEY": "", "NO_PROXY": "127.0.0.1"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place; what is up in it at the end is stopped."""
    here = Place(tmp_path)
    yield here
    here.run("down")


def test_it_writes_for_every_command_of_its_home(place: Place) -> None:
    """`up` says what it is; `waymark draft` finds it, and says so; its first text has a fault, and is sent back."""
    up = place.run("up", "--detach", "--only", "writer", **WANTED)
    assert (0, True) == (up.returncode, "(an imitation of a language model)" in up.stdout), up.stderr
    drafted = place.run("draft", str(JOURNEY), "--message", "one-question", "--language", "own", **WANTED)
    assert 0 == drafted.returncode, drafted.stderr
    assert "one-question in its own language: proposed" in drafted.stdout
    assert "sent back  pressure" in drafted.stdout
    assert "these texts are an imitation's" in drafted.stderr


def test_where_a_key_is_set_there_is_none(place: Place) -> None:
    """The model that is set up is the one that is asked."""
    own = {**WANTED, "OPENAI_API_KEY": "sk-own", "WAYMARK_WRITER_MODEL": "large-1"}
    assert 0 == place.run("up", "--detach", "--only", "mailbox,writer", **own).returncode
    assert ["mailbox"] == [part["name"] for part in place.status()["parts"]]
