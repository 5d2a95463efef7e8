"""`waymark draft`, as it is typed, against a server that speaks the model's protocol."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from journeys.compiler import compile_definition
from journeys.drafting.checks import CHECKS
from journeys.source import plain, read_source
from waymark.cli.errors import CommandError
from waymark.cli.main import build
from waymark.demo.writer import PRESSURE, Answer, Asked, Refusal, Reply, WriterServer, obliging

JOURNEY = """\
waymark: 1
journey: a-journey
title: A journey
audience: learner.country in ["GB", "DE"]
enter: [{on: hr.learner.promoted}]
steps:
  - send: reminder
    via: [webhook, email]
    when: has(learner.team)
  - wait: 2d
  - send: plain
messages:
  plain: {subject: Plain, body: "Nothing is drafted here. Hurry, only 2 days are left!"}
  reminder:
    subject: Your course
    body: "The first lesson takes ten minutes. Start when it suits you. {{ link }}"
    link: {label: Start, url: "https://lms.example.org"}
    draft: {brief: Remind her that the course is waiting., per: learner.department, uses: [learner.given_name]}
    languages:
      de: {subject: Dein Kurs, body: "Die erste Lektion dauert zehn Minuten. Beginne, wann es dir passt. {{ link }}"}
"""
LEARNERS = """\
ada: {country: GB, department: Sales}
ben: {country: DE, department: Engineering}
cara: {country: GB, department: Sales}
dora: {country: FR, department: Operations}
emil: {country: DE}
"""


@dataclass(frozen=True)
class Done:
    """What a command said, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Desk:
    """A folder with a journey, and the model's server."""

    folder: Path
    server: WriterServer

    async def draft(self, *options: str, **settings: str) -> Done:
        """The command, with the settings that lead to the server; in this process, beside the server."""
        clean = {name: None for name in os.environ if name.startswith(("WAYMARK_", "OPENAI_"))}
        environment = {**clean, "NO_PROXY": "127.0.0.1", **self.server.settings(), **settings}
        given = [str(self.folder / option) if option.endswith((".yaml", ".json")) else option for option in options]
        command = ["draft", str(self.folder / "journey.yaml"), *given]
        ended = await asyncio.to_thread(CliRunner().invoke, build(), command, env=environment)
        error = ended.exception
        if isinstance(error, CommandError):
            return Done(error.status, ended.stdout, f"{ended.stderr}waymark: {error}\n")
        assert error is None or isinstance(error, SystemExit), ended.stdout + ended.stderr
        return Done(ended.exit_code, ended.stdout, ended.stderr)

    async def texts(self, *options: str, status: int = 0) -> list[dict[str, Any]]:
        """What `--json` says of the texts."""
        done = await self.draft("--json", *options)
        assert status == done.returncode, done.stderr
        return json.loads(done.stdout)["texts"]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The model writes what it is asked for."""
    (tmp_path / "journey.yaml").write_text(JOURNEY)
    (tmp_path / "learners.yaml").write_text(LEARNERS)
    server = WriterServer(obliging)
    await server.start()
    yield Desk(tmp_path, server)
    await server.stop()


def text(subject: str, body: str) -> Answer:
    return Answer(json.dumps({"subject": subject, "body": body}), usage=(100, 20))


def which(texts: Sequence[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(each["message"], each["language"], each["value"]) for each in texts]


# --- texts --------------------------------------------------------------------------------------------------------


async def test_a_text_is_proposed_for_each_language_and_each_value_of_the_audience(desk: Desk) -> None:
    """Values come from the learners whom the journey is for, each once; a learner without one is passed over."""
    texts = await desk.texts("--learners", "learners.yaml")
    wanted = [("reminder", tag, value) for value in ("Engineering", "Sales") for tag in (None, "de")]
    assert wanted == which(texts)
    assert all(each["findings"] == [] and each["subject"] for each in texts)


async def test_values_and_languages_may_be_named(desk: Desk) -> None:
    """`own` is the message's own language."""
    assert [("reminder", "de", "Lawyers")] == which(await desk.texts("--value", "Lawyers", "--language", "DE"))
    assert [("reminder", None, "Lawyers")] == which(await desk.texts("--value", "Lawyers", "--language", "own"))


async def test_a_person_reads_the_text_what_was_sent_back_and_what_it_took(desk: Desk) -> None:
    """The text on standard output; progress, tokens and calls on standard error."""
    desk.server.usual = lambda asked: obliging(asked, is_faulty_at_first=True)
    done = await desk.draft("--value", "Sales", "--language", "own")
    assert 0 == done.returncode, done.stderr
    assert "reminder in its own language, for Sales: proposed\n  Your course\n" in done.stdout
    assert "  sent back  pressure: " in done.stdout
    assert PRESSURE not in done.stdout.partition("sent back")[0]
    assert "1 of 1: reminder in its own language, for Sales\n" in done.stderr
    assert f"1 text; 2 calls by {desk.server.model}, " in done.stderr


async def test_a_text_with_a_hard_finding_is_sent_back_twice_and_then_shown(desk: Desk) -> None:
    """With the findings in the prompt; the exit status says that a person must look."""
    desk.server.usual = lambda _asked: text("Your course", f"It is waiting. {PRESSURE} {{{{ link }}}}")
    (item,) = await desk.texts("--value", "Sales", "--language", "own", status=1)
    assert 3 == len(desk.server.asked)
    assert ["pressure" in asked.user for asked in desk.server.asked] == [False, True, True]
    assert "pressure" in {finding["check"] for finding in item["findings"]}
    assert item["prompt"]["user"] == desk.server.asked[-1].user


async def test_the_prompt_that_is_told_is_the_one_that_brought_the_text(desk: Desk) -> None:
    """Where later answers are worse, or none, that is an earlier one."""
    bad = f"It is waiting. {PRESSURE} {{{{ link }}}}"
    worse = text("Your course", f"{bad} See https://evil.example, too.")
    desk.server.replies = [text("Your course", bad), worse, Answer("")]
    (item,) = await desk.texts("--value", "Sales", "--language", "own", status=1)
    assert (3, bad) == (len(desk.server.asked), item["body"])
    assert item["prompt"]["user"] == desk.server.asked[0].user


async def test_an_answer_that_is_no_text_is_no_end(desk: Desk) -> None:
    """It counts as a try; where no answer is one, the command says why."""
    desk.server.replies = [Answer("Certainly!")]
    (item,) = await desk.texts("--value", "Sales", "--language", "own")
    assert ("Your course", 1) == (item["subject"], len(item["sent_back"]))
    desk.server.usual = lambda _asked: Answer(None, refusal="I cannot help with that.")
    (item,) = await desk.texts("--value", "Sales", "--language", "own", status=1)
    assert (None, "refused: the model declined to write this") == (item["subject"], item["reason"])
    assert "I cannot help with that." == item["answer"]
    desk.server.usual = lambda _asked: Refusal(400, "content_filter", "Not with us.")
    done = await desk.draft("--value", "Sales", "--language", "own")
    assert "what came back: 400 " in done.stdout
    assert "Not with us." in done.stdout


async def test_the_words_of_a_server_that_writes_nothing_at_all_are_told(desk: Desk) -> None:
    """Beside the setting to look at."""
    desk.server.usual = lambda _asked: Refusal(400, "API_KEY_INVALID", "Not valid, dear customer.")
    done = await desk.draft("--value", "Sales", "--language", "own")
    assert "OPENAI_API_KEY" in done.stderr
    assert "dear customer" in done.stderr


async def test_languages_that_say_different_facts_are_found(desk: Desk) -> None:
    """The finding stands at each of them."""
    desk.server.usual = _with_german(text("Dein Kurs", "Die erste Lektion dauert zwölf Minuten. {{ link }}"))
    texts = await desk.texts("--value", "Sales", status=1)
    assert all("agreement" in {finding["check"] for finding in each["findings"]} for each in texts)


def _with_german(german: Answer) -> Any:
    def reply(asked: Asked) -> Reply:
        return german if "the language de" in asked.user else obliging(asked)

    return reply


async def test_words_that_the_firm_forbids_are_found(desk: Desk) -> None:
    """`--policy` is the installation's."""
    (desk.folder / "policy.json").write_text('{"drafts": {"forbidden": ["ten minutes"]}}')
    (item,) = await desk.texts("--value", "Sales", "--language", "own", "--policy", "policy.json")
    assert "ten minutes" not in item["body"]
    assert ["tone"] == [finding["check"] for finding in item["sent_back"][0]]


# --- what is refused, and what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ((), 2, "reminder is drafted for each value of learner.department: name them with --value, or give"),
        (("--value", "x", "--message", "plain"), 2, "--message plain: it can be one of reminder"),
        (("--value", "x", "--language", "fr"), 2, "--language fr: the messages are in de, own"),
        (("--improve", "--alternatives", "3"), 2, "do different things"),
        (("--alternatives", "3", "--value", "x", "--value", "y"), 2, "give one --value of x, y"),
        (("--value", "x", "--most", "1"), 2, "2 texts are wanted, --most allows 1"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anything_is_bought(
    desk: Desk, options: tuple[str, ...], status: int, said: str
) -> None:
    """With what is allowed."""
    done = await desk.draft(*options)
    assert status == done.returncode
    assert said in done.stderr
    assert [] == desk.server.asked


async def test_without_a_key_the_setting_and_the_imitation_are_named(desk: Desk) -> None:
    """And with the imitation it works, and says what it is."""
    done = await desk.draft("--value", "Sales", OPENAI_API_KEY="")
    assert 2 == done.returncode
    assert "no writer is set up: set OPENAI_API_KEY (" in done.stderr
    assert "--imitation" in done.stderr
    done = await desk.draft("--value", "Sales", "--imitation", OPENAI_API_KEY="")
    assert (0, True) == (done.returncode, "these texts are an imitation's" in done.stderr)
    assert [] == desk.server.asked


async def test_a_journey_that_drafts_nothing_says_what_to_do(desk: Desk) -> None:
    """It names the key."""
    path = desk.folder / "journey.yaml"
    path.write_text("\n".join(line for line in JOURNEY.splitlines() if "draft:" not in line))
    done = await desk.draft()
    assert (1, True) == (done.returncode, "give a message `draft: {brief: ...}`" in done.stderr)


async def test_a_wrong_key_is_a_setting_and_a_server_that_is_gone_is_not_reached(desk: Desk) -> None:
    """Exit status 2 and 3; a server that asks to wait for minutes is not waited for."""
    done = await desk.draft("--value", "Sales", OPENAI_API_KEY="sk-wrong")
    assert (2, True) == (done.returncode, "OPENAI_API_KEY" in done.stderr)
    desk.server.usual = lambda _asked: Refusal(429, "rate_limit_exceeded", headers={"retry-after": "600"})
    done = await desk.draft("--value", "Sales")
    assert (3, True) == (done.returncode, "does not write now (429)" in done.stderr)


async def test_a_server_that_says_later_is_asked_later(desk: Desk) -> None:
    """As long as it asks for, and the texts come."""
    desk.server.replies = [Refusal(429, "rate_limit_exceeded", headers={"retry-after-ms": "20"})]
    done = await desk.draft("--value", "Sales", "--language", "own")
    assert (0, True) == (done.returncode, "once more in 1s" in done.stderr)


async def test_what_was_bought_is_shown_when_the_server_goes_away(desk: Desk) -> None:
    """The first text stands on standard output; the error says why there are no more."""
    desk.server.usual = _with_german(Answer(None))

    def reply(asked: Asked) -> Reply:
        gone = Refusal(503, headers={"retry-after": "900"})
        return gone if "the language de" in asked.user else obliging(asked)

    desk.server.usual = reply
    done = await desk.draft("--message", "reminder", "--value", "Sales", "--alternatives", "2", "--language", "own")
    assert 0 == done.returncode, done.stderr
    done = await desk.draft("--value", "Sales", "--value", "Lawyers")
    assert 3 == done.returncode
    assert "the writer at 127.0.0.1 does not write now (503)" in done.stderr


# --- alternatives -------------------------------------------------------------------------------------------------


async def test_alternatives_make_a_split_that_compiles_where_it_is_pasted(desk: Desk) -> None:
    """In the place of the step; each in every language, with the step's options and the message's link."""
    done = await desk.draft("--alternatives", "3", "--value", "Sales", "--json")
    found = json.loads(done.stdout)
    bodies = [each["body"] for each in found["texts"] if each["language"] is None]
    assert 3 == len(set(bodies))
    pasted, definition = _plain(found["split"]), _plain(JOURNEY)
    definition["steps"][:1] = pasted["steps"]
    definition["messages"] |= pasted["messages"]
    compiled = compile_definition(json.dumps(definition))
    assert [] == [problem for problem in compiled.problems if problem.severity == "error"]
    assert compiled.program is not None
    first = compiled.program.messages["reminder-1"]
    assert (bodies[0], "Dein Kurs") == (first.body, first.languages["de"].subject)
    assert first.link is not None
    assert "has(learner.team)" in {node.guard.text for node in compiled.program.nodes.values() if node.guard}


def _plain(text: str) -> Any:
    read = read_source(text.encode())
    assert not read.problems
    return plain(read.root)


async def test_each_alternative_is_told_those_before_it_as_data(desk: Desk) -> None:
    """In fences of their own; a text that is nearly another is sent back."""
    desk.server.replies = [
        text("Your course", "The first lesson takes ten minutes. {{ link }}"),
        text("Your course", "The first lesson takes ten minutes, no more. {{ link }}"),
        text("A small step", "Whenever you have time, there is something short that waits for you. {{ link }}"),
    ]
    options = ("--alternatives", "2", "--value", "Sales", "--language", "own")
    first, second = await desk.texts(*options)
    assert (1, 2) == (first["alternative"], second["alternative"])
    assert "A small step" == second["subject"]
    assert ["alternatives", "alternatives"] == [finding["check"] for finding in second["sent_back"][0]]
    told = [asked.user for asked in desk.server.asked]
    assert "which is there already" not in told[0]
    assert "\n| The first lesson takes ten minutes. {{ link }}\n<<<END" in told[1]


async def test_a_message_without_a_draft_has_alternatives_too(desk: Desk) -> None:
    """They say what it says; where only some have a text, nothing is pasted."""
    subjects = iter(("Plain", "Simple", "Bare", "Clear"))
    desk.server.usual = lambda _asked: text(next(subjects), "There is nothing that is drafted.")
    texts = await desk.texts("--alternatives", "2", "--message", "plain", status=1)
    assert ["Plain", "Clear"] == [each["subject"] for each in texts]
    desk.server.usual = lambda _asked: Answer("")
    done = await desk.draft("--alternatives", "2", "--message", "plain", "--json")
    assert (1, None) == (done.returncode, json.loads(done.stdout)["split"])


# --- improvements -------------------------------------------------------------------------------------------------


async def test_a_text_that_is_there_is_improved_by_what_was_found(desk: Desk) -> None:
    """Those without findings stay as they are, and nothing is bought for them."""
    plain, own, german = await desk.texts("--improve")
    assert [("plain", None, None), ("reminder", None, None), ("reminder", "de", None)] == which([plain, own, german])
    assert PRESSURE in plain["before"]["body"]
    assert "Nothing is drafted here." == plain["body"]
    assert {"pressure"} == {finding["check"] for finding in plain["gone"]}
    assert ([], own["before"]["body"]) == (own["gone"], own["body"])
    assert 1 == len(desk.server.asked)
    assert "pressure: " in desk.server.asked[0].user


async def test_a_person_reads_before_after_and_what_is_gone(desk: Desk) -> None:
    """One below the other."""
    done = await desk.draft("--improve", "--message", "plain")
    assert 0 == done.returncode
    assert "plain in its own language: improved\n  before: Plain\n" in done.stdout
    assert "\n  after: Plain\n\n    Nothing is drafted here.\n" in done.stdout
    assert "  gone       pressure: " in done.stdout


async def test_a_text_that_the_writer_makes_worse_stays(desk: Desk) -> None:
    """The journey's own words are never given up for worse ones."""
    desk.server.usual = lambda _asked: text("Plain", f"<b>Now</b> or never! {PRESSURE} Call 0800 123456.")
    (item,) = await desk.texts("--improve", "--message", "plain", status=1)
    assert item["before"]["body"] == item["body"]
    assert "the text stays" in item["reason"]


async def test_what_no_check_can_read_is_no_reason_to_write_anew(desk: Desk) -> None:
    """A text in a language whose words no check has: that is told, and nobody is asked for another."""
    path = desk.folder / "journey.yaml"
    body = '"Il corso è qui per voi, quando volete, e la prima lezione vi aspetta."'
    path.write_text(JOURNEY.replace('"Nothing is drafted here. Hurry, only 2 days are left!"', body))
    (item,) = await desk.texts("--improve", "--message", "plain")
    assert ["coverage"] == [finding["check"] for finding in item["findings"]]
    assert [] == desk.server.asked


async def test_a_text_with_parts_that_no_draft_may_have_is_looked_at_only(desk: Desk) -> None:
    """What was found is told, and why nobody was asked."""
    path = desk.folder / "journey.yaml"
    body = '"{% if learner.team is defined %}You lead a team. {% endif %}Hurry, only 2 days are left!"'
    path.write_text(JOURNEY.replace('"Nothing is drafted here. Hurry, only 2 days are left!"', body))
    (item,) = await desk.texts("--improve", "--message", "plain", status=1)
    assert {"pressure"} <= {finding["check"] for finding in item["findings"]} <= set(CHECKS) - {"markup"}
    assert "{% ... %}" in item["reason"]
    assert [] == desk.server.asked
