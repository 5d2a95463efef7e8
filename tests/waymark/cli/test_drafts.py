"""`waymark drafts`: listed, shown, approved, rejected, taken back, edited, written again."""

import json
import os
import pty
import re
from pathlib import Path

import pytest

from journeys.drafting.order import DraftText
from tests.support.api import Api
from tests.support.command import begin, run
from tests.support.proposing import BETTER, DRAFTED, ENGLISH, GERMAN, WRONG, propose, states, want, write


@pytest.fixture
async def api(api: Api) -> Api:
    """The API, with the drafted journey published."""
    answer = await api.publish(DRAFTED, "to-lead")
    assert answer.status_code == 201, answer.text
    return api


async def test_drafts_are_listed(api: Api) -> None:
    """With how much was found; as JSON what the API answers."""
    first = await propose(api.parts.database, WRONG)
    second = await want(api.parts.database, value="clerk")
    listed = await run(api, "drafts", "list")
    assert 0 == listed.status, listed.errors
    head, newest, oldest = listed.output.splitlines()
    assert ["id", "journey", "message", "language", "for", "state", "findings"] == head.split()[:7]
    assert [second, "to-lead", "course", "-", "clerk", "wanted", "-"] == newest.split()[:7]
    assert [first, "to-lead", "course", "-", "nurse", "proposed", "1", "hard"] == oldest.split()[:8]
    told = await run(api, "drafts", "list", "--all", "--value", "nurse", "--json")
    assert await api.get("/v1/drafts", value="nurse") == json.loads(told.output)
    assert "no draft matches\n" == (await run(api, "drafts", "list", "--state", "failed")).output
    assert 2 == (await run(api, "drafts", "list", "--state", "new")).status


async def test_a_draft_is_shown_as_people_read_it(api: Api) -> None:
    """Its text, what is wrong, what changed, how it would read, what would go out otherwise."""
    approved = await propose(api.parts.database)
    await run(api, "drafts", "approve", approved)
    edited = await api.client.post(
        f"/v1/drafts/{approved}/edit", json={"subject": WRONG.subject, "body": ENGLISH.body.replace("5", "9")}
    )
    shown = await run(api, "drafts", "show", edited.json()["id"], "--prompt")
    assert 0 == shown.status, shown.errors
    for said in (
        "course of to-lead, for nurse",
        "proposed; text 2, by tests",
        "  hard  numbers: the facts do not have the number 9",
        f"What changed since {approved}",
        "It takes [-5-]{+9+} days",
        "  The course for a nurse is there. It takes 9 days",
        "  [Start] https://lms.example.com/lead",
        "  The course takes 5 days. {{ link }}",
        f"Earlier\n  {approved} (own language) approved by tests on ",
    ):
        assert said in shown.output, shown.output
    told = await run(api, "drafts", "show", approved, "--prompt")
    assert "What the model was asked\n  You draft.\n\n  BRIEF" in told.output
    as_json = await run(api, "drafts", "show", approved, "--json")
    assert await api.get(f"/v1/drafts/{approved}") == json.loads(as_json.output)
    missing = await run(api, "drafts", "show", "drf-none")
    assert (1, True) == (missing.status, "draft_not_found" in missing.errors)


async def test_of_a_draft_that_failed_is_shown_what_came_back(api: Api) -> None:
    """In the server's own words, which steer no terminal."""
    draft = await want(api.parts.database)
    gone = {"state": "failed", "reason": "refused", "subject": None, "body": None, "answer": "400 Not\x1b[31m this."}
    await write(api.parts.database, draft, ENGLISH, **gone)
    shown = await run(api, "drafts", "show", draft)
    assert "What came back instead of a text\n  400 Not\\x1b[31m this." in shown.output, shown.output


async def test_what_a_model_wrote_does_not_steer_the_terminal(api: Api) -> None:
    """Its controls are written out, wherever they are printed."""
    evil = DraftText("A \x1b[31mcourse", "It takes 5 days\x1b]0;x\x07 \u202ehere: {{ link }}")
    draft = await propose(api.parts.database, evil)
    for command in (("show", draft), ("list",), ("approve", "--all", "--journey", "to-lead", "--dry-run")):
        done = await run(api, "drafts", *command)
        assert not {"\x1b", "\x07", "\u202e"} & {*done.output, *done.errors}
        assert 0 == done.status


async def test_drafts_are_approved_by_id(api: Api) -> None:
    """One that something hard stands against is left, unless it is said."""
    fine = await propose(api.parts.database)
    wrong = await propose(api.parts.database, WRONG, value="clerk")
    done = await run(api, "drafts", "approve", fine, wrong)
    assert (1, f"{fine} is approved, by tests\n") == (done.status, done.output)
    assert "hard_findings" in done.errors
    forced = await run(api, "drafts", "approve", wrong, "--despite-findings", "--json")
    assert (0, "approved") == (forced.status, json.loads(forced.output)["state"])


async def test_all_of_a_journey_are_approved_after_saying_how_many(api: Api) -> None:
    """What is left is told; without a terminal `--yes` is wanted."""
    fine = [await propose(api.parts.database, value=value) for value in ("nurse", "clerk")]
    wrong = await propose(api.parts.database, WRONG, value="chef")
    whole = ("drafts", "approve", "--all", "--journey", "to-lead")
    dry = await run(api, *whole, "--dry-run")
    assert (0, "2 of 3 drafts would be approved") == (dry.status, dry.output.splitlines()[0])
    assert f"{wrong} (course, chef, own language): " in dry.output
    assert 2 == (await run(api, *whole)).status
    assert {"proposed"} == set((await states(api.parts.database)).values())
    done = await run(api, *whole, "--yes")
    assert (1, "2 of 3 drafts are approved\n") == (done.status, done.output)
    assert "1 of 3 is left" in done.errors
    after = await states(api.parts.database)
    assert ["approved", "approved", "proposed"] == [after[id_] for id_ in (*fine, wrong)]
    for wrong_usage in ((), ("--all",), (wrong, "--all"), ("--all", "--journey", "to-lead", "--despite-findings")):
        assert 2 == (await run(api, "drafts", "approve", *wrong_usage)).status, wrong_usage


async def test_what_comes_while_somebody_is_asked_is_not_approved(api: Api) -> None:
    """She agrees to what she was told of, and to nothing else."""
    told = await propose(api.parts.database)
    hands, terminal = pty.openpty()
    try:
        asked = await begin(api, "drafts", "approve", "--all", "--journey", "to-lead", stdin=terminal)
        assert asked.stderr is not None
        assert b"1 of 1 draft would be approved" in await asked.stderr.readuntil(b"Go on?")
        later = await propose(api.parts.database, value="clerk")
        os.write(hands, b"y\n")
        output, _ = await asked.communicate()
    finally:
        os.close(hands)
        os.close(terminal)
    assert (0, b"1 of 1 draft is approved") == (asked.returncode, output.strip())
    assert {told: "approved", later: "proposed"} == await states(api.parts.database)


async def test_nothing_is_approved_where_nothing_is_proposed(api: Api) -> None:
    """And that is no failure."""
    done = await run(api, "drafts", "approve", "--all", "--journey", "to-lead", "--yes")
    assert (0, "0 of 0 drafts are approved\n") == (done.status, done.output)


async def test_drafts_are_rejected_and_written_again(api: Api) -> None:
    """The next text is named; with `--no-again` there is none, until somebody wants it."""
    first, second = [await propose(api.parts.database, value=value) for value in ("nurse", "clerk")]
    done = await run(api, "drafts", "reject", first, "--reason", "too long")
    again = (await api.get("/v1/drafts", value="nurse", state="wanted"))["items"][0]["id"]
    assert (0, f"{first} is rejected; {again} is written in its place\n") == (done.status, done.output)
    last = await run(api, "drafts", "reject", second, "--reason", "no", "--no-again")
    assert f"{second} is rejected\n" == last.output
    wanted = await run(api, "drafts", "again", second)
    assert (0, True) == (wanted.status, wanted.output.endswith(f" is wanted, in place of {second}\n"))
    assert 2 == (await run(api, "drafts", "reject", first)).status


async def test_an_approval_is_taken_back(api: Api) -> None:
    """It says what is to come; who had approved it is still told, with who took that back, and why."""
    first, second = [await propose(api.parts.database, value=value) for value in ("nurse", "clerk")]
    early = await run(api, "drafts", "take-back", first, "--reason", "wrong")
    assert (1, True) == (early.status, "draft_not_approved" in early.errors)
    await run(api, "drafts", "approve", first, second)
    done = await run(api, "drafts", "take-back", first, "--reason", "it takes 6 days")
    again = (await api.get("/v1/drafts", value="nurse", state="wanted"))["items"][0]["id"]
    assert (0, f"{first} is sent no more; {again} is to stand in its place\n") == (done.status, done.output)
    shown = (await run(api, "drafts", "show", first)).output
    assert re.search(r"\napproved by tests on [^;]*, taken back by tests on [^;]*; text 1,", shown), shown
    assert "because: it takes 6 days" in shown
    last = await run(api, "drafts", "take-back", second, "--reason", "no", "--no-again")
    assert f"{second} is sent no more\n" == last.output
    assert 2 == (await run(api, "drafts", "take-back", first)).status


async def test_a_draft_is_edited_from_a_file(api: Api, tmp_path: Path) -> None:
    """Its first line is the subject; what is wrong with the new text is told."""
    draft = await propose(api.parts.database, GERMAN, language="de")
    file = tmp_path / "text.txt"
    file.write_text(f"Ihr Kurs\n\n{GERMAN.body.replace('5', '9')}\n")
    done = await run(api, "drafts", "edit", draft, "--file", str(file))
    assert 0 == done.status, done.errors
    assert f" is proposed, in place of {draft}\n  hard  numbers: " in done.output
    piped = await run(api, "drafts", "edit", draft, "--file", "-", "--json", given=f"{BETTER.subject}\n{GERMAN.body}")
    assert (BETTER.subject, GERMAN.body) == (json.loads(piped.output)["subject"], json.loads(piped.output)["body"])
    assert 2 == (await run(api, "drafts", "edit", draft)).status
    assert 2 == (await run(api, "drafts", "edit", draft, "--file", str(tmp_path / "none"))).status
    file.write_text("A subject alone")
    refused = await run(api, "drafts", "edit", draft, "--file", str(file))
    assert (1, True) == (refused.status, "the body is empty" in refused.errors)
