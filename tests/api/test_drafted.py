"""Whose words a message went in, as the API tells it: deliveries, the journal, rehearsals; on real servers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journeys.program import Program
from tests.support.api import Api, event, parts_over, serving
from tests.support.compiling import compiled
from tests.support.golden import GoldenDraft
from tests.support.house import Running, running_house
from tests.support.smtp import SmtpSink
from waymark.cli.records import tell

JOURNEY = """\
waymark: 1
journey: drafted
title: Drafted
enter:
  - on: hr.learner.promoted
steps:
  - send: course
  - send: plain
messages:
  course:
    draft: {brief: Remind her that the course is waiting., uses: [learner.role], per: learner.role}
    subject: Your course
    body: The first lesson takes ten minutes.
  plain: {subject: Plain, body: As its author wrote it.}
"""
APPROVED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Whole:
    """A house with its worker, and the API over it."""

    api: Api
    running: Running

    async def keep(self, draft: GoldenDraft, **values: Any) -> str:
        """A draft that somebody has decided upon; answers its id."""
        program: Program = compiled(JOURNEY)
        row = draft.row(program, at=APPROVED_AT)
        for name, value in {"decided_at": APPROVED_AT, **values}.items():
            setattr(row, name, value)
        async with self.running.house.database.write() as session:
            session.add(row)
        return row.id

    async def enter(self, learner: str, role: str) -> str:
        """She enters, and gets both messages; answers her enrolment."""
        await self.api.emit(
            event("hr.learner.promoted", learner, given_name="Ada", email=f"{learner}@example.org", role=role)
        )
        return (await self.api.get("/v1/enrolments", learner=learner))["items"][0]["id"]


@pytest.fixture
async def whole(database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path) -> AsyncIterator[Whole]:
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as running:
        house = running.house
        async with serving(parts_over(house.database, house.ingest, house.gateway), house.ingest) as api:
            assert 201 == (await api.publish(JOURNEY, "drafted")).status_code
            yield Whole(api, running)


async def test_whose_words_went(whole: Whole, until: Callable[..., Any]) -> None:
    """The draft, who wrote it and who approved it, at the delivery and in the journal; or why there was none."""
    cook = await whole.keep(
        GoldenDraft("course", "For cooks", "Cooks first.", value="cook"), origin="model", model="m-1",
        decided_by="Grace",
    )  # fmt: skip
    clerk = await whole.keep(
        GoldenDraft("course", "For clerks", "Clerks first.", value="clerk"), origin="person", model="m-1",
        written_by="Max", decided_by="Grace", approved_despite=2,
    )  # fmt: skip
    enrolments = {role: await whole.enter(f"a-{role}", role) for role in ("cook", "clerk", "guard")}
    await until(lambda: _ended(whole))

    shown = {role: await _course(whole, enrolment) for role, enrolment in enrolments.items()}
    approved = {"model": "m-1", "approved_by": "Grace", "approved_at": "2026-03-02T09:00:00Z"}
    by_model = {"draft": cook, "origin": "model", "written_by": None, **approved, "approved_despite": None}
    by_person = {"draft": clerk, "origin": "person", "written_by": "Max", **approved, "approved_despite": 2}
    assert (cook, None, by_model) == _words(shown["cook"])
    assert (clerk, None, by_person) == _words(shown["clerk"])
    assert (None, "no approved draft", None) == _words(shown["guard"])
    one = await whole.api.get(f"/v1/deliveries/{shown['cook']['id']}")
    assert shown["cook"] == one

    told = {role: await whole.api.get(f"/v1/enrolments/{enrolment}") for role, enrolment in enrolments.items()}
    lines = {role: [line for line in body["journal"] if line["kind"] == "sent"] for role, body in told.items()}
    assert (by_model, by_person, None) == tuple(lines[role][0]["drafted"] for role in ("cook", "clerk", "guard"))
    assert lines["cook"][0]["text"] == (
        "Sent course through email (drafted and approved text). "
        "A language model drafted this text, and Grace approved it on Monday 2 March, 09:00 UTC "
        "(her zone is not known: the policy's zone counts)."
    )
    assert "Max wrote this text, from what a language model had drafted, and Grace" in lines["clerk"][0]["text"]
    assert lines["clerk"][0]["text"].endswith("counts), although the rules had 2 hard findings against it.")
    assert "Sent course through email (in its own words: no approved draft)." == lines["guard"][0]["text"]
    plain = [body[1] for body in lines.values()]
    assert {"Sent plain through email."} == {line["text"] for line in plain}
    assert [None] * 3 == [line["drafted"] for line in plain]
    explained = tell(told["cook"], now=datetime.now(UTC))
    assert any("A language model drafted this text, and Grace approved it" in line for line in explained)


async def test_a_rehearsal_goes_in_what_is_approved_here(whole: Whole) -> None:
    """In the answer and on its page: the text, its draft, or why the journey's own words go."""
    draft = await whole.keep(GoldenDraft("course", "For cooks", "Cooks first.", value="cook"))
    await whole.keep(GoldenDraft("course", "No", "Nobody has approved this.", value="clerk", state="proposed"))
    wanted = {
        "definition": JOURNEY,
        "learners": {f"a-{role}": {"email": f"a-{role[:2]}@example.org", "role": role} for role in ("cook", "clerk")},
        "events": [event("hr.learner.promoted", f"a-{role}") for role in ("cook", "clerk")],
    }

    answer = await whole.api.client.post("/v1/rehearsals", json=wanted)
    page = await whole.api.client.post("/v1/rehearsals/page", json=wanted)

    assert (200, 200) == (answer.status_code, page.status_code)
    cook, clerk = answer.json()["learners"]
    (first, plain), (other, _) = (each["enrolments"][0]["messages"] for each in (cook, clerk))
    assert ("For cooks", "Cooks first.", draft) == (first["subject"], first["text"], first["draft"])
    assert ("Your course", "no approved draft") == (other["subject"], other["undrafted"])
    assert {"draft", "undrafted"}.isdisjoint(plain)
    sent = [entry for entry in cook["timeline"] if entry["kind"] == "sent"]
    assert [draft, None] == [entry.get("draft") for entry in sent]
    assert "(drafted and approved text)" in page.text
    assert "(in its own words: no approved draft)" in page.text
    assert "Nobody has approved this." not in page.text


async def _ended(whole: Whole) -> bool:
    return all(each.status == "ended" for each in await whole.running.enrolments())


async def _course(whole: Whole, enrolment: str) -> dict[str, Any]:
    items = (await whole.api.get("/v1/deliveries", enrolment=enrolment))["items"]
    (plain,) = (item for item in items if item["message"] == "plain")
    assert (None, None, None) == _words(plain)
    (course,) = (item for item in items if item["message"] == "course")
    return course


def _words(delivery: dict[str, Any]) -> tuple[Any, Any, Any]:
    return delivery["draft"], delivery["undrafted"], delivery["drafted"]
