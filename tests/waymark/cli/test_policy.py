"""`waymark policy show|set`, over real HTTP."""

import json
from pathlib import Path

from tests.support.api import Api
from tests.support.command import run


async def test_the_policy_is_shown_in_words(api: Api) -> None:
    """Hours, budget and zone, a line each; as JSON what the API answers."""
    shown = await run(api, "policy", "show")
    assert (0, "") == (shown.status, shown.errors)
    assert "mon, tue, wed, thu, fri from 08:00 to 18:00 where she is, not on public holidays" in shown.output
    assert "3 a day and 8 a week" in shown.output
    assert await api.get("/v1/policy") == json.loads((await run(api, "policy", "show", "--json")).output)


async def test_a_policy_is_set_from_yaml_and_from_what_was_shown(api: Api, tmp_path: Path) -> None:
    """A file of what `show --json` prints sets the same again."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "zone: Europe/Dublin\nsending:\n  from: 09:00\n  to: 17:30\n  closed:\n"
        "    - {from: 2026-12-24, to: 2027-01-02, country: GB, name: Shutdown}\nbudget: null\n"
    )
    done = await run(api, "policy", "set", str(file))
    assert 0 == done.status, done.errors
    assert "from 09:00 to 17:30" in done.output
    assert "2026-12-24 to 2027-01-02, GB (Shutdown)" in done.output
    assert "any number of optional messages" in done.output
    before = await api.get("/v1/policy")
    again = tmp_path / "policy.json"
    again.write_text((await run(api, "policy", "show", "--json")).output)
    assert 0 == (await run(api, "policy", "set", str(again), "--json")).status
    assert before == await api.get("/v1/policy")


async def test_every_problem_of_a_policy_is_told(api: Api, tmp_path: Path) -> None:
    """Exit status 1, a line for each problem, and nothing is changed."""
    before = await api.get("/v1/policy")
    file = tmp_path / "policy.json"
    file.write_text('{"zone": "Europe/Dublni", "sending": {"days": ["monday"], "hours": 3}}')
    done = await run(api, "policy", "set", str(file))
    assert 1 == done.status
    for line in ("zone: ", "sending.days[0]: ", "sending.hours: ", "did you mean Europe/Dublin?", "[unknown_key]"):
        assert line in done.errors
    told = await run(api, "policy", "set", str(file), "--json")
    assert (1, "policy_has_problems") == (told.status, json.loads(told.output)["code"])
    assert before == await api.get("/v1/policy")


async def test_a_file_that_cannot_be_read(api: Api, tmp_path: Path) -> None:
    """One that is not there is wrong usage; one that is no YAML is not so, with its place."""
    assert 2 == (await run(api, "policy", "set", str(tmp_path / "none.json"))).status
    file = tmp_path / "policy.yaml"
    file.write_text("zone: [")
    done = await run(api, "policy", "set", str(file))
    assert (1, True) == (done.status, f"{file}:1:" in done.errors)
