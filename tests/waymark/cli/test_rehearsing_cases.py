"""`waymark rehearse --cases` and `--html`, and many learners on a terminal, as they are typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.golden import FOLDER

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "first-time-manager"
SCRIPT = FOLDER / "skipped"


def waymark(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "waymark", "rehearse", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_cases_are_told_by_name_with_what_was_not_reached() -> None:
    """One line for each, in plain words."""
    done = waymark(EXAMPLE / "journey.yaml", "--cases")
    assert (0, "") == (done.returncode, done.stderr)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "First weeks as a manager (first-time-manager): 10 cases, made from the journey itself"
    assert lines[1].startswith("They reach 38 of 39 ways")
    assert any(line.startswith("She never starts MGR-101 and never completes MGR-101 completed") for line in lines)
    assert any(line.startswith("Left on day 2: she leaves the company left, after 1 day") for line in lines)
    assert "The limit of 10 weeks" in lines[lines.index("Not reached:") + 1]


def test_cases_as_json_can_be_rehearsed_again(tmp_path: Path) -> None:
    """Their profiles and events, written to files, end alike."""
    done = waymark(EXAMPLE / "journey.yaml", "--cases", "--json")
    assert (0, "") == (done.returncode, done.stderr)
    told = json.loads(done.stdout)
    assert told["aims"] - told["reached"] == len(told["unreached"]) == 1
    assert {"kind", "of", "arm", "what", "why", "is_proven"} == set(told["unreached"][0])
    case = next(case for case in told["cases"] if case["name"].startswith("She starts MGR-101"))
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(event) for event in case["events"]))
    (tmp_path / "learners.yaml").write_text(json.dumps({case["learner"]: case["profile"]}))
    again = waymark(
        EXAMPLE / "journey.yaml", "--json", "--events", tmp_path / "events.jsonl",
        "--learners", tmp_path / "learners.yaml",
    )  # fmt: skip
    (learner,) = json.loads(again.stdout)["learners"]
    assert (case["outcome"], case["timeline"]) == (learner["outcome"], learner["timeline"])


def test_a_picture_is_written_and_said(tmp_path: Path) -> None:
    """Of a rehearsal, and of cases; with --json standard output is JSON alone."""
    events = ["--events", SCRIPT / "events.jsonl", "--learners", SCRIPT / "learners.yaml"]
    done = waymark(SCRIPT / "journey.yaml", *events, "--html", tmp_path / "one.html")
    assert (0, f"drawn: {tmp_path / 'one.html'}\n") == (done.returncode, done.stdout)
    assert (tmp_path / "one.html").read_text("utf-8").startswith("<!doctype html>")
    done = waymark(EXAMPLE / "journey.yaml", "--cases", "--json", "--html", tmp_path / "two.html")
    assert 10 == len(json.loads(done.stdout)["cases"])
    assert "She never starts MGR-101" in (tmp_path / "two.html").read_text("utf-8")


def test_of_many_learners_the_counts_come_first_and_some_lines_after(tmp_path: Path) -> None:
    """All are counted; who is left out is said, and how to see them."""
    event = json.loads((SCRIPT / "events.jsonl").read_text().splitlines()[0])
    events = [{**event, "id": f"e-{n}", "subject": f"learner-{n}"} for n in range(40)]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    done = waymark(SCRIPT / "journey.yaml", "--events", tmp_path / "events.jsonl", "--lines", "3")
    assert 0 == done.returncode
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    counts = lines[: next(place for place, line in enumerate(lines) if line.startswith("learner-"))]
    assert any(line.startswith("40 came in") for line in counts)
    assert any(line.startswith("ended as") and "40" in line for line in counts)
    assert 3 == sum(line.startswith("learner-") for line in lines)
    assert "... and 37 more learners: --lines shows more of them, --html draws them, --json has them all" in lines


def test_the_policy_says_when_messages_go(tmp_path: Path) -> None:
    """Without one that of a new installation; one of a file takes its place."""
    event = json.loads((SCRIPT / "events.jsonl").read_text().splitlines()[0])
    (tmp_path / "events.jsonl").write_text(json.dumps({**event, "time": "2026-03-07T10:00:00Z"}))  # a Saturday
    (tmp_path / "policy.json").write_text('{"sending": null, "budget": null}')
    given = ["--events", tmp_path / "events.jsonl", "--learners", SCRIPT / "learners.yaml"]
    assert "Mon 09 Mar 2026 08:00 sent by-name" in _squeezed(waymark(SCRIPT / "journey.yaml", *given).stdout)
    at_any_time = waymark(SCRIPT / "journey.yaml", *given, "--policy", tmp_path / "policy.json")
    assert "Sat 07 Mar 2026 10:00 sent by-name" in _squeezed(at_any_time.stdout)


def test_a_policy_with_problems_is_refused(tmp_path: Path) -> None:
    """With what is wrong."""
    (tmp_path / "policy.json").write_text('{"sending": {"days": ["someday"]}}')
    done = waymark(EXAMPLE / "journey.yaml", "--cases", "--policy", tmp_path / "policy.json")
    assert 1 == done.returncode
    assert "someday" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "say what happens: one of --events FILE, --cases and --against"),
        (["--cases", "--against"], "say what happens: one of --events FILE, --cases and --against"),
        (["--cases", "--html", "/nowhere/at/all.html"], "/nowhere/at/all.html cannot be written"),
    ],
)
def test_wrong_usage_has_status_2(arguments: list[str], expected: str) -> None:
    """With what is allowed."""
    done = waymark(EXAMPLE / "journey.yaml", *arguments)
    assert 2 == done.returncode
    assert expected in done.stderr


def _squeezed(text: str) -> str:
    return " ".join(text.split())
