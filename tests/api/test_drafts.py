"""`/v1/drafts`: listed, shown, approved, rejected, taken back, edited, written again; many at once."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from journeys.drafting.order import DraftText
from store.queries import deciding_drafts, drafting, drafts, learners
from tests.support.api import Api, event
from tests.support.proposing import BETTER, BROKEN, DRAFTED, ENGLISH, GERMAN, WRONG, propose, states, want, write


@pytest.fixture
async def api(api: Api) -> Api:
    """The API, with the drafted journey published; nobody is known, so nothing is ordered."""
    answer = await api.publish(DRAFTED, "to-lead")
    assert answer.status_code == 201, answer.text
    return api


async def post(api: Api, path: str, body: Any = None, **headers: str) -> Any:
    """The body of a POST that must succeed."""
    answer = await api.client.post(f"/v1/drafts/{path}", json=body or {}, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


async def refused(api: Api, path: str, body: Any = None) -> tuple[int, str]:
    """Status and code of a POST that must not."""
    answer = await api.client.post(f"/v1/drafts/{path}", json=body or {})
    assert not answer.is_success, answer.text
    return answer.status_code, answer.json()["code"]


# --- looked at ----------------------------------------------------------------------------------------------------


async def test_a_draft_is_shown_with_all_that_is_needed_to_decide(api: Api) -> None:
    """The text, what was asked for, the prompt, what is wrong, what it cost, and how it would read."""
    draft = await propose(api.parts.database, WRONG)

    shown = await api.get(f"/v1/drafts/{draft}")

    assert (WRONG.subject, WRONG.body) == (shown["subject"], shown["body"])
    told = [shown[name] for name in ("state", "origin", "model", "value", "per", "language", "is_ordered")]
    assert ["proposed", "model", "imitation", "nurse", "learner.role", None, True] == told
    assert {"system": "You draft.", "user": "BRIEF", "schema": {}} == shown["prompt"]
    assert [("numbers", "hard")] == [(one["check"], one["severity"]) for one in shown["findings"]]
    assert {"hard": 1, "soft": 0} == shown["found"]
    assert {"calls": 1, "tokens_in": 900, "tokens_out": 80} == shown["cost"]
    assert ["learner.role", "link"] == shown["placeholders"]
    assert "Say kindly" in shown["brief"]["brief"]
    assert ("Your course", "Start") == (shown["fallback"]["subject"], shown["fallback"]["link"]["label"])
    assert "The course for a nurse is there. It takes 9 days: https://lms.example.com/lead" == shown["preview"]["text"]
    assert {"learner.role": "nurse"} == shown["preview"]["values"]
    assert (None, [], [], []) == (shown["difference"], shown["earlier"], shown["later"], shown["languages"])


async def test_the_difference_is_from_the_text_approved_last(api: Api) -> None:
    """Word by word; also where another brief was asked for meanwhile."""
    first = await propose(api.parts.database)
    await post(api, f"{first}/approve")
    changed = DRAFTED.replace("max_words: 60", "max_words: 50")
    assert 201 == (await api.publish(changed, "to-lead")).status_code
    second = await propose(api.parts.database, BETTER, definition=changed)

    difference = (await api.get(f"/v1/drafts/{second}"))["difference"]

    assert first == difference["since"]
    expected = [("same", "A course "), ("removed", "for you"), ("added", "is there")]
    assert expected == [(one["kind"], one["text"]) for one in difference["subject"]]
    for text, kinds in ((ENGLISH.body, ("same", "removed")), (BETTER.body, ("same", "added"))):
        assert text == "".join(one["text"] for one in difference["body"] if one["kind"] in kinds)
    assert not (await api.get(f"/v1/drafts/{first}"))["is_ordered"]


async def test_languages_that_disagree_are_told_with_each(api: Api) -> None:
    """In the list, and where one is shown; as long as a language has no text, nothing disagrees."""
    german = await propose(api.parts.database, GERMAN, language="de")
    assert [] == (await api.get(f"/v1/drafts/{german}"))["findings"]
    english = await propose(api.parts.database, WRONG)

    shown = await api.get(f"/v1/drafts/{german}")

    assert {"agreement"} == {one["check"] for one in shown["findings"]}
    assert [(english, None)] == [(one["id"], one["language"]) for one in shown["languages"]]
    listed = {one["id"]: one["found"]["hard"] for one in (await api.get("/v1/drafts"))["items"]}
    assert listed[german] == shown["found"]["hard"] > 0


async def test_drafts_are_listed_newest_first_page_by_page(api: Api) -> None:
    """By journey, message, language, value and state; each of them on one page."""
    made = [await propose(api.parts.database, value=f"role {number}") for number in range(3)]
    made.append(await propose(api.parts.database, GERMAN, language="de", value="role 0"))
    made.append(await want(api.parts.database, value="role 9"))

    first = await api.get("/v1/drafts", limit=2)
    second = await api.get("/v1/drafts", limit=3, cursor=first["next"])

    assert made[::-1] == [item["id"] for item in (*first["items"], *second["items"])]
    assert second["next"] is None
    for filters, expected in (
        ({"language": "own", "value": "role 0"}, made[:1]),
        ({"language": "de"}, made[3:4]),
        ({"state": "wanted"}, made[4:]),
        ({"journey": "to-lead", "message": "course", "value": "role 1"}, made[1:2]),
        ({"journey": "another"}, []),
    ):
        assert expected == [item["id"] for item in (await api.get("/v1/drafts", **filters))["items"]], filters


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    """Whatever is asked of it; and a filter or cursor that is none is told."""
    assert 404 == (await api.client.get("/v1/drafts/drf-none")).status_code
    for action in ("approve", "again"):
        assert (404, "draft_not_found") == await refused(api, f"drf-none/{action}")
    assert (404, "draft_not_found") == await refused(api, "drf-none/reject", {"reason": "no"})
    assert (404, "draft_not_found") == await refused(api, "drf-none/edit", {"subject": "a", "body": "b"})
    assert 422 == (await api.client.get("/v1/drafts", params={"state": "new"})).status_code
    assert 422 == (await api.client.get("/v1/drafts", params={"cursor": "WyJhIiwiYiJd"})).status_code
    assert 401 == (await api.client.get("/v1/drafts", headers={"authorization": "Bearer x"})).status_code


# --- approved and rejected ----------------------------------------------------------------------------------------


async def test_an_approved_draft_is_the_one_that_is_sent(api: Api) -> None:
    """Who and when is kept; to approve it again changes nothing."""
    draft = await propose(api.parts.database)

    approved = await post(api, f"{draft}/approve")

    assert ("approved", "tests") == (approved["state"], approved["decided_by"])
    assert approved == await post(api, f"{draft}/approve") == await api.get(f"/v1/drafts/{draft}")
    async with api.parts.database.read() as session:
        row = await drafts.find(session, draft)
        assert row is not None
        found = await drafts.find_approved(session, "to-lead", "course", row.key)
    assert found is not None
    assert (draft, ENGLISH) == (found.id, found.text)


async def test_a_hard_finding_is_overridden_by_name_alone(api: Api) -> None:
    """409 with every finding; with `despite_findings` somebody has looked, and takes it."""
    draft = await propose(api.parts.database, WRONG)
    answer = await api.client.post(f"/v1/drafts/{draft}/approve", json={})
    body = answer.json()
    assert (409, "hard_findings") == (answer.status_code, body["code"])
    assert [("numbers", "numbers", "hard")] == [(p["code"], p["check"], p["severity"]) for p in body["problems"]]
    assert "proposed" == (await api.get(f"/v1/drafts/{draft}"))["state"]

    approved = await post(api, f"{draft}/approve", {"despite_findings": True})
    assert ("approved", "tests", 1) == (approved["state"], approved["decided_by"], approved["approved_despite"])


async def test_in_spite_of_what_a_text_was_approved_stays_written_down(api: Api) -> None:
    """Also once it is taken back, and whatever the rules of a later day find; of one by itself and of many."""
    wrong, good, one = [
        await propose(api.parts.database, text, value=value)
        for value, text in (("a", WRONG), ("b", ENGLISH), ("c", ENGLISH))
    ]
    assert (await api.get(f"/v1/drafts/{wrong}"))["approved_despite"] is None
    await post(api, f"{wrong}/approve", {"despite_findings": True})
    await post(api, f"{good}/approve", {"despite_findings": True})
    await post(api, "approve", {"ids": [one]})
    await post(api, f"{wrong}/take-back", {"reason": "too bold"})
    await api.client.put("/v1/policy", json={"drafts": {"forbidden": ["Course"]}})

    shown = [(await api.get(f"/v1/drafts/{draft}"))["approved_despite"] for draft in (wrong, good, one)]
    assert [1, 0, 0] == shown


async def test_a_text_that_cannot_be_sent_is_approved_by_nobody(api: Api) -> None:
    """It uses what the brief does not allow, or is no template; whatever a person says."""
    for text, said in (
        (BROKEN, "learner.email"),
        (DraftText("A course", "It takes 5 days {{ link"), "line 1"),
        (DraftText("A course", "{{ learner.role.__class__ }}"), "__class__"),
        (DraftText("A course", " "), "empty"),
    ):
        draft = await propose(api.parts.database, text, value=said)
        answer = await api.client.post(f"/v1/drafts/{draft}/approve", json={"despite_findings": True})
        assert (409, "draft_cannot_be_sent") == (answer.status_code, answer.json()["code"])
        assert said in answer.json()["detail"]
        assert said in (await api.get(f"/v1/drafts/{draft}"))["unsendable"][0]


async def test_a_word_that_the_firm_forbids_is_found_when_it_is_decided(api: Api) -> None:
    """By the policy of that moment, not of when it was written."""
    draft = await propose(api.parts.database)
    assert 200 == (await api.client.put("/v1/policy", json={"drafts": {"forbidden": ["Course"]}})).status_code

    assert (409, "hard_findings") == await refused(api, f"{draft}/approve")
    assert {"tone"} == {one["check"] for one in (await api.get(f"/v1/drafts/{draft}"))["findings"]}


async def test_a_rejected_draft_is_written_anew(api: Api) -> None:
    """Another text of its order is wanted, beside which stands why the one before was not liked; once, however often
    it is said.
    """
    draft = await propose(api.parts.database)

    answer = await post(api, f"{draft}/reject", {"reason": "too long"})

    assert ["rejected", "too long", "tests"] == [answer["draft"][name] for name in ("state", "reason", "decided_by")]
    again = await api.get(f"/v1/drafts/{answer['again']}")
    assert ("tests", None) == (again["wanted_by"], answer["draft"]["wanted_by"])
    assert ("wanted", 2, "nurse") == (again["state"], again["number"], again["value"])
    assert [(draft, "too long")] == [(one["id"], one["reason"]) for one in again["earlier"]]
    assert answer["again"] == (await post(api, f"{draft}/reject", {"reason": "too long"}))["again"]
    assert 2 == len(await states(api.parts.database))


async def test_a_rejected_draft_may_be_the_last(api: Api) -> None:
    """With `again` false; a reason is wanted in any case, and another text may be had later."""
    draft = await propose(api.parts.database)
    assert (422, "invalid_request") == await refused(api, f"{draft}/reject")
    assert (422, "invalid_request") == await refused(api, f"{draft}/reject", {"reason": " "})
    assert (await post(api, f"{draft}/reject", {"reason": "not needed", "again": False}))["again"] is None
    assert {draft: "rejected"} == await states(api.parts.database)

    again = await post(api, f"{draft}/again")
    assert ("wanted", 2) == (again["state"], again["number"])
    assert "tests" == again["wanted_by"]


async def test_a_reason_that_says_who_somebody_is_is_not_taken(api: Api) -> None:
    """The next text is told it, and the writer is told of nobody: it is said what to do, and nothing is repeated."""
    for learner in ("emp-4711", "lena", "ada.okafor", "EMP-XY"):
        await api.emit(event("hr.learner.changed", learner, country="GB"))
    draft = await propose(api.parts.database)
    reasons = (
        *("ask ada@example.org", "call +43 660 1234567", "not for emp-4711", "ask lena", "it is not for LENA"),
        *(
            "wrong for ada.okafor",
            "this is what Ada Okafor",
            "no, emp-xy",
            "it is too long, " * 50 + "ask ada@example.org",
        ),
    )
    for reason in reasons:
        answer = await api.client.post(f"/v1/drafts/{draft}/reject", json={"reason": reason})
        assert (422, "reason_names_somebody") == (answer.status_code, answer.json()["code"])
        assert "say what is wrong with the text" in answer.json()["detail"]
        assert reason.split()[-1] not in answer.text
    answer = await api.client.post(f"/v1/drafts/{draft}/reject", json={"reason": "ask lena"})
    assert "an id (its word 2 is what a system calls somebody)" in answer.json()["detail"]
    assert {draft: "proposed"} == await states(api.parts.database)
    await post(api, f"{draft}/approve")
    assert (422, "reason_names_somebody") == await refused(api, f"{draft}/take-back", {"reason": reasons[0]})


async def test_a_reason_against_a_text_of_hers_says_nothing_of_her_nor_of_her_manager(api: Api) -> None:
    """Whose text it is, is known: one look tells her names, and those of who leads her."""
    await api.emit(
        event("hr.learner.changed", "m-1", given_name="Grace", family_name="Hopper"),
        event("hr.learner.changed", "e-1", given_name="Zora", family_name="Okafor", manager="m-1"),
    )
    async with api.parts.database.read() as session:
        ours = await learners.find_ids(session, ["e-1"])
    draft, other = [await propose(api.parts.database, value=value) for value in (ours["e-1"], "nurse")]
    for reason, what in (
        ("Zora is new", "learner.given_name"),
        ("ask Mrs Hopper", "the family_name of learner.manager"),
    ):
        answer = await api.client.post(f"/v1/drafts/{draft}/reject", json={"reason": reason})
        assert (422, "reason_names_somebody") == (answer.status_code, answer.json()["code"])
        assert f"what says who she is ({what})" in answer.json()["detail"]
    for one in (draft, other):
        assert "rejected" == (await post(api, f"{one}/reject", {"reason": "too long"}))["draft"]["state"]


async def test_what_is_decided_is_told_to_the_second(api: Api) -> None:
    """Who decided."""
    approved, rejected = [await propose(api.parts.database, value=value) for value in ("one", "two")]
    await post(api, f"{approved}/approve")
    await post(api, f"{rejected}/reject", {"reason": "no"})

    assert (409, "draft_decided") == await refused(api, f"{approved}/reject", {"reason": "no"})
    assert (409, "draft_decided") == await refused(api, f"{rejected}/approve")
    told = (await api.client.post(f"/v1/drafts/{rejected}/approve", json={})).json()["detail"]
    assert "tests has rejected it" in told
    told = (await api.client.post(f"/v1/drafts/{approved}/reject", json={"reason": "no"})).json()["detail"]
    assert "take it back, or edit it" in told


async def test_of_two_who_decide_at_once_one_is_told(api: Api) -> None:
    """However many times: it is either approved or rejected, and the other one hears of it."""
    for number in range(6):
        draft = await propose(api.parts.database, value=f"role {number}")
        answers = await asyncio.gather(
            api.client.post(f"/v1/drafts/{draft}/approve", json={}),
            api.client.post(f"/v1/drafts/{draft}/reject", json={"reason": "no"}),
        )
        assert [200, 409] == sorted(answer.status_code for answer in answers)
        expected = "approved" if answers[0].status_code == 200 else "rejected"
        assert expected == (await api.get(f"/v1/drafts/{draft}"))["state"]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a draft was looked at."""
    find, event = deciding_drafts.find_all, asyncio.Event()

    async def found(session: AsyncSession, ids: Collection[str]) -> Mapping[str, deciding_drafts.Listed]:
        rows = await find(session, ids)
        event.set()
        return rows

    monkeypatch.setattr(deciding_drafts, "find_all", found)
    return event


async def test_a_text_that_comes_while_somebody_decides_is_not_decided_on(api: Api, looked: asyncio.Event) -> None:
    """Who looked at a text that was still being written has judged that one: the text that is proposed meanwhile is
    neither approved, rejected, taken back nor edited, however sound the one before it was.
    """
    new = {"subject": BETTER.subject, "body": BETTER.body}
    for action, body in (("approve", {}), ("reject", {"reason": "no"}), ("take-back", {"reason": "no"}), ("edit", new)):
        for before in (None, ENGLISH):
            draft = await want(api.parts.database, value=f"{action} {before is None}")
            if before is not None:
                await write(api.parts.database, draft, before, state="wanted")
            looked.clear()
            async with api.parts.database.write() as session:  # the text comes: it stands once this is committed
                changes = {"state": "proposed", "subject": WRONG.subject, "body": WRONG.body}
                await drafting.change(session, draft, at=datetime.now(UTC), **changes)
                asked = asyncio.create_task(refused(api, f"{draft}/{action}", body))
                await asyncio.wait_for(looked.wait(), 20)
            assert (409, "draft_changed") == await asked
            shown = await api.get(f"/v1/drafts/{draft}")
            assert ("proposed", WRONG.body, None) == (shown["state"], shown["body"], shown["decided_by"])


async def test_the_text_that_was_looked_at_is_decided_on_once_it_is_proposed(api: Api, looked: asyncio.Event) -> None:
    """It was sent back, and is the best that came: the same text has been judged."""
    draft = await want(api.parts.database)
    await write(api.parts.database, draft, ENGLISH, state="wanted")
    async with api.parts.database.write() as session:
        await drafting.change(session, draft, at=datetime.now(UTC), state="proposed")
        asked = asyncio.create_task(post(api, f"{draft}/approve"))
        await asyncio.wait_for(looked.wait(), 20)
    assert "approved" == (await asked)["state"]


async def test_of_two_texts_of_one_order_approved_at_once_one_stays(api: Api) -> None:
    """At most one is sent."""
    for number in range(6):
        first = await propose(api.parts.database, value=f"role {number}")
        await post(api, f"{first}/approve")
        texts = [
            (await post(api, f"{first}/edit", {"subject": f"A course {word}", "body": ENGLISH.body}))["id"]
            for word in ("early", "late")
        ]
        answers = await asyncio.gather(
            *(api.client.post(f"/v1/drafts/{id_}/approve", json={"despite_findings": True}) for id_ in texts)
        )
        assert [200, 200] == [answer.status_code for answer in answers]
        found = await states(api.parts.database)
        assert ["approved", "replaced", "replaced"] == sorted(found[id_] for id_ in (first, *texts))


async def test_what_is_not_written_cannot_be_decided(api: Api) -> None:
    """Wanted or failed: the answer says what can be done."""
    wanted = await want(api.parts.database)
    failed = await want(api.parts.database, value="clerk")
    await write(api.parts.database, failed, ENGLISH, state="failed", reason="refused", subject=None, body=None)

    assert (409, "draft_not_written") == await refused(api, f"{wanted}/approve")
    assert (409, "draft_failed") == await refused(api, f"{failed}/reject", {"reason": "no"})
    assert (409, "draft_not_written") == await refused(api, f"{wanted}/again")
    again = await post(api, f"{failed}/again")
    assert ("wanted", 2) == (again["state"], again["number"])
    assert again["id"] == (await post(api, f"{failed}/again"))["id"]
    assert "replaced" == (await api.get(f"/v1/drafts/{failed}"))["state"]


async def test_what_came_back_instead_of_a_text_is_shown(api: Api) -> None:
    """In the server's own words, so far as one can read them; beside a text there is none."""
    failed, good = await want(api.parts.database, value="clerk"), await propose(api.parts.database)
    gone = {"state": "failed", "reason": "refused", "subject": None, "body": None, "answer": "400 Not this. " * 500}
    await write(api.parts.database, failed, ENGLISH, **gone)

    shown = (await api.get(f"/v1/drafts/{failed}"))["answer"]
    assert shown.startswith("400 Not this. ")
    assert 1_000 == len(shown)
    assert (await api.get(f"/v1/drafts/{good}"))["answer"] is None


async def test_what_no_version_asked_for_can_be_had_again(api: Api) -> None:
    """A text that was wanted, and fell before anybody wrote it, or while it was written; not one that was edited."""
    fell = await want(api.parts.database)
    half = await want(api.parts.database, value="clerk")
    await write(api.parts.database, fell, ENGLISH, state="replaced", subject=None, body=None)
    await write(api.parts.database, half, ENGLISH, state="replaced")
    for draft in (fell, half):
        again = await post(api, f"{draft}/again")
        assert ("wanted", 2) == (again["state"], again["number"])
    edited = await want(api.parts.database, value="chef")
    by_hand = (await post(api, f"{edited}/edit", {"subject": BETTER.subject, "body": BETTER.body}))["id"]
    await post(api, f"{by_hand}/approve")
    assert (409, "draft_replaced") == await refused(api, f"{edited}/again")


async def test_what_no_running_version_asks_for_is_not_written_again(api: Api) -> None:
    """Whoever drafts would not; it is said, and nothing is promised."""
    rejected, approved, failed = [await propose(api.parts.database, value=value) for value in ("one", "two", "three")]
    await post(api, f"{approved}/approve")
    await write(api.parts.database, failed, ENGLISH, state="failed")
    changed = DRAFTED.replace("Say kindly", "Say")
    assert 201 == (await api.publish(changed, "to-lead")).status_code

    assert (await post(api, f"{rejected}/reject", {"reason": "no"}))["again"] is None
    assert (await post(api, f"{approved}/take-back", {"reason": "no"}))["again"] is None
    assert (409, "draft_not_ordered") == await refused(api, f"{failed}/again")
    assert {rejected: "rejected", approved: "replaced", failed: "failed"} == await states(api.parts.database)


async def test_what_waits_for_a_decision_is_not_written_again(api: Api) -> None:
    """It is rejected first."""
    assert (409, "draft_not_over") == await refused(api, f"{await propose(api.parts.database)}/again")


async def test_a_repeated_decision_gets_the_same_answer(api: Api) -> None:
    """Under one Idempotency-Key; another decision in between does not change it."""
    draft = await propose(api.parts.database)
    key = {"idempotency-key": "approve-it"}
    first = await post(api, f"{draft}/approve", **key)
    await post(api, f"{draft}/edit", {"subject": BETTER.subject, "body": BETTER.body})
    assert first == await post(api, f"{draft}/approve", **key)


# --- taken back ---------------------------------------------------------------------------------------------------


async def approved_of(api: Api, draft: str) -> str | None:
    """The id of the text that is sent for this draft's order; None: the message goes in its own words."""
    async with api.parts.database.read() as session:
        row = await drafts.find(session, draft)
        assert row is not None
        found = await drafts.find_approved(session, row.journey, row.message, row.key)
    return None if found is None else found.id


async def test_an_approved_text_that_is_taken_back_is_sent_no_more(api: Api) -> None:
    """Who had approved it stays, beside who took it back and why; another one is wanted, and told; once, however often
    it is said.
    """
    draft = await propose(api.parts.database)
    approved = await post(api, f"{draft}/approve")
    assert draft == await approved_of(api, draft)

    answer = await post(api, f"{draft}/take-back", {"reason": " the course takes 6 days "})

    assert await approved_of(api, draft) is None
    taken = answer["draft"]
    assert ["replaced", "the course takes 6 days"] == [taken["state"], taken["reason"]]
    assert ["tests", approved["decided_at"]] == [taken["decided_by"], taken["decided_at"]]
    assert "tests" == taken["taken_back_by"]
    assert approved["decided_at"] < taken["taken_back_at"]
    again = await api.get(f"/v1/drafts/{answer['again']}")
    assert ("wanted", 2, "nurse") == (again["state"], again["number"], again["value"])
    earlier = [(one["id"], one["reason"], one["taken_back_by"]) for one in again["earlier"]]
    assert [(draft, "the course takes 6 days", "tests")] == earlier
    async with api.parts.database.read() as session:
        row = await drafts.find(session, again["id"])
        assert row is not None
        assert ["the course takes 6 days"] == await drafting.list_rejections(session, row)
    assert answer == await post(api, f"{draft}/take-back", {"reason": "another", "again": False})
    assert {draft: "replaced", again["id"]: "wanted"} == await states(api.parts.database)


async def test_after_a_text_is_taken_back_there_may_be_none(api: Api) -> None:
    """With `again` false; a reason is wanted in any case. It is not ordered anew by itself; a person may want another
    one later, or send the same words again after all.
    """
    draft = await propose(api.parts.database)
    await post(api, f"{draft}/approve")
    for given in ({}, {"reason": " "}, {"reason": "no", "more": 1}):
        assert (422, "invalid_request") == await refused(api, f"{draft}/take-back", given)
    assert draft == await approved_of(api, draft)

    assert (await post(api, f"{draft}/take-back", {"reason": "not needed", "again": False}))["again"] is None

    assert {draft: "replaced"} == await states(api.parts.database)
    for action, body in (("approve", {"despite_findings": True}), ("reject", {"reason": "no"})):
        assert (409, "draft_decided") == await refused(api, f"{draft}/{action}", body)
    told = (await api.client.post(f"/v1/drafts/{draft}/approve", json={})).json()["detail"]
    assert "tests has taken it back at" in told
    edited = await post(api, f"{draft}/edit", {"subject": ENGLISH.subject, "body": ENGLISH.body})
    assert ("proposed", 2, draft) == (edited["state"], edited["number"], edited["based_on"])
    await post(api, f"{edited['id']}/approve")
    assert edited["id"] == await approved_of(api, draft)
    again = await post(api, f"{draft}/again")
    assert ("wanted", 3) == (again["state"], again["number"])


async def test_only_what_is_approved_is_taken_back(api: Api) -> None:
    """Anything else is left as it is, and the answer says what it is instead."""
    proposed, rejected, first = [await propose(api.parts.database, value=value) for value in ("one", "two", "three")]
    wanted, failed = [await want(api.parts.database, value=value) for value in ("four", "five")]
    await write(api.parts.database, failed, ENGLISH, state="failed", reason="refused", subject=None, body=None)
    await post(api, f"{rejected}/reject", {"reason": "no", "again": False})
    await post(api, f"{first}/approve")
    second = (await post(api, f"{first}/edit", {"subject": BETTER.subject, "body": BETTER.body}))["id"]
    await post(api, f"{second}/approve")
    before = await states(api.parts.database)

    for draft, code in (
        (proposed, "draft_not_approved"), (wanted, "draft_not_written"), (failed, "draft_failed"),
        (rejected, "draft_decided"), (first, "draft_replaced"),
    ):  # fmt: skip
        assert (409, code) == await refused(api, f"{draft}/take-back", {"reason": "wrong"})
    assert (404, "draft_not_found") == await refused(api, "drf-none/take-back", {"reason": "wrong"})

    assert before == await states(api.parts.database)
    assert (await api.get(f"/v1/drafts/{first}"))["taken_back_at"] is None


async def test_the_edit_of_a_text_that_is_taken_back_stands_in_its_place(api: Api) -> None:
    """Nothing else is written; the text before it does not come back by itself."""
    first = await propose(api.parts.database)
    await post(api, f"{first}/approve")
    second = (await post(api, f"{first}/edit", {"subject": BETTER.subject, "body": BETTER.body}))["id"]
    await post(api, f"{second}/approve")
    third = (await post(api, f"{second}/edit", {"subject": "A course", "body": ENGLISH.body}))["id"]

    answer = await post(api, f"{second}/take-back", {"reason": "wrong"})

    assert third == answer["again"]
    assert await approved_of(api, first) is None
    assert {first: "replaced", second: "replaced", third: "proposed"} == await states(api.parts.database)


async def test_a_text_is_taken_back_or_replaced_whoever_comes_first(api: Api) -> None:
    """One takes it back while another approves its edit: the edit is sent, and the other one hears what happened."""
    for number in range(4):
        first = await propose(api.parts.database, value=f"role {number}")
        await post(api, f"{first}/approve")
        second = (await post(api, f"{first}/edit", {"subject": BETTER.subject, "body": BETTER.body}))["id"]
        taken, approved = await asyncio.gather(
            api.client.post(f"/v1/drafts/{first}/take-back", json={"reason": "wrong"}),
            api.client.post(f"/v1/drafts/{second}/approve", json={}),
        )
        assert 200 == approved.status_code
        assert (taken.status_code, taken.json().get("code")) in {(200, None), (409, "draft_replaced")}
        assert second == await approved_of(api, first)
        assert (taken.status_code == 200) == bool((await api.get(f"/v1/drafts/{first}"))["taken_back_at"])


# --- edited -------------------------------------------------------------------------------------------------------


async def test_an_edited_text_is_a_new_draft(api: Api) -> None:
    """Checked, and proposed; the one it came from is replaced, and nothing is approved by it."""
    draft = await propose(api.parts.database)

    answer = await api.client.post(
        f"/v1/drafts/{draft}/edit", json={"subject": f" {WRONG.subject}\n", "body": f"{WRONG.body}\n"}
    )

    edited = answer.json()
    assert 201 == answer.status_code, edited
    assert ["proposed", "person", "tests"] == [edited[name] for name in ("state", "origin", "written_by")]
    expected = [draft, 2, WRONG.subject, WRONG.body]
    assert expected == [edited[name] for name in ("based_on", "number", "subject", "body")]
    assert ["numbers"] == [one["check"] for one in edited["findings"]]
    assert {draft: "replaced", edited["id"]: "proposed"} == await states(api.parts.database)
    assert (409, "draft_replaced") == await refused(api, f"{draft}/approve")
    same = await post(api, f"{draft}/edit", {"subject": WRONG.subject, "body": WRONG.body})
    assert edited["id"] == same["id"]


async def test_an_approved_text_is_sent_until_its_edit_is_approved(api: Api) -> None:
    """An approved text that is edited is a new text."""
    draft = await propose(api.parts.database)
    await post(api, f"{draft}/approve")
    edited = (await post(api, f"{draft}/edit", {"subject": BETTER.subject, "body": BETTER.body}))["id"]
    assert {draft: "approved", edited: "proposed"} == await states(api.parts.database)

    await post(api, f"{edited}/approve")

    assert {draft: "replaced", edited: "approved"} == await states(api.parts.database)


async def test_a_person_writes_what_nobody_has_written(api: Api) -> None:
    """Where the text is wanted still, or writing it failed."""
    for value in ("wanted", "failed"):
        draft = await want(api.parts.database, value=value)
        if value == "failed":
            await write(api.parts.database, draft, ENGLISH, state="failed", reason="refused", subject=None, body=None)
        edited = await post(api, f"{draft}/edit", {"subject": ENGLISH.subject, "body": ENGLISH.body})
        assert "approved" == (await post(api, f"{edited['id']}/approve"))["state"]
        assert "replaced" == (await states(api.parts.database))[draft]


async def test_a_text_that_could_not_be_sent_is_not_taken(api: Api) -> None:
    """Empty, with a variable that is not allowed, no template, too long, no text at all; nothing is kept."""
    draft = await propose(api.parts.database)
    for subject, body in (
        ("A course", ""),
        (" \n", "The course"),
        ("A course", "{{ learner.email }}"),
        ("{{ link", "The course"),
        ("A course", "{% include 'x' %}"),
        ("A course", "a" * 20_001),
        ("A course", None),
        ("A course", "\x00"),
    ):
        answer = await api.client.post(f"/v1/drafts/{draft}/edit", json={"subject": subject, "body": body})
        assert answer.status_code in (400, 422), (subject, body)
        assert {draft: "proposed"} == await states(api.parts.database)


async def test_what_is_wrong_with_an_edit_is_told_by_field(api: Api) -> None:
    """Also of the field that is called as what it came in."""
    draft = await propose(api.parts.database)

    answer = await api.client.post(f"/v1/drafts/{draft}/edit", json={"subject": 5, "body": "a" * 20_001})

    assert ["subject", "body"] == [problem["path"] for problem in answer.json()["problems"]]


# --- many ---------------------------------------------------------------------------------------------------------


async def test_many_are_approved_at_once_and_hard_findings_are_left(api: Api) -> None:
    """A dry run says how many, and changes nothing; the others are told, each with its reason."""
    fine = [await propose(api.parts.database, value=f"role {number}") for number in range(5)]
    wrong = await propose(api.parts.database, WRONG, value="role 5")
    broken = await propose(api.parts.database, BROKEN, value="role 6")
    await want(api.parts.database, value="role 7")
    whole = {"filter": {"journey": "to-lead"}}

    dry = await post(api, "approve", {**whole, "dry_run": True})
    before = await states(api.parts.database)
    done = await post(api, "approve", whole)

    left = [(wrong, "hard_findings", "role 5"), (broken, "draft_cannot_be_sent", "role 6")]
    assert ("dry_run", 7, 0, 2) == (dry["state"], dry["total"], dry["done"], dry["failed"])
    assert left == [(one["draft"], one["code"], one["value"]) for one in dry["could_not"]]
    assert {"proposed", "wanted"} == set(before.values())
    assert ("done", 7, 5, 2, "tests") == (done["state"], done["total"], done["done"], done["failed"], done["by"])
    assert dry["could_not"] == done["could_not"]
    after = await states(api.parts.database)
    assert {"approved"} == {after[id_] for id_ in fine}
    assert {"proposed"} == {after[wrong], after[broken]}


async def test_many_are_chosen_by_ids(api: Api) -> None:
    """What is not there is left; what is approved already is done; of two of one order the later is approved."""
    first, second = [await propose(api.parts.database, value=value) for value in ("one", "two")]
    await post(api, f"{first}/approve")
    await post(api, f"{second}/approve")
    edits = [
        (await post(api, f"{second}/edit", {"subject": f"A course {word}", "body": ENGLISH.body}))["id"]
        for word in ("early", "late")
    ]

    done = await post(api, "approve", {"ids": [first, "drf-none", *edits]})

    assert (4, 2, 2) == (done["total"], done["done"], done["failed"])
    assert [(2, "draft_not_found"), (3, "later_text")] == [(one["number"], one["code"]) for one in done["could_not"]]
    found = await states(api.parts.database)
    assert ["approved", "replaced", "proposed", "approved"] == [found[id_] for id_ in (first, second, *edits)]


async def test_many_approved_once_more_change_nothing(api: Api) -> None:
    """What was left because a later text is approved stays left: only who approves it by itself has it sent instead."""
    first = await propose(api.parts.database, value="one")
    await post(api, f"{first}/approve")
    early, late = [
        (await post(api, f"{first}/edit", {"subject": f"A course {word}", "body": ENGLISH.body}))["id"]
        for word in ("early", "late")
    ]
    asked = {"filter": {"journey": "to-lead"}}
    dry = await post(api, "approve", {**asked, "dry_run": True})

    done = [await post(api, "approve", asked) for _ in range(2)]

    told = [[(one["draft"], one["code"]) for one in each["could_not"]] for each in (dry, *done)]
    assert [[(early, "later_text")]] * 3 == told
    assert [(2, 1), (1, 0)] == [(each["total"], each["done"]) for each in done]
    found = await states(api.parts.database)
    assert ["replaced", "proposed", "approved"] == [found[id_] for id_ in (first, early, late)]
    await post(api, f"{early}/approve")
    found = await states(api.parts.database)
    assert ["approved", "replaced"] == [found[id_] for id_ in (early, late)]


async def test_many_are_narrowed(api: Api) -> None:
    """By message, language and value; a journey must be named, and ids and a filter are not said together."""
    english = await propose(api.parts.database)
    german = await propose(api.parts.database, GERMAN, language="de")
    done = await post(api, "approve", {"filter": {"journey": "to-lead", "message": "course", "language": "own"}})
    assert (1, 1) == (done["total"], done["done"])
    assert {english: "approved", german: "proposed"} == await states(api.parts.database)
    for wrong in ({}, {"filter": {}}, {"ids": []}, {"ids": [german], "filter": {"journey": "to-lead"}}, {"all": True}):
        assert 422 == (await refused(api, "approve", wrong))[0], wrong


async def test_many_are_approved_beside_one_who_rejects(api: Api) -> None:
    """Each is either approved or rejected, and counted so."""
    made = [await propose(api.parts.database, value=f"role {number}") for number in range(12)]
    many, *ones = await asyncio.gather(
        post(api, "approve", {"filter": {"journey": "to-lead"}}),
        *(api.client.post(f"/v1/drafts/{id_}/reject", json={"reason": "no", "again": False}) for id_ in made[::2]),
    )
    after = await states(api.parts.database)
    found = [after[id_] for id_ in made]
    assert many["done"] == found.count("approved")
    assert [one.status_code for one in ones].count(200) == found.count("rejected") == 12 - found.count("approved")
