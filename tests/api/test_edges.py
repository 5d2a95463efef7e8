"""What holds for the whole API: keys, problems, idempotency, health, figures, the description."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from store.tables import ApiKey
from tests.support.api import JOURNEY, KEY, Api, event
from workers.records import Incoming, Record, Refusal


async def test_no_key(api: Api) -> None:
    """Without a key, or with an unknown one, every call under /v1 is 401 and says how to send one."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as stranger:
        paths = (await stranger.get("/openapi.json")).json()["paths"]
        closed = [(path, method) for path, methods in paths.items() if path.startswith("/v1") for method in methods]
        assert len(closed) > 15
        for path, method in closed:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}):
                answer = await stranger.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                assert 401 == answer.status_code, (method, path, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_key_in_database(api: Api) -> None:
    """A key whose digest stands in the database opens the API, and is named as the actor."""
    digest = hashlib.sha256(b"another key").hexdigest()
    async with api.parts.database.write() as session:
        await session.exec(insert(ApiKey), params=[{"digest": digest, "name": "ops", "created_at": datetime.now(UTC)}])
    answer = await api.client.post("/v1/halt", headers={"authorization": "Bearer another key"})
    assert "ops" == answer.json()["by"]


async def test_problem(api: Api) -> None:
    """An error is a problem with a stable code, whoever found it."""
    for method, path, status, code in (
        ("GET", "/v1/none", 404, "not_found"),
        ("PATCH", "/v1/journeys", 405, "method_not_allowed"),
        ("GET", "/v1/journeys/none", 404, "journey_not_found"),
    ):
        answer = await api.client.request(method, path)
        assert (status, code) == (answer.status_code, answer.json()["code"])
        assert "application/problem+json" == answer.headers["content-type"]
        assert status == answer.json()["status"]


async def test_idempotency(api: Api) -> None:
    """The same POST under one key is done once and answered alike; under another body the key is refused."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"))
    headers = {"idempotency-key": "one"}
    body = {"journey": "first-weeks", "learner": "ada"}
    answers = [await api.client.post("/v1/enrolments", json=body, headers=headers) for _ in range(2)]
    assert [201, 201] == [answer.status_code for answer in answers]
    assert answers[0].json() == answers[1].json()
    assert "true" == answers[1].headers["idempotent-replayed"]
    other = await api.client.post("/v1/enrolments", json={**body, "key": "x"}, headers=headers)
    assert (422, "idempotency_key_reused") == (other.status_code, other.json()["code"])


async def test_idempotency_at_once(api: Api) -> None:
    """Sent at once under one key, a POST is done once; the others get its answer or are told that it is under way."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada", country="GB"))
    body = {"journey": "first-weeks", "learner": "ada"}
    answers = await asyncio.gather(
        *(api.client.post("/v1/enrolments", json=body, headers={"idempotency-key": "k"}) for _ in range(5))
    )
    codes = {answer.json().get("code") for answer in answers}
    assert 201 in {answer.status_code for answer in answers}
    assert codes <= {None, "request_under_way"}
    assert 1 == len((await api.get("/v1/enrolments"))["items"])


async def test_failed_is_not_kept(api: Api) -> None:
    """What failed may be tried again under its key."""
    await api.publish()
    headers = {"idempotency-key": "again"}
    body = {"journey": "first-weeks", "learner": "ada"}
    before = await api.client.post("/v1/enrolments", json=body, headers=headers)
    await api.emit(event("hr.learner.hired", "ada", country="GB"))
    after = await api.client.post("/v1/enrolments", json=body, headers=headers)
    assert (404, 201) == (before.status_code, after.status_code)


async def test_health(api: Api) -> None:
    """Alive, and ready with every dependency by name; a dependency that fails is named and makes it 503."""
    assert {"status": "ok"} == await api.get("/healthz")
    assert {"ready": True, "checks": {"database": {"ok": True, "detail": None}}} == await api.get("/readyz")

    async def fails() -> None:
        raise ConnectionRefusedError

    dict.__setitem__(api.parts.health, "temporal", fails)  # type: ignore[arg-type]
    answer = await api.client.get("/readyz")
    assert (503, {"ok": False, "detail": "ConnectionRefusedError"}) == (
        answer.status_code,
        answer.json()["checks"]["temporal"],
    )


async def test_metrics(api: Api) -> None:
    """The figures can be parsed, and name no learner."""
    await api.publish()
    await api.emit(event("hr.learner.hired", "ada-lovelace", country="GB", given_name="Ada"))
    await api.emit(event("acme.chair.adjusted", "ada-lovelace"))
    await api.get("/v1/learners/ada-lovelace")
    await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada-lovelace"})
    text = (await api.client.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {(s.labels["journey"], s.labels["status"]): s.value for s in families["waymark_enrolments"].samples}
    assert {("first-weeks", "active"): 1.0} == samples
    assert [1.0] == [s.value for s in families["waymark_events_of_unknown_type"].samples]
    assert "ada-lovelace" not in text
    routes = {s.labels["route"] for s in families["waymark_http_requests"].samples if "route" in s.labels}
    assert "/v1/learners/{learner:path}" in routes


async def test_description(api: Api) -> None:
    """The description is OpenAPI 3.1, and every call of it says who may make it."""
    described = await api.get("/openapi.json")
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        if path.startswith("/v1"):
            for method, call in methods.items():
                assert call.get("security"), (method, path)
                headers = [one["name"] for one in call.get("parameters", []) if one["in"] == "header"]
                assert (["Idempotency-Key"] if method == "post" else []) == headers, (method, path)


async def test_rehearsal(api: Api) -> None:
    """A journey is rehearsed without being published, and nothing is kept."""
    given = {
        "definition": JOURNEY,
        "learners": {"ada": {"country": "GB", "given_name": "Ada", "email": "ada@example.org"}},
        "events": [
            {**event("hr.learner.promoted", "ada", position_id="1"), "time": "2026-03-02T09:00:00Z"},
        ],
        "until": "8w",
    }  # fmt: skip
    answer = await api.client.post("/v1/rehearsals", json=given)
    assert 200 == answer.status_code, answer.text
    learner = answer.json()["learners"][0]
    assert ("ada", "completed") == (learner["learner"], learner["outcome"])
    assert ["welcome"] == [e["message"] for e in learner["timeline"] if e["kind"] == "sent"]
    assert [] == (await api.get("/v1/learners"))["items"]


async def test_a_rehearsal_is_told_what_webhooks_answer(api: Api) -> None:
    """`answers`, by the name of the webhook."""
    steps = "steps: [{call: crm, keep: {account: id}}, {branch: [{if: has(vars.account), do: [{end: kept}]}]}]"
    given = {
        "definition": f"waymark: 1\njourney: j\ntitle: J\nenter: [{{on: hr.learner.promoted}}]\n{steps}\n",
        "events": [{**event("hr.learner.promoted", "ada"), "time": "2026-03-02T09:00:00Z"}],
    }
    for answers, outcome in (({"crm": {"id": "A-7"}}, "kept"), ({}, "completed")):
        answer = await api.client.post("/v1/rehearsals", json={**given, "answers": answers})
        assert 200 == answer.status_code, answer.text
        assert [outcome] == [each["outcome"] for each in answer.json()["learners"]]


async def test_rehearsal_problems(api: Api) -> None:
    """What is wrong with a rehearsal is said all at once."""
    given = {"definition": JOURNEY, "learners": {"ada": {"contry": "GB"}}, "events": [{"id": 1}], "until": "8 weeks"}
    answer = await api.client.post("/v1/rehearsals", json=given)
    assert 422 == answer.status_code
    assert {"events[0]", "learners[0].contry", "until"} == {p["path"] for p in answer.json()["problems"]}


async def test_replay(api: Api) -> None:
    """A dead letter that can be used by now is taken in and gone; one that still cannot stays, with why."""
    good = json.dumps(event("hr.learner.hired", "ada", given_name="Ada")).encode()
    refused = Refusal("not_json", "the cause has been mended since")
    await api.ingest.take(
        [Incoming(refused, Record("hr.events", 0, at, b"", (), body)) for at, body in ((1, good), (2, b"{"))]
    )
    letters = {i["offset"]: i["id"] for i in (await api.get("/v1/dead-letters"))["items"]}
    mended, broken = [(await api.client.post(f"/v1/dead-letters/{letters[at]}/replay")).json() for at in (1, 2)]
    assert ("accepted", None) == (mended["status"], mended["code"])
    assert ("rejected", "not_json") == (broken["status"], broken["code"])
    assert [2] == [item["offset"] for item in (await api.get("/v1/dead-letters"))["items"]]
    assert "Ada" == (await api.get("/v1/learners/ada"))["profile"]["given_name"]
    assert 404 == (await api.client.post("/v1/dead-letters/none/replay")).status_code


async def test_dead_letters(api: Api) -> None:
    """A record that could not be used is listed, shown with the original, and let go."""
    record = Record("hr.events", 0, 7, b"k", (("h", b"v"),), b"\xff{")
    await api.ingest.take([Incoming(Refusal("not_utf8", "the bytes are not UTF-8"), record)])
    items = (await api.get("/v1/dead-letters"))["items"]
    assert [("not_utf8", "hr.events", 0, 7)] == [(i["reason"], i["topic"], i["partition"], i["offset"]) for i in items]
    letter = items[0]["id"]
    shown = await api.get(f"/v1/dead-letters/{letter}")
    assert ("base64", "/3s=", {"h": "v"}) == (shown["encoding"], shown["value"], shown["headers"])
    assert [] == (await api.get("/v1/dead-letters", reason="other"))["items"]
    assert 204 == (await api.client.delete(f"/v1/dead-letters/{letter}")).status_code
    assert 404 == (await api.client.delete(f"/v1/dead-letters/{letter}")).status_code
    assert 404 == (await api.client.get(f"/v1/dead-letters/{letter}")).status_code
