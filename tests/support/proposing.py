"""A journey with a drafted message, and texts for it as if a model had written them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from journeys.codec import program_from_json
from journeys.compiler import Vocabulary, compile_definition
from journeys.drafting.choosing import Wanted
from journeys.drafting.findings import look_at
from journeys.drafting.order import DraftText, order_for, order_key
from journeys.program import Program
from store.database import Database
from store.queries import drafts
from store.queries.programs import find_program
from store.tables import DraftRow

DRAFTED = """\
waymark: 1
journey: to-lead
title: To lead
audience: learner.country == "GB"
enter:
  - on: hr.learner.promoted
steps:
  - send: course
    via: [email]
  - wait: 3d
messages:
  course:
    draft:
      brief: Say kindly that the course for {{ learner.role }} is there, and that it takes 5 days.
      tone: warm, plain
      max_words: 60
      uses: [learner.role]
      per: learner.role
    subject: Your course
    body: "The course takes 5 days. {{ link }}"
    link: {label: Start, url: "https://lms.example.com/lead"}
    languages:
      de: {subject: Ihr Kurs, body: "Der Kurs dauert 5 Tage. {{ link }}"}
"""

ENGLISH = DraftText(
    "A course for you", "The course for a {{ learner.role }} is there. It takes 5 days, and you begin here: {{ link }}"
)
BETTER = DraftText(
    "A course is there", "The course for a {{ learner.role }} is there. It takes 5 days. You begin here: {{ link }}"
)
GERMAN = DraftText(
    "Ein Kurs für Sie", "Der Kurs für {{ learner.role }} ist da. Er dauert 5 Tage, und Sie beginnen hier: {{ link }}"
)
WRONG = DraftText("A course for you", "The course for a {{ learner.role }} is there. It takes 9 days: {{ link }}")
BROKEN = DraftText("A course for you", "The course of {{ learner.email }} is there. It takes 5 days: {{ link }}")


def compiled(definition: str = DRAFTED) -> Program:
    """What the definition compiles to."""
    found = compile_definition(definition, vocabulary=Vocabulary(channels=frozenset({"email", "webhook"})))
    assert found.program is not None, found.problems
    return found.program


async def want(
    database: Database,
    *,
    definition: str = DRAFTED,
    message: str = "course",
    language: str | None = None,
    value: str | None = "nurse",
) -> str:
    """Order a text of a published journey; answers its id."""
    program = compiled(definition)
    order = order_for(program, message, language=language, value=value)
    assert order is not None
    wanted = [Wanted(order, order_key(order))]
    async with database.write() as session:
        (new,) = await drafts.want(session, wanted, program=program.hash, at=datetime.now(UTC))
    return new


async def write(database: Database, draft: str, text: DraftText, **values: Any) -> str:
    """The text comes, as from a model, with what is wrong with it."""
    async with database.write() as session:
        row = await drafts.find(session, draft)
        assert row is not None
        program = await find_program(session, row.program)
        assert program is not None, "publish the journey first"
        order = order_for(program_from_json(program), row.message, language=row.language, value=row.value)
        assert order is not None
        given: Mapping[str, Any] = {
            "state": "proposed", "subject": text.subject, "body": text.body, "model": "imitation", "calls": 1,
            "tokens_in": 900, "tokens_out": 80, "prompt": {"system": "You draft.", "user": "BRIEF", "schema": {}},
            "findings": [finding.to_json() for finding in look_at(text, order)], **values,
        }  # fmt: skip
        await (await session.connection()).execute(update(DraftRow).where(col(DraftRow.id) == draft).values(**given))
    return draft


async def propose(database: Database, text: DraftText = ENGLISH, **of: Any) -> str:
    """Order a text and have it written; answers its id."""
    return await write(database, await want(database, **of), text)


async def states(database: Database) -> dict[str, str]:
    """The state of every draft, by its id."""
    async with database.read() as session:
        return {row.id: row.state for row in (await session.exec(select(DraftRow))).all()}
