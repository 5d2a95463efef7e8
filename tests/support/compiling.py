"""Definitions that must compile."""

from functools import cache

from connectors.channels import CHANNELS
from journeys.compiler import Vocabulary, compile_definition
from journeys.program import Program


@cache
def compiled(definition: str) -> Program:
    """The program; every problem in the message where there is none."""
    result = compile_definition(definition, vocabulary=Vocabulary(channels=frozenset(CHANNELS)))
    assert result.program is not None, "\n".join(f"{p.path} {p.line}:{p.column} {p.detail}" for p in result.problems)
    return result.program
