"""Whether a writer is asked for one text once more, or what it wrote is what a person sees. Pure.

    Stand() ─ asked ─> taken(stand, an answer) ─> Stand ─> next_move ─┬─ Ask      with what to tell it
                                                                      ├─ Propose  the best text there is
                                                                      └─ Fail     there is none, and why

At most `MOST_CORRECTIONS` times more. A text with fewer hard findings is kept when a later one is worse; a model that
declines is asked once more, unless it has written something already.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from journeys.drafting.findings import Finding
from journeys.drafting.order import DraftText

MOST_CORRECTIONS = 2
"""How often a text is sent back."""

REFUSED = "refused"
"""The reason of an answer in which the model declined to write (`connectors.writers.base.UnusableReason`)."""

ANSWER = "answer"
"""What a remark is about that says why an answer was no text; no check has this name."""


@dataclass(frozen=True, slots=True)
class NoText:
    """An answer that was none, or a prompt that the server refuses for good: the code, and what was wrong in words."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stand:
    """How far one text is: calls that were answered, the best text and its findings, and what was wrong last."""

    calls: int = 0
    text: DraftText | None = None
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()
    trouble: NoText | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask (again): `remarks` are the corrections of `prompt_of`."""

    remarks: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Propose:
    """Show this text to a person, with what is wrong with it."""

    text: DraftText
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Fail:
    """There is no text; `reason` is the code and the words of the last answer."""

    reason: str


Next = Ask | Propose | Fail


def stays(stand: Stand, after: Stand) -> bool:
    """Whether the text of an earlier answer is the one that is kept after one more: by whom, and to which prompt, that
    was written is told of it.
    """
    return stand.text is not None and after.text is stand.text


def taken(stand: Stand, answer: DraftText | NoText, findings: Sequence[Finding] = ()) -> Stand:
    """The stand after one more answer; `findings` are those of the text."""
    calls = stand.calls + 1
    if isinstance(answer, NoText):
        remark = Finding(ANSWER, "hard", answer.detail)
        return Stand(calls, stand.text, stand.findings, (remark,), answer)
    found = tuple(findings)
    if stand.text is not None and _hard(found) > _hard(stand.findings):
        return Stand(calls, stand.text, stand.findings, found)
    return Stand(calls, answer, found, found)


def next_move(stand: Stand, *, most_corrections: int = MOST_CORRECTIONS) -> Next:
    """What comes next; of soft findings none is sent back by itself."""
    if stand.calls == 0:
        return Ask()
    is_clean = stand.text is not None and not _hard(stand.findings)
    declined = stand.trouble is not None and stand.trouble.reason == REFUSED and stand.calls > 1
    if not is_clean and not declined and stand.calls <= most_corrections:
        return Ask(stand.remarks)
    if stand.text is not None:
        return Propose(stand.text, stand.findings)
    trouble = stand.trouble
    return Fail("no answer" if trouble is None else f"{trouble.reason}: {trouble.detail}")


def _hard(findings: Sequence[Finding]) -> int:
    return sum(finding.is_hard for finding in findings)
