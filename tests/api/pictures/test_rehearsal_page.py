"""A rehearsal's page needs nothing but itself, says what was counted, and lets no text of others become markup."""

import json
import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.pictures.rehearsal import MOST_LINES, Told, page_of
from journeys.composing import Reach
from journeys.events import Event, Json
from journeys.flow import arms_of
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.timeline import Rehearsal
from tests.support.api import Api, api
from tests.support.compiling import compiled

__all__ = ["api"]

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
REACH = {"email": Reach(is_set_up=True, address_field="email"), "webhook": Reach(is_set_up=True, address_field=None)}
HOSTILE = """</script><script>alert(1)</script>"><img src=x onerror=alert(2)>'{{ 7 * 7 }}"""
DEFINITION = {
    "waymark": 1,
    "journey": "drawn",
    "title": f"A journey {HOSTILE}",
    "enter": [{"on": "hr.learner.hired", "key": "event.data.position_id"}],
    "exit": [{"on": "hr.learner.left", "as": "left"}],
    "audience": f"learner.country != {json.dumps(HOSTILE)}",
    "steps": [
        {"send": "hello", "when": f"learner.team != {json.dumps(HOSTILE)}"},
        {
            "await": {"on": "lms.course.started", "when": 'event.data.course == "C-1"', "within": "3d"},
            "then": [{"send": "hello"}],
        },
        {"repeat": {"every": "1d", "times": 2}, "do": [{"send": "hello"}]},
    ],
    "messages": {
        "hello": {
            "subject": f"{HOSTILE.replace('{{ 7 * 7 }}', '')} {{{{ learner.given_name }}}}",
            "body": "Hello {{ learner.given_name }}",
            "link": {"label": "x", "url": 'https://x.example/?"><b>'},
        }
    },
}
PROGRAM = compiled(json.dumps(DEFINITION))


def event(number: int, type_: str, learner: str, *, days: float = 0, **data: Json) -> Event:
    return Event(f"e-{number}", "/tests", type_, learner, MONDAY + timedelta(days=days), data)


def rehearsed(learners: Sequence[str] = ("ada", "ben"), program: Program = PROGRAM) -> Rehearsal:
    """All are hired; the first begins the course, the last leaves."""
    profiles = {name: {"given_name": name, "email": "x@example.com", "country": "GB", "team": "T"} for name in learners}
    events = [event(n, "hr.learner.hired", name, position_id=HOSTILE) for n, name in enumerate(learners)]
    events.append(event(-1, "lms.course.started", learners[0], days=1, course="C-1"))
    events.append(event(-2, "hr.learner.left", learners[-1], days=2))
    return rehearse(program, profiles, events, reach=REACH)


class Page(HTMLParser):
    """Every element with its attributes, and the text outside of script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text.append(data)

    def of(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The elements of this kind that have these attributes."""
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]


def test_it_needs_nothing_from_elsewhere() -> None:
    """No address is fetched: not by an element, not by the style."""
    html = page_of(PROGRAM, rehearsed())
    page = Page(html)
    fetched = [found for _, found in page.elements if {"src", "srcset", "poster", "background"} & found.keys()]
    assert [] == fetched
    assert {"#journey", "#learners"} == {found["href"] for _, found in page.elements if "href" in found}
    assert "url(http" not in html
    assert "@import" not in html


def test_only_its_own_script_may_run() -> None:
    """The policy of the page names the script by its hash; whatever else gets in stays dead."""
    html = page_of(PROGRAM, rehearsed())
    (policy,) = [found["content"] for found in Page(html).of("meta", http_equiv="Content-Security-Policy")]
    assert "default-src 'none'" in policy
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert 1 == len(script)
    found = re.search(r"script-src 'sha256-([^']+)'", policy)
    assert found is not None
    assert sha256(script[0].encode()).digest() == b64decode(found[1])


def test_hostile_texts_stay_texts() -> None:
    """Of the definition, of learners and of events: in titles, ids, subjects, conditions and keys."""
    html = page_of(
        PROGRAM, rehearsed((HOSTILE, "ben")), told=Told(learners={HOSTILE: HOSTILE}, unreached=[(HOSTILE, HOSTILE)])
    )
    page = Page(html)
    assert [] == page.of("img")
    assert 1 == len(page.of("script"))
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert not any(found.get("href", "").startswith("javascript:") for _, found in page.elements)
    assert HOSTILE in "".join(page.text)
    assert "49" not in "".join(page.text).split(HOSTILE)[1][:20]


def test_every_card_and_every_arrow_is_in_the_page_once() -> None:
    """As the layout has them."""
    page = Page(page_of(PROGRAM, rehearsed()))
    for node in PROGRAM.nodes.values():
        assert 1 == len(page.of("g", data_box=f"step:{node.id}"))
        for arm in arms_of(node):
            assert 1 == len(page.of("g", data_source=f"step:{node.id}", data_arm=arm))
    assert 1 == len(page.of("g", data_box="exit:exit-1"))
    assert 1 == len(page.of("g", data_box="exit:limit"))


def test_what_nobody_took_is_told_from_what_was_taken() -> None:
    """A broken line, a faint card."""
    page = Page(page_of(PROGRAM, rehearsed()))
    (taken,) = page.of("g", data_source="step:await-lms-course-started", data_arm="then")
    (skipped,) = page.of("g", data_source="step:send-hello", data_arm="skip")
    assert "is-never" not in taken["class"]
    assert "is-never" in skipped["class"]


def test_counts_are_on_the_page() -> None:
    """Learners, messages, outcomes, and arrivals at a card."""
    html = page_of(PROGRAM, rehearsed(("ada", "ben", "cem")))
    text = " ".join(" ".join(Page(html).text).split())
    assert "3 learners 3 came in" in text
    assert "2 completed" in text
    assert "1 left" in text
    card = html[html.index('data-box="step:send-hello"') :]
    assert ">3</text>" in card[: card.index("</g>") + 40]


def test_each_learner_has_a_line_and_what_is_behind_it() -> None:
    """With everything that a search looks for; the message as she reads it."""
    page = Page(page_of(PROGRAM, rehearsed()))
    lines = page.of("details")
    assert ["completed", "left"] == [line["data-outcome"] for line in lines]
    assert "step:repeat" in lines[0]["data-steps"].split()
    assert "exit:exit-1" in lines[1]["data-steps"].split()
    assert "ada completed hello" in lines[0]["data-find"]
    assert any("Hello ada" in text for text in page.text)


def test_of_many_a_page_is_shown_and_all_are_counted() -> None:
    """The first lines without any script; those beyond the limit only in the counts."""
    quick = compiled(json.dumps({**DEFINITION, "steps": [{"end": "done"}], "messages": {}}))
    learners = [f"learner-{number}" for number in range(MOST_LINES + 3)]
    html = page_of(quick, rehearsed(learners, quick))
    lines = Page(html).of("details")
    assert MOST_LINES == len(lines)
    assert 25 == sum("hidden" not in line for line in lines)
    assert f"<b>{MOST_LINES + 3}</b>" in html
    assert "3 more are counted above" in html


@pytest.mark.parametrize("learners", [{}, {"ada": {"country": "GB"}}])
def test_a_rehearsal_without_anybody_is_drawn_too(learners: dict[str, dict[str, Json]]) -> None:
    """The journey alone."""
    html = page_of(PROGRAM, rehearse(PROGRAM, learners, [], reach=REACH))
    assert len(learners) == len(Page(html).of("details"))


def test_the_examples_are_drawn() -> None:
    """Whatever they are made of."""
    for file in sorted(Path(__file__).parents[3].glob("examples/*/journey.yaml")):
        program = compiled(file.read_text("utf-8"))
        assert len(program.nodes) <= len(Page(page_of(program, Rehearsal(()))).of("g", role="button"))


async def test_the_api_draws_a_rehearsal(api: Api) -> None:
    """The same page over HTTP; asked again under the same key, the same page again."""
    given = {
        "definition": DEFINITION,
        "learners": {"ada": {"given_name": "Ada", "email": "ada@example.org", "country": "GB", "team": "T"}},
        "events": [
            {"specversion": "1.0", "id": "1", "source": "/tests", "type": "hr.learner.hired", "subject": "ada",
             "time": "2026-03-02T09:00:00Z", "data": {"position_id": "P-1"}},
        ],
    }  # fmt: skip
    answers = [
        await api.client.post("/v1/rehearsals/page", json=given, headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [200, 200] == [answer.status_code for answer in answers], answers[0].text
    assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)
    assert answers[0].text == answers[1].text
    assert "completed" == Page(answers[0].text).of("details")[0]["data-outcome"]
