"""Publishing and looking at journeys."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import update

from journeys import codec
from journeys.run import Run
from store.tables import Enrolment
from tests.support.api import JOURNEY, Api, event

OTHER = JOURNEY.replace("wait: 3d", "wait: 4d")


async def test_check(api: Api) -> None:
    """A definition is checked without being published; errors and their places are listed."""
    fine = await api.client.post("/v1/journeys/check", content=JOURNEY)
    wrong = await api.client.post("/v1/journeys/check", content=JOURNEY.replace("wait:", "wiat:"))
    assert fine.json()["ok"] is True
    assert (200, False) == (wrong.status_code, wrong.json()["ok"])
    problem = wrong.json()["problems"][0]
    assert {"severity", "code", "path", "line", "column", "detail", "allowed", "suggestion"} == set(problem)
    assert [] == (await api.get("/v1/journeys"))["items"]


async def test_publish(api: Api) -> None:
    """201 for a new version, 200 for an unchanged one, and the version counts on."""
    answers = [await api.publish(), await api.publish(), await api.publish(OTHER), await api.publish()]
    assert [201, 200, 201, 201] == [a.status_code for a in answers]
    assert [1, 1, 2, 3] == [a.json()["version"] for a in answers]
    assert {"journey", "version", "hash", "published_at"} <= set(answers[0].json())
    assert answers[0].json()["hash"] == answers[3].json()["hash"] != answers[2].json()["hash"]


async def test_publish_json(api: Api) -> None:
    """A definition may be JSON."""
    given = {
        "waymark": 1, "journey": "small", "title": "Small", "enter": [{"on": "hr.learner.hired"}],
        "steps": [{"wait": "1d"}],
    }  # fmt: skip
    answer = await api.client.put("/v1/journeys/small", json=given)
    assert (201, 1) == (answer.status_code, answer.json()["version"]), answer.text
    version = await api.get("/v1/journeys/small/versions/1")
    assert "application/json" == version["definition_type"]


async def test_publish_with_problems(api: Api) -> None:
    """422 with every problem; nothing is published."""
    answer = await api.publish(JOURNEY.replace("wait: 3d", "wait: 3x").replace("hr.learner.left", "hr.learner.lfet"))
    assert (422, "definition_has_problems") == (answer.status_code, answer.json()["code"])
    assert len(answer.json()["problems"]) >= 2
    assert 404 == (await api.client.get("/v1/journeys/first-weeks")).status_code


async def test_publish_not_utf8(api: Api) -> None:
    """A definition that is not UTF-8 is a problem of its own."""
    answer = await api.client.put(
        "/v1/journeys/x", content=b"\xff\xfe\xfa", headers={"content-type": "application/yaml"}
    )
    assert 422 == answer.status_code
    assert answer.json()["problems"]


async def test_publish_under_another_name(api: Api) -> None:
    """The address and the document must name the same journey."""
    answer = await api.publish(journey="second-weeks")
    assert (422, "journey_differs") == (answer.status_code, answer.json()["code"])


async def test_too_large(api: Api) -> None:
    """A definition of more than a megabyte is refused."""
    answer = await api.publish(JOURNEY + "#" * 1_100_000)
    assert (413, "too_large") == (answer.status_code, answer.json()["code"])


async def test_publishers_at_once(api: Api) -> None:
    """Publishers at once make one version of each definition they bring, in some order, without a gap."""
    definitions = [JOURNEY.replace("3d", f"{days}d") for days in range(1, 7)]
    answers = await asyncio.gather(*(api.publish(definition) for definition in definitions * 2))
    assert {200, 201} >= {a.status_code for a in answers}, [a.text for a in answers if a.status_code > 201]
    versions = (await api.get("/v1/journeys/first-weeks/versions"))["items"]
    numbers = [v["version"] for v in versions]
    assert list(range(len(numbers), 0, -1)) == numbers
    assert len(definitions) == len({v["hash"] for v in versions})
    new = [a.json()["version"] for a in answers if a.status_code == 201]
    assert sorted(new) == sorted(numbers)


async def test_get(api: Api) -> None:
    """A journey has the count of its enrolments; a version its definition as it was given."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"), event("hr.learner.promoted", "ada", position_id="1"))
    journey = await api.get("/v1/journeys/first-weeks")
    assert ("First weeks", "live", {"active": 1}) == (journey["title"], journey["status"], journey["enrolments"])
    assert [journey] == (await api.get("/v1/journeys"))["items"]
    version = await api.get("/v1/journeys/first-weeks/versions/1")
    assert JOURNEY == version["definition"]
    for missing in ("/v1/journeys/none", "/v1/journeys/none/versions", "/v1/journeys/first-weeks/versions/9"):
        assert 404 == (await api.client.get(missing)).status_code


async def test_report(api: Api) -> None:
    """The report counts enrolments, outcomes, arrivals at every step of the running version, and deliveries."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"), event("hr.learner.promoted", "ada", position_id="1"))
    report = await api.get("/v1/journeys/first-weeks/report")
    assert {"active": 1} == report["enrolments"]
    assert ["send-welcome", "wait-3d"] == [step["step"] for step in report["steps"]]
    enrolment = (await api.get("/v1/enrolments"))["items"][0]["id"]
    now = datetime.now(UTC)
    run = codec.run_to_json(Run(enrolment, now, now, node="wait-3d", visits={"wait-3d": 2, "send-welcome": 1}))
    async with api.parts.database.write() as session:
        await session.exec(update(Enrolment).values(run=run, step="wait-3d"))
    assert [
        {"step": "send-welcome", "arrived": 1, "waiting": 0},
        {"step": "wait-3d", "arrived": 2, "waiting": 1},
    ] == (await api.get("/v1/journeys/first-weeks/report"))["steps"]
    await api.client.post(f"/v1/enrolments/{enrolment}/withdraw")
    assert {"withdrawn": 1} == (await api.get("/v1/journeys/first-weeks/report"))["outcomes"]
