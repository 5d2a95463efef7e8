"""`waymark rehearse`, as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.golden import FOLDER

SCRIPT = FOLDER / "skipped"


def waymark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "waymark", "rehearse", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def of(folder: Path) -> list[str | Path]:
    return [folder / "journey.yaml", "--events", folder / "events.jsonl", "--learners", folder / "learners.yaml"]


def test_json_is_all_that_stands_on_standard_output() -> None:
    """Learners in the order given, then those that events speak of, each with outcome and timeline."""
    done = waymark(*of(SCRIPT), "--json")
    assert (0, "") == (done.returncode, done.stderr)
    learners = json.loads(done.stdout)["learners"]
    assert [
        ("named", "greeted"),
        ("nameless", "not-greeted"),
        ("unreachable", "not-greeted"),
        ("stranger", "greeted"),
    ] == [(each["learner"], each["outcome"]) for each in learners]
    fields = {"at", "kind", "step", "message", "channel", "status", "reason"}
    assert all(fields == set(entry) for each in learners for entry in each["timeline"])


def test_a_person_reads_when_what_through_what_and_why() -> None:
    """One line for each thing that happens."""
    done = waymark(*of(SCRIPT))
    assert 0 == done.returncode
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert 'Mon 02 Mar 2026 09:00 sent by-name through email "Welcome, Ada" [send-by-name]' in lines
    assert "Mon 02 Mar 2026 09:20 skipped by-name no_address [send-by-name]" in lines
    assert "4 learners enrolled, 5 messages sent" in lines


def test_it_can_be_stopped() -> None:
    """`--until` counts from the first event."""
    folder = FOLDER / "exits"
    done = waymark(*of(folder), "--until", "1h", "--json")
    assert {None} == {each["outcome"] for each in json.loads(done.stdout)["learners"]}


def test_what_webhooks_answer_may_be_told(tmp_path: Path) -> None:
    """`--answers`: a map of name to answer; what was told no answer is said; anything but a map is refused."""
    folder = FOLDER / "call-and-keep"
    told = waymark(*of(folder), "--answers", folder / "answers.json", "--json")
    assert {"kept"} == {each["outcome"] for each in json.loads(told.stdout)["learners"]}
    untold = waymark(*of(folder), "--json")
    assert {"completed"} == {each["outcome"] for each in json.loads(untold.stdout)["learners"]}
    assert "the rehearsal was told no answer of crm" in untold.stdout
    (tmp_path / "answers.yaml").write_text("- crm\n")
    refused = waymark(*of(folder), "--answers", tmp_path / "answers.yaml")
    assert (1, True) == (refused.returncode, "is no map of names to answers" in refused.stderr)


def test_learners_may_be_json_or_left_out(tmp_path: Path) -> None:
    """JSON is YAML; without the file, learners are those that events speak of."""
    events = SCRIPT / "events.jsonl"
    (tmp_path / "learners.json").write_text('{"named": {"given_name": "Ada", "email": "ada@example.com"}}')
    done = waymark(SCRIPT / "journey.yaml", "--events", events, "--learners", tmp_path / "learners.json", "--json")
    assert "greeted" == json.loads(done.stdout)["learners"][0]["outcome"]
    done = waymark(SCRIPT / "journey.yaml", "--events", events, "--json")
    assert ["named", "nameless", "unreachable", "stranger"] == [
        e["learner"] for e in json.loads(done.stdout)["learners"]
    ]


def test_a_definition_with_problems_is_not_rehearsed(tmp_path: Path) -> None:
    """Every problem is printed with its place, on standard error, and the status is 1."""
    (tmp_path / "journey.yaml").write_text(
        (SCRIPT / "journey.yaml").read_text().replace("send: by-name", "send: by-nam")
    )
    done = waymark(tmp_path / "journey.yaml", "--events", SCRIPT / "events.jsonl", "--json")
    assert (1, "") == (done.returncode, done.stdout)
    assert "journey.yaml:8:" in done.stderr
    assert "by-nam" in done.stderr


def test_events_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    """By line, with the code; empty lines are passed over; nothing is rehearsed."""
    good = (SCRIPT / "events.jsonl").read_text().splitlines()[0]
    (tmp_path / "events.jsonl").write_text(f'{good}\n\n{{"specversion": "1.0"}}\nno json\n')
    done = waymark(SCRIPT / "journey.yaml", "--events", tmp_path / "events.jsonl")
    assert (1, "") == (done.returncode, done.stdout)
    assert "events.jsonl:3: missing_field" in done.stderr
    assert "events.jsonl:4: not_json" in done.stderr
    assert "2 events that cannot be used" in done.stderr


def test_unknown_fields_of_a_profile_are_refused(tmp_path: Path) -> None:
    """With what was probably meant."""
    (tmp_path / "learners.yaml").write_text("ada: {emial: ada@example.com}\n")
    done = waymark(
        SCRIPT / "journey.yaml", "--events", SCRIPT / "events.jsonl", "--learners", tmp_path / "learners.yaml"
    )
    assert 1 == done.returncode
    assert "learners.yaml:1:7: ada.emial: no such field; did you mean email?" in done.stderr


def test_files_of_any_origin(tmp_path: Path) -> None:
    """A byte order mark and CR LF are no matter; what would turn a terminal's line round is written out."""
    event = json.loads((SCRIPT / "events.jsonl").read_text().splitlines()[0])
    text = json.dumps({**event, "subject": "\x1b[31m\u202ered"}, ensure_ascii=False)
    (tmp_path / "events.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    done = waymark(SCRIPT / "journey.yaml", "--events", tmp_path / "events.jsonl")
    assert (0, "") == (done.returncode, done.stderr)
    assert "\\x1b[31m\\u202ered: ends as" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--until", "soon"], "--until: 'soon' is not a duration"),
        (["--learners", "nowhere.yaml"], "nowhere.yaml cannot be read"),
    ],
)
def test_wrong_usage_has_status_2(arguments: list[str], expected: str) -> None:
    """With what is allowed, or what is missing."""
    done = waymark(SCRIPT / "journey.yaml", "--events", SCRIPT / "events.jsonl", *arguments)
    assert 2 == done.returncode
    assert expected in done.stderr


def test_help_has_an_example() -> None:
    """Every command does."""
    done = waymark("--help")
    assert 0 == done.returncode
    assert "Example: waymark rehearse" in done.stdout
