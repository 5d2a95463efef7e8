"""Changing things from the command line, over real HTTP."""

import json
from pathlib import Path
from typing import Any

from tests.support.api import JOURNEY, Api, event
from tests.support.command import run
from workers.records import Incoming, Record, Refusal


def _write(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


async def test_publish(api: Api, tmp_path: Path) -> None:
    """Publishing prints journey, version and hash; an unchanged file makes no new version."""
    file = _write(tmp_path, "first.yaml", JOURNEY)
    done = [await run(api, "publish", file) for _ in range(2)]
    assert [0, 0] == [d.status for d in done], done[0].errors
    hash_ = (await api.get("/v1/journeys/first-weeks"))["hash"]
    assert [f"first-weeks  version 1  {hash_}\n"] * 2 == [d.output for d in done]
    body = json.loads((await run(api, "publish", file, "--json")).output)
    assert ("first-weeks", 1, hash_) == (body["journey"], body["version"], body["hash"])


async def test_publish_says_how_many_drafts_are_missing(api: Api, tmp_path: Path) -> None:
    """And where to look; who is asked for each value of `per` is known once somebody enters."""
    drafted = JOURNEY.replace("body:", "draft: {brief: Say hello.}\n    body:", 1)
    done = await run(api, "publish", _write(tmp_path, "first.yaml", drafted))

    first, said = done.output.splitlines()

    assert first.startswith("first-weeks  version 1")
    assert said.startswith("  1 draft is missing (1 wanted)")
    assert "waymark drafts list --journey first-weeks" in said


async def test_publish_with_problems(api: Api, tmp_path: Path) -> None:
    """Of several files of which one has errors none is published; every error is told with its place."""
    good = _write(tmp_path, "good.yaml", JOURNEY)
    bad = _write(tmp_path, "bad.yaml", JOURNEY.replace("wait: 3d", "wait: 3x").replace("title:", "tilte:"))
    done = await run(api, "publish", good, bad)
    assert 1 == done.status
    assert "bad.yaml:3:1: error:" in done.errors
    assert done.errors.count("bad.yaml:") >= 2
    assert [] == (await api.get("/v1/journeys"))["items"]


async def test_publish_no_file(api: Api, tmp_path: Path) -> None:
    """A file that is not there is wrong usage."""
    assert 2 == (await run(api, "publish", str(tmp_path / "none.yaml"))).status


async def _hire(api: Api, *names: str) -> None:
    await api.publish()
    await api.emit(*(event("hr.learner.hired", name, country="GB") for name in names))


async def test_enrol_and_withdraw(api: Api) -> None:
    """Learners are enrolled by name and withdrawn by name."""
    await _hire(api, "ada", "bea")
    enrolled = await run(api, "enrol", "first-weeks", "ada", "bea", "--data", '{"starts_on": "2026-03-02"}', "--json")
    assert (0, 2) == (enrolled.status, len(json.loads(enrolled.output)["done"]))
    names = [one["id"] for one in json.loads(enrolled.output)["done"]]
    withdrawn = await run(api, "withdraw", *names)
    assert (0, 2) == (withdrawn.status, withdrawn.output.count("is withdrawn"))
    assert {"withdrawn"} == {item["outcome"] for item in (await api.get("/v1/enrolments"))["items"]}


async def test_enrol_some_refused(api: Api) -> None:
    """Where some cannot be enrolled, the others are, and the exit status is 1."""
    await _hire(api, "ada")
    done = await run(api, "enrol", "first-weeks", "ada", "nobody", "--json")
    body = json.loads(done.output)
    assert (1, ["ada"], ["learner_not_found"]) == (
        done.status,
        [one["learner"] for one in body["done"]],
        [one["code"] for one in body["could_not"]],
    )


async def test_withdraw_what(api: Api) -> None:
    """Withdrawing nothing in particular is wrong usage."""
    assert 2 == (await run(api, "withdraw")).status


async def test_halt_and_go(api: Api) -> None:
    """Halt and go answer as the API does."""
    halted = json.loads((await run(api, "halt", "--json")).output)
    assert (True, "tests") == (halted["halted"], halted["by"])
    assert "`waymark go`" in (await run(api, "halt")).output
    assert "0 enrolments had waited" in (await run(api, "go")).output


async def _letter(api: Api, offset: int, body: bytes) -> str:
    await api.ingest.take(
        [Incoming(Refusal("not_json", "it was not"), Record("hr.events", offset, offset, b"", (), body))]
    )
    items: list[dict[str, Any]] = (await api.get("/v1/dead-letters"))["items"]
    return next(item["id"] for item in items if item["offset"] == offset)


async def test_dead_letters(api: Api) -> None:
    """Dead letters are listed, shown, replayed and discarded."""
    mended = await _letter(api, 1, json.dumps(event("hr.learner.hired", "ada")).encode())
    broken = await _letter(api, 2, b"{")
    assert {mended, broken} == {
        line.split()[0] for line in (await run(api, "dead-letters", "list")).output.splitlines()[1:]
    }
    assert "value:\n{" in (await run(api, "dead-letters", "show", broken)).output
    replayed = await run(api, "dead-letters", "replay", "--all")
    assert (1, True) == (replayed.status, f"{mended}: accepted" in replayed.output)
    assert f"{broken}: rejected again" in replayed.output
    discarded = await run(api, "dead-letters", "discard", broken, "--json")
    assert {"id": broken, "discarded": True} == json.loads(discarded.output)
    assert 1 == (await run(api, "dead-letters", "discard", broken)).status
    assert "there are no dead letters\n" == (await run(api, "dead-letters", "list")).output
