"""Which drafted text a message needs: her value, the language of who gets it, the channels it may go through."""

from dataclasses import replace

import pytest

from journeys.deciding import facts_of
from journeys.drafting.choosing import Unordered, Wanted, without
from journeys.drafting.needing import NOT_PER_LEARNER, drafted_steps, has_drafts, needed
from journeys.effects import Deliver
from journeys.events import Json
from journeys.policy import UNLIMITED
from journeys.program import Entry, Program
from tests.support.compiling import compiled
from tests.support.programs import MONDAY

DEFINITION = """\
waymark: 1
journey: needing
title: Needing
enter: [{on: hr.learner.promoted}]
steps:
  - send: course
    via: [email, webhook]
  - send: course
    to: manager
  - send: plain
messages:
  course:
    draft: {brief: Remind her., per: learner.role}
    subject: Your course
    body: It waits.
    webhook: It waits for you.
    languages:
      de: {subject: Ihr Kurs, body: Er wartet., email: Er wartet in der Post.}
  plain: {subject: Plain, body: Plain.}
"""
PROGRAM = compiled(DEFINITION)
ALLOWING = replace(UNLIMITED, drafts_per_learner=True)


def need(
    *via: str, message: str = "course", language: str | None = None, program: Program = PROGRAM, **profile: Json
) -> Wanted | Unordered | None:
    deliver = Deliver("send-course", 1, 0, message, via, MONDAY, None)
    facts = facts_of(None, source_id="ada", profile=profile, entry=Entry(MONDAY.isoformat(), ""))
    return needed(
        program,
        deliver,
        facts=facts,
        learner_id="lrn-1",
        recipient={"language": language},
        policy=UNLIMITED,
    )


def order(found: Wanted | Unordered | None) -> tuple[str, str | None, str | None]:
    assert isinstance(found, Wanted)
    return found.order.message, found.order.value, found.order.language


@pytest.mark.parametrize(("language", "expected"), [(None, None), ("en", None), ("de", "de"), ("de-AT", "de")])
def test_her_value_and_the_best_language_of_who_gets_it(language: str | None, expected: str | None) -> None:
    """The language is looked up as it is when the message goes."""
    assert ("course", "cook", expected) == order(need("sms", language=language, role="cook"))


@pytest.mark.parametrize(
    ("via", "language", "is_needed"),
    [
        (("webhook",), None, False),
        (("email", "webhook"), None, True),
        (("email", "webhook"), "de", False),
        (("email",), "de", False),
        (("sms", "webhook"), "de", True),
    ],
)
def test_words_of_a_channels_own_need_no_draft(via: tuple[str, ...], language: str | None, is_needed: bool) -> None:
    """Nobody drafts them; where one of the channels has none, a draft is needed."""
    assert is_needed == isinstance(need(*via, language=language, role="cook"), Wanted)


def test_without_a_draft_nothing_is_needed() -> None:
    """The message goes in its own words, and nobody asks why."""
    assert need("email", message="plain", role="cook") is None


def test_a_value_that_is_not_known() -> None:
    """Is told by its name."""
    found = need("email")
    assert isinstance(found, Unordered)
    assert "learner.role" in found.reason


def test_a_value_that_says_who_she_is_orders_nothing() -> None:
    """The writer would be told it; a text that others have ordered for it is hers all the same."""
    found = need("email", role="cook", family_name="Cook")
    assert isinstance(found, Wanted)
    assert "learner.family_name" == found.personal
    assert need("email", role="cook") == replace(found, personal=None)
    why = without(found)
    assert why is not None
    assert "learner.family_name stands in the value of `per`" in why.reason


def test_a_text_for_her_alone_hangs_on_the_policy() -> None:
    """Its value is her id of ours, that no model is told."""
    program = compiled(DEFINITION.replace("per: learner.role", "per: learner"))
    assert Unordered(NOT_PER_LEARNER) == need("email", program=program)
    deliver = Deliver("send-course", 1, 0, "course", ("email",), MONDAY, None)
    facts = facts_of(None, source_id="ada", profile={}, entry=None)
    allowed = needed(program, deliver, facts=facts, learner_id="lrn-1", recipient={}, policy=ALLOWING)
    assert ("course", "lrn-1", None) == order(allowed)


def test_what_the_steps_of_a_program_send_that_is_drafted() -> None:
    """To whom, through what; a program without drafts has none."""
    assert [("learner", ("email", "webhook")), ("manager", ("email",))] == sorted(
        (str(step.to), step.via) for step in drafted_steps(PROGRAM)
    )
    assert has_drafts(PROGRAM)
    plain = replace(PROGRAM, messages={"course": replace(PROGRAM.messages["course"], draft=None)})
    assert (False, []) == (has_drafts(plain), drafted_steps(plain))
