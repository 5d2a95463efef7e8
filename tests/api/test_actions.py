"""The same for many: who qualifies is taken in, at a rate, with a stop; a dry run says how many and who could not."""

from typing import Any

import pytest
from sqlmodel import select

from store.tables import ActionItem, Enrolment
from tests.support.api import JOURNEY, Api, event
from workers.actions import Actions

ACTIONS = "/v1/enrolments/actions"
HIRED = (("ada", "GB"), ("bea", "GB"), ("cleo", "GB"), ("dora", "FR"))


async def hire(api: Api, definition: str = JOURNEY) -> None:
    """The journey, and four learners who were there before it, three of them in its audience."""
    assert 201 == (await api.publish(definition)).status_code
    await api.emit(*(event("hr.learner.changed", name, country=country) for name, country in HIRED))


async def act(api: Api, *, filter: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:  # noqa: A002 - the API's word
    """Ask for an action that must be taken."""
    body = {"action": "enrol", "filter": {"journey": "first-weeks", **(filter or {})}, **given}
    answer = await api.client.post(ACTIONS, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def work_off(api: Api) -> None:
    """What the bridge's process does."""
    actions = Actions(api.parts.database, api.parts.gateway, api.parts.clock)
    while await actions.work():
        pass


async def enrolled(api: Api) -> list[tuple[str, str]]:
    """Who is enrolled, with her key."""
    items = (await api.get("/v1/enrolments"))["items"]
    return sorted((item["learner"], item["entry_key"]) for item in items)


async def test_who_qualifies_is_taken_in(api: Api) -> None:
    """All for whom the expression holds; the journey's own rules hold too, and who could not is told."""
    await hire(api)
    asked = await act(api, filter={"expression": 'learner.country in ["GB", "FR"] && learner.id != "bea"'})
    assert ("running", 3, 0, 0) == tuple(asked[name] for name in ("state", "total", "done", "failed"))
    await work_off(api)

    done = await api.get(f"{ACTIONS}/{asked['id']}")
    assert ("done", 3, 2, 1) == tuple(done[name] for name in ("state", "total", "done", "failed"))
    assert [("dora", "not_in_audience")] == [(one["learner"], one["code"]) for one in done["could_not"]]
    assert [("ada", ""), ("cleo", "")] == await enrolled(api)


async def test_a_dry_run_says_who_could_not_and_does_nothing(api: Api) -> None:
    """For every one with the reason: not in the audience, active already, unknown, there twice."""
    await hire(api)
    await api.client.post("/v1/enrolments", json={"journey": "first-weeks", "learner": "ada"})
    names = ["ada", "bea", "nobody", "dora", "bea", "cleo"]

    told = await act(api, learners=[{"learner": name} for name in names], dry_run=True)

    assert (None, "dry_run", 6, 4) == tuple(told[name] for name in ("id", "state", "total", "failed"))
    assert [
        (1, "ada", "already_active"),
        (3, None, "learner_not_found"),
        (4, "dora", "not_in_audience"),
        (5, "bea", "already_active"),
    ] == [(one["number"], one["learner"], one["code"]) for one in told["could_not"]]
    assert [("ada", "")] == await enrolled(api)
    assert [] == (await api.get(ACTIONS))["items"]


async def test_a_dry_run_agrees_with_what_is_done(api: Api) -> None:
    """The same numbers, and the same who could not."""
    await hire(api)
    learners = [{"learner": name} for name in ("dora", "ada", "ada", "nobody", "cleo")]
    told = await act(api, learners=learners, dry_run=True)
    asked = await act(api, learners=learners)
    await work_off(api)
    done = await api.get(f"{ACTIONS}/{asked['id']}")

    numbers = [(one["number"], one["learner"], one["code"]) for one in told["could_not"]]
    assert numbers == [(one["number"], one["learner"], one["code"]) for one in done["could_not"]]
    assert (told["total"], told["failed"]) == (done["total"], done["failed"])


async def test_keys_and_data_of_her_own(api: Api) -> None:
    """What an entrant brings goes before what is said for all; forced, the audience does not matter; our id will do."""
    await hire(api)
    ours = (await api.get("/v1/learners/bea"))["learner_id"]
    entrants = [{"learner": "ada", "key": "P1", "data": {"a": 1}}, {"learner": ours}, {"learner": "dora", "key": ""}]
    await act(api, learners=entrants, key="P0", data={"b": 2}, force=True)
    await work_off(api)

    assert [("ada", "P1"), ("bea", "P0"), ("dora", "")] == await enrolled(api)
    async with api.parts.database.read() as session:
        rows = (await session.exec(select(Enrolment))).all()
    assert [{"a": 1}, {"b": 2}, {"b": 2}] == sorted((row.entry["data"] for row in rows), key=str)


async def test_a_stop(api: Api) -> None:
    """What waits at its rate is left; a stop of a stopped one changes nothing; the list has it."""
    await hire(api)
    asked = await act(api, filter={"expression": "true"}, rate=0.01)
    await work_off(api)
    stopped = await api.client.delete(f"{ACTIONS}/{asked['id']}")
    again = await api.client.delete(f"{ACTIONS}/{asked['id']}")
    await work_off(api)

    assert (200, "stopped", 4, 0) == (
        stopped.status_code, stopped.json()["state"], stopped.json()["total"], stopped.json()["done"],
    )  # fmt: skip
    assert stopped.json() == again.json()
    assert [asked["id"]] == [one["id"] for one in (await api.get(ACTIONS, state="stopped"))["items"]]
    assert [] == (await api.get(ACTIONS, state="running"))["items"]
    assert [] == await enrolled(api)


async def test_pages_of_those_who_could_not(api: Api) -> None:
    """In order of number, none twice."""
    await hire(api)
    asked = await act(api, learners=[{"learner": f"nobody-{n}"} for n in range(5)])
    numbers: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await api.get(f"{ACTIONS}/{asked['id']}", limit=2, **cursor)
        numbers += [one["number"] for one in page["could_not"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert ("done", [1, 2, 3, 4, 5]) == (asked["state"], numbers)


async def test_names_of_learners_are_kept_out_of_what_is_shown(api: Api) -> None:
    """The action keeps how many were named, our ids, and no name: erasing a learner leaves none here."""
    await hire(api)
    asked = await act(api, learners=[{"learner": "ada"}, {"learner": "nobody"}])

    async with api.parts.database.read() as session:
        items = (await session.exec(select(ActionItem).order_by(ActionItem.number))).all()  # type: ignore[arg-type]
    assert {"journey": "first-weeks", "learners": 2} == asked["filter"]
    assert [True, None] == [item.target and item.target.startswith("lrn-") for item in items]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"filter": {"journey": "first-weeks"}}, 422, "who"),
        ({"filter": {"expression": "true"}}, 422, "journey_missing"),
        ({"filter": {"journey": "nowhere", "expression": "true"}}, 404, "journey_not_found"),
        ({"filter": {"journey": "first-weeks", "expression": "learner.contry == 'GB'"}}, 422, "invalid_expression"),
        ({"filter": {"journey": "first-weeks", "expression": "entry.key == 'a'"}}, 422, "invalid_expression"),
        ({"filter": {"journey": "first-weeks", "expression": "true"}, "rate": 0}, 422, "invalid_request"),
        ({"filter": {"journey": "first-weeks", "expression": "true"}, "rate": "fast"}, 422, "invalid_request"),
        ({"filter": {"journey": "first-weeks"}, "learners": []}, 422, "invalid_request"),
        ({"filter": {"journey": "first-weeks", "who": "all"}}, 422, "invalid_request"),
        ({"action": "promote", "filter": {"journey": "first-weeks", "expression": "true"}}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked_for(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    """Each is refused before anything is kept, with what is wrong."""
    await hire(api)
    answer = await api.client.post(ACTIONS, json={"action": "enrol", **body})

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert [] == (await api.get(ACTIONS))["items"]


async def test_an_unknown_field_of_the_expression_is_told_with_its_place(api: Api) -> None:
    """As in a definition, with what was meant."""
    await hire(api)
    body = {"action": "enrol", "filter": {"journey": "first-weeks", "expression": 'learner.contry == "GB"'}}
    (problem,) = (await api.client.post(ACTIONS, json=body)).json()["problems"]

    told = problem["path"], problem["code"], problem["column"], problem["suggestion"]
    assert ("filter.expression", "unknown_field", 9, "did you mean learner.country?") == told


async def test_unknown_actions(api: Api) -> None:
    """404, to look at and to stop."""
    for answer in (await api.client.get(f"{ACTIONS}/act-0"), await api.client.delete(f"{ACTIONS}/act-0")):
        assert (404, "action_not_found") == (answer.status_code, answer.json()["code"])


async def test_the_same_request_under_its_key_is_one_action(api: Api) -> None:
    """Sent again after a broken connection, it does nothing again."""
    await hire(api)
    body = {"action": "enrol", "filter": {"journey": "first-weeks", "expression": "true"}}
    answers = [await api.client.post(ACTIONS, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert 1 == len((await api.get(ACTIONS))["items"])
