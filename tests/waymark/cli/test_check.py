"""`waymark check`: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "first-time-manager" / "journey.yaml"
ODD = """\
waymark: 1
journey: odd
title: Odd
enter: [{on: hr.learner.hired}]
steps: [{end: goal}]
"""


def check(*words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    command = [sys.executable, "-m", "waymark", "check", *words]
    return subprocess.run(command, capture_output=True, text=True, input=given, timeout=60)


def test_a_good_definition() -> None:
    """A good definition is said to be good, with its journey and hash; exit status 0."""
    done = check(str(EXAMPLE))
    assert (0, "") == (done.returncode, done.stderr)
    assert "good. Journey first-time-manager, 27 steps, hash" in done.stdout


def test_warnings_do_not_count(tmp_path: Path) -> None:
    """Warnings are printed and leave the exit status 0; as JSON the definition is ok."""
    file = tmp_path / "odd.yaml"
    file.write_text(ODD)
    done = check(str(file))
    assert done.returncode == 0
    assert f"{file}:1:1: warning sends_nothing" in done.stdout
    report = json.loads(check(str(file), "--json").stdout)
    assert (True, ["warning"]) == (report["ok"], [p["severity"] for p in report["problems"]])


def test_errors(tmp_path: Path) -> None:
    """Every problem of every file is printed with place, path, what is allowed and a suggestion; exit status 1."""
    file = tmp_path / "wrong.yaml"
    file.write_text(ODD.replace("{end: goal}", "{ende: goal}").replace("title: Odd", "title: 5"))
    done = check(str(EXAMPLE), str(file))
    assert done.returncode == 1
    assert f"{file}:3:8: error wrong_type at title\n    found 5, a text is wanted" in done.stdout
    assert f"{file}:5:10: error unknown_step at steps[0].ende" in done.stdout
    allowed = "ask, assign, await, branch, call, end, enrol, repeat, send, set, split, wait"
    assert f"allowed: {allowed}\n    did you mean end?" in done.stdout
    assert f"{file}: 2 errors, 0 warnings" in done.stdout
    reports = json.loads(check(str(EXAMPLE), str(file), "--json").stdout)
    assert [(str(EXAMPLE), True), (str(file), False)] == [(r["file"], r["ok"]) for r in reports]


def test_standard_input() -> None:
    """`-` reads the definition from standard input."""
    assert check("-", given=ODD).returncode == 0


def test_a_missing_file() -> None:
    """A file that is not there is wrong usage: exit status 2, and nothing on standard output."""
    done = check("nowhere.yaml")
    assert (2, "") == (done.returncode, done.stdout)
    assert "nowhere.yaml" in done.stderr
