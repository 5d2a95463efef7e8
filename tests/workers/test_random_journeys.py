"""Random journeys with random events on the real performer, against the rehearsal: to the second and to the word.

The stories are drawn anew from the same beginning at every run, so that a failure can be seen again. Left out is what
asks other systems, and what depends on the secret by which learners are known; golden scripts have those.
"""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from connectors.channels import CHANNELS
from journeys.composing import Reach
from journeys.rehearse import rehearse
from tests.connectors.channels.receiver import Receiver
from tests.connectors.systems import System
from tests.support.compiling import compiled
from tests.support.golden import GoldenScript, rehearsed
from tests.support.playing import Form, play
from tests.support.random_journeys import Story, stories
from tests.support.smtp import SmtpSink

WORDS = ("send", "wait", "await", "branch", "repeat", "set", "ask", "end")
STORIES = 6
DRAWN = 150
REACH = {name: Reach(is_set_up=True, address_field=channel.address_field) for name, channel in CHANNELS.items()}
WEEK = timedelta(weeks=1)


@cache
def drawn() -> list[Story]:
    """The stories of which the rehearsal has the most to tell, no two of one length."""
    told: dict[int, Story] = {}

    @settings(
        max_examples=DRAWN, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(stories(WORDS, learners=("ada", "eve"), most=5))
    def draw(story: Story) -> None:
        definition = {name: value for name, value in json.loads(story.definition).items() if name != "holdout"}
        plain = replace(story, definition=json.dumps(definition))
        kinds = [entry["kind"] for forms in _expected(plain).values() for form in forms for entry in form["timeline"]]
        if len(kinds) <= 60:
            told.setdefault(len(set(kinds)) * 1_000 + len(kinds), plain)

    draw()
    return [told[length] for length in sorted(told, reverse=True)[:STORIES]]


def _expected(story: Story) -> Form:
    rehearsal = rehearse(compiled(story.definition), story.learners, story.events, reach=REACH)
    return rehearsed(rehearsal)


def _later(story: Story, by: timedelta) -> Story:
    """The same story so much later; the dates that its definition names stay, and are over then."""
    return replace(
        story,
        events=tuple(
            replace(e, time=e.time + by, effective=None if e.effective is None else e.effective + by)
            for e in story.events
        ),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(STORIES))
async def test_the_real_performer_does_what_the_rehearsal_says(
    number: int,
    sqlite_url: str,
    temporal_address: str,
    smtp_sink: SmtpSink,
    receiver: Receiver,
    moodle: System,
    tmp_path: Path,
) -> None:
    """Every enrolment, every line of its journal and every message."""
    story = drawn()[number]
    weeks = math.ceil((datetime.now(UTC) - min(event.time for event in story.events)) / WEEK)
    story = _later(story, WEEK * (weeks + 1))
    script = GoldenScript(f"random-{number}", story.definition, story.learners, story.events, {}, _expected(story))
    await play(
        script, database_url=sqlite_url, temporal_address=temporal_address, smtp_sink=smtp_sink, receiver=receiver,
        moodle=moodle, home=tmp_path,
    )  # fmt: skip
