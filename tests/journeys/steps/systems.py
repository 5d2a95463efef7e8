"""Compiling one step, and telling a run what it asks for: for the tests of steps that ask something of the house."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from journeys import codec
from journeys.advance import advance
from journeys.compiler import Vocabulary, compile_definition
from journeys.deciding import evaluate
from journeys.effects import Answer, Asking, Began, Effect, Evaluate, Note
from journeys.events import Json
from journeys.expressions import Facts
from journeys.program import Program
from journeys.run import Pending, Run

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEAD = "waymark: 1\njourney: j\ntitle: First weeks\nenter: [{on: hr.learner.promoted}]\nsteps:\n"


def compiled(step: str) -> Program:
    """The program of this one step."""
    result = compile_definition(HEAD + step, vocabulary=Vocabulary())
    assert result.program is not None, result.problems
    return result.program


def problems(step: str, vocabulary: Vocabulary | None = None) -> list[tuple[str, str]]:
    """Code and path of every problem but that nothing is sent."""
    result = compile_definition(HEAD + step, vocabulary=vocabulary or Vocabulary())
    return [(p.code, p.path) for p in result.problems if p.code != "sends_nothing"]


class Asked:
    """A run that has begun, and everything it has asked for and noted."""

    def __init__(self, step: str, *, facts: dict[str, Json] | None = None, **vars_: Json) -> None:
        self.program = compiled(step)
        self.run = Run("enr-1", NOW, NOW, learner="lrn-1", vars=vars_)
        self.learner: dict[str, Json] = facts or {}
        self.effects: list[Effect] = []
        self.give(Began(NOW))

    def give(self, given: Began | Answer) -> None:
        """Something happens; the run goes to JSON and back on the way, as between two turns."""
        self.run, effects = advance(self.program, codec.run_from_json(codec.run_to_json(self.run)), given)
        self.effects += effects
        if isinstance(self.asked, Evaluate):
            seen = Facts(learner=self.learner, entry={"key": "", "at": "", "data": {}}, vars=self.run.vars)
            self.give(evaluate(self.asked, seen, at=NOW))

    @property
    def asked(self) -> Asking | None:
        """What the run waits to be answered."""
        return self.run.hold.effect if isinstance(self.run.hold, Pending) else None

    @property
    def notes(self) -> Sequence[Note]:
        """The notes of the step itself."""
        return [e for e in self.effects if isinstance(e, Note) and e.kind not in ("entered", "ended")]

    @property
    def texts(self) -> list[str]:
        """What the journal says of the step."""
        return [note.text for note in self.notes]

    @property
    def findings(self) -> list[Json]:
        """What the journal says could not be told."""
        found = [note.data.get("findings") for note in self.notes]
        return [each for some in found if isinstance(some, list) for each in some]
