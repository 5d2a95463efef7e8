"""Can a drafted text be sent at all: what nobody may approve, whatever else he overlooks. Pure."""

from collections.abc import Iterator

from journeys.drafting.order import LINK, DraftOrder, DraftText
from journeys.templates import check


def unsendable(text: DraftText, order: DraftOrder) -> tuple[str, ...]:
    """Why a text cannot be sent: what is wrong with it as a template, and the variables that its order does not allow.

    Empty: it can. Never raises.
    """
    return tuple(dict.fromkeys((*_wrong("subject", text.subject, order), *_wrong("body", text.body, order))))


def _wrong(part: str, source: str, order: DraftOrder) -> Iterator[str]:
    if not source.strip():
        yield f"the {part} is empty: write one"
        return
    checked = check(source)
    for problem in checked.problems:
        allowed = f"; allowed: {', '.join(problem.allowed)}" if problem.allowed else ""
        yield f"the {part}, line {problem.line}: {problem.detail}{allowed}"
    for name in dict.fromkeys(variable.name for variable in checked.variables):
        if not _is_allowed(name, order.placeholders):
            shown = ", ".join(f"{{{{ {path} }}}}" for path in order.placeholders) or "none"
            yield f"the {part} uses {{{{ {name} }}}}, which the brief does not allow; allowed: {shown}"


def _is_allowed(name: str, placeholders: tuple[str, ...]) -> bool:
    return name in placeholders or (LINK in placeholders and name in (f"{LINK}.label", f"{LINK}.url"))
