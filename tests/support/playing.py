"""Plays a golden script on the real performer: real Temporal with its time moved, real SMTP and webhooks.

What came of it is compared with the script to the second.
"""

import json
import math
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from connectors.mail.wording import SEPARATOR, text_part
from journeys.catalogue import is_our_own
from journeys.codec import entry_from_plain
from journeys.effects import Note, Paused, Resumed
from journeys.events import Event, Json
from journeys.identity import learner_id
from journeys.program import Program
from journeys.routing import instant_text
from store.queries import steering
from store.tables import DeliveryRow, DraftRow, Enrolment, Identity, Learner
from tests.connectors.channels.receiver import SECRET, Receiver
from tests.connectors.systems import TOKEN, Plan, System, by_signature
from tests.support.golden import GoldenScript, as_expected, message_form
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink

Form = dict[str, Any]
AFTERWARDS = timedelta(days=400)
A_MOMENT = timedelta(seconds=25)
"""Events come a moment before the clocks are there, or a deadline of the same instant would have been acted on: clocks
go on while a busy machine takes an event in.
"""

A_FEW_SECONDS = timedelta(seconds=28)


async def play(
    script: GoldenScript,
    *,
    database_url: str,
    temporal_address: str,
    smtp_sink: SmtpSink,
    receiver: Receiver,
    moodle: System,
    home: Path,
) -> None:
    """Play a script on real servers; every enrolment, every line of its journal and every message must be as it says,
    to the second and to the word.
    """
    script = script.shifted(_whole_weeks_to(script, datetime.now(UTC)))
    async with AsyncExitStack() as stack:
        calls = await _answering(stack, script)
        lms = {"WAYMARK_LMS_MOODLE_URL": moodle.url, "WAYMARK_LMS_MOODLE_TOKEN": TOKEN}
        house = await stack.enter_async_context(
            running_house(
                database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=home,
                webhook_url=receiver.url, webhook_secret=SECRET, policy=script.policy, calls=calls, lms=lms,
            )
        )  # fmt: skip
        program = await house.publish(script.definition)
        journey = program.journey
        await _draft(house, script, program)
        if script.also is not None:
            await house.publish(script.also)
        await _introduce(house, script.learners)
        for at, what in _in_order(script):
            await house.move_to(at - A_MOMENT)
            house.story_now = at
            if isinstance(what, Event):
                (taken,) = await house.take(await _addressed(house, what))
                assert "accepted" == taken.status
            else:
                await _act(house, *what)
            await house.quiet()
        await house.move_to(max(script.arrives_at(e) for e in script.events) + AFTERWARDS)
        told = _on_the_minute(await _told(house, script, smtp_sink, receiver, journey=journey))
        assert _lines(_with_plain_texts(script.expected)) == _lines(told)


def _in_order(script: GoldenScript) -> list[tuple[datetime, Event | tuple[str, Paused | Resumed]]]:
    """What comes in and what is done by hand, in order of time."""
    comes: list[tuple[datetime, Event | tuple[str, Paused | Resumed]]] = [
        (script.arrives_at(event), event) for event in script.in_order_of_arrival()
    ]
    return sorted([*comes, *((act[1].at, act) for act in script.acts)], key=lambda one: one[0])


async def _act(house: Running, name: str, given: Paused | Resumed) -> None:
    """As the API does it: one transaction for each of her enrolments, and a poke."""
    programs, learner = house.house.programs, learner_id(house.house.settings.signing_secret(), name)
    for each in await house.enrolments():
        if each.learner != learner or each.status == "ended":
            continue
        async with house.house.database.write() as session:
            if isinstance(given, Paused):
                done = await steering.pause(session, each.id, program_of=programs.by_hash, by="script", now=given.at)
            else:
                done = await steering.resume(
                    session, each.id, catch_up=given.catch_up, program_of=programs.by_hash, by="script", now=given.at
                )
            assert isinstance(done, steering.Steered), done
        await house.house.gateway.poke([each.id])


def _on_the_minute(told: Mapping[str, list[Form]]) -> dict[str, list[Form]]:
    """With the instants that are the clock's own, such as when an event let a message go, as the story's: what has a
    fraction of a second is a reading of the clock, and the story's is the minute next to it.
    """

    def mended(entry: Form) -> Form:
        at = datetime.fromisoformat(entry["at"])
        minute = (at + timedelta(seconds=30)).replace(second=0, microsecond=0)
        is_clock = at.microsecond and abs(at - minute) <= A_FEW_SECONDS
        return {**entry, "at": instant_text(minute)} if is_clock else entry

    return {
        learner: [
            {**form, **{name: [mended(e) for e in form[name]] for name in ("timeline", "messages")}} for form in forms
        ]
        for learner, forms in told.items()
    }


async def _addressed(house: Running, event: Event) -> Event:
    """An answer with the enrolment that it is about: a script cannot know its id."""
    if not is_our_own(event.type) or "enrolment" in event.data:
        return event
    learner = learner_id(house.house.settings.signing_secret(), str(event.subject))
    (mine,) = [each for each in await house.enrolments() if each.learner == learner]
    return replace(event, data={"enrolment": mine.id, **event.data})


def _lines(told: Mapping[str, Any]) -> list[str]:
    """A line for each fact, so that a difference can be read."""
    return [
        f"{learner} {form['key']!r} {part}"
        for learner, forms in told.items()
        for form in forms
        for part in (form["entered_at"], form["outcome"], *form["timeline"], *form["messages"])
    ]


def _whole_weeks_to(script: GoldenScript, now: datetime) -> timedelta:
    """So that the story begins after `now`: no clock can be moved back."""
    return script.period * max(math.ceil((now - min(e.time for e in script.events)) / script.period), 0)


async def _draft(house: Running, script: GoldenScript, program: Program) -> None:
    """The drafts of the script, each in its state."""
    now = datetime.now(UTC)
    rows = [draft.row(program, at=now).model_dump() for draft in script.drafts]
    if rows:
        async with house.house.database.write() as session:
            await (await session.connection()).execute(insert(DraftRow), rows)


async def _introduce(house: Running, learners: Mapping[str, Mapping[str, Json]]) -> None:
    secret = house.house.settings.signing_secret()
    now = datetime.now(UTC)
    people = [
        {"id": learner_id(secret, name), "source_id": name, "profile": dict(profile), "profile_times": {},
         "created_at": now, "updated_at": now}
        for name, profile in learners.items()
    ]  # fmt: skip
    if people:
        async with house.house.database.write() as session:
            core = await session.connection()
            await core.execute(insert(Learner), people)
            await core.execute(insert(Identity), [{"source_id": p["source_id"], "learner": p["id"]} for p in people])


def _with_plain_texts(expected: Mapping[str, Any]) -> dict[str, list[Form]]:
    """What arrives by mail is the text part, not the Markdown."""
    told = {learner: [dict(form) for form in forms] for learner, forms in expected.items()}
    for forms in told.values():
        for form in forms:
            form["messages"] = [
                {**m, "text": _plain(m["text"]) if m["channel"] == "email" else m["text"]} for m in form["messages"]
            ]
    return told


def _plain(markdown: str) -> str:
    return _without_link(text_part(markdown, None).strip())


def _without_link(text: str) -> str:
    """A script says the text and the link apart; a letter has the link at its end, and below it where its reader
    learns why she got it.
    """
    return re.sub(r"\n\n[^\n]*: https?://\S+$", "", text.partition(SEPARATOR)[0].rstrip())


async def _answering(stack: AsyncExitStack, script: GoldenScript) -> dict[str, str]:
    """The settings of webhooks that answer as the script says."""
    settings: dict[str, str] = {}
    for name, answer in script.answers.items():
        plan = Plan(204) if answer is None else Plan(200, {}, json.dumps(answer).encode())
        system = System(by_signature, usual=plan)
        await system.start()
        stack.push_async_callback(system.stop)
        settings |= {f"WAYMARK_CALL_{name.upper()}_URL": system.url, f"WAYMARK_CALL_{name.upper()}_SECRET": SECRET}
    return settings


async def _told(
    house: Running, script: GoldenScript, sink: SmtpSink, receiver: Receiver, *, journey: str
) -> dict[str, list[Form]]:
    """What the real performer did, in the form of the script."""
    secret = house.house.settings.signing_secret()
    deliveries = await house.deliveries()
    told: dict[str, list[Form]] = {}
    enrolments = sorted(await house.enrolments(), key=lambda e: (e.entered_at, e.ordinal))
    for name in script.expected:
        mine = [e for e in enrolments if e.learner == learner_id(secret, name) and e.journey == journey]
        told[name] = [await _enrolment(house, e, deliveries, sink, receiver) for e in mine]
    return told


async def _enrolment(house: Running, enrolment: Enrolment, deliveries: Any, sink: SmtpSink, receiver: Receiver) -> Form:
    rows = await house.journal(enrolment.id)
    # what could not be judged is ingest's to say; the rehearsal remarks on it beside the journal
    rows = [row for row in rows if row.kind != "not_judged"]
    notes = [Note(r.at, r.kind, r.step, r.text, r.data) for r in rows]  # type: ignore[arg-type]  # a kind, as it was kept
    mine = [d for d in deliveries if d.enrolment == enrolment.id and d.status == "sent"]
    left = sorted(mine, key=lambda d: (d.visit, d.leg))
    gone: list[tuple[DeliveryRow, datetime]] = []
    for note in notes:
        if note.data.get("status") == "sent":
            delivery = next(d for d in left if (d.node, d.message) == (note.step, note.data["message"]))
            left.remove(delivery)
            gone.append((delivery, note.at))
    assert not left
    return as_expected(
        key=entry_from_plain(enrolment.entry).key,
        entered_at=enrolment.entered_at,
        outcome=enrolment.outcome,
        notes=notes,
        messages=[_message(delivery, at, sink, receiver) for delivery, at in gone],
    )


def _message(delivery: DeliveryRow, at: datetime, sink: SmtpSink, receiver: Receiver) -> Form:
    channel = delivery.channel or ""
    if channel == "webhook":
        (body,) = [r.body for r in receiver.taken if r.body["delivery"] == delivery.id]
        subject, text = body["subject"], body["text"]
    else:
        (mail,) = [m for m in sink.arrived if delivery.id in str(m.message["message-id"])]
        subject, text = str(mail.message["subject"]), _without_link(mail.part("plain").strip())
    return message_form(at=at, message=delivery.message, channel=channel, subject=subject, text=text)
