"""Drafts as the API takes and gives them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from api.bodies import Given
from api.pagination import PageOf
from journeys.drafting.findings import LONGEST_TEXT

DraftState = Literal["wanted", "proposed", "approved", "rejected", "replaced", "failed"]
OWN = "own"
"""As which language the message's own is asked for, which has no tag."""

MOST_AT_ONCE = 5_000
"""The most drafts that one request approves."""

LONGEST_ANSWER = 1_000
"""Characters of what came back instead of a text, that are shown."""

Name = Annotated[str | None, Field(min_length=1, max_length=200)]
Value = Annotated[str | None, Field(max_length=2_000)]


class DraftFilter(PageOf):
    """Which drafts."""

    journey: Name = None
    message: Name = None
    language: Annotated[Name, Field(description="A tag (`de`), or `own`: the message's own language.")] = None
    value: Annotated[Value, Field(description="A value of `per`.")] = None
    state: Annotated[DraftState | None, Field(description="`proposed`: it waits for a decision.")] = None


# --- what comes in ------------------------------------------------------------------------------------------------


class Approving(Given):
    """`despite_findings`: also where a hard finding stands against it; somebody has looked, and takes it so, which is
    kept with the draft and told of the message.
    """

    despite_findings: bool = False


class Rejecting(Given):
    """Why, which the next text is told; `again`: whether there is to be one."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    again: bool = True


class TakingBack(Given):
    """Why the text must not go on being sent, which the next one is told; `again`: whether there is to be one."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    again: bool = True


class Editing(Given):
    """The text as it is to be: templates, whose only variables are the draft's `placeholders`."""

    subject: Annotated[str, Field(max_length=1_000)]
    body: Annotated[str, Field(max_length=LONGEST_TEXT)]


class ManyFilter(Given):
    """Which of the proposed ones, of one journey; everything that is said must match, as in a list."""

    journey: Annotated[str, Field(min_length=1, max_length=200)]
    message: Name = None
    language: Name = None
    value: Value = None


class ApprovingMany(Given):
    """Which drafts are to be approved: those that `filter` matches, or those of these `ids`. With `dry_run` it is only
    said how many, and which could not.
    """

    filter: ManyFilter | None = None
    ids: Annotated[list[str] | None, Field(min_length=1, max_length=MOST_AT_ONCE)] = None
    dry_run: bool = False


# --- what goes out ------------------------------------------------------------------------------------------------


class FoundOut(BaseModel):
    """How many findings stand against a text: hard ones, in spite of which it must be approved, and soft ones."""

    hard: int
    soft: int


class DraftItem(BaseModel):
    """A draft in a list.

    `language` null is the message's own. `per` is the expression, `value` its value; of a text for one learner alone
    `learner` is her id as the source has it. `number` counts the texts of one order. `origin` is model, person (who
    edited `based_on`: `written_by`) or reuse (the text that `based_on` had already). `is_ordered`: the running version
    asks for it. `reason` is why it was rejected, taken back, or failed. Of one that was taken back `decided_by` is who
    had approved it; `approved_despite` is how many hard findings stood against it then (null: nobody has approved it,
    or that was not kept yet). `wanted_by` is who had it written in place of another one; null: the journey did.
    """

    id: str
    journey: str
    message: str
    language: str | None
    per: str | None
    value: str | None
    learner: str | None
    number: int
    state: DraftState
    origin: Literal["model", "person", "reuse"]
    based_on: str | None
    written_by: str | None
    model: str | None
    is_ordered: bool
    subject: str | None
    body: str | None
    found: FoundOut
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None
    approved_despite: int | None
    taken_back_by: str | None
    taken_back_at: datetime | None
    wanted_by: str | None
    created_at: datetime
    updated_at: datetime


class FindingOut(BaseModel):
    """One thing that is wrong; `hard`: it must be approved in spite of it. `quote` is the place in the text."""

    check: str
    severity: Literal["hard", "soft"]
    detail: str
    quote: str | None


class BriefOut(BaseModel):
    """What was asked for."""

    brief: str
    tone: str | None
    max_words: int | None
    channels: list[str]


class LinkOut(BaseModel):
    """A link: its words and where it leads."""

    label: str
    url: str


class FallbackOut(BaseModel):
    """The words that go out where no draft is approved, in this language; `channels` have their own, always."""

    subject: str | None
    body: str | None
    link: LinkOut | None
    channels: dict[str, str]


class PreviewOut(BaseModel):
    """The text as somebody would read it (Markdown), with made-up `values`; or, with a `problem`, why nobody could."""

    subject: str
    text: str
    link: LinkOut | None
    values: dict[str, Any]
    problem: str | None


class ChangeOut(BaseModel):
    """A part of both texts, of the approved one alone (removed), or of this one alone (added)."""

    kind: Literal["same", "removed", "added"]
    text: str


class DifferenceOut(BaseModel):
    """How this text differs, word by word, from the one approved last for the same message, language and value."""

    since: str
    subject: list[ChangeOut]
    body: list[ChangeOut]


class CostOut(BaseModel):
    """What it took: calls of the model, and its tokens."""

    calls: int
    tokens_in: int
    tokens_out: int


class TextOut(BaseModel):
    """Another text of the same order, or of the same message in another language."""

    id: str
    language: str | None
    number: int
    state: DraftState
    origin: Literal["model", "person", "reuse"]
    subject: str | None
    body: str | None
    reason: str | None
    written_by: str | None
    decided_by: str | None
    decided_at: datetime | None
    approved_despite: int | None
    taken_back_by: str | None
    taken_back_at: datetime | None
    wanted_by: str | None
    created_at: datetime


class DraftOut(DraftItem):
    """A draft with all that is needed to decide on it.

    `findings` are those of now, by the policy of now and beside the other languages. `unsendable` says why the text
    could not be sent at all: then nobody can approve it. `earlier` and `later` are the other texts of its order,
    `languages` the texts of the other languages. `prompt` is what the model was asked for this text, exactly;
    `answer` is how the last thing begins that came back instead of a text, in the server's words or the model's.
    """

    findings: list[FindingOut]
    unsendable: list[str]
    brief: BriefOut
    placeholders: list[str]
    fallback: FallbackOut
    preview: PreviewOut | None
    difference: DifferenceOut | None
    cost: CostOut
    earlier: list[TextOut]
    later: list[TextOut]
    languages: list[TextOut]
    prompt: dict[str, Any]
    answer: str | None


class DraftCounts(BaseModel):
    """The texts of a journey's running version by their state; `missing` are those it asks for of which none is
    approved: their messages go in their own words.
    """

    wanted: int
    proposed: int
    approved: int
    failed: int
    missing: int


class Rejected(BaseModel):
    """The rejected draft, and the one that is written in its place, where one is."""

    draft: DraftOut
    again: str | None


class TakenBack(BaseModel):
    """The draft that is sent no more, and the one that is to stand in its place, where one is: until somebody approves
    that, the message goes in its own words.
    """

    draft: DraftOut
    again: str | None


class LeftOut(BaseModel):
    """One that is not approved, and why: its place among all (from 1)."""

    number: int
    draft: str
    message: str | None
    language: str | None
    value: str | None
    code: str
    detail: str


class ApprovedMany(BaseModel):
    """How many are approved (`done`), and which were left (`failed` of them, the first in `could_not`)."""

    action: Literal["approve"] = "approve"
    state: Literal["dry_run", "done"]
    total: int
    done: int
    failed: int
    by: str
    could_not: list[LeftOut]
