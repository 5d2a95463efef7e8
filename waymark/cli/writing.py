"""One text after another from the writer that is set up, by the command line alone: no server of ours is asked.

What the workflow does, this does at once: a text with hard findings is sent back with them, at most twice
(`journeys.drafting.correcting`). A server that says *later* is waited for, so long as that is minutes.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from connectors.errors import Permanent, Retryable
from connectors.writers import Unusable, Writer, Written
from journeys.drafting.correcting import REFUSED, Ask, Fail, NoText, Propose, Stand, next_move, stays, taken
from journeys.drafting.differing import too_alike
from journeys.drafting.findings import Finding, House, has_hard, look_at
from journeys.drafting.improving import cannot_improve, findings_of_written, written_of
from journeys.drafting.judging import disagreements
from journeys.drafting.order import COVERAGE, DraftOrder, DraftText, Prompt, prompt_of
from journeys.durations import format_duration

TRIES = 4
"""How often one call is tried where the server says *later*."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=2), timedelta(minutes=2)
LONGEST_ANSWER = 500
"""Characters that are told of what came back instead of a text."""
AT_ONCE = 4
"""So many texts are asked for side by side."""


@dataclass(frozen=True, slots=True)
class Item:
    """What came of one text: it, with what is wrong with it, or why there is none (`reason`, and how what came back
    begins, `answer`).

    `sent_back` are the findings of each text that was sent back; `prompt` is what brought the text, or the last one. An
    `alternative` has its number, an improvement the text as it was, with its findings (`before`, `found`).
    """

    order: DraftOrder
    text: DraftText | None
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    answer: str | None = None
    sent_back: tuple[tuple[Finding, ...], ...] = ()
    prompt: Prompt | None = None
    alternative: int | None = None
    before: DraftText | None = None
    found: tuple[Finding, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether there is a text without a hard finding."""
        return self.text is not None and not has_hard(self.findings)


@dataclass
class Desk:
    """A writer at work, and what it took: `say` hears what happens. Raises Retryable where the server is gone for
    longer, Misconfigured where it lets nobody in.
    """

    writer: Writer
    house: House
    say: Callable[[str], None]
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    models: set[str] = field(default_factory=set[str])
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def draft(self, order: DraftOrder) -> list[Item]:
        """One text."""
        return [await self._write(order)]

    async def alternatives(self, order: DraftOrder, count: int) -> list[Item]:
        """So many texts for one order, each told those before it."""
        items: list[Item] = []
        for number in range(1, count + 1):
            there = [item.text for item in items if item.text is not None]
            items.append(replace(await self._write(order, unlike=there), alternative=number))
        return items

    async def improve(self, order: DraftOrder, *, title: str) -> list[Item]:
        """The text that is there, or a better one where there is something to find."""
        before = written_of(order, title=title)
        found = findings_of_written(before, order, self.house)
        item = Item(order, before, found, before=before, found=found)
        why_not = cannot_improve(before)
        if why_not is not None or all(finding.check == COVERAGE for finding in found):
            return [replace(item, reason=why_not)]
        came = await self._write(order, first=found)
        if came.text is None:
            return [replace(came, text=before, findings=found, before=before, found=found)]
        if _hard(came.findings) > _hard(found):
            reason = "what the writer made of it has more hard findings: the text stays"
            return [replace(item, reason=reason, sent_back=came.sent_back, prompt=came.prompt)]
        return [replace(came, before=before, found=found)]

    async def _write(
        self, order: DraftOrder, *, unlike: Sequence[DraftText] = (), first: Sequence[Finding] = ()
    ) -> Item:
        stand, move = Stand(), Ask(tuple(first))
        prompt: Prompt | None = None
        sent_back: list[tuple[Finding, ...]] = []
        while True:
            asked = prompt_of(order, move.remarks, unlike=unlike)
            async with self._places:
                came, words = await self._answer(asked)
            before, stand = stand, taken(stand, came, self._look(came, order, unlike))
            prompt = prompt if stays(before, stand) else asked
            match next_move(stand):
                case Ask() as move:
                    sent_back.append(move.remarks)
                case Propose(text, findings):
                    return Item(order, text, findings, sent_back=tuple(sent_back), prompt=prompt)
                case Fail(reason):
                    return Item(
                        order, None, reason=reason, answer=words[:LONGEST_ANSWER], sent_back=tuple(sent_back),
                        prompt=prompt,
                    )  # fmt: skip

    def _look(self, came: DraftText | NoText, order: DraftOrder, unlike: Sequence[DraftText]) -> tuple[Finding, ...]:
        if isinstance(came, NoText):
            return ()
        return _hard_first((*look_at(came, order, self.house), *too_alike(came, unlike)))

    async def _answer(self, prompt: Prompt) -> tuple[DraftText | NoText, str]:
        """The text, or why there is none; and what came, in its own words."""
        try:
            came = await self._patiently(prompt)
        except Permanent as error:
            return NoText(REFUSED, str(error)), error.provider_words or ""
        self.calls += 1
        self.tokens_in += came.tokens_in
        self.tokens_out += came.tokens_out
        self.models.add(came.model)
        return came.text if isinstance(came, Written) else NoText(came.reason, came.detail), came.raw

    async def _patiently(self, prompt: Prompt) -> Written | Unusable:
        wait = FIRST_WAIT
        for left in reversed(range(TRIES)):
            try:
                return await self.writer.write(prompt)
            except Retryable as error:
                pause = wait if error.after is None else error.after
                if not left or pause > LONGEST_WAIT:
                    raise
                self.say(f"{error}; once more in {format_duration(max(pause, timedelta(seconds=1)))}")
                await asyncio.sleep(pause.total_seconds())
                wait = min(wait * 4, LONGEST_WAIT)
        raise AssertionError("the last try returns or raises")


def agreed(items: Sequence[Item]) -> list[Item]:
    """The same, where all languages of one text are there also with what they disagree about."""
    return [replace(item, findings=_hard_first((*item.findings, *_disagreements(item, items)))) for item in items]


def _disagreements(item: Item, items: Sequence[Item]) -> tuple[Finding, ...]:
    if item.text is None:
        return ()
    others: Mapping[str | None, DraftText] = {
        other.order.language: other.text
        for other in items
        if other.text is not None and other is not item and _same(other) == _same(item)
    }
    return disagreements(item.text, item.order, others)


def _same(item: Item) -> tuple[str, str | None, int | None]:
    return item.order.message, item.order.value, item.alternative


def _hard_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: not finding.is_hard))


def _hard(findings: Sequence[Finding]) -> int:
    return sum(finding.is_hard for finding in findings)
