"""Where the words of a message came from, in plain words: for the journal, `explain` and the why page. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from journeys.events import Json


@dataclass(frozen=True, slots=True)
class Decided:
    """What is told of the draft in whose words a message went: `origin` as in the store; which model drafted it (None:
    a person began with no text of a model); who wrote it, if a person did; who approved it, when, and how many hard
    findings stood against it then (None: that was not kept).
    """

    id: str
    origin: str
    model: str | None
    written_by: str | None
    approved_by: str | None
    approved_at: datetime | None
    approved_despite: int | None = None


class Gone(Protocol):
    """A delivery, or the answer about it: the draft whose text went, or why a drafted message went in its own words."""

    @property
    def draft(self) -> str | None:
        """The draft's id."""
        ...

    @property
    def undrafted(self) -> str | None:
        """Why not."""
        ...


def words_told(gone: Gone) -> str:
    """What the journal's line adds about where the words came from; empty where the message is not drafted."""
    if gone.draft is not None:
        return "drafted and approved text"
    return "" if gone.undrafted is None else f"in its own words: {gone.undrafted}"


def words_data(gone: Gone) -> dict[str, Json]:
    """The same as facts; empty where the message is not drafted."""
    if gone.draft is not None:
        return {"draft": gone.draft}
    return {} if gone.undrafted is None else {"undrafted": gone.undrafted}


def told_of(draft: Decided, *, said: Callable[[datetime], str]) -> str:
    """Who wrote a draft and who approved it, in one sentence; `said` writes an instant."""
    wrote = "A language model drafted this text"
    if draft.written_by is not None or draft.origin == "person":
        wrote = f"{draft.written_by or 'A person'} wrote this text"
        wrote += "" if draft.model is None else ", from what a language model had drafted"
    if draft.approved_by is None:
        return f"{wrote}."
    when = "" if draft.approved_at is None else f" on {said(draft.approved_at)}"
    return f"{wrote}, and {draft.approved_by} approved it{when}{_despite(draft.approved_despite)}."


def _despite(hard: int | None) -> str:
    if not hard:
        return ""
    return f", although the rules had {hard} hard finding{'' if hard == 1 else 's'} against it"
