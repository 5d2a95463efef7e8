"""Every setting of Waymark: its default, what it may be, and where its value came from.

A value is looked for in the environment, then in `.env` in the working folder, then in the home (what `waymark up`
made or started), then the default holds. Settings are read once, at start, by the wiring and the command line; nothing
below reads them. The look-up is ours, and not pydantic-settings', because it cannot say where a value came from.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from connectors.errors import Misconfigured
from journeys.durations import format_duration, parse_duration
from waymark.cli.errors import WrongUsage

Origin = Literal["default", "environment", ".env", "home"]
PREFIX = "WAYMARK_"
DOTENV = Path(".env")
HIDDEN = "(hidden)"


class SettingsError(WrongUsage):
    """A setting has a value that it may not have; says which, and what is allowed."""


def _split_address(text: str, *, example: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not _is_host(host) or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"write host:port, as {example}; an IPv6 address in brackets, as [::1]")
    return host.strip("[]"), int(port)


def _is_host(text: str) -> bool:
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return bool(IPv6Address(text[1:-1]))
        except ValueError:
            return False
    return re.fullmatch(r"[A-Za-z0-9._-]+", text) is not None


def _http_address(text: str) -> str:
    _split_address(text, example="127.0.0.1:8800 (port 0 takes a free one)")
    return text


def _server_address(text: str) -> str:
    _split_address(text, example="127.0.0.1:7233")
    return text


def _bootstrap(text: str) -> str:
    if text == "off":
        return text
    for server in text.split(","):
        try:
            _split_address(server.strip(), example="")
        except ValueError:
            raise ValueError("write host:port,host:port as 127.0.0.1:9092, or off for no Kafka") from None
    return text


def _url(text: str, *, schemes: tuple[str, ...], example: str) -> SplitResult:
    try:
        url = urlsplit(text)
        reachable = bool(url.hostname) and (url.port is None or 0 <= url.port <= 65_535)
    except ValueError:
        reachable, url = False, urlsplit("")
    if url.scheme not in schemes or not reachable:
        raise ValueError(
            f"write a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}, as {example}"
        )
    return url


def _web_url(text: str) -> str:
    _url(text, schemes=("http", "https"), example="https://learning.example.org")
    return text.rstrip("/")


def _smtp_url(text: str) -> str:
    example = "smtp://user:password@mail.example.org:587?starttls=require"
    if _url(text, schemes=("smtp", "smtps"), example=example).query not in {"", "starttls=require"}:
        raise ValueError("the only option after the ? is starttls=require")
    return text


def _database_url(text: str) -> str:
    example = "postgresql+asyncpg://user:password@host:5432/database"
    if text.startswith("postgresql+asyncpg://"):
        _url(text, schemes=("postgresql+asyncpg",), example=example)
    elif not text.startswith("sqlite+aiosqlite:///"):
        raise ValueError(f"write sqlite+aiosqlite:///path/to/file.db or {example}")
    return text


def _mail_from(text: str) -> str:
    if "@" not in parseaddr(text)[1] or "\n" in text or "\r" in text:
        raise ValueError("write a sender, as Learning <learning@example.org>")
    return text


def _deliver(text: str) -> str:
    kind, colon, addresses = text.partition(":")
    listed = [address.strip() for address in addresses.split(",")]
    right = (not colon and kind in {"all", "none"}) or (
        bool(colon) and all(listed) and (kind == "only" or (kind == "redirect" and len(listed) == 1))
    )
    if not right:
        raise ValueError("write all, none, only:ADDRESS,ADDRESS or redirect:ADDRESS")
    return text


_REVIEWER = re.compile(r"([a-z][a-z0-9_-]*)(?::([^\s,]+))?")


def _reviewers(text: str) -> str:
    for reviewer in text.split(","):
        if not _REVIEWER.fullmatch(reviewer.strip()):
            raise ValueError("write channel:address, or a channel that needs none, as email:ld@example.org,webhook")
    return text


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError("write at least 16 characters, as made by: openssl rand -hex 32")
    return value


def _calls(values: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    if values:
        from connectors.calls.opening import read_calls  # speaks HTTP, and takes its time to import

        _judge_named(read_calls, values)
    return values


def _lmss(values: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    if values:
        from connectors.lms import read_lmss

        _judge_named(read_lmss, values)
    return values


def _judge_named(read: Callable[[Mapping[str, str]], object], values: Mapping[str, SecretStr]) -> None:
    try:
        read({name: value.get_secret_value() for name, value in values.items()})
    except Misconfigured as error:
        raise ValueError(str(error)) from None


NAMED = {"calls": re.compile(r"WAYMARK_CALL_\w+_(URL|SECRET)"), "lms": re.compile(r"WAYMARK_LMS_\w+_(URL|TOKEN)")}
"""Fields that hold all settings of a form, because an operator makes up the name in the middle."""

Port = Annotated[int, Field(ge=0, le=65_535)]
WebUrl = Annotated[str, AfterValidator(_web_url)]


class Settings(BaseModel):
    """All settings. Fields are named as in the environment, without `WAYMARK_`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)

    home: Path = Field(
        Path(".waymark"), description="Everything `waymark up` keeps: database, server data, logs, admin.key."
    )
    database_url: Annotated[str, AfterValidator(_database_url)] | None = Field(
        None, description="The database; SQLite in the home where none is given."
    )
    temporal_address: Annotated[str, AfterValidator(_server_address)] | None = Field(
        None,
        validation_alias="WAYMARK_TEMPORAL_ADDRESS",
        description="host:port of Temporal; none: `waymark up` starts one. TEMPORAL_ADDRESS serves too.",
    )
    temporal_namespace: str = Field(
        "default", validation_alias="TEMPORAL_NAMESPACE", description="The namespace in Temporal."
    )
    kafka_bootstrap: Annotated[str, AfterValidator(_bootstrap)] | None = Field(
        None, description="host:port,... of Kafka; none: `waymark up` starts one; off: events come over HTTP only."
    )
    http_address: Annotated[str, AfterValidator(_http_address)] = Field(
        "127.0.0.1:8800", description="Where the API listens; port 0 takes a free one."
    )
    public_url: WebUrl | None = Field(
        None, description="What links in messages begin with; from the address where none is given."
    )
    smtp_url: Annotated[str, AfterValidator(_smtp_url)] | None = Field(
        None, description="smtp://user:password@host:port, smtps://..., ?starttls=require; none: the catch-all mailbox."
    )
    mail_from: Annotated[str, AfterValidator(_mail_from)] = Field(
        "Learning <learning@localhost.localdomain>", description="The sender of e-mail."
    )
    webhook_url: WebUrl | None = Field(None, description="Where the `webhook` channel posts to (Standard Webhooks).")
    webhook_secret: SecretStr | None = Field(None, description="What the `webhook` channel signs with (whsec_...).")
    deliver: Annotated[str, AfterValidator(_deliver)] = Field(
        "all", description="Who is really delivered to: all, only:ADDRESS,..., redirect:ADDRESS or none."
    )
    in_doubt: Literal["leave", "resend"] = Field(
        "leave", description="What to do with a delivery that may have gone: leave it, or resend."
    )
    hold_after: int = Field(
        20,
        ge=0,
        le=1_000,
        description="A journey holds itself where most of its last so many messages ended badly for one cause, within "
        "an hour; 0: never.",
    )
    # together they must stay below the longest lease, or an attempt would be taken for given up while it is made
    hand_over: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(seconds=5),
        le=timedelta(minutes=1),
        description="How long an attempt may take until the message is handed over, as 5s.",
    )
    answer: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(seconds=20),
        le=timedelta(minutes=5),
        description="How long a provider may take to answer after that, before it is in doubt.",
    )
    event_lead: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(hours=24), description="How far ahead of the clock an event's time may be, as 24h or 3d."
    )
    secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        None, description="Signs links and keys the ids of learners; made by `waymark up` and kept in the home."
    )
    api_url: WebUrl | None = Field(
        None, description="The API the command line speaks to; the local one where none is given."
    )
    api_key: SecretStr | None = Field(None, description="The key for it; the home's admin.key where none is given.")
    api_admin_key_file: Path | None = Field(
        None,
        description="A file whose content is a key that the API accepts; admin.key in the home where none is given.",
    )
    temporal_port: Port = Field(7233, description="Port of the Temporal that `waymark up` starts; 0 takes a free one.")
    kafka_port: Port = Field(9092, description="Port of the Kafka that `waymark up` starts; 0 takes a free one.")
    mailbox_port: Port = Field(8025, description="Port of the mailbox's page that `waymark up` starts; 0: a free one.")
    mailbox_smtp_port: Port = Field(0, description="Port on which the mailbox takes mail by SMTP; 0 takes a free one.")
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="The writer's key; without one, and a model, there is no writer.",
    )
    openai_base_url: WebUrl | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="Another address of the writer's API, up to its /v1."
    )
    writer_model: str | None = Field(
        None, description="The language model that drafts; without one, and a key, there is no writer."
    )
    writer_stream: bool = Field(False, description="Whether the writer's answers are streamed: true or false.")
    writer_answer: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(minutes=2),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=20),
        description="How long one answer of the writer may take, as 2m.",
    )
    writer_tokens_per_day: int = Field(
        200_000,
        ge=0,
        description="Tokens that drafting may take in a day (UTC); what is wanted beyond waits for the next.",
    )
    writer_tokens_per_journey: int = Field(
        100_000, ge=0, description="Tokens that drafting for one journey may take in a day (UTC)."
    )
    writer_price_in: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="What a million tokens cost that the writer reads, in your money."
    )
    writer_price_out: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="What a million tokens cost that the writer writes, in the same."
    )
    writer_cost_per_day: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="What drafting may cost in a day (UTC), by these prices."
    )
    writer_cost_per_journey: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="What drafting for one journey may cost in a day (UTC)."
    )
    writer_imitation: bool = Field(
        False,
        description="Whether `waymark up` starts an imitation of a model's server where no key is set: to see how "
        "drafting works; its texts are no model's.",
    )
    reviewers: Annotated[str, AfterValidator(_reviewers)] | None = Field(
        None,
        description="Who is told that drafts wait: channel:address, or a channel that needs none, as "
        "email:ld@example.org,webhook; at most one message in 15 minutes.",
    )
    calls: Annotated[Mapping[str, SecretStr], AfterValidator(_calls)] = Field(
        {},
        validation_alias="WAYMARK_CALL_<NAME>_URL",
        description="Where the step `call: name` posts to; signed with WAYMARK_CALL_<NAME>_SECRET (whsec_...). The "
        "name in upper case, its hyphens as underscores.",
    )
    lms: Annotated[Mapping[str, SecretStr], AfterValidator(_lmss)] = Field(
        {},
        validation_alias="WAYMARK_LMS_<NAME>_URL",
        description="The LMS of this name: courses are assigned by POST to its /enrolments, opened with "
        "WAYMARK_LMS_<NAME>_TOKEN.",
    )
    ready_file: Path | None = Field(
        None, description="A file that a process touches when it is ready; `waymark up` sets it for what it starts."
    )

    @field_validator("writer_cost_per_day", "writer_cost_per_journey")
    @classmethod
    def _by_prices(cls, cost: float | None, info: ValidationInfo) -> float | None:
        if cost is not None and info.data.get("writer_price_in") == info.data.get("writer_price_out") == 0:
            raise ValueError(
                "without a price nothing costs anything, and this bounds nothing: set WAYMARK_WRITER_PRICE_IN and "
                "WAYMARK_WRITER_PRICE_OUT to what a million tokens cost, or leave this out"
            )
        return cost

    def of_channels(self) -> dict[str, str]:
        """What the channels' own settings are read from, by their names in the environment."""
        secret = self.webhook_secret
        values = {
            "WAYMARK_SMTP_URL": self.smtp_url,
            "WAYMARK_MAIL_FROM": self.mail_from,
            "WAYMARK_WEBHOOK_URL": self.webhook_url,
            "WAYMARK_WEBHOOK_SECRET": None if secret is None else secret.get_secret_value(),
        }
        return {name: value for name, value in values.items() if value}

    def has_writer(self) -> bool:
        """Whether a key and a model are set."""
        return not self.lacks_for_writer()

    def lacks_for_writer(self) -> tuple[str, ...]:
        """Which settings are not set without which there is no writer, by their names in the environment."""
        needed = {"OPENAI_API_KEY": self.openai_api_key, "WAYMARK_WRITER_MODEL": self.writer_model}
        return tuple(name for name, value in needed.items() if value is None)

    def of_writer(self) -> dict[str, str]:
        """What the writer's own settings are read from, by their names in the environment."""
        key = self.openai_api_key
        values = {
            "OPENAI_API_KEY": None if key is None else key.get_secret_value(),
            "OPENAI_BASE_URL": self.openai_base_url,
            "WAYMARK_WRITER_MODEL": self.writer_model,
            "WAYMARK_WRITER_STREAM": str(self.writer_stream),
            "WAYMARK_WRITER_ANSWER": format_duration(self.writer_answer),
        }
        return {name: value for name, value in values.items() if value}

    def of_systems(self) -> dict[str, str]:
        """What the settings of calls and LMSs are read from, by their names in the environment."""
        return {name: value.get_secret_value() for name, value in {**self.calls, **self.lms}.items()}

    def told_of_drafts(self) -> tuple[tuple[str, str | None], ...]:
        """Who is told that drafts wait: channel and address."""
        parts = (reviewer.strip().partition(":") for reviewer in (self.reviewers or "").split(",") if reviewer.strip())
        return tuple((channel, address or None) for channel, _, address in parts)

    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite+aiosqlite:///{(self.home / 'waymark.db').absolute()}"

    def local_url(self) -> str:
        """Where the local API is found."""
        host, port = self.http_host_and_port()
        return f"http://{_reachable(host)}:{port}"

    def http_host_and_port(self) -> tuple[str, int]:
        """Where the API listens."""
        return _split_address(self.http_address, example="127.0.0.1:8800")

    def links_begin_with(self) -> str:
        """What links in messages begin with."""
        return self.public_url or self.local_url()

    def api(self) -> str:
        """The API the command line speaks to."""
        return self.api_url or self.local_url()

    def admin_key_file(self) -> Path:
        """The file whose content is a key that the API accepts."""
        return self.api_admin_key_file or self.home / "admin.key"

    def signing_secret(self) -> str:
        """The secret; raises SettingsError where there is none, with how to make one."""
        if self.secret is None:
            raise SettingsError(
                "WAYMARK_SECRET is not set: make one with `openssl rand -hex 32`, give the same one to every process "
                "and keep it for good, because it keys the ids of learners (`waymark up` makes one in its home)"
            )
        return self.secret.get_secret_value()


def _reachable(host: str) -> str:
    """The address under which a server that listens on `host` is found from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Described:
    """One setting as `waymark settings` shows it: secrets are hidden."""

    name: str
    value: str | None
    origin: Origin
    help: str


@dataclass(frozen=True)
class Loaded:
    """The settings with where each came from."""

    settings: Settings
    origins: Mapping[str, Origin]

    def describe(self) -> list[Described]:
        """Every setting by name, for people; no secret is in it."""
        return [each for field in Settings.model_fields for each in self._described(field)]

    def _described(self, field: str) -> list[Described]:
        origin, about = self.origins.get(field, "default"), Settings.model_fields[field].description or ""
        if field not in NAMED:
            return [Described(setting_name(field), self._shown(field), origin, about)]
        named = cast("Mapping[str, SecretStr]", getattr(self.settings, field))
        return [
            Described(name, shown(value.get_secret_value() if name.endswith("_URL") else value), origin, about)
            for name, value in named.items()
        ] or [Described(setting_name(field), None, origin, about)]

    def _shown(self, field: str) -> str | None:
        effective = {
            "database_url": self.settings.database,
            "public_url": self.settings.links_begin_with,
            "api_url": self.settings.api,
            "api_admin_key_file": self.settings.admin_key_file,
        }
        return shown(effective[field]() if field in effective else cast(object, getattr(self.settings, field)))


def shown(value: object) -> str | None:
    """A value as people may see it: no secret, no password within a URL."""
    match value:
        case None:
            return None
        case dict():  # of named settings: there is none
            return None
        case SecretStr():
            return HIDDEN
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case str() if "://" in value:
            return _without_password(value)
        case _:
            return str(value)


def _without_password(text: str) -> str:
    url = urlsplit(text)
    if url.password is None:
        return text
    hidden = f"{url.username}:{HIDDEN}@{url.netloc.rpartition('@')[2]}"
    return urlunsplit(url._replace(netloc=hidden))


def setting_name(field: str) -> str:
    """The name of a field in the environment."""
    info: FieldInfo = Settings.model_fields[field]
    return info.validation_alias if isinstance(info.validation_alias, str) else f"{PREFIX}{field.upper()}"


def load(*, environment: Mapping[str, str] | None = None, dotenv: Path = DOTENV, with_home: bool = True) -> Loaded:
    """Read the settings; raises SettingsError with every wrong one.

    `with_home=False` leaves out what `up` has started: for `up` itself, which is about to start it.
    """
    environment = os.environ if environment is None else environment
    in_file = _in_file(dotenv)
    values: dict[str, object] = {}
    origins: dict[str, Origin] = {}
    places: tuple[tuple[Origin, Mapping[str, str]], ...] = (("environment", environment), (".env", in_file))
    for field in Settings.model_fields:
        if field in NAMED:
            if named := _named(field, in_file, environment):
                values[field], origins[field] = named, "environment" if _named(field, environment) else ".env"
            continue
        for origin, place in places:
            if (found := _found(field, place)) is not None:
                values[field], origins[field] = found, origin
                break
    if with_home:
        for field, found in _in_home(Path(str(values.get("home", ".waymark")))).items():
            if field not in values or (field == "http_address" and _is_any_port(values[field])):
                values[field], origins[field] = found, "home"
    try:
        return Loaded(Settings(**cast(dict[str, Any], values)), origins)
    except ValidationError as error:
        raise SettingsError(_explain(error, values, origins)) from None


def _is_any_port(address: object) -> bool:
    """Port 0 says that the address is known only once `up` has taken one."""
    return str(address).endswith(":0")


def load_settings() -> Settings:
    """The settings of this process."""
    return load().settings


def named_here() -> Mapping[str, str]:
    """The settings whose names an operator made up, as they stand in this process, judged by nobody."""
    places = (_in_file(DOTENV), os.environ)
    return {name: value for place in places for field in NAMED for name, value in _named(field, place).items()}


def _named(field: str, *places: Mapping[str, str]) -> dict[str, str]:
    """All settings of the field's form, in order of their names; the last place wins."""
    merged = {name: value for place in places for name, value in place.items() if value}
    return {name: merged[name] for name in sorted(merged) if NAMED[field].fullmatch(name)}


def _in_file(dotenv: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(dotenv).items() if value} if dotenv.is_file() else {}


def _found(field: str, place: Mapping[str, str]) -> str | None:
    names = [setting_name(field), *(["TEMPORAL_ADDRESS"] if field == "temporal_address" else [])]
    return next((place[name] for name in names if place.get(name)), None)


def _in_home(home: Path) -> dict[str, str]:
    """What `up` made and what it has running: secret, key and addresses."""
    values = {"secret": _content(home / "secret"), "api_key": _content(home / "admin.key")}
    try:
        state = cast(dict[str, Any], json.loads((home / "stack.json").read_text()))
    except (OSError, ValueError):
        state = {}
    running = cast(dict[str, str], state.get("settings", {}))
    return {field: value for field, value in {**values, **running}.items() if value and field in Settings.model_fields}


def _content(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None


def _explain(error: ValidationError, values: Mapping[str, object], origins: Mapping[str, Origin]) -> str:
    lines: list[str] = []
    by_name = {setting_name(field): field for field in Settings.model_fields}
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0])
        field = by_name.get(field, field)
        is_secret = "SecretStr" in str(Settings.model_fields[field].annotation) or "://" in str(values.get(field))
        given = HIDDEN if is_secret else repr(values.get(field))
        reason = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{setting_name(field)} = {given} (from {origins.get(field, 'default')}): {reason}")
    return "\n         ".join(
        ["a setting is wrong:" if len(lines) == 1 else f"{len(lines)} settings are wrong:", *lines]
    )


def _is_known(name: str, known: Sequence[str]) -> bool:
    return name in known or any(form.fullmatch(name) for form in NAMED.values())


def unknown_settings(environment: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Names that begin as ours but are no setting, each with the setting that was probably meant."""
    known = [setting_name(field) for field in Settings.model_fields]
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and not _is_known(name, known))
    return [(name, next(iter(difflib.get_close_matches(name, known, n=1)), None)) for name in unknown]
