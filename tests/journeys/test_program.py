"""What a program can say of itself."""

from pathlib import Path

import pytest

from journeys.codec import program_from_json, program_to_json
from tests.support.compiling import compiled

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/journey.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_the_order_of_the_document_comes_back_from_json(file: Path) -> None:
    """As JSON a program's nodes are sorted by name; their order is told by how they follow each other."""
    program = compiled(file.read_text())
    restored = program_from_json(program_to_json(program))
    assert list(program.nodes) == list(restored.in_order())
