"""Drafts for people to look at: each beside what was ordered, the other languages of its message, and what is wrong
with it now.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from api.parts import Parts
from api.problems import NotThere
from api.resources.drafts.schemas import (
    LONGEST_ANSWER,
    BriefOut,
    ChangeOut,
    CostOut,
    DifferenceOut,
    DraftItem,
    DraftOut,
    FallbackOut,
    FindingOut,
    FoundOut,
    LinkOut,
    PreviewOut,
    TextOut,
)
from journeys.drafting.comparing import Change, compare
from journeys.drafting.findings import Finding, House, finding_from_json
from journeys.drafting.judging import disagreements, house_of, judge, others_of
from journeys.drafting.order import DraftOrder, DraftText, order_for, order_key
from journeys.drafting.previewing import preview
from journeys.drafting.sendable import unsendable
from journeys.permitting import policy_of
from journeys.program import Link, Program
from store.queries import deciding_drafts, drafts, installation, journeys, learners
from store.queries.deciding_drafts import WITH_TEXT, Listed, OrderOf


@dataclass(frozen=True, slots=True)
class Looked:
    """A draft beside what was ordered; `others` are the texts of the message's other languages, newest of each.

    `is_whole`: each of them has one. `is_ordered`: the running version asks for it.
    """

    draft: Listed
    order: DraftOrder
    is_ordered: bool
    others: Mapping[str | None, Listed]
    is_whole: bool
    learner: str | None = None

    def findings(self, text: DraftText, house: House) -> tuple[Finding, ...]:
        """What is wrong with a text for this order, now."""
        return judge(text, self.order, house=house, others=self._other_texts())

    def own_findings(self, text: DraftText, house: House) -> tuple[Finding, ...]:
        """What is kept with a text for this order: all but what depends on the other languages."""
        return judge(text, self.order, house=house)

    def kept_findings(self) -> tuple[Finding, ...]:
        """What was found wrong when the text was written, and what its languages disagree about now."""
        if self.draft.text is None:
            return ()
        kept = (finding_from_json(one) for one in self.draft.findings if isinstance(one, dict))
        return (*kept, *disagreements(self.draft.text, self.order, self._other_texts() or {}))

    def _other_texts(self) -> Mapping[str | None, DraftText] | None:
        texts = {language: other.text for language, other in self.others.items()}
        return {language: text for language, text in texts.items() if text is not None} if self.is_whole else None


@dataclass(frozen=True, slots=True)
class _CameBack:
    """What the model was asked, and what came back instead of a text."""

    prompt: Mapping[str, object]
    answer: str | None


async def look(session: AsyncSession, parts: Parts, rows: Sequence[Listed]) -> list[Looked]:
    """These drafts, in their order."""
    running = {journey: await _running(session, parts, journey) for journey in sorted({row.journey for row in rows})}
    ordered = [await _ordered(session, parts, row, running[row.journey]) for row in rows]
    keys = [others_of(program, order) for program, order, _ in ordered]
    wanted = {(row.journey, row.message, other.key) for row, others in zip(rows, keys, strict=True) for other in others}
    texts: dict[OrderOf, Listed] = {
        text.order: text  # the last one of each order stays
        for text in await deciding_drafts.list_of_orders(session, wanted, states=WITH_TEXT)
    }
    alone = {
        row.value for row, (_, order, _) in zip(rows, ordered, strict=True) if order.draft.is_per_learner and row.value
    }
    names = await learners.find_names(session, alone) if alone else {}
    looked: list[Looked] = []
    for row, (_, order, is_ordered), others in zip(rows, ordered, keys, strict=True):
        found = {
            other.order.language: texts[row.journey, row.message, other.key]
            for other in others
            if (row.journey, row.message, other.key) in texts
        }
        learner = names.get(row.value or "") if order.draft.is_per_learner else None
        looked.append(Looked(row, order, is_ordered, found, len(found) == len(others), learner))
    return looked


async def _running(session: AsyncSession, parts: Parts, journey: str) -> Program | None:
    row = await journeys.find_journey(session, journey)
    return None if row is None else await parts.program_of(session, row.hash)


async def _ordered(
    session: AsyncSession, parts: Parts, row: Listed, running: Program | None
) -> tuple[Program, DraftOrder, bool]:
    """The running version's order, where it asks for this text; else the one by which it was ordered."""
    if running is not None:
        order = order_for(running, row.message, language=row.language, value=row.value)
        if order is not None and order_key(order) == row.key:
            return running, order, True
    program = await parts.program_of(session, row.program)
    order = order_for(program, row.message, language=row.language, value=row.value)
    assert order is not None, "a draft is ordered by a program that has its message"
    return program, order, False


async def house(session: AsyncSession) -> House:
    """What the policy of now forbids."""
    return house_of(policy_of(await installation.find_policy(session)))


async def shown_items(looked: Sequence[Looked]) -> list[DraftItem]:
    """Drafts as they stand in a list; away from the loop, because languages are compared."""
    return await asyncio.to_thread(lambda: [_item(one, one.kept_findings()) for one in looked])


async def show(parts: Parts, draft: str) -> DraftOut:
    """One draft with all that is needed to decide on it; raises NotThere."""
    async with parts.database.read() as session:
        row = (await deciding_drafts.find_all(session, [draft])).get(draft)
        kept = await drafts.find(session, draft)
        if row is None or kept is None:
            raise no_draft()
        (looked,) = await look(session, parts, [row])
        approved = await deciding_drafts.find_last_approved(session, row)
        texts = await deciding_drafts.list_of_orders(session, [row.order])
        rules = await house(session)
    came = _CameBack(dict(kept.prompt), kept.answer if kept.body is None else None)
    return await asyncio.to_thread(lambda: _shown(looked, approved, texts, rules, came))


def no_draft() -> NotThere:
    """There is no such draft."""
    return NotThere("draft_not_found", "there is no such draft: GET /v1/drafts lists them")


def _item(looked: Looked, findings: Sequence[Finding]) -> DraftItem:
    row, per = looked.draft, looked.order.draft.per
    hard = sum(finding.is_hard for finding in findings)
    return DraftItem.model_validate(
        {
            "id": row.id, "journey": row.journey, "message": row.message, "language": row.language,
            "per": None if per is None else per.text, "value": row.value, "learner": looked.learner,
            "number": row.number, "state": row.state, "origin": row.origin, "based_on": row.based_on,
            "written_by": row.written_by, "model": row.model, "is_ordered": looked.is_ordered,
            "subject": row.subject, "body": row.body, "found": FoundOut(hard=hard, soft=len(findings) - hard),
            "reason": row.reason, "decided_by": row.decided_by, "decided_at": row.decided_at,
            "approved_despite": row.approved_despite, "taken_back_by": row.taken_back_by,
            "taken_back_at": row.taken_back_at, "wanted_by": row.wanted_by,
            "created_at": row.created_at, "updated_at": row.updated_at,
        }
    )  # fmt: skip


def _shown(looked: Looked, approved: Listed | None, texts: Sequence[Listed], rules: House, came: _CameBack) -> DraftOut:
    row, order, text = looked.draft, looked.order, looked.draft.text
    findings = () if text is None else looked.findings(text, rules)
    return DraftOut(
        **_item(looked, findings).model_dump(),
        findings=[FindingOut.model_validate(finding.to_json()) for finding in findings],
        unsendable=[] if text is None else list(unsendable(text, order)),
        brief=BriefOut(
            brief=order.draft.brief, tone=order.draft.tone, max_words=order.draft.max_words,
            channels=list(order.channels),
        ),
        placeholders=list(order.placeholders),
        fallback=_fallback(order),
        preview=None if text is None else _preview(text, order),
        difference=None if text is None or approved is None else _difference(approved, text),
        cost=CostOut(calls=row.calls, tokens_in=row.tokens_in, tokens_out=row.tokens_out),
        earlier=[_text(each) for each in reversed(texts) if each.number < row.number],
        later=[_text(each) for each in reversed(texts) if each.number > row.number],
        languages=[_text(each) for each in looked.others.values()],
        prompt=dict(came.prompt),
        answer=None if came.answer is None else came.answer[:LONGEST_ANSWER],
    )  # fmt: skip


def _fallback(order: DraftOrder) -> FallbackOut:
    said = order.fallback
    return FallbackOut(subject=said.subject, body=said.body, link=_link(said.link), channels=dict(said.channels))


def _preview(text: DraftText, order: DraftOrder) -> PreviewOut:
    seen = preview(text, order)
    return PreviewOut(
        subject=seen.subject, text=seen.text, link=_link(seen.link), values=dict(seen.values), problem=seen.problem
    )


def _link(link: Link | None) -> LinkOut | None:
    return None if link is None else LinkOut(label=link.label, url=link.url)


def _difference(old: Listed, new: DraftText) -> DifferenceOut:
    return DifferenceOut(
        since=old.id,
        subject=[_change(one) for one in compare(old.subject or "", new.subject)],
        body=[_change(one) for one in compare(old.body or "", new.body)],
    )


def _change(change: Change) -> ChangeOut:
    return ChangeOut(kind=change.kind, text=change.text)


def _text(row: Listed) -> TextOut:
    names = TextOut.model_fields
    return TextOut.model_validate({name: getattr(row, name) for name in names})
