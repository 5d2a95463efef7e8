"""What `waymark draft` prints: each text with what is wrong with it, what was sent back, what it took; and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from journeys.drafting.findings import Finding
from journeys.drafting.improving import gone
from journeys.drafting.order import DraftOrder, DraftText
from journeys.events import Json
from waymark.cli.output import counted_words
from waymark.cli.writing import Desk, Item


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that came of one command; `pasted` is the YAML of a split over alternatives."""

    journey: str
    items: Sequence[Item]
    pasted: str | None = None


def lines_of(told: Told) -> Iterator[str]:
    """The texts in lines."""
    for item in told.items:
        yield from _item(item)
    if told.pasted is not None:
        yield "# For the definition: what stands in `steps` takes the place of the step that sends the message now."
        yield from told.pasted.splitlines()


def took(desk: Desk, items: Sequence[Item]) -> str:
    """What it took, in one line."""
    tokens = f"{desk.tokens_in + desk.tokens_out:,} tokens ({desk.tokens_in:,} in, {desk.tokens_out:,} out)"
    bad = sum(not item.is_well for item in items)
    hard = f", {bad} with hard findings or none" if bad else ""
    models = f" by {', '.join(sorted(desk.models))}" if desk.models else ""
    return f"{counted_words(len(items), 'text')}{hard}; {counted_words(desk.calls, 'call')}{models}, {tokens}"


def name_of(order: DraftOrder) -> str:
    """Which text it is: message, language, for whom."""
    language = "its own language" if order.language is None else order.language
    readers = "" if order.value is None else f", for {order.value}"
    return f"{order.message} in {language}{readers}"


def _item(item: Item) -> Iterator[str]:
    number = "" if item.alternative is None else f", alternative {item.alternative}"
    yield f"{name_of(item.order)}{number}: {_state(item)}"
    if item.before is not None and item.before != item.text:
        yield from _text("before: ", item.before)
        yield from (_text("after: ", item.text) if item.text is not None else ())
    elif item.text is not None:
        yield from _text("", item.text)
    if item.text is None and item.answer:
        yield f"  what came back: {item.answer}"
    remarks = [_line("sent back", finding) for findings in item.sent_back for finding in findings]
    if item.before is not None:
        remarks += [_line("gone", finding) for finding in gone(item.found, item.findings)]
    remarks += [_line(finding.severity, finding) for finding in item.findings]
    yield from (*remarks, "") if remarks else ()


def _state(item: Item) -> str:
    if item.text is None:
        return f"no text: {item.reason}"
    if item.before is not None and item.before == item.text:
        if not item.findings:
            return "nothing was found, it stays as it is"
        return f"it stays as it is: {item.reason}" if item.reason else "it stays as it is"
    what = "improved" if item.before is not None else "proposed"
    return what if item.is_well else f"{what}, with hard findings"


def _text(what: str, text: DraftText) -> Iterator[str]:
    yield f"  {what}{text.subject}"
    yield ""
    yield from (f"    {line}".rstrip() for line in text.body.splitlines())
    yield ""


def _line(what: str, finding: Finding) -> str:
    quote = "" if finding.quote is None else f': "{finding.quote}"'
    return f"  {what:<9}  {finding.check}: {finding.detail}{quote}"


# --- JSON ---------------------------------------------------------------------------------------------------------


def as_json(told: Told, desk: Desk, *, is_imitation: bool) -> dict[str, Json]:
    """The body of `waymark draft --json`."""
    models: list[Json] = [*sorted(desk.models)]
    return {
        "journey": told.journey,
        "models": models,
        "is_imitation": is_imitation,
        "texts": [_item_json(item) for item in told.items],
        "split": told.pasted,
        "calls": desk.calls,
        "tokens_in": desk.tokens_in,
        "tokens_out": desk.tokens_out,
    }


def _item_json(item: Item) -> Json:
    order = item.order
    plain: dict[str, Json] = {
        "message": order.message,
        "language": order.language,
        "value": order.value,
        "alternative": item.alternative,
        **_text_json(item.text),
        "findings": _findings_json(item.findings),
        "reason": item.reason,
        "answer": item.answer,
        "sent_back": [_findings_json(findings) for findings in item.sent_back],
        "prompt": None if item.prompt is None else item.prompt.to_json(),
    }
    if item.before is not None:
        plain["before"] = {**_text_json(item.before), "findings": _findings_json(item.found)}
        plain["gone"] = _findings_json(gone(item.found, item.findings))
    return plain


def _text_json(text: DraftText | None) -> dict[str, Json]:
    return {"subject": None, "body": None} if text is None else {"subject": text.subject, "body": text.body}


def _findings_json(findings: Sequence[Finding]) -> Json:
    return [finding.to_json() for finding in findings]
