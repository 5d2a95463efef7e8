"""Steering from the command line: one by one, all that match, and a whole journey."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.api import JOURNEY, KEY, Api, event
from tests.support.command import ROOT, run
from tests.support.until import until
from workers.actions import PERFORMS, Actions
from workers.steering import performs

NAMES = ("ada", "bea", "cleo")


async def enrol(api: Api) -> list[str]:
    """Three in the journey; the ids of their enrolments, in order of the names."""
    assert 201 == (await api.publish()).status_code
    await api.emit(*(event("hr.learner.hired", name, country="GB") for name in NAMES))
    done = await run(api, "enrol", "first-weeks", *NAMES, "--json")
    return [one["id"] for one in json.loads(done.output)["done"]]


@asynccontextmanager
async def at_work(api: Api) -> AsyncGenerator[None]:
    """The part of the bridge's process that does the work."""
    stop = asyncio.Event()
    does = {**PERFORMS, **performs(api.parts.program_of)}
    acting = Actions(api.parts.database, api.parts.gateway, api.parts.clock, performs=does)
    running = asyncio.create_task(acting.run(stop))
    yield
    stop.set()
    await running


async def statuses(api: Api) -> list[str]:
    """Of all enrolments, in order."""
    return sorted(item["status"] for item in (await api.get("/v1/enrolments"))["items"])


async def test_one_by_one(api: Api) -> None:
    """Paused, resumed, moved by id; what cannot be is said with its code, and the exit status is 1."""
    first, second, _ = await enrol(api)
    paused = await run(api, "pause", first, second)
    assert (0, f"{first} is paused\n{second} is paused\n") == (paused.status, paused.output)
    again = await run(api, "pause", first)
    assert (1, True) == (again.status, "already_paused" in again.errors)
    resumed = await run(api, "resume", first, "--catch-up", "skip", "--json")
    assert (0, "active") == (resumed.status, json.loads(resumed.output)["status"])
    await api.publish(JOURNEY.replace("3d", "4d"))
    moved = await run(api, "move", first, "--to", "2")
    assert (0, f"{first} is in version 2\n") == (moved.status, moved.output), moved.errors
    assert 2 == (await run(api, "move", first)).status
    assert 2 == (await run(api, "move", first, "--to", "2", "--map", "a")).status
    assert 2 == (await run(api, "pause")).status


async def test_all_that_match(api: Api) -> None:
    """How many first; then it is done, and told; those in between are left alone."""
    first, *_ = await enrol(api)
    await run(api, "pause", first)
    async with at_work(api):
        unasked = await run(api, "pause", "--journey", "first-weeks")
        assert (2, True) == (unasked.status, "2 of 2 would be paused" in unasked.errors)
        paused = await run(api, "pause", "--journey", "first-weeks", "--yes")
        assert (0, "2 of 2 are paused\n") == (paused.status, paused.output), paused.errors
        assert ["paused"] * 3 == await statuses(api)
        resumed = await run(api, "resume", "--learner", "bea", "--yes")
        assert (0, ["active", "paused", "paused"]) == (resumed.status, await statuses(api))
        withdrawn = await run(api, "withdraw", "--journey", "first-weeks", "--yes", "--rate", "100")
        assert (0, "3 of 3 are withdrawn\n") == (withdrawn.status, withdrawn.output), withdrawn.errors


async def test_a_dry_run_of_a_move_says_which_could_not_be_and_why(api: Api) -> None:
    """Nothing is moved; nobody stands at a step yet, so all could."""
    await enrol(api)
    await api.publish(JOURNEY.replace("3d", "4d"))
    done = await run(api, "move", "--journey", "first-weeks", "--to", "2", "--dry-run", "--json")
    body = json.loads(done.output)
    assert ("dry_run", 3, 0) == (body["state"], body["total"], body["failed"])
    wrong = await run(api, "move", "--journey", "first-weeks", "--to", "2", "--dry-run", "--map", "wait-3=wait-4d")
    assert "did you mean wait-3d?" in wrong.output
    assert {1} == {item["version"] for item in (await api.get("/v1/enrolments"))["items"]}


async def test_ctrl_c_stops_it(api: Api) -> None:
    """What is done stays, the others are left, and it is said."""
    await enrol(api)
    async with at_work(api):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "waymark", "pause", "--journey", "first-weeks", "--rate", "0.05", "--yes",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "WAYMARK_API_URL": f"http://127.0.0.1:{api.port}", "WAYMARK_API_KEY": KEY},
        )  # fmt: skip

        async def has_begun() -> bool:
            return "paused" in await statuses(api)

        await until(has_begun)
        process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
        (action,) = (one for one in (await api.get("/v1/enrolments/actions"))["items"] if one["action"] == "pause")
    assert (1, "stopped") == (process.returncode, action["state"]), errors
    are = "is" if action["done"] == 1 else "are"
    assert f"stopped: {action['done']} of 3 {are} paused" in errors.decode()
    assert 1 <= action["done"] < 3
    assert sorted(["paused"] * action["done"] + ["active"] * (3 - action["done"])) == await statuses(api)


async def test_a_whole_journey(api: Api, tmp_path: Path) -> None:
    """Paused with a reason, resumed, archived; refusals say what to do."""
    await api.publish()
    assert "first-weeks is paused\n" == (await run(api, "journey", "pause", "first-weeks", "--reason", "typo")).output
    assert "typo" in (await run(api, "journeys", "first-weeks")).output
    assert "first-weeks goes on\n" == (await run(api, "journey", "resume", "first-weeks")).output
    again = await run(api, "journey", "resume", "first-weeks")
    assert (1, True) == (again.status, "journey_not_paused" in again.errors)
    assert 0 == (await run(api, "journey", "archive", "first-weeks")).status

    file = tmp_path / "second.yaml"
    file.write_text(JOURNEY.replace("3d", "4d"))
    published = await run(api, "publish", str(file))
    assert "steps added: wait-4d\n  steps removed: wait-3d" in published.output
    differs = await run(api, "journey", "difference", "first-weeks", "2", "--since", "1")
    assert "steps added: wait-4d" in differs.output
    older = await run(api, "journey", "again", "first-weeks", "1")
    assert "version 3, which says what version 1 said" in older.output
