"""Has one text drafted, one call to the model at a time; between two calls everything stands in the store.

    wanted ─> still ordered? ── no ─────────────────────────────────> replaced
                 │ the same order was written elsewhere ────────────> proposed, nothing is bought
                 │ no room in the budget ───────────────────────────> wanted, tomorrow
                 └─> reserve, ask the writer ─┬─ its server has trouble ─> wanted: Temporal tries again
                                              ├─ hard findings, no text ─> wanted: asked again, and told of them
                                              └─ good enough, or enough ─> proposed, or failed

Nothing personal is read here: a prompt is made of the journey alone (`journeys.drafting.order`). Whoever asks may ask
twice: a second attempt finds the first one's state, and of two at once the first to conclude counts.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from math import ceil
from time import monotonic
from typing import Any

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.writers.base import Unusable, Writer, Written
from journeys.drafting import agreeing
from journeys.drafting.correcting import REFUSED, Ask, Fail, NoText, Propose, Stand, next_move, stays, taken
from journeys.drafting.findings import Finding, House, finding_from_json, has_hard, look_at
from journeys.drafting.judging import Others, house_of, judge, others_of
from journeys.drafting.needing import NOT_PER_LEARNER
from journeys.drafting.order import DraftOrder, DraftText, Prompt, order_for, order_key, prompt_of
from journeys.events import Json
from journeys.permitting import policy_of
from journeys.policy import Policy
from journeys.program import Program
from store.database import Database
from store.queries import deliveries, drafting, drafts, spending
from store.queries.spending import Budget, Reserved, Spent
from store.tables import DraftRow
from workers.breath import Breath, Pacing
from workers.outages import outlast
from workers.programs import Programs
from workflows.contracts import WriteEnded, WriteOrder

MORNING = time(0, 5)
"""When (UTC) what the budget of the day before did not allow is taken up."""

SOON = timedelta(seconds=15)
"""When a text is looked at again that waits for something that others are about to finish."""

LONGEST_KEPT = 32_000
"""Characters of an answer that are kept for diagnosis."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in one money, whichever: those that are read, and those that are written."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def spent(self, tokens_in: int, tokens_out: int) -> Spent:
        """So many tokens, with what they cost, rather too much than too little."""
        return Spent(tokens_in + tokens_out, ceil(tokens_in * self.tokens_in + tokens_out * self.tokens_out))


@dataclass(frozen=True)
class Limits:
    """What drafting may take in a day (UTC), all together and for one journey; and the most tokens that one answer
    takes.
    """

    per_day: Budget
    per_journey: Budget
    per_answer: int = 8_000
    prices: Prices = Prices()


@dataclass(frozen=True)
class _Ordered:
    """A wanted text, what its order is by the program that orders it now, and by what rules it is judged."""

    row: DraftRow
    program: Program
    order: DraftOrder
    house: House


@dataclass(frozen=True)
class _Call:
    """One call that may be made: what is asked, and the tokens that are reserved for it."""

    ordered: _Ordered
    prompt: Prompt
    reserved: Reserved


@dataclass(frozen=True)
class _Reuse:
    """The same order was written elsewhere."""

    ordered: _Ordered
    source: DraftRow


@dataclass(frozen=True)
class _Came:
    """What came of a call: a text, or why it is none; the server's own words, whose they are, and the tokens taken."""

    said: DraftText | NoText
    raw: str
    model: str
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class _Judged:
    """The stand after an answer, and what comes next; `stays`: the text of an earlier answer is the better one."""

    stand: Stand
    move: Ask | Propose | Fail
    stays: bool


class _Later(Exception):
    """Nothing can be done now that could be done in a moment."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


@dataclass
class Drafting:
    """Has texts drafted. `clock` is the real one, for records; `answer_limit` is what the writer gives an answer.
    `prepare` loads what takes its time to load, once, before the first call and beside the loop, on which turns wait.
    """

    database: Database
    programs: Programs
    writer: Writer
    limits: Limits
    clock: Callable[[], datetime]
    pacing: Pacing = field(default_factory=Pacing)
    answer_limit: timedelta = timedelta(minutes=2)
    prepare: Callable[[], None] | None = None
    breath: Breath = field(init=False)
    _under_way: int = 0
    _preparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.breath = Breath(self.pacing, monotonic)

    async def write(self, order: WriteOrder, *, attempt: int = 1) -> WriteEnded:
        """Take a text at most one call further. Raises a retryable ApplicationError, with when to try again, where the
        model's server has trouble; `attempt` counts the tries of this order from 1.
        """
        self._hold_while_in_trouble(attempt)
        try:
            step = await self._begin(order)
        except _Later as later:
            raise _again(str(later), max(self.pacing.own(attempt), self.pacing.first)) from None
        if isinstance(step, WriteEnded):
            return step
        if isinstance(step, _Reuse):
            return await self._reuse(step)
        self._under_way += 1
        try:
            return await self._call(step, attempt)
        finally:
            self._under_way -= 1

    async def _be_prepared(self) -> None:
        async with self._preparing:
            if self.prepare is not None:
                await asyncio.to_thread(self.prepare)
                self.prepare = None

    # --- before the call

    async def _begin(self, order: WriteOrder) -> WriteEnded | _Reuse | _Call:
        """Judge whether to call at all, and reserve what the call may take."""
        async with self.database.write() as session:
            row = await drafts.lock(session, order.draft)
            if row is None or row.state != "wanted":
                return WriteEnded("replaced" if row is None else row.state)
            policy = policy_of((await deliveries.find_switches(session)).policy)
            ordered = await self._ordered(session, row, policy)
            if ordered is None:
                await drafting.change(session, row.id, at=self.clock(), state="replaced", reason=None)
                return WriteEnded("replaced")
            if ordered.order.draft.is_per_learner and not policy.drafts_per_learner:
                return await self._put_off(session, row, NOT_PER_LEARNER, _tomorrow(order.now))
            if row.number == 1:  # a further one was asked for by a person, who did not want what there is
                source = await drafting.find_written(session, row)
                if source is not None:
                    return _Reuse(ordered, source)
                if await drafting.has_earlier_wanted(session, row):
                    raise _Later("the same text is being written for another message")
            return await self._reserve(session, ordered, now=order.now)

    async def _ordered(self, session: AsyncSession, row: DraftRow, policy: Policy) -> _Ordered | None:
        """The order as the journey has it now; None where it wants this text no more."""
        hash_ = await drafting.find_program_now(session, row.journey)
        if hash_ is None:
            return None
        program = await self.programs.by_hash(session, hash_)
        order = order_for(program, row.message, language=row.language, value=row.value)
        if order is None or order_key(order) != row.key:
            return None
        return _Ordered(row, program, order, house_of(policy))

    async def _reserve(self, session: AsyncSession, ordered: _Ordered, *, now: datetime) -> WriteEnded | _Call:
        row = ordered.row
        rejections = await drafting.list_rejections(session, row)
        prompt = prompt_of(ordered.order, _remarks(row), rejections)
        limits = self.limits
        most = limits.prices.spent(len(f"{prompt.system}{prompt.user}".encode()) // 3, limits.per_answer)
        reserved = Reserved(f"{now:%Y-%m-%d}", row.journey, most)
        full = await spending.reserve(session, reserved, per_day=limits.per_day, per_journey=limits.per_journey)
        if full is None:
            if row.body is None:  # else what is shown is the prompt of the text that there is
                await drafting.change(session, row.id, at=self.clock(), prompt=prompt.to_json())
            return _Call(ordered, prompt, reserved)
        if self._under_way:
            raise _Later(f"{full}, some of them for calls under way")
        return await self._put_off(session, row, full, _tomorrow(now))

    async def _put_off(self, session: AsyncSession, row: DraftRow, why: str, until: datetime) -> WriteEnded:
        await self._note(session, row.id, f"waits until {until:%Y-%m-%d %H:%M} UTC: {why}")
        return WriteEnded("wanted", until)

    async def _note(self, session: AsyncSession, draft: str, reason: str) -> None:
        """Why a text is still wanted, for who looks at it."""
        await drafting.change(session, draft, at=self.clock(), reason=reason)

    async def _reuse(self, reuse: _Reuse) -> WriteEnded:
        source, ordered = reuse.source, reuse.ordered
        text = DraftText(source.subject or "", source.body or "")
        findings = await asyncio.to_thread(look_at, text, ordered.order, ordered.house)
        async with self.database.write() as session:
            await drafting.change(
                session, ordered.row.id, at=self.clock(), state="proposed", origin="reuse", based_on=source.id,
                subject=text.subject, body=text.body, findings=_to_json(findings), prompt=source.prompt,
                model=source.model, written_by=source.written_by, reason=None,
            )  # fmt: skip
            row = await drafts.find(session, ordered.row.id)
        return WriteEnded("replaced" if row is None else row.state)

    # --- the call

    async def _call(self, call: _Call, attempt: int) -> WriteEnded:
        began = monotonic()
        try:
            await self._be_prepared()
            began = monotonic()
            answer = await self.writer.write(call.prompt)
        except (Retryable, Misconfigured) as trouble:
            had_its_time = monotonic() - began >= self.answer_limit.total_seconds()
            is_billed = had_its_time or trouble.may_be_billed
            raise await self._in_trouble(call, trouble, attempt, began=began, may_be_billed=is_billed) from None
        except Permanent as refusal:
            self.breath.worked()
            said = NoText(REFUSED, str(refusal))
            paid = call.reserved.most if refusal.may_be_billed else Spent()
            return await self._take(call, _Came(said, refusal.provider_words or "", self.writer.model), paid)
        except Exception:  # a fault of ours: nobody knows when it ends, and each try would reserve anew
            await self._settle(call, Spent(), calls=0)
            raise
        self.breath.worked()
        paid = self.limits.prices.spent(answer.tokens_in, answer.tokens_out)
        return await self._take(call, _came_of(answer), paid)

    def _hold_while_in_trouble(self, attempt: int) -> None:
        left = self.breath.left()
        if left:
            raise _again(f"no call is made now: {self.breath.trouble}", max(left, self.pacing.own(attempt)))

    async def _in_trouble(
        self, call: _Call, trouble: Retryable | Misconfigured, attempt: int, *, began: float, may_be_billed: bool
    ) -> ApplicationError:
        """Write down why it waits, and give back what was reserved (unless an answer may have been written: the whole
        time for one passed, or it broke off); answers when to try again.
        """
        after = trouble.after if isinstance(trouble, Retryable) else None
        is_ours = isinstance(trouble, Misconfigured)
        pause = self.breath.failed(str(trouble), began=began, after=after, is_misconfigured=is_ours)

        async def note() -> None:
            async with self.database.write(is_answer=True) as session:
                row, said = call.ordered.row, trouble.provider_words
                told = {"answer": said[:LONGEST_KEPT]} if said and row.body is None else {}
                why = f"waits for the writer: {trouble}"
                await drafting.change(session, row.id, at=self.clock(), reason=why, **told)
                if not may_be_billed:
                    await spending.settle(session, call.reserved, Spent(), calls=0)

        await outlast(note, within=self.answer_limit)
        return _again(str(trouble), max(pause, self.pacing.own(attempt, is_misconfigured=is_ours)), of=trouble)

    async def _settle(self, call: _Call, spent: Spent, *, calls: int) -> None:
        """Say what a call took of which nothing else is written down."""

        async def settle() -> None:
            async with self.database.write(is_answer=True) as session:
                await spending.settle(session, call.reserved, spent, calls=calls)

        await outlast(settle, within=self.answer_limit)

    # --- after the call

    async def _take(self, call: _Call, came: _Came, spent: Spent) -> WriteEnded:
        """Judge the answer, and write down what follows from it."""
        ordered = call.ordered
        try:
            others: Others = {} if isinstance(came.said, NoText) else await self._others(ordered)
            judged = await asyncio.to_thread(_judged, ordered, came.said, others)
        except Exception:  # as above; what came is paid
            await self._settle(call, spent, calls=1)
            raise

        async def conclude() -> WriteEnded:
            async with self.database.write(is_answer=True) as session:
                row = await drafts.lock(session, ordered.row.id)
                await spending.settle(session, call.reserved, spent)
                if row is None or row.state != "wanted" or row.calls != ordered.row.calls:
                    return WriteEnded("replaced" if row is None else row.state)
                state, became = _becomes(judged)
                if not judged.stays:
                    became |= {"model": came.model, "answer": came.raw[:LONGEST_KEPT], "prompt": call.prompt.to_json()}
                await drafting.change(
                    session, row.id, at=self.clock(), state=state, calls=row.calls + 1,
                    tokens_in=row.tokens_in + came.tokens_in, tokens_out=row.tokens_out + came.tokens_out, **became,
                )  # fmt: skip
                return WriteEnded(state)

        return await outlast(conclude, within=self.answer_limit)

    async def _others(self, ordered: _Ordered) -> Others:
        """The message in its other languages, where every one of them has a text, and one that is right by itself."""
        wanted = others_of(ordered.program, ordered.order)
        async with self.database.read() as session:
            texts = await drafting.find_texts(
                session, ordered.order.journey, ordered.order.message, [each.key for each in wanted]
            )
        if len(texts) < len(wanted):
            return {}
        found = {each.order.language: texts[each.key] for each in wanted}
        looked = [await asyncio.to_thread(look_at, texts[each.key], each.order, ordered.house) for each in wanted]
        return {} if any(has_hard(findings) for findings in looked) else found


def _judged(ordered: _Ordered, answer: DraftText | NoText, others: Others) -> _Judged:
    """What comes next after this answer."""
    row = ordered.row
    before = None if row.body is None else DraftText(row.subject or "", row.body)
    known = () if before is None else _look(ordered, before, others)
    stand = Stand(row.calls, before, known, _remarks(row))
    after = taken(stand, answer, () if isinstance(answer, NoText) else _look(ordered, answer, others))
    return _Judged(after, next_move(after), stays(stand, after))


def _look(ordered: _Ordered, text: DraftText, others: Others) -> tuple[Finding, ...]:
    return judge(text, ordered.order, house=ordered.house, others=others)


def _becomes(judged: _Judged) -> tuple[str, dict[str, Any]]:
    """The state of the draft, and what its row says then. What a text lacks beside other languages is not kept: they
    may change.
    """
    stand, move = judged.stand, judged.move
    if isinstance(move, Fail):
        return "failed", {"reason": move.reason, "findings": []}
    subject, body = (None, None) if stand.text is None else (stand.text.subject, stand.text.body)
    if isinstance(move, Propose):
        own = [finding for finding in move.findings if finding.check != agreeing.NAME]
        return "proposed", {"subject": subject, "body": body, "findings": _to_json(own), "reason": None}
    return "wanted", {"subject": subject, "body": body, "findings": _to_json(move.remarks), "reason": None}


def _came_of(answer: Written | Unusable) -> _Came:
    said = answer.text if isinstance(answer, Written) else NoText(answer.reason, answer.detail)
    return _Came(said, answer.raw, answer.model, answer.tokens_in, answer.tokens_out)


def _remarks(row: DraftRow) -> tuple[Finding, ...]:
    """What was wrong with the last answer: a wanted text keeps it as its findings."""
    return tuple(finding_from_json(plain) for plain in row.findings if isinstance(plain, dict))


def _to_json(findings: Sequence[Finding]) -> list[Json]:
    return [finding.to_json() for finding in findings]


def _tomorrow(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), MORNING, tzinfo=UTC)


def _again(words: str, after: timedelta, *, of: ConnectorError | None = None) -> ApplicationError:
    return ApplicationError(
        words,
        type="Later" if of is None else type(of).__name__,
        next_retry_delay=after,
        category=ApplicationErrorCategory.BENIGN,
    )
