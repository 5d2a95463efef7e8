"""What a publish orders ahead, and what a journey says of its drafts."""

import uuid
from typing import Any

from sqlalchemy import insert
from sqlmodel import col, select

from store.tables import DraftRow
from tests.support.api import Api, event
from tests.support.proposing import DRAFTED, propose
from tests.support.until import until
from workflows.contracts import DRAFTING_WORKFLOW
from workflows.gateway import connect

FOR_ALL = DRAFTED.replace("      per: learner.role\n", "")


async def orders(api: Api) -> set[tuple[str | None, str | None, str]]:
    """Language, value and state of every text."""
    async with api.parts.database.read() as session:
        rows = (await session.exec(select(DraftRow).order_by(col(DraftRow.id)))).all()
    return {(row.language, row.value, row.state) for row in rows}


async def introduce(api: Api, **roles: str) -> None:
    """Learners of these roles; in another country where the name begins with x."""
    await api.emit(
        *(
            event("hr.learner.hired", name, role=role, country="FR" if name.startswith("x") else "GB")
            for name, role in roles.items()
        )
    )


async def published(api: Api, definition: str = DRAFTED) -> Any:
    """The answer of a publish."""
    answer = await api.publish(definition, "to-lead")
    assert answer.is_success, answer.text
    return answer.json()


async def test_a_text_for_all_is_ordered_at_publish(api: Api) -> None:
    """In every language of the message, whoever there is; once, however often it is published."""
    counts = {"wanted": 2, "proposed": 0, "approved": 0, "failed": 0, "missing": 2}
    assert counts == (await published(api, FOR_ALL))["drafts"]
    assert counts == (await published(api, FOR_ALL))["drafts"]
    assert {(None, None, "wanted"), ("de", None, "wanted")} == await orders(api)


async def test_a_text_for_each_value_is_ordered_for_those_who_may_enter(api: Api) -> None:
    """Every value among learners who pass the audience, in every language; of others nothing."""
    await introduce(api, ada="nurse", bea="clerk", cem="nurse", xul="chef")
    await api.emit(event("hr.learner.hired", "dee", country="GB"))

    counts = (await published(api))["drafts"]

    expected = {(language, value, "wanted") for language in (None, "de") for value in ("nurse", "clerk")}
    assert expected == await orders(api)
    assert (4, 4) == (counts["wanted"], counts["missing"])


async def test_texts_of_a_publish_are_had_written(api: Api, temporal_address: str) -> None:
    """Temporal is told of them once they are committed."""
    await published(api, FOR_ALL.replace("Say kindly", f"Say, as {uuid.uuid4().hex} would,"))
    async with api.parts.database.read() as session:
        ids = (await session.exec(select(DraftRow.id))).all()
    client = await connect(temporal_address)

    async def are_begun() -> bool:
        begun = [one.id async for one in client.list_workflows(f'WorkflowType = "{DRAFTING_WORKFLOW}"')]
        return all(any(name.endswith(id_) for name in begun) for id_ in ids)

    assert 2 == len(ids)
    await until(are_begun)


async def test_a_text_that_fell_is_ordered_anew(api: Api) -> None:
    """Once a version orders it again; one that a person decided upon stays as it is."""
    await published(api, FOR_ALL)
    async with api.parts.database.write() as session:
        first, second = (await session.exec(select(DraftRow).order_by(col(DraftRow.id)))).all()
        for row in (first, second):
            row.state = "replaced"
        second.decided_at = second.created_at
        kept = (second.language, None, "replaced")

    await published(api, FOR_ALL)

    assert {(first.language, None, "wanted"), kept} == await orders(api)


async def test_a_text_for_one_learner_is_not_ordered_ahead(api: Api) -> None:
    """Most of those who pass an audience never enter."""
    await introduce(api, ada="nurse")
    await api.client.put("/v1/policy", json={"drafts": {"per_learner": True}})
    counts = (await published(api, DRAFTED.replace("per: learner.role", "per: learner")))["drafts"]
    assert (set(), 0) == (await orders(api), counts["missing"])


async def test_an_order_is_lacking_once_however_often_its_text_was_written(api: Api) -> None:
    """Not where an earlier version's text of it is approved; and what is rejected, and wanted anew, is lacking."""
    first = (await published(api))["hash"]
    for value in ("nurse", "clerk", "chef"):
        draft = await propose(api.parts.database, value=value)
        how = ("reject", {"reason": "Too dry."}) if value == "chef" else ("approve", {"despite_findings": True})
        assert (await api.client.post(f"/v1/drafts/{draft}/{how[0]}", json=how[1])).is_success
    second = (await published(api, DRAFTED.replace("wait: 3d", "wait: 4d")))["hash"]
    assert first != second
    async with api.parts.database.read() as session:
        (nurse,) = (await session.exec(select(DraftRow).where(col(DraftRow.value) == "nurse"))).all()
    async with api.parts.database.write() as session:
        again = {**nurse.model_dump(), "id": "again", "number": 2, "state": "wanted", "program": second}
        await (await session.connection()).execute(insert(DraftRow), [again])

    counts = {"wanted": 2, "proposed": 0, "approved": 2, "failed": 0, "missing": 1}
    assert counts == (await api.get("/v1/journeys/to-lead"))["drafts"]


async def test_what_nobody_drafts_is_not_counted(api: Api) -> None:
    """A journey without a draft says nothing of them."""
    await api.publish()
    assert (await api.get("/v1/journeys/first-weeks"))["drafts"] is None


async def test_a_journey_says_how_many_drafts_it_lacks(api: Api) -> None:
    """Of its running version: a version that asks for the same keeps its approvals, one that asks for another text
    lacks it.
    """
    await published(api)
    for value in ("nurse", "clerk"):
        for language in (None, "de"):
            draft = await propose(api.parts.database, value=value, language=language)
            if value == "nurse":
                given = {"despite_findings": True}
                assert (await api.client.post(f"/v1/drafts/{draft}/approve", json=given)).is_success
    counts = {"wanted": 0, "proposed": 2, "approved": 2, "failed": 0, "missing": 2}
    assert counts == (await api.get("/v1/journeys/to-lead"))["drafts"]

    longer_wait = (await published(api, DRAFTED.replace("wait: 3d", "wait: 4d")))["drafts"]
    new_german = (await published(api, DRAFTED.replace("Ihr Kurs", "Dein Kurs")))["drafts"]

    assert counts == longer_wait
    assert {"wanted": 0, "proposed": 1, "approved": 1, "failed": 0, "missing": 1} == new_german
