"""Looking at what there is, from the command line, over real HTTP."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import JOURNEY, Api, event
from tests.support.command import run
from waymark.cli.output import from_now, roughly
from waymark.cli.records import tell


async def _begin(api: Api) -> str:
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"))
    made = await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada"})
    return made.json()["id"]


async def test_json_is_the_body(api: Api) -> None:
    """With --json, a list is exactly the API's body."""
    enrolment = await _begin(api)
    for command, path in (
        (("journeys",), "/v1/journeys?limit=50"),
        (("journeys", "first-weeks"), "/v1/journeys/first-weeks"),
        (("journeys", "first-weeks", "--report"), "/v1/journeys/first-weeks/report"),
        (("journeys", "first-weeks", "--versions"), "/v1/journeys/first-weeks/versions"),
        (("learners",), "/v1/learners"),
        (("learners", "ada"), "/v1/learners/ada"),
        (("learners", "ada", "--timeline"), "/v1/learners/ada/timeline"),
        (("enrolments", "--learner", "ada"), "/v1/enrolments?learner=ada"),
        (("enrolments", enrolment), f"/v1/enrolments/{enrolment}"),
        (("deliveries",), "/v1/deliveries"),
        (("explain", enrolment), f"/v1/enrolments/{enrolment}"),
    ):
        done = await run(api, *command, "--json")
        assert 0 == done.status, done.errors
        assert await api.get(path) == json.loads(done.output), command


async def test_plain(api: Api) -> None:
    """Without a terminal, a list is plain columns."""
    enrolment = await _begin(api)
    done = await run(api, "enrolments")
    header, row = done.output.splitlines()
    assert ["id", "journey", "learner", "status"] == header.split()[:4]
    assert [enrolment, "first-weeks", "ada", "active"] == row.split()[:4]


async def test_pages(api: Api) -> None:
    """A page says how to get the next; --all gets every one."""
    await api.emit(*(event("hr.learner.hired", f"l{n}") for n in range(5)))
    first = await run(api, "learners", "--limit", "2")
    assert "--cursor" in first.errors
    everyone = json.loads((await run(api, "learners", "--all", "--json")).output)
    assert (5, None) == (len(everyone["items"]), everyone["next"])


async def test_missing(api: Api) -> None:
    """What is not there is exit status 1, with the API's problem where JSON is wanted."""
    done = await run(api, "explain", "enr-none", "--json")
    assert (1, "enrolment_not_found") == (done.status, json.loads(done.output)["code"])
    assert "there is no such enrolment" in done.errors


async def test_wrong_filter(api: Api) -> None:
    """A filter value that does not exist is wrong usage, and says what is allowed."""
    done = await run(api, "enrolments", "--status", "over")
    assert 2 == done.status
    assert "'active'" in done.errors


async def test_wrong_key(api: Api) -> None:
    """A wrong key is wrong usage: the setting must be mended."""
    done = await run(api, "journeys", key="wrong")
    assert (2, True) == (done.status, "WAYMARK_API_KEY" in done.errors)


async def test_nobody_answers(api: Api) -> None:
    """Where no API answers, the exit status is 3 and the message says what to do."""
    done = await run(api, "journeys", url="http://127.0.0.1:9")
    assert (3, True) == (done.status, "waymark up" in done.errors)


async def test_explain(api: Api) -> None:
    """An enrolment is explained in plain words."""
    enrolment = await _begin(api)
    await run(api, "withdraw", enrolment)
    done = await run(api, "explain", enrolment)
    assert "ada in first-weeks (version 1)" in done.output
    assert "Withdrawn by hand." in done.output
    assert "It ended as withdrawn on " in done.output


def test_waiting_in_words() -> None:
    """What is awaited is told with its instant and how far away that is."""
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    body = {
        "learner": "ada", "journey": "first-weeks", "version": 2, "entry_key": "p1", "status": "active",
        "outcome": None, "step": "await-lms-course-started", "waiting_for": "lms.course.started",
        "due_at": "2026-03-05T09:00:00Z", "ended_at": None,
        "journal": [{"at": "2026-03-02T08:00:00Z", "kind": "entered", "step": None, "text": "Entered.", "data": {}}],
        "zone": "Europe/Berlin",
        "outlook": {"now": "Waiting until she starts MGR-101.", "then": ["If so: a story."], "ends": ["As left."]},
    }  # fmt: skip
    assert [
        "ada in first-weeks (version 2), for p1",
        "Times of Europe/Berlin.",
        "",
        "Monday 2 March 2026",
        "  09:00:00  Entered.",
        "",
        (
            "It is active and waits at await-lms-course-started, for lms.course.started, at the latest until "
            "Thursday 5 March 2026, 09:00 UTC, in 3 days."
        ),
        "",
        "Waiting until she starts MGR-101.",
        "  If so: a story.",
        "It would end",
        "  As left.",
    ] == tell(body, now=now)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=1), "1 second"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=30), "30 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(weeks=8), "8 weeks"),
    ],
)
def test_roughly(duration: timedelta, words: str) -> None:
    """A duration is told in the largest unit of which there are two, or one nearly exactly."""
    assert words == roughly(duration)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert (f"in {words}", f"{words} ago") == (from_now(now + duration, now=now), from_now(now - duration, now=now))


def test_journey_is_real() -> None:
    """The journey of these tests has the steps that they speak of."""
    assert "wait: 3d" in JOURNEY
