"""Drafts as people decide on them, on either database."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, update
from sqlmodel import col, select

from journeys.drafting.order import DraftText
from journeys.identity import draft_id
from store.database import Database
from store.queries import deciding_drafts, drafting, drafts
from store.queries.deciding_drafts import DraftFilter, Listed, NewText
from store.tables import DraftRow

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def keep(
    database: Database, key: str, *, number: int = 1, state: str = "proposed", of: Mapping[str, object] | None = None
) -> str:
    """A draft of this order; answers its id."""
    id_ = draft_id("j", "m", key, number)
    row = DraftRow(
        id=id_, journey="j", message="m", key=key, number=number, program="p", state=state, subject="s", body="b",
        created_at=AT, updated_at=AT,
    )  # fmt: skip
    async with database.write() as session:
        await (await session.connection()).execute(insert(DraftRow), [{**row.model_dump(), **(of or {})}])
    return id_


async def found(database: Database, draft: str) -> Listed:
    """One draft."""
    async with database.read() as session:
        return (await deciding_drafts.find_all(session, [draft]))[draft]


async def test_those_of_one_instant_are_on_one_page_each(database: Database) -> None:
    """Many are ordered at once, so instants alone do not say where a page begins."""
    made = {await keep(database, f"k{number}") for number in range(7)}
    seen: list[str] = []
    before: tuple[datetime, str] | None = None
    async with database.read() as session:
        while page := await deciding_drafts.list_drafts(session, DraftFilter(), before=before, limit=3):
            before = page[-1].created_at, page[-1].id
            seen += [row.id for row in page]
    assert (7, made) == (len(seen), set(seen))


async def test_the_last_approved_text_is_of_the_same_value_and_language(database: Database) -> None:
    """Null is a language, and a value; what was edited and never approved is none."""
    of: dict[str, object] = {"decided_by": "a", "language": None, "value": None}
    first = await keep(database, "k1", state="replaced", of={**of, "decided_at": AT})
    await keep(database, "k2", state="approved", of={**of, "language": "de", "decided_at": AT + timedelta(hours=2)})
    await keep(database, "k3", state="approved", of={**of, "value": "nurse", "decided_at": AT + timedelta(hours=2)})
    await keep(database, "k4", state="rejected", of={**of, "decided_at": AT + timedelta(hours=2)})
    await keep(database, "k5", state="replaced")
    second = await keep(database, "k6", state="approved", of={**of, "decided_at": AT + timedelta(hours=1)})
    new = await keep(database, "k7")
    async with database.read() as session:
        listed = await deciding_drafts.find_all(session, [first, second, new])
        last = {id_: await deciding_drafts.find_last_approved(session, draft) for id_, draft in listed.items()}
    assert {first: None, second: first, new: second} == {id_: one and one.id for id_, one in last.items()}


async def test_at_most_one_of_an_order_is_approved(database: Database) -> None:
    """Whoever approves locks all its texts; many at once, in any order, meet no deadlock and leave one each."""
    for key in ("k1", "k2", "k3"):
        for number in (1, 2, 3):
            await keep(database, key, number=number)

    async def approve(number: int, keys: tuple[str, ...]) -> None:
        async def transaction() -> None:
            async with database.write() as session:
                rows = await deciding_drafts.lock_orders(session, [("j", "m", key) for key in keys])
                chosen = [row for row in rows if row.number == number]
                await deciding_drafts.approve(session, chosen, by=f"person {number}", at=AT)

        await transaction()

    await asyncio.gather(*(approve(n, keys) for n in (1, 2, 3) for keys in (("k1", "k2", "k3"), ("k3", "k1"), ("k2",))))

    async with database.read() as session:
        rows = (await session.exec(select(DraftRow))).all()
    by_key = {key: sorted(row.state for row in rows if row.key == key) for key in ("k1", "k2", "k3")}
    assert {"k1", "k2", "k3"} == {row.key for row in rows if row.state == "approved"}
    assert [["approved", "replaced", "replaced"]] * 3 == list(by_key.values())


async def test_of_a_text_that_is_taken_back_both_persons_are_kept(database: Database) -> None:
    """Nothing is approved then, and the next text is told why, after what was rejected before."""
    await keep(database, "k1", state="rejected", of={"reason": "too long", "decided_by": "a", "decided_at": AT})
    draft = await keep(database, "k1", number=2, state="approved", of={"decided_by": "a", "decided_at": AT})
    other = await keep(database, "k2", state="approved", of={"decided_by": "a", "decided_at": AT})
    later = AT + timedelta(hours=1)
    async with database.write() as session:
        texts = await deciding_drafts.lock_order(session, draft)
        await deciding_drafts.take_back(session, texts[-1], reason="wrong", by="b", at=later)
        wanted = await deciding_drafts.want_again(session, texts[-1], texts, program="q", by="b", at=later)
    taken = await found(database, draft)
    assert ("replaced", "wrong", "a", AT) == (taken.state, taken.reason, taken.decided_by, taken.decided_at)
    assert ("b", later) == (taken.taken_back_by, taken.taken_back_at)
    assert (draft_id("j", "m", "k1", 3), "approved") == (wanted, (await found(database, other)).state)
    async with database.read() as session:
        assert await drafts.find_approved(session, "j", "m", "k1") is None
        row = await drafts.find(session, wanted)
        assert row is not None
        assert ["too long", "wrong"] == await drafting.list_rejections(session, row)


async def test_texts_of_an_order_are_numbered_on(database: Database) -> None:
    """However many people want another one at once: one is wanted; edits are rows of their own."""
    rejected = await keep(database, "k1", state="rejected")

    async def again() -> str:
        async with database.write() as session:
            texts = await deciding_drafts.lock_order(session, rejected)
            (draft,) = [text for text in texts if text.id == rejected]
            return await deciding_drafts.want_again(session, draft, texts, program="q", by="a", at=AT)

    async def edit(body: str) -> str:
        async with database.write() as session:
            texts = await deciding_drafts.lock_order(session, rejected)
            (draft,) = [text for text in texts if text.id == rejected]
            return await deciding_drafts.edit(session, draft, texts, NewText(DraftText("s", body)), by="a", at=AT)

    wanted = await asyncio.gather(*(again() for _ in range(4)))
    assert {draft_id("j", "m", "k1", 2)} == set(wanted)
    edited = await asyncio.gather(*(edit(f"text {number}") for number in range(4)))
    assert {draft_id("j", "m", "k1", number) for number in (3, 4, 5, 6)} == set(edited)
    assert ("q", "wanted", 2) == ((one := await found(database, wanted[0])).program, one.state, one.number)
    assert "rejected" == (await found(database, rejected)).state


async def test_a_text_that_waits_is_replaced_by_its_edit(database: Database) -> None:
    """An approved one is not, nor one that is over."""
    for state, expected in (
        ("wanted", "replaced"),
        ("proposed", "replaced"),
        ("failed", "replaced"),
        ("approved", "approved"),
        ("rejected", "rejected"),
    ):
        draft = await keep(database, state, state=state)
        async with database.write() as session:
            texts = await deciding_drafts.lock_order(session, draft)
            new = NewText(DraftText("s", "new"), [{"check": "tone"}])
            id_ = await deciding_drafts.edit(session, texts[0], texts, new, by="a", at=AT)
        assert expected == (await found(database, draft)).state
        made = await found(database, id_)
        assert ("proposed", "person", "a", draft) == (made.state, made.origin, made.written_by, made.based_on)
        assert (DraftText("s", "new"), [{"check": "tone"}]) == (made.text, made.findings)


async def test_an_edit_keeps_whose_text_it_began_with(database: Database) -> None:
    """The model's; nobody's, where a person wrote what no model had written."""
    for key, of, expected in (
        ("k1", {"model": "m-1"}, "m-1"),
        ("k2", {"model": "m-1", "state": "failed", "subject": None, "body": None}, None),
    ):
        draft = await keep(database, key, of=of)
        async with database.write() as session:
            texts = await deciding_drafts.lock_order(session, draft)
            new = NewText(DraftText("s", "new"))
            id_ = await deciding_drafts.edit(session, texts[0], texts, new, by="a", at=AT)
        assert expected == (await found(database, id_)).model


async def test_many_are_found_at_once(database: Database) -> None:
    """More than go in one statement."""
    rows = [
        DraftRow(
            id=draft_id("j", "m", f"k{n}", 1), journey="j", message="m", key=f"k{n}", number=1, program="p",
            created_at=AT, updated_at=AT,
        ).model_dump()
        for n in range(700)
    ]  # fmt: skip
    async with database.write() as session:
        core = await session.connection()
        await core.execute(insert(DraftRow), rows)
        await core.execute(update(DraftRow).where(col(DraftRow.key) < "k5").values(state="proposed"))
    async with database.read() as session:
        everything = await deciding_drafts.find_all(session, [str(row["id"]) for row in rows] + ["drf-none"])
        orders = [("j", "m", f"k{n}") for n in range(700)]
        some = await deciding_drafts.list_of_orders(session, orders, states=("proposed",))
    assert 700 == len(everything)
    assert {f"k{n}" for n in range(700) if f"k{n}" < "k5"} == {row.key for row in some}


# --- counted ------------------------------------------------------------------------------------------------------


async def test_texts_are_counted_together_with_those_like_them(database: Database) -> None:
    """However many values there are; those of another language, program or state are counted apart."""
    for number in range(20):
        await keep(database, f"k{number}", of={"value": str(number)})
    others = ({"language": "de"}, {"program": "q"}, {"state": "approved"})
    for number, other in enumerate(others):
        await keep(database, f"o{number}", of=other)
    async with database.read() as session:
        groups = await deciding_drafts.list_groups(session, "j")
        all_lacking = await deciding_drafts.count_unapproved(session, "j", groups, expected={("m", "k1"), ("m", "x")})
        own = [group for group in groups if group.program == "p"]
        own_lacking = await deciding_drafts.count_unapproved(session, "j", own, expected=())
    assert [1, 1, 1, 20] == sorted(group.number for group in groups)
    assert (20 + 2 + 1, 20 + 1) == (all_lacking, own_lacking)
    assert all((group.key == f"k{group.value}") for group in groups if group.number == 20)


async def test_what_is_wanted_says_what_it_waits_for(database: Database) -> None:
    """The one that was looked at last, where its drafting says."""
    later = {"state": "wanted", "reason": "waits for the writer: it is away", "updated_at": AT + timedelta(minutes=1)}
    for key, of in (("a", {"state": "wanted"}), ("b", later), ("c", {"state": "wanted", "reason": "once"})):
        await keep(database, key, of=of)
    await keep(database, "d", of={"reason": "too dry", "state": "rejected"})
    async with database.read() as session:
        assert (3, "waits for the writer: it is away") == await drafting.count_wanted(session)
