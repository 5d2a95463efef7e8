"""Taking in many from the command line: how many first, then done by the installation, with a stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.api import JOURNEY, KEY, Api, event
from tests.support.command import ROOT, run
from tests.support.until import until
from waymark.cli.entrants import LARGEST_PART, in_parts, read_entrants
from waymark.cli.errors import WrongUsage
from workers.actions import Actions


async def hire(api: Api) -> None:
    """The journey, three learners in its audience, and one abroad."""
    assert 201 == (await api.publish(JOURNEY)).status_code
    known = (("ada", "GB"), ("bea", "GB"), ("cleo", "GB"), ("dora", "FR"))
    await api.emit(*(event("hr.learner.changed", name, country=country) for name, country in known))


@asynccontextmanager
async def at_work(api: Api) -> AsyncGenerator[None]:
    """The part of the bridge's process that does the work."""
    stop = asyncio.Event()
    acting = Actions(api.parts.database, api.parts.gateway, api.parts.clock)
    running = asyncio.create_task(acting.run(stop))
    yield
    stop.set()
    await running


async def enrolled(api: Api) -> list[tuple[str, str]]:
    """Who is enrolled, with her key."""
    return sorted((item["learner"], item["entry_key"]) for item in (await api.get("/v1/enrolments"))["items"])


async def test_all_who_qualify(api: Api) -> None:
    """How many is said first; the bridge's process does it; the exit status is 0 where all could be."""
    await hire(api)
    async with at_work(api):
        done = await run(api, "enrol", "first-weeks", "--filter", 'learner.country == "GB"', "--yes")

    assert (0, "3 of 3 are enrolled\n") == (done.status, done.output), done.errors
    assert "3 of 3 would be enrolled" in done.errors
    assert [("ada", ""), ("bea", ""), ("cleo", "")] == await enrolled(api)


async def test_a_dry_run(api: Api) -> None:
    """Who could not, and why; nothing is done, and nobody is asked."""
    await hire(api)
    done = await run(api, "enrol", "--journey", "first-weeks", "--filter", "true", "--dry-run")
    body = json.loads(
        (await run(api, "enrol", "--journey", "first-weeks", "--filter", "true", "--dry-run", "--json")).output
    )

    assert (0, "3 of 4 would be enrolled") == (done.status, done.output.splitlines()[0])
    assert ["dora: the journey's audience does not hold for the learner; `force` passes over it [not_in_audience]"] == (
        done.output.splitlines()[1:]
    )
    assert ("dry_run", 4, 1) == (body["state"], body["total"], body["failed"])
    assert [] == await enrolled(api)


async def test_a_file(api: Api, tmp_path: Path) -> None:
    """Keys and data of each line; who could not be is told, and the exit status is 1."""
    await hire(api)
    file = tmp_path / "new.csv"
    file.write_text("learner,key,starts_on\nada,P1,2026-03-02\nnobody,P2,\nbea,P3,\n", encoding="utf-8-sig")
    async with at_work(api):
        done = await run(api, "enrol", "first-weeks", "--csv", str(file), "--yes", "--json")

    body = json.loads(done.output)
    assert (1, "done", 3, 2, 1) == (done.status, *(body[name] for name in ("state", "total", "done", "failed")))
    assert "number 2: no learner has this id: she exists from her first event on [learner_not_found]" in done.errors
    assert [("ada", "P1"), ("bea", "P3")] == await enrolled(api)


async def test_nobody_of_them_can_be(api: Api) -> None:
    """The JSON says why not, as that of an action does."""
    await hire(api)
    done = await run(api, "enrol", "first-weeks", "--filter", 'learner.country == "FR"', "--yes", "--json")

    body = json.loads(done.output)
    assert (1, 1, 0, 1) == (done.status, *(body[name] for name in ("total", "done", "failed")))
    assert [("dora", "not_in_audience")] == [(one["learner"], one["code"]) for one in body["could_not"]]


async def test_nobody_agrees(api: Api) -> None:
    """Without --yes, and nobody to ask, it is wrong usage and nothing is done."""
    await hire(api)
    done = await run(api, "enrol", "first-weeks", "--filter", "true")

    assert (2, True) == (done.status, "3 of 4 would be enrolled: say --yes to do it" in done.errors)
    assert [] == (await api.get("/v1/enrolments/actions"))["items"]


async def test_ctrl_c_stops_it(api: Api) -> None:
    """What is done stays, the others are left, and it is said."""
    await hire(api)
    command = ("enrol", "first-weeks", "--filter", "true", "--rate", "0.2", "--yes")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "waymark", *command, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ, "WAYMARK_HOME": "/nonexistent/home", "WAYMARK_API_KEY": KEY,
            "WAYMARK_API_URL": f"http://127.0.0.1:{api.port}",
        },
    )  # fmt: skip

    async def has_begun() -> bool:
        return any(one["done"] for one in (await api.get("/v1/enrolments/actions"))["items"])

    async with at_work(api):
        await until(has_begun)
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        (action,) = (await api.get("/v1/enrolments/actions"))["items"]

    assert (1, "stopped") == (process.returncode, action["state"]), errors
    are = "is" if action["done"] == 1 else "are"
    assert f"stopped: {action['done']} of 4 {are} enrolled, the others were left" in errors.decode()
    assert 1 <= action["done"] < 4


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("first-weeks",), "name learners, or choose them by --filter, or by --csv"),
        (("first-weeks", "ada", "--filter", "true"), "name learners, or choose them"),
        (("--filter", "true"), "name the journey"),
        (("first-weeks", "--csv", "/nonexistent/file.csv"), "cannot read /nonexistent/file.csv"),
    ],
)
async def test_wrong_usage(command: tuple[str, ...], words: str) -> None:
    """Said before anything is asked of the API."""
    done = await run(None, "enrol", *command)

    assert (2, True) == (done.status, words in done.errors), done.errors


async def test_a_wrong_expression(api: Api) -> None:
    """The API's word on it, exit status 1."""
    await hire(api)
    done = await run(api, "enrol", "first-weeks", "--filter", "learner.contry == 'GB'", "--yes")

    assert (1, True) == (done.status, "contry" in done.errors)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its first line must name the columns"),
        ("name,key\nada,P1\n", "`learner` among them; found name, key"),
        ("learner,key,key\nada,P1,P2\n", "each once"),
        ("learner,key\n", "has no lines below its heading"),
        ("learner,key\nada\n", ":2: a field for each column is needed"),
        ("learner,key\nada,P1,more\n", ":2: a field for each column is needed"),
        ("learner,key\nada,P1\n ,P2\n", ":3: a field for each column is needed, and `learner` not empty"),
        ('learner\n"ada\n', "is no CSV in UTF-8"),
    ],
)
def test_a_file_that_is_not_so(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong, with its line."""
    file = tmp_path / "new.csv"
    file.write_text(text)

    with pytest.raises(WrongUsage) as raised:
        read_entrants(file)
    assert words in str(raised.value)


def test_lines_of_a_file(tmp_path: Path) -> None:
    """Quoted fields, empty ones, and columns of one's own; without a column `key` none is said."""
    file = tmp_path / "new.csv"
    file.write_text('learner,team,note\nada,"blue, or green",\nbea,,x\n')

    assert [
        {"learner": "ada", "data": {"team": "blue, or green"}},
        {"learner": "bea", "data": {"note": "x"}},
    ] == read_entrants(file)


def test_parts_fit_into_a_request() -> None:
    """All are in one of them, in order, and none is too large."""
    entrants = [{"learner": f"learner-{n}", "data": {"note": "x" * 500}} for n in range(5_000)]
    parts = list(in_parts(entrants))

    assert entrants == [entrant for part in parts for entrant in part]
    assert len(parts) > 1
    assert all(len(json.dumps(part)) < LARGEST_PART * 1.1 for part in parts)
