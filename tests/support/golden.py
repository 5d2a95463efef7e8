"""The golden scripts: a journey, learners, timed events, and what must come of it on every performer.

    tests/golden/journeys/<name>/journey.yaml     the definition
                                 learners.yaml    profiles by the learner's id
                                 events.jsonl     CloudEvents, in order of their times, a minute apart at least
                                 arrivals.json    where there is one: event id to when it arrives, after its time
                                 policy.json      where there is one: the policy; without it, no limits
                                 answers.json     where there is one: what each named webhook answers (null: nothing)
                                 also.yaml        where there is one: another journey, that this one starts
                                 acts.json        where there is one: who is paused or resumed by hand, and when
                                 drafts.json      where there is one: the drafts of its messages, in whatever state
                                 expected.json    for each learner her enrolments, each with journal and messages

`as_expected` brings what a performer kept into the form of `expected.json`, so that the two are compared as plain data.
Instants of the story are in March 2026; `shifted` moves a script to where a server's clock is. A script with a policy
hangs on dates (clocks are changed, holidays come): it lies some years ahead, and is moved by `CALENDAR` alone.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from connectors.sources import Raw, Translated, to_cloudevent
from connectors.sources.cloudevents import CloudEvents
from journeys.drafting.choosing import Approved
from journeys.drafting.order import DraftText, order_for, order_key
from journeys.effects import Note, Paused, Resumed
from journeys.events import Event, Json
from journeys.identity import draft_id
from journeys.policy import UNLIMITED, Policy, policy_from_json
from journeys.program import Program
from journeys.routing import instant_text
from journeys.timeline import Rehearsal, TimelineEntry, entry_of_note
from store.tables import DraftRow

FOLDER = Path(__file__).parents[1] / "golden" / "journeys"

Form = dict[str, Any]

_MERGED = re.compile("merged_into_digest: dlv-[0-9a-f]+")

WEEK = timedelta(weeks=1)
CALENDAR_YEARS = 28
CALENDAR = timedelta(weeks=1461)
"""Twenty-eight years: every date falls on the same day of the week again, and clocks are changed on the same dates."""


@dataclass(frozen=True)
class GoldenDraft:
    """One text of a drafted message, as the store would have it."""

    message: str
    subject: str
    body: str
    language: str | None = None
    value: str | None = None
    state: str = "approved"
    number: int = 1

    def key(self, program: Program) -> str:
        """What its order is known by in this program."""
        order = order_for(program, self.message, language=self.language, value=self.value)
        assert order is not None, f"{self.message} is not drafted"
        return order_key(order)

    def id(self, program: Program) -> str:
        """Its id, the same on every performer."""
        return draft_id(program.journey, self.message, self.key(program), self.number)

    def row(self, program: Program, *, at: datetime) -> DraftRow:
        """It as the store keeps it."""
        return DraftRow(
            id=self.id(program), journey=program.journey, message=self.message, language=self.language,
            value=self.value, key=self.key(program), number=self.number, program=program.hash, state=self.state,
            subject=self.subject, body=self.body, created_at=at, updated_at=at,
        )  # fmt: skip


@dataclass(frozen=True)
class GoldenScript:
    """One script, parsed. `expected` maps each learner to the list of her enrolments, in order of their entries."""

    name: str
    definition: str
    learners: Mapping[str, Mapping[str, Json]]
    events: tuple[Event, ...]
    arrivals: Mapping[str, datetime]
    expected: Mapping[str, Sequence[Form]]
    policy: Mapping[str, Json] | None = None
    answers: Mapping[str, Json] = field(default_factory=dict[str, Json])
    also: str | None = None
    acts: tuple[tuple[str, Paused | Resumed], ...] = ()
    drafts: tuple[GoldenDraft, ...] = ()

    def approved(self, program: Program) -> dict[tuple[str, str], Approved]:
        """What of its drafts is approved, as a rehearsal takes it."""
        return {
            (draft.message, draft.key(program)): Approved(draft.id(program), DraftText(draft.subject, draft.body))
            for draft in self.drafts
            if draft.state == "approved"
        }

    @property
    def rules(self) -> Policy:
        """The policy of the script."""
        if self.policy is None:
            return UNLIMITED
        found = policy_from_json(dict(self.policy))
        assert isinstance(found, Policy), found
        return found

    @property
    def period(self) -> timedelta:
        """By multiples of what the story may be moved and stay the same."""
        return WEEK if self.policy is None else CALENDAR

    def arrives_at(self, event: Event) -> datetime:
        """When the event comes in: at its time, unless the script says later."""
        return self.arrivals.get(event.id, event.time)

    def in_order_of_arrival(self) -> list[Event]:
        """The events as they come in."""
        return sorted(self.events, key=self.arrives_at)

    def records(self) -> list[Form]:
        """The events as CloudEvents in structured mode, in order of arrival."""
        return [to_cloudevent(event) for event in self.in_order_of_arrival()]

    def shifted(self, by: timedelta) -> "GoldenScript":
        """The same story, so much later; whole weeks keep the days of the week, and whole calendars the dates that the
        definition, the policy, profiles and events name.
        """
        later, rest = divmod(by, CALENDAR)
        if self.policy is not None and later and not rest:
            return self._in_years(later * CALENDAR_YEARS)._moved(by)
        return self._moved(by)

    def _in_years(self, years: int) -> "GoldenScript":
        """With every date it names, but not yet its events, so many years later."""
        return replace(
            self,
            definition=_dates_later(self.definition, years),
            learners=json.loads(_dates_later(json.dumps(self.learners), years)),
            policy=json.loads(_dates_later(json.dumps(self.policy), years)),
            events=tuple(
                replace(event, data=json.loads(_dates_later(json.dumps(event.data), years))) for event in self.events
            ),
            expected=_steps_later(self.expected, years),
        )

    def _moved(self, by: timedelta) -> "GoldenScript":
        return replace(
            self,
            events=tuple(
                replace(
                    event, time=event.time + by, effective=None if event.effective is None else event.effective + by
                )
                for event in self.events
            ),
            arrivals={event: at + by for event, at in self.arrivals.items()},
            acts=tuple((learner, replace(given, at=given.at + by)) for learner, given in self.acts),
            expected={learner: [_shifted(each, by) for each in forms] for learner, forms in self.expected.items()},
        )


def golden_scripts() -> list[GoldenScript]:
    """Every script, by name."""
    return [_load(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]


def as_expected(
    *,
    key: str,
    entered_at: datetime,
    outcome: str | None,
    notes: Iterable[Note],
    messages: Iterable[Form],
) -> Form:
    """One enrolment in the form of `expected.json`; notes in the journal's order, messages in the order they went."""
    return _enrolment(key, entered_at, outcome, [entry_of_note(note) for note in notes], list(messages))


def message_form(*, at: datetime, message: str, channel: str, subject: str, text: str) -> Form:
    """A message that went, in the form of `expected.json`; `text` is the Markdown that was handed to the channel."""
    return {"at": instant_text(at), "message": message, "channel": channel, "subject": subject, "text": text}


def rehearsed(rehearsal: Rehearsal) -> dict[str, list[Form]]:
    """What a rehearsal told, in the form of `expected.json`."""
    return {
        learner.learner: [
            _enrolment(
                each.key,
                each.entered_at,
                each.outcome,
                each.timeline,
                [
                    message_form(at=m.at, message=m.message, channel=m.channel, subject=m.subject, text=m.text)
                    for m in each.messages
                ],
            )
            for each in learner.enrolments
        ]
        for learner in rehearsal.learners
    }


def written(expected: Mapping[str, Sequence[Form]]) -> str:
    """`expected.json` as it is kept: a line for each entry, so that a change can be read."""
    parts: list[str] = []
    for learner, enrolments in expected.items():
        inner = ",\n".join(_written_enrolment(each) for each in enrolments)
        parts.append(f"  {json.dumps(learner)}: [{inner and chr(10) + inner + chr(10) + '  '}]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _written_enrolment(form: Form) -> str:
    lines = [f"      {json.dumps(name)}: {json.dumps(form[name])}" for name in ("key", "entered_at", "outcome")]
    for name in ("timeline", "messages"):
        inner = ",\n".join(f"        {json.dumps(item, ensure_ascii=False)}" for item in form[name])
        lines.append(f"      {json.dumps(name)}: [{inner and chr(10) + inner + chr(10) + '      '}]")
    return "    {\n" + ",\n".join(lines) + "\n    }"


def _enrolment(
    key: str, entered_at: datetime, outcome: str | None, timeline: Iterable[TimelineEntry], messages: list[Form]
) -> Form:
    return {
        "key": key,
        "entered_at": instant_text(entered_at),
        "outcome": outcome,
        "timeline": [_entry(entry) for entry in timeline],
        "messages": messages,
    }


def _entry(entry: TimelineEntry) -> Form:
    """Facts only: words that merely tell them may be changed without changing a script."""
    form = entry.to_json()
    if entry.status is None:
        form["reason"] = None
    elif entry.reason is not None:
        form["reason"] = _MERGED.sub("merged_into_digest", entry.reason)  # whose id hangs on the installation's secret
    return {name: value for name, value in form.items() if value is not None}


def _shifted(form: Form, by: timedelta) -> Form:
    moved = {**form, "entered_at": _later(form["entered_at"], by)}
    for name in ("timeline", "messages"):
        moved[name] = [{**item, "at": _later(item["at"], by)} for item in form[name]]
    return moved


def _dates_later(text: str, years: int) -> str:
    return re.sub(r"(?<![0-9])[0-9]{4}(?=-[0-9]{2}-[0-9]{2})", lambda year: str(int(year[0]) + years), text)


def _steps_later(expected: Mapping[str, Sequence[Form]], years: int) -> dict[str, list[Form]]:
    """A step that waits for a date has its name from it."""

    def later(entry: Form) -> Form:
        return {**entry, "step": _dates_later(entry["step"], years)} if "step" in entry else entry

    return {
        learner: [{**form, "timeline": [later(entry) for entry in form["timeline"]]} for form in forms]
        for learner, forms in expected.items()
    }


def _later(text: str, by: timedelta) -> str:
    return instant_text(datetime.fromisoformat(text) + by)


def _load(folder: Path) -> GoldenScript:
    arrivals = folder / "arrivals.json"
    expected = folder / "expected.json"
    policy = folder / "policy.json"
    answers, also = folder / "answers.json", folder / "also.yaml"
    return GoldenScript(
        name=folder.name,
        definition=(folder / "journey.yaml").read_text(),
        learners=yaml.safe_load((folder / "learners.yaml").read_text()),
        events=tuple(_event(line) for line in (folder / "events.jsonl").read_bytes().splitlines() if line.strip()),
        arrivals={} if not arrivals.exists() else _instants(json.loads(arrivals.read_text())),
        expected=json.loads(expected.read_text()) if expected.exists() else {},
        policy=json.loads(policy.read_text()) if policy.exists() else None,
        answers=json.loads(answers.read_text()) if answers.exists() else {},
        also=also.read_text() if also.exists() else None,
        acts=_acts(folder / "acts.json"),
        drafts=_drafts(folder / "drafts.json"),
    )


def _drafts(file: Path) -> tuple[GoldenDraft, ...]:
    return tuple(GoldenDraft(**given) for given in json.loads(file.read_text())) if file.exists() else ()


def _acts(file: Path) -> tuple[tuple[str, Paused | Resumed], ...]:
    """Who is paused or resumed by hand, and when, in order."""
    given = json.loads(file.read_text()) if file.exists() else []
    return tuple((act["learner"], _act(datetime.fromisoformat(act["at"]), act)) for act in given)


def _act(at: datetime, act: Form) -> Paused | Resumed:
    if act["do"] == "pause":
        return Paused(at, "admin")
    assert act["do"] == "resume", act
    return Resumed(at, "admin", act.get("catch_up", "continue"))


def _event(line: bytes) -> Event:
    (translation,) = CloudEvents.translate(Raw(line))
    assert isinstance(translation, Translated), translation
    return translation.event


def _instants(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(text) for name, text in texts.items()}
