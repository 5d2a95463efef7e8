"""`waymark rehearse --against`: the learners there are, their events, and nothing sent or kept."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from journeys.events import Event, Json
from journeys.identity import learner_id
from store.database import Database
from store.migrate import upgrade
from tests.support.compiling import compiled
from tests.support.golden import GoldenDraft
from tests.support.ingesting import SECRET, Pokes
from workers.ingest import Incoming, Ingest
from workers.programs import Programs

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
DEFINITION = """
waymark: 1
journey: against
title: Against the learners there are
audience: learner.department == "Sales"
enter: [{on: hr.learner.promoted}]
steps:
  - send: hello
    at: anytime
  - send: team-lead
    to: manager
    at: anytime
    when: has(learner.manager)
  - await: {on: lms.course.started, within: 5d}
    then: [{end: started}]
    else: [{end: idle}]
messages:
  hello: {subject: "Hello {{ learner.given_name }}", body: Hello.}
  team-lead: {subject: "{{ learner.given_name }} begins", body: Please help.}
"""


def event(number: int, type_: str, learner: str, *, days_ago: float, **data: Json) -> Event:
    return Event(f"e-{number}", "/tests", type_, learner, NOW - timedelta(days=days_ago), data)


EVENTS = (
    event(1, "hr.learner.hired", "ada", days_ago=200, given_name="Ada", email="ada@example.com", country="GB",
          department="Sales", manager="eve"),
    event(2, "hr.learner.hired", "ben", days_ago=200, given_name="Ben", email="ben@example.com", country="IE",
          department="Law"),
    event(3, "hr.learner.hired", "eve", days_ago=300, given_name="Eve", email="eve@example.com", country="DE"),
    event(4, "hr.learner.promoted", "ada", days_ago=30, to_level="manager"),
    event(5, "hr.learner.promoted", "ben", days_ago=30, to_level="manager"),
    event(6, "lms.course.started", "ada", days_ago=28, course="C"),
    event(7, "hr.learner.changed", "ada", days_ago=10, department="Law", given_name="Augusta"),
    event(8, "hr.learner.promoted", "cem", days_ago=120, department="Sales"),
)  # fmt: skip


async def filled(url: str) -> dict[str, int]:
    """A database in which all that has happened; how many rows each table has."""
    await upgrade(url)
    database = Database(url, pool_size=2)
    ingest = Ingest(database, Programs(), SECRET, timedelta(hours=24), lambda: datetime.now(UTC), Pokes())
    taken = await ingest.take([Incoming(each) for each in EVENTS])
    assert ["accepted"] * len(EVENTS) == [each.status for each in taken]
    await database.close()
    return await rows_of(url)


async def rows_of(url: str) -> dict[str, int]:
    database = Database(url, pool_size=1)
    async with database.read() as session:
        connection = await session.connection()
        counts = {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in SQLModel.metadata.tables.items()
        }
    await database.close()
    return counts


async def waymark(
    tmp_path: Path, url: str, *arguments: str, definition: str = DEFINITION
) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "journey.yaml").write_text(definition)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WAYMARK_", "TEMPORAL_"))}
    command = [sys.executable, "-m", "waymark", "rehearse", str(tmp_path / "journey.yaml"), "--against", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, cwd=ROOT,
        env={**clean, "WAYMARK_DATABASE_URL": url, "WAYMARK_HOME": str(tmp_path / "home")},
    )  # fmt: skip


async def test_what_would_have_happened_had_the_journey_run(tmp_path: Path, database_url: str) -> None:
    """To each learner, with the profile she had then; nothing is written."""
    before = await filled(database_url)
    done = await waymark(tmp_path, database_url, "--json")
    assert (0, "") == (done.returncode, done.stderr)
    told = {each["learner"]: each for each in json.loads(done.stdout)["learners"]}
    assert {"ada": "started", "ben": None, "cem": None, "eve": None} == {n: each["outcome"] for n, each in told.items()}
    assert ["Hello Ada", "Ada begins"] == [m["subject"] for m in told["ada"]["enrolments"][0]["messages"]]
    assert ["ada", "eve"] == [m["recipient"] for m in told["ada"]["enrolments"][0]["messages"]]
    assert "not in the audience" in told["ben"]["reason"]
    assert "No event of this learner" in told["cem"]["reason"]
    assert before == await rows_of(database_url)


async def test_a_filter_says_who_and_the_rest_are_left_out(tmp_path: Path, sqlite_url: str) -> None:
    """By what is known now; a manager who is not meant still gets what is for her."""
    await filled(sqlite_url)
    done = await waymark(tmp_path, sqlite_url, "--json", "--filter", 'learner.country == "GB"')
    (learner,) = json.loads(done.stdout)["learners"]
    assert "ada" == learner["learner"]
    assert ["ada", "eve"] == [m["recipient"] for m in learner["enrolments"][0]["messages"]]


async def test_drafted_messages_go_in_the_texts_that_are_approved_there(tmp_path: Path, sqlite_url: str) -> None:
    """What is approved in this database, for her value; the lines say so. What is only proposed goes nowhere."""
    await filled(sqlite_url)
    drafted = DEFINITION.replace("body: Hello.", "body: Hello., draft: {brief: Greet her., per: learner.country}")
    program = compiled(drafted)
    database = Database(sqlite_url, pool_size=1)
    async with database.write() as session:
        approved = GoldenDraft("hello", "Approved", "An approved greeting.", value="GB")
        proposed = GoldenDraft("hello", "Proposed", "Not yet.", value="GB", state="proposed", number=2)
        session.add_all([approved.row(program, at=NOW), proposed.row(program, at=NOW)])
    await database.close()

    done = await waymark(tmp_path, sqlite_url, definition=drafted)

    assert 0 == done.returncode, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "sent hello" in line]
    assert '"Approved" (drafted and approved text) [send-hello]' in line


async def test_longer_ago_more_has_happened(tmp_path: Path, sqlite_url: str) -> None:
    """`--since` says from when on events count."""
    await filled(sqlite_url)
    done = await waymark(tmp_path, sqlite_url, "--json", "--since", "150d", "--filter", 'learner.department == "Sales"')
    (learner,) = json.loads(done.stdout)["learners"]
    assert ("cem", "idle") == (learner["learner"], learner["outcome"])


async def test_at_most_so_many(tmp_path: Path, sqlite_url: str) -> None:
    """In order of our ids, so that the same ones are taken again."""
    await filled(sqlite_url)
    done = await waymark(tmp_path, sqlite_url, "--json", "--limit", "2")
    told = [each["learner"] for each in json.loads(done.stdout)["learners"]]
    assert sorted(["ada", "ben", "cem", "eve"], key=lambda name: learner_id(SECRET, name))[:2] == told


async def test_it_is_told_and_drawn_like_any_other(tmp_path: Path, sqlite_url: str) -> None:
    """Counts, lines, and the page."""
    await filled(sqlite_url)
    done = await waymark(tmp_path, sqlite_url, "--html", str(tmp_path / "out.html"), "--lines", "9")
    assert "ada: ends as started" in done.stdout
    assert "Rehearsal with the learners there are" in (tmp_path / "out.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["--filter", "learner.contry == 1"], 2, "--filter: learner has no field 'contry'"),
        (["--filter", "vars.x == 1"], 2, "--filter: it sees `learner` alone, not vars"),
        (["--since", "long"], 2, "--since: 'long' is not a duration"),
    ],
)
async def test_what_is_wrong_is_said(
    tmp_path: Path, sqlite_url: str, arguments: list[str], status: int, expected: str
) -> None:
    """Before the database is looked at."""
    done = await waymark(tmp_path, sqlite_url, *arguments)
    assert status == done.returncode
    assert expected in done.stderr


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, sqlite_url: str) -> None:
    """Status 3, and what to do."""
    done = await waymark(tmp_path, sqlite_url)
    assert 3 == done.returncode
    assert "waymark up" in done.stderr
    assert not (tmp_path / "waymark.db").exists()


async def test_a_database_without_tables_is_said_so(tmp_path: Path, sqlite_url: str) -> None:
    """Status 3, and how to migrate it."""
    (tmp_path / "waymark.db").touch()
    done = await waymark(tmp_path, sqlite_url)
    assert 3 == done.returncode
    assert "waymark db upgrade" in done.stderr
