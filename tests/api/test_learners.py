"""Learners and their timelines."""

from datetime import UTC, datetime, timedelta

from tests.support.api import Api, event


async def test_learner(api: Api) -> None:
    """A learner is found by the source's id and by ours, with profile, addresses and identities."""
    await api.emit(event("hr.learner.hired", "ada/1", email="ada@example.org", given_name="Ada"))
    learner = await api.get("/v1/learners/ada%2F1")
    assert ("ada/1", {"email": "ada@example.org"}) == (learner["id"], learner["addresses"])
    assert ["ada/1"] == learner["identities"]
    assert "Ada" == learner["profile"]["given_name"]
    assert learner == await api.get(f"/v1/learners/{learner['learner_id']}")
    missing = await api.client.get("/v1/learners/nobody")
    assert (404, "learner_not_found") == (missing.status_code, missing.json()["code"])


async def test_what_takes_effect_later_is_not_shown_before(api: Api) -> None:
    """A field that an event gives from a later instant on stands as it was, alone and in the list."""
    later = (datetime.now(UTC) + timedelta(days=10)).isoformat()
    moved = {**event("hr.learner.moved", "ada", team="Later", email="new@example.org"), "effective": later}
    await api.emit(event("hr.learner.hired", "ada", team="Now", email="ada@example.org"), moved)
    known = {"team": "Now", "email": "ada@example.org"}
    alone = await api.get("/v1/learners/ada")
    assert (known, "ada@example.org") == (alone["profile"], alone["addresses"]["email"])
    assert [alone] == (await api.get("/v1/learners"))["items"]


async def test_list(api: Api) -> None:
    """Learners are listed a page at a time, each once."""
    await api.emit(*(event("hr.learner.hired", f"l{n}") for n in range(7)))
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get("/v1/learners", limit=3, **cursor)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [f"l{n}" for n in range(7)] == sorted(found)


async def test_timeline(api: Api) -> None:
    """The timeline has events and the journal in order of time, and pages do not repeat a line."""
    await api.publish()
    start = datetime.now(UTC) - timedelta(hours=1)
    await api.emit(
        event("hr.learner.hired", "ada", time=start, country="GB"),
        *(event("lms.course.progressed", "ada", time=start + timedelta(minutes=n), course="c") for n in range(1, 6)),
    )
    made = await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada"})
    await api.client.post(f"/v1/enrolments/{made.json()['id']}/withdraw")
    whole = (await api.get("/v1/learners/ada/timeline"))["items"]
    assert [*["event"] * 6, "ended"] == [item["kind"] for item in whole]
    assert whole[-1]["enrolment"] == made.json()["id"]
    paged: list[object] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get("/v1/learners/ada/timeline", limit=2, **cursor)
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert whole == paged
