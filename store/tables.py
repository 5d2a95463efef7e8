"""Every table, and what its columns mean. The only place where personal values live.

Instants are UTC (`Instant` refuses any other); JSON columns are JSONB on PostgreSQL and text on SQLite. Lock order
everywhere: learner, then enrolment.

    learners 1─* identities          journeys 1─* versions
        1─* events                       1─* enrolments 1─* inbox, journal, deliveries
"""

# pyright: reportAssignmentType=false
# SQLModel declares __tablename__ as a declared_attr and takes a text

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Index, Integer, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON, TypeDecorator
from sqlmodel import Field, SQLModel

from journeys.events import Json


class _SqliteInstant(sqlite.DATETIME):
    """The same text as SQLAlchemy's own, in a fifth of the time: a batch writes thousands."""

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return _written

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        return _read


def _written(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(" ", "microseconds")


def _read(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


class Instant(TypeDecorator[datetime]):
    """An instant: goes in with a zone, comes out in UTC, on either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return _SqliteInstant() if dialect.name == "sqlite" else dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone; a naive datetime was given: use datetime.now(UTC)")
        if dialect.name == "postgresql":
            return value
        return (value if value.tzinfo is UTC else value.astimezone(UTC)).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_SERIAL = BigInteger().with_variant(Integer(), "sqlite")
_JSON = JSON().with_variant(JSONB(), "postgresql")


def _serial() -> Any:
    return Field(default=None, sa_column=Column(_SERIAL, primary_key=True, autoincrement=True))


def _instant(*, is_optional: bool = False, has_index: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Instant(), nullable=is_optional, index=has_index))


def _json() -> Any:
    return Field(default_factory=dict, sa_column=Column(_JSON, nullable=False))


def _list() -> Any:
    return Field(default_factory=list, sa_column=Column(_JSON, nullable=False, server_default="[]"))


def _optional_json() -> Any:
    nothing = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    return Field(default=None, sa_column=Column(nothing, nullable=True))


def _text(*, is_optional: bool = False) -> Any:
    return Field(default=None, sa_column=Column(Text(), nullable=is_optional))


class Learner(SQLModel, table=True):
    """A person, by our id: an HMAC of the first id a source gave her. `profile_times` has each field's event time.

    `latest_at` is the latest instant of any event of hers: what comes after it came in order. Until `rejudge_until` an
    event that came out of order may change what her latest entries amount to (`journeys.history`).
    """

    __tablename__ = "learners"

    id: str = Field(primary_key=True)
    source_id: str = _text()
    profile: dict[str, Json] = _json()
    profile_times: dict[str, str] = _json()
    latest_at: datetime | None = _instant(is_optional=True)
    rejudge_until: datetime | None = _instant(is_optional=True)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class Identity(SQLModel, table=True):
    """An id by which a source knows a learner; ids are one space over all sources."""

    __tablename__ = "identities"

    source_id: str = Field(primary_key=True)
    learner: str = Field(index=True)


class LoggedEvent(SQLModel, table=True):
    """The event log. `digest` tells a repetition from another event under the same id."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("source", "event_id"),
        Index("ix_events_learner_type_time", "learner", "type", "time"),
    )

    seq: int | None = _serial()
    source: str
    event_id: str
    digest: str
    type: str
    learner: str | None = None
    time: datetime = _instant()
    effective: datetime | None = _instant(is_optional=True)
    received_at: datetime = _instant()
    data: dict[str, Json] = _json()


class JourneyRow(SQLModel, table=True):
    """A journey; `status` is live, paused or archived, `version` the running one.

    `live_since` is set whenever it resumes: what arrived before is no entry. `pauses` are all its pauses in order, each
    `{"since", "until", "catch_up"}`, the last without `until` while it is paused.
    """

    __tablename__ = "journeys"

    name: str = Field(primary_key=True)
    status: str = "live"
    version: int
    live_since: datetime | None = _instant(is_optional=True)
    pauses: list[Json] = _list()
    created_at: datetime = _instant()


class Version(SQLModel, table=True):
    """A published version: the definition as it was given, and the program it compiled to. Never changed."""

    __tablename__ = "versions"
    __table_args__ = (Index("ix_versions_hash", "hash"),)

    journey: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    hash: str
    title: str
    media_type: str
    definition: str = _text()
    program: str = _text()
    published_at: datetime = _instant()


class Enrolment(SQLModel, table=True):
    """One learner in one journey for one entry key, the `ordinal`-th time (from 0).

    `run` is the state (`journeys.codec`); `step`, `waiting_for`, `due_at`, `outcome` repeat what lists need of it.
    `fence` counts turns taken: a commit of a turn is conditional on it. `lease_until` is when a turn that died is
    given up. `wake_wanted_at` is set by whatever concerns the enrolment and cleared by the turn that loads it.
    `entry` holds the entry event's time, key and data for expressions and templates.
    `depends_on` names the fields of the profile, joined by commas, on which what it waits for depends: a change of one
    wakes it; or it is `journey` where the pause of its journey holds it. `goal_at` is when the goal came of one in the
    holdout, which has ended and is watched until its limit.
    """

    __tablename__ = "enrolments"
    __table_args__ = (
        UniqueConstraint("journey", "learner", "entry_key", "ordinal"),
        Index("ix_enrolments_learner_status", "learner", "status"),
        Index("ix_enrolments_journey", "journey", "id"),
        Index("ix_enrolments_journey_status", "journey", "status", "id"),
        Index("ix_enrolments_status", "status", "id"),
        Index(
            "ix_enrolments_wake_wanted",
            "wake_wanted_at",
            sqlite_where=text("wake_wanted_at IS NOT NULL"),
            postgresql_where=text("wake_wanted_at IS NOT NULL"),
        ),
        Index(
            "ix_enrolments_held",
            "journey",
            sqlite_where=text("depends_on = 'journey'"),
            postgresql_where=text("depends_on = 'journey'"),
        ),
        Index(
            "ix_enrolments_due",
            "due_at",
            sqlite_where=text("status <> 'ended'"),
            postgresql_where=text("status <> 'ended'"),
        ),
    )

    id: str = Field(primary_key=True)
    journey: str
    version: int
    program: str
    learner: str
    entry_key: str
    ordinal: int = 0
    entry_event: int | None = Field(default=None, sa_column=Column(_SERIAL, nullable=True))
    entry: dict[str, Json] = _json()
    status: str = "active"
    outcome: str | None = None
    arm: str | None = None
    step: str | None = None
    waiting_for: str | None = _text(is_optional=True)
    due_at: datetime | None = _instant(is_optional=True)
    entered_at: datetime = _instant()
    ended_at: datetime | None = _instant(is_optional=True)
    run: str = _text()
    fence: int = 0
    lease_until: datetime | None = _instant(is_optional=True)
    wake_wanted_at: datetime | None = _instant(is_optional=True)
    depends_on: str | None = _text(is_optional=True)
    goal_at: datetime | None = _instant(is_optional=True)
    created_at: datetime = _instant()


class InboxRow(SQLModel, table=True):
    """A trigger of an enrolment's program that an event fired, at the event's time; unread while `read_at` is null.

    `data` is what the trigger keeps of the event's data: an answer.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("enrolment", "program", "trigger", "event"),
        Index(
            "ix_inbox_unread",
            "enrolment",
            sqlite_where=text("read_at IS NULL"),
            postgresql_where=text("read_at IS NULL"),
        ),
    )

    seq: int | None = _serial()
    enrolment: str
    program: str
    trigger: str
    event: int = Field(sa_column=Column(_SERIAL, nullable=False))
    event_type: str
    at: datetime = _instant()
    data: Json = _optional_json()
    read_at: datetime | None = _instant(is_optional=True)


class JournalRow(SQLModel, table=True):
    """A line of an enrolment's journal, in order of `seq`."""

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_enrolment", "enrolment", "seq"),)

    seq: int | None = _serial()
    enrolment: str
    at: datetime = _instant()
    kind: str
    step: str | None = None
    text: str = _text()
    data: dict[str, Json] = _json()


class DeliveryRow(SQLModel, table=True):
    """One message of one visit on its way to one learner; `id` is the key the provider gets.

    `attempt` names the try that is under way (null: none). A row with an `attempt` whose owner is gone is in doubt.
    `learner` is the enrolment's learner, `recipient` who gets it. `words` are the provider's own, for diagnosis.
    `draft` is the approved draft whose text it is; where a drafted message went in its own words, `undrafted` says why.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("enrolment", "node", "visit", "leg"),
        Index("ix_deliveries_journey_status", "journey", "status", "id"),
        Index("ix_deliveries_learner", "learner", "id"),
        Index("ix_deliveries_status", "status", "id"),
        Index("ix_deliveries_recipient_sent", "recipient", "sent_at"),
        Index(
            "ix_deliveries_ended_badly",
            "updated_at",
            "journey",
            sqlite_where=text("status IN ('failed', 'skipped')"),
            postgresql_where=text("status IN ('failed', 'skipped')"),
        ),
    )

    id: str = Field(primary_key=True)
    enrolment: str
    journey: str
    learner: str
    recipient: str
    node: str
    visit: int
    leg: int = 0
    message: str
    channel: str | None = None
    status: str = "queued"
    reason: str | None = _text(is_optional=True)
    attempts: int = 0
    attempt: str | None = None
    attempt_until: datetime | None = _instant(is_optional=True)
    due_at: datetime | None = _instant(is_optional=True)
    expires_at: datetime | None = _instant(is_optional=True)
    sent_at: datetime | None = _instant(is_optional=True)
    provider_id: str | None = _text(is_optional=True)
    words: str | None = _text(is_optional=True)
    draft: str | None = None
    undrafted: str | None = _text(is_optional=True)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class UnjudgedEntry(SQLModel, table=True):
    """An entry that could not be judged because a field was missing; judged again when the profile gets it."""

    __tablename__ = "unjudged_entries"
    __table_args__ = (UniqueConstraint("journey", "trigger", "event"),)

    seq: int | None = _serial()
    journey: str
    trigger: str
    learner: str = Field(index=True)
    event: int = Field(sa_column=Column(_SERIAL, nullable=False))
    finding: str = _text()
    until: datetime = _instant()


class DeadLetter(SQLModel, table=True):
    """A record that could not be used, with its reason; the original, which may be personal, is kept here alone."""

    __tablename__ = "dead_letters"
    __table_args__ = (UniqueConstraint("topic", "partition", "offset"),)

    id: str = Field(primary_key=True)
    reason: str
    detail: str = _text()
    topic: str
    partition: int
    offset: int = Field(sa_column=Column(_SERIAL, nullable=False))
    at: datetime = _instant(has_index=True)
    key: bytes | None = Field(default=None, sa_column=Column(LargeBinary(), nullable=True))
    headers: dict[str, Json] = _json()
    value: bytes | None = Field(default=None, sa_column=Column(LargeBinary(), nullable=True))


class OutboxRow(SQLModel, table=True):
    """What is to be produced to a topic of ours; deleted once Kafka has it."""

    __tablename__ = "outbox"

    seq: int | None = _serial()
    topic: str
    key: str
    payload: str = _text()
    created_at: datetime = _instant()


class Installation(SQLModel, table=True):
    """Facts about the whole installation by name: `halted`, `policy`."""

    __tablename__ = "installation"

    name: str = Field(primary_key=True)
    value: dict[str, Json] = _json()
    updated_at: datetime = _instant()


class ApiKey(SQLModel, table=True):
    """A bearer key, as the SHA-256 of its text; shown once, when it is made."""

    __tablename__ = "api_keys"

    digest: str = Field(primary_key=True)
    name: str
    created_at: datetime = _instant()


class IdempotencyKey(SQLModel, table=True):
    """The answer that a POST with this `Idempotency-Key` got, so that the same request gets it again."""

    __tablename__ = "idempotency_keys"

    key: str = Field(primary_key=True)
    request: str
    status: int
    body: str = _text()
    created_at: datetime = _instant(has_index=True)


class Assignment(SQLModel, table=True):
    """What chance said of an enrolment, stored before it acts: the arm of a split, or of the split `holdout` whether
    she is in the `holdout` or `treated`. `share` is the probability that this arm had (0 to 1), `unit` what was hashed.
    """

    __tablename__ = "assignments"

    enrolment: str = Field(primary_key=True)
    split: str = Field(primary_key=True)
    arm: str
    share: float
    unit: str = _text()
    at: datetime = _instant()


class ActionRow(SQLModel, table=True):
    """The same done to many, a step at a time (`workers.actions`): `kind` says what, `options` how, `filter` to whom.

    `state` is running, done or stopped. `total`, `done` and `failed` count its items. `rate` is how many a second
    (null: as many as go), and `paced_at` from when they are counted.
    """

    __tablename__ = "actions"
    __table_args__ = (Index("ix_actions_state", "state"),)

    id: str = Field(primary_key=True)
    kind: str
    filter: dict[str, Json] = _json()
    options: dict[str, Json] = _json()
    by: str = _text()
    state: str = "running"
    total: int = 0
    done: int = 0
    failed: int = 0
    rate: float | None = None
    paced_at: datetime = _instant()
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class ActionItem(SQLModel, table=True):
    """One to whom an action is done: `target` is our id of a learner, or an enrolment's, as the kind has it.

    `state` is waiting, done or failed, with `code` and `detail` saying why. `enrolment` is what it came to.
    """

    __tablename__ = "action_items"
    __table_args__ = (Index("ix_action_items_state", "action", "state", "number"),)

    action: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    target: str | None = None
    options: dict[str, Json] = _json()
    state: str = "waiting"
    enrolment: str | None = None
    code: str | None = None
    detail: str | None = _text(is_optional=True)


class RequestRow(SQLModel, table=True):
    """One thing asked of another system for one visit; `id` is the key that the system gets, at every attempt the same.

    `service` is call or lms, `target` its name here. `status` is queued, deferred (halted), done or failed; `attempt`
    names the try that is under way (null: none), and before `not_before` the system wants no other. `body` is what is
    asked, `reply` what the system said as JSON, `reason` why it was not done or why nothing of its answer can be kept,
    `words` its own, for diagnosis.
    """

    __tablename__ = "requests"
    __table_args__ = (
        UniqueConstraint("enrolment", "node", "visit"),
        Index("ix_requests_status", "status", "id"),
    )

    id: str = Field(primary_key=True)
    enrolment: str
    node: str
    visit: int
    service: str
    target: str
    body: dict[str, Json] = _json()
    status: str = "queued"
    reply: Json = _optional_json()
    reason: str | None = _text(is_optional=True)
    words: str | None = _text(is_optional=True)
    attempts: int = 0
    attempt: str | None = None
    attempt_until: datetime | None = _instant(is_optional=True)
    not_before: datetime | None = _instant(is_optional=True)
    expires_at: datetime = _instant()
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class BidRow(SQLModel, table=True):
    """An optional message that waits for one of its recipient's slots (`journeys.attention.Bid`), while its delivery is
    open; written under her lock alone (`store.queries.attention`).

    `digest` is the delivery of the digest it goes in, led by the awarded one; `draft` and `undrafted` are its words
    there, as its `DeliveryRow` will have them. `wanted_at` is set where a slot became free for it, and cleared when it
    asks.
    """

    __tablename__ = "bids"
    __table_args__ = (
        Index(
            "ix_bids_wanted",
            "wanted_at",
            sqlite_where=text("wanted_at IS NOT NULL"),
            postgresql_where=text("wanted_at IS NOT NULL"),
        ),
    )

    delivery: str = Field(primary_key=True)
    recipient: str = Field(index=True)
    enrolment: str
    journey: str
    priority: int
    placed_at: datetime = _instant()
    eligible_at: datetime = _instant()
    asks_at: datetime = _instant()
    expires_at: datetime | None = _instant(is_optional=True)
    channel: str | None = None
    awarded_at: datetime | None = _instant(is_optional=True)
    is_put_off: bool = False
    digest: str | None = None
    draft: str | None = None
    undrafted: str | None = _text(is_optional=True)
    wanted_at: datetime | None = _instant(is_optional=True)


class DraftRow(SQLModel, table=True):
    """One text of a drafted message, for one language (null: the message's own) and one value of `per` (null: all).

    `key` is `journeys.drafting.order.order_key` of what was ordered, by the program `program`; `number` counts the
    texts of one journey, message and key from 1. `origin` is model, person (who edited `based_on`) or reuse (the text
    of `based_on`, which the same order of another message had already).

        wanted ─> proposed ─> approved ─> replaced (by another approved one, or taken back: then nothing is approved)
           │          └──────> rejected, or replaced (edited: the new text is a row of its own)
           └────> failed (`reason` says why nothing can be proposed), or replaced (nobody orders it any more)

    `prompt`, `answer` (what came back, for diagnosis) and `model` belong to the text that stands here, which need not
    be the last one that came; where there is none, to the last call. `calls` counts the calls to the model, `tokens_in`
    and `tokens_out` are what they took together. `reason` is why it was rejected, taken back, or failed, or why it is
    still wanted. `decided_*` says who approved or rejected it, also once an approved one is replaced;
    `approved_despite` how many hard findings stood against it then (null: nobody has approved it, or before this was
    kept); `taken_back_*` who took the approval back. `wanted_by` is who had it written in place of another one (null:
    the journey did). `written_by` is the person who wrote the text, also where it is reused; `model` is whose it is, or
    whose text that person began with. `told_at` is when the reviewers were told.
    """

    __tablename__ = "drafts"
    __table_args__ = (
        Index("ix_drafts_order", "journey", "message", "key", "state"),
        Index("ix_drafts_key", "key", "state"),
        Index("ix_drafts_state", "state", "created_at", "id"),
    )

    id: str = Field(primary_key=True)
    journey: str
    message: str
    language: str | None = None
    value: str | None = _text(is_optional=True)
    key: str
    number: int
    program: str
    state: str = "wanted"
    origin: str = "model"
    based_on: str | None = None
    subject: str | None = _text(is_optional=True)
    body: str | None = _text(is_optional=True)
    prompt: dict[str, Json] = _json()
    findings: list[Json] = _list()
    answer: str | None = _text(is_optional=True)
    model: str | None = None
    written_by: str | None = _text(is_optional=True)
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    reason: str | None = _text(is_optional=True)
    decided_by: str | None = _text(is_optional=True)
    decided_at: datetime | None = _instant(is_optional=True)
    approved_despite: int | None = None
    taken_back_by: str | None = _text(is_optional=True)
    taken_back_at: datetime | None = _instant(is_optional=True)
    wanted_by: str | None = _text(is_optional=True)
    told_at: datetime | None = _instant(is_optional=True)
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class DraftSpending(SQLModel, table=True):
    """What drafting took on one day (`2026-03-02`, UTC): tokens and calls of one journey, and of all of them together
    where `journey` is empty; `cost` is what the tokens cost, in millionths of the money that the writer's prices are
    in. What is reserved for calls under way is among both.
    """

    __tablename__ = "draft_spending"

    day: str = Field(primary_key=True)
    journey: str = Field(primary_key=True)
    tokens: int = Field(default=0, sa_type=BigInteger)
    cost: int = Field(default=0, sa_type=BigInteger)
    calls: int = 0
