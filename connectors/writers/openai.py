"""The writer `openai`: Chat Completions with structured output, of OpenAI or of any server that speaks them.

    prompt ─> POST /chat/completions ─┬─ an error of the server ───────────> Retryable, Permanent, Misconfigured
                                      ├─ an answer that is no text ────────> Unusable
                                      └─ {"subject": ..., "body": ...} ────> Written

A compatible server may refuse what it does not know (a JSON schema, the end of a stream's usage, a limit of tokens):
that part of the request is left out then, and from then on. The prompt asks for JSON by itself, and each answer is
judged here whatever was promised. The package's own retries are off: when to try again is for whoever calls.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, cast
from urllib.parse import urlsplit

import httpx2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from connectors.answers import LATER, LONGEST_WORDS, is_about_tls, wait_asked_for, web_url, words_of
from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.writers.base import Unusable, UnusableReason, Writer, WriterSettings, Written, writer
from journeys.drafting.order import DraftText, Prompt
from journeys.durations import parse_duration

if TYPE_CHECKING:  # takes half a second to import, and most processes never write
    from openai import APIStatusError, AsyncOpenAI
    from openai import AsyncAPIResponse as Response

_Create = Callable[..., AbstractAsyncContextManager["Response[Any]"]]

logging.getLogger("httpx2").setLevel(logging.WARNING)  # its INFO lines show the whole URL, which may be a secret

LONGEST_ANSWER = 32_000
"""Characters of an answer; one that is longer is no message."""
LARGEST_BODY = 4 * 1024 * 1024
"""Bytes that are read of an answer with everything around it: a stream has a few hundred around each word."""
MOST_TOKENS = 8_000
"""Tokens that one answer may take, with what a model thinks before it answers."""
MOST_COUNTED = 10_000_000
"""Tokens that a server is believed to have counted for one call, in or out: no model takes as many."""
LONGEST_CONNECT_SECONDS = 10.0

_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"})
_DECLINED = frozenset({"content_filter", "content_policy_violation"})
_OF_PROMPT = _DECLINED | {
    "context_length_exceeded", "invalid_prompt", "prompt_too_long", "request_too_large", "string_above_max_length",
}  # fmt: skip
_SAYS_OF_PROMPT = re.compile(
    r"context (?:length|size|window)|too (?:long|many tokens)|content (?:management )?(?:filter|policy)|usage polic"
    r"|safety (?:filter|polic|system)|was flagged",
    re.IGNORECASE,
)
"""What a server says that will not have this prompt, by its code or, where it names none, in words. Whatever else it
refuses, it would refuse of any prompt.
"""
_SETTINGS = (
    ("OPENAI_API_KEY", re.compile(r"api.?key|auth|credential|permission", re.IGNORECASE)),
    ("WAYMARK_WRITER_MODEL", re.compile(r"model|deployment|engine", re.IGNORECASE)),
)
"""Which setting a refusal is about, by its words; else the address is to be looked at."""
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value().strip()
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ValueError("write the key as the provider gave it, without spaces")
    return SecretStr(key)


class OpenAISettings(WriterSettings):
    """Whom to ask, for which model, and how."""

    api_key: Annotated[SecretStr, AfterValidator(_key)] | None = Field(
        None, alias="OPENAI_API_KEY", description="The writer's key; without one there is no writer."
    )
    base_url: Annotated[str, AfterValidator(web_url)] | None = Field(
        None, alias="OPENAI_BASE_URL", description="Another address of the writer's API, as https://llm.example.org/v1."
    )
    model: str | None = Field(
        None,
        alias="WAYMARK_WRITER_MODEL",
        description="The language model that drafts; without one there is no writer.",
    )
    is_streamed: bool = Field(
        False, alias="WAYMARK_WRITER_STREAM", description="Whether answers are streamed: for servers that want it."
    )
    answer: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        timedelta(minutes=2),
        alias="WAYMARK_WRITER_ANSWER",
        ge=timedelta(seconds=1),
        le=timedelta(minutes=20),
        description="How long one answer may take, as 2m.",
    )

    @property
    def is_set_up(self) -> bool:
        """Whether there is a key and a model."""
        return self.api_key is not None and self.model is not None


# --- what is read of an answer ------------------------------------------------------------------------------------


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Part(_Read):
    type: str = "text"
    text: str | None = None


class _Said(_Read):
    content: str | list[_Part] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class _Choice(_Read):
    message: _Said = _Said()
    delta: _Said = _Said()
    finish_reason: str | None = None


class _Usage(_Read):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(_Read):
    """A completion, or a chunk of one."""

    model: str | None = None
    choices: list[_Choice] = []
    usage: _Usage | None = None


class _Trouble(Exception):
    """The answer is no completion at all."""

    def __init__(self, reason: UnusableReason, detail: str, raw: str) -> None:
        super().__init__(detail)
        self.reason: UnusableReason = reason
        self.detail = detail
        self.raw = raw


class _Failed(Exception):
    """The server said in the middle of an answer that it failed; `is_begun`: some of the answer had come."""

    def __init__(self, error: Mapping[str, Any], raw: str) -> None:
        super().__init__("the server failed in the middle")
        self.error = error
        self.raw = raw
        self.is_begun = False


@dataclass(frozen=True, slots=True)
class _About:
    """What a server said with a refusal: its status, its own code and type, its message, and all of its words."""

    status: int
    given_code: object
    given_type: object
    message: str
    words: str

    @property
    def code(self) -> str | None:
        """Its code, or type, where that is a word by which it can be looked up."""
        said = (one for one in (self.given_code, self.given_type) if isinstance(one, str) and _CODE.fullmatch(one))
        return next(said, None)

    @property
    def named(self) -> str:
        """The status, with the server's code for it."""
        return str(self.status) if self.code is None else f"{self.status}, {self.code}"

    def is_one_of(self, codes: frozenset[str]) -> bool:
        """Whether its code or type is."""
        return any(isinstance(one, str) and one in codes for one in (self.given_code, self.given_type))

    @property
    def is_of_prompt(self) -> bool:
        """Whether this prompt is refused, for what it says or how long it is, and another one would not be."""
        if self.status == 413 or self.is_one_of(_OF_PROMPT):
            return True
        return self.status in (400, 422) and _SAYS_OF_PROMPT.search(self.message) is not None

    @property
    def setting(self) -> str:
        """The setting that it is about, as far as its words tell."""
        said = f"{self.code or ''} {self.message}"
        return next((setting for setting, words in _SETTINGS if words.search(said)), "OPENAI_BASE_URL")


_Dispensable = Literal["response_format", "stream_options", "max_completion_tokens"]
_HINTS: Mapping[_Dispensable, tuple[str, ...]] = {
    "response_format": ("response_format", "json_schema", "structured output", "json schema"),
    "stream_options": ("stream_options", "include_usage"),
    "max_completion_tokens": ("max_completion_tokens", "max_tokens"),
}
"""What a request can do without, and by which words a server that does not know it refuses it."""


@writer("openai")
class OpenAIWriter(Writer):
    """One server, one model."""

    name: ClassVar[str]
    settings: ClassVar[type[WriterSettings]] = OpenAISettings

    def __init__(self, settings: OpenAISettings) -> None:
        if settings.api_key is None or settings.model is None:
            raise ValueError("the writer openai is not set up: set OPENAI_API_KEY and WAYMARK_WRITER_MODEL")
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        self._model = settings.model
        self._without: set[_Dispensable] = set()
        self._seconds = settings.answer.total_seconds()
        self._client: AsyncOpenAI | None = None

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self._model

    async def write(self, prompt: Prompt) -> Written | Unusable:
        """Ask once; again only without what the server does not know."""
        try:
            async with asyncio.timeout(self._seconds):
                completion, raw = await self._asked(prompt)
        except TimeoutError:
            raise Retryable(f"{self._called} did not answer within {self._seconds:g} s") from None
        except _Trouble as trouble:
            tokens = _estimated(prompt.system + prompt.user), _estimated(trouble.raw)
            return Unusable(trouble.reason, trouble.detail, self._model, *tokens, _storable(trouble.raw))
        return self._judged(completion, raw, prompt)

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()

    # --- asking

    async def _asked(self, prompt: Prompt) -> tuple[_Completion, str]:
        from openai import APIConnectionError, APIStatusError

        while True:
            try:
                return await self._exchange(self._request(prompt))
            except APIStatusError as error:
                unknown = self._unknown_to_server(error)
                if unknown is None:
                    raise self._refused(error) from error
                self._without.add(unknown)
            except (APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
                raise self._broken(error) from error
            except _Failed as failure:
                raise self._failed(failure) from failure

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        schema = {"name": "message", "strict": True, "schema": dict(prompt.schema)}
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "max_completion_tokens": MOST_TOKENS,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        if self._settings.is_streamed:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in request.items() if name not in self._without}

    async def _exchange(self, request: dict[str, Any]) -> tuple[_Completion, str]:
        create = cast("_Create", self._opened().chat.completions.with_streaming_response.create)
        async with create(**request) as response:
            if "html" in response.headers.get("content-type", ""):
                raise Misconfigured(
                    f"{self._called} answers with a web page: OPENAI_BASE_URL must lead to the API, as .../v1",
                    setting="OPENAI_BASE_URL",
                )
            try:
                body = await _read(response.iter_bytes(), is_streamed="stream" in request)
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                broken = self._broken(error)
                broken.may_be_billed = True
                raise broken from error
        if "stream" in request and not body.lstrip().startswith("{"):  # a server may not stream at all
            return _joined(body), body
        return _completion(body), body

    def _opened(self) -> "AsyncOpenAI":
        if self._client is None:
            from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

            timeout = httpx2.Timeout(self._seconds, connect=min(LONGEST_CONNECT_SECONDS, self._seconds))
            self._client = AsyncOpenAI(
                api_key=self._key,
                base_url=self._settings.base_url,
                max_retries=0,
                timeout=timeout,
                http_client=DefaultAsyncHttpx2Client(follow_redirects=False, timeout=timeout),
                default_headers={"accept-encoding": "identity"},  # no small body becomes huge
            )
        return self._client

    # --- what went wrong

    @property
    def _called(self) -> str:
        """The host alone: a path or a query may be a secret."""
        host = urlsplit(self._settings.base_url or "").hostname
        return "the writer" if host is None else f"the writer at {host}"

    def _unknown_to_server(self, error: "APIStatusError") -> _Dispensable | None:
        """The part of the request that the server refuses, where it can be left out."""
        if error.status_code not in (400, 422):
            return None
        said = f"{error.param or ''} {error.message}".lower()
        for part, hints in _HINTS.items():
            is_sent = part not in self._without and (part != "stream_options" or self._settings.is_streamed)
            if is_sent and any(hint in said for hint in hints):
                return part
        return None

    def _refused(self, error: "APIStatusError") -> ConnectorError:
        words = self._hidden(words_of(error.status_code, error.response.content))
        about = _About(error.status_code, error.code, error.type, _message_in(error.body), words)
        return self._meaning(about, after=_after(error.response.headers))

    def _failed(self, failure: _Failed) -> ConnectorError:
        error = failure.error
        code = error.get("code")
        words = self._hidden(words_of(200, failure.raw.encode(errors="replace")))
        status = code if isinstance(code, int) else 500
        meant = self._meaning(_About(status, code, error.get("type"), _message_in(error), words), after=None)
        meant.may_be_billed = failure.is_begun or isinstance(meant, Retryable)
        return meant

    def _meaning(self, about: _About, *, after: timedelta | None) -> ConnectorError:
        """What a refusal means for us."""
        status, code, words = about.status, str(about.status), about.words
        named = self._hidden(about.named)
        if status == 402 or about.is_one_of(_QUOTA):
            return Misconfigured(
                f"{self._called} writes nothing more: the quota of the key is used up; raise it with the provider",
                setting="OPENAI_API_KEY", code="insufficient_quota", provider_words=words,
            )  # fmt: skip
        if status in (401, 403):
            return Misconfigured(
                f"{self._called} does not let us in ({named}): OPENAI_API_KEY must be a key that may use {self._model}",
                setting="OPENAI_API_KEY", code=code, provider_words=words,
            )  # fmt: skip
        if about.is_of_prompt:
            declined = about.code if about.is_one_of(_DECLINED) else None
            return Permanent(
                f"{self._called} refuses the prompt ({named})", code=declined or code, provider_words=words
            )
        if status == 404:
            return Misconfigured(
                f"{self._called} has no {self._model} ({named}): look at WAYMARK_WRITER_MODEL and OPENAI_BASE_URL",
                setting="WAYMARK_WRITER_MODEL", code=code, provider_words=words,
            )  # fmt: skip
        if status in LATER or status == 409 or status >= 500:
            return Retryable(
                f"{self._called} does not write now ({code})", after=after, code=code, provider_words=words
            )
        if status < 400:
            return Misconfigured(
                f"{self._called} answers with a redirect ({code}), which is not followed: set OPENAI_BASE_URL to where "
                "it leads",
                setting="OPENAI_BASE_URL", code=code, provider_words=words,
            )  # fmt: skip
        return Misconfigured(
            f"{self._called} refuses what we ask, whatever the prompt ({named}): look at {about.setting} first",
            setting=about.setting, code=code, provider_words=words,
        )  # fmt: skip

    def _broken(self, error: Exception) -> ConnectorError:
        from openai import APITimeoutError

        if is_about_tls(error):
            return Misconfigured(
                f"{self._called} speaks no TLS that can be trusted: its certificate must be known to this machine",
                setting="OPENAI_BASE_URL",
            )
        if isinstance(error, (APITimeoutError, httpx2.TimeoutException)):
            return Retryable(f"{self._called} did not answer within {self._seconds:g} s")
        return Retryable(f"{self._called} cannot be reached, or hung up ({type(error).__name__})")

    def _hidden(self, words: str) -> str:
        return words.replace(self._key, "(hidden)")

    # --- judging the answer

    def _judged(self, completion: _Completion, body: str, prompt: Prompt) -> Written | Unusable:
        choice = completion.choices[0] if completion.choices else _Choice()
        text = choice.message.text
        model = completion.model or self._model
        raw = _storable(text or choice.message.refusal or body)
        usage = completion.usage or _Usage()
        tokens_in = _counted(usage.prompt_tokens) or _estimated(prompt.system + prompt.user)
        tokens_out = _counted(usage.completion_tokens) or _estimated(raw)
        found = _text_of(choice, text)
        if isinstance(found, DraftText):
            return Written(found, model, tokens_in, tokens_out, raw)
        reason, detail = found
        return Unusable(reason, detail, model, tokens_in, tokens_out, raw)


def _message_in(body: object) -> str:
    """The message of an error; empty where it has none."""
    message = cast("Mapping[str, object]", body).get("message") if isinstance(body, Mapping) else body
    return message[:LONGEST_WORDS] if isinstance(message, str) else ""


def _after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the server asks us to wait; some tell it in milliseconds."""
    milliseconds = headers.get("retry-after-ms", "")
    seconds = str(-(-int(milliseconds) // 1000)) if milliseconds.isascii() and milliseconds.isdecimal() else None
    return wait_asked_for(headers.get("retry-after", seconds), now=datetime.now(UTC))


def _text_of(choice: _Choice, text: str) -> DraftText | tuple[UnusableReason, str]:
    """The text of an answer, or why it has none."""
    if choice.message.refusal or choice.finish_reason in _DECLINED:
        return "refused", "the model declined to write this"
    if len(text) > LONGEST_ANSWER:
        return "too_long", f"the answer has {len(text)} characters, at most {LONGEST_ANSWER} are read"
    if choice.finish_reason == "length":
        return "cut_off", "the answer stops in the middle: the model reached its limit"
    if not text.strip():
        return "empty", "the answer is empty"
    found = _read_text(text)
    if choice.finish_reason is None and not isinstance(found, DraftText) and found[0] == "no_json":
        return "cut_off", "the answer stops in the middle, and the server did not say why"
    return found


_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_BLOCK = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)


def _read_text(text: str) -> DraftText | tuple[UnusableReason, str]:
    """The two texts in the JSON of an answer; a fence around it, and thoughts before it, are passed over."""
    bare = _THOUGHT.sub("", text)
    block = _BLOCK.match(bare)
    try:
        plain: object = json.loads(block[1] if block else bare)
    except (ValueError, RecursionError):
        return "no_json", "the answer is not JSON"
    if not isinstance(plain, dict):
        return "wrong_shape", "the answer is JSON, and no object with subject and body"
    fields = cast("dict[str, object]", plain)
    subject, body = fields.get("subject"), fields.get("body")
    if not isinstance(subject, str) or not isinstance(body, str) or len(fields) != 2:
        return "wrong_shape", "the answer is JSON, and no object with the texts subject and body alone"
    if not subject.strip() or not body.strip():
        return "empty", "the subject or the body is empty"
    if _storable(subject + body) != subject + body:
        return "wrong_shape", "the answer holds characters that cannot be kept (NUL or half a character)"
    return DraftText(" ".join(subject.split()), body.strip())


# --- reading the answer -------------------------------------------------------------------------------------------


_END = re.compile(rb"(?:\A|[\r\n])data: ?\[DONE\]")
"""The end of a stream; some servers keep the line open behind it."""


async def _read(chunks: AsyncIterator[bytes], *, is_streamed: bool) -> str:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if is_streamed and _END.search(body, max(len(body) - len(chunk) - 16, 0)):
            break
        if len(body) > LARGEST_BODY:
            detail = f"the answer is larger than {LARGEST_BODY // 1024} kB"
            raise _Trouble("too_long", detail, body[:LONGEST_ANSWER].decode(errors="replace"))
    return body.decode(errors="replace")


def _completion(body: str) -> _Completion:
    """The completion, or a chunk of one, that this JSON is."""
    try:
        plain: object = json.loads(body)
    except (ValueError, RecursionError):
        raise _Trouble("no_json", "the server's answer is not JSON", body) from None
    if isinstance(plain, dict) and isinstance(error := cast("dict[str, Any]", plain).get("error"), dict):
        raise _Failed(cast("dict[str, Any]", error), body)
    try:
        return _Completion.model_validate(plain)
    except ValidationError:
        raise _Trouble("wrong_shape", "the server's answer is no chat completion", body) from None


def _joined(body: str) -> _Completion:
    """The chunks of a stream (server-sent events) as one completion."""
    chunks: list[_Completion] = []
    for data in _events(body):
        try:
            chunks.append(_completion(data))
        except _Failed as failure:
            failure.is_begun = bool(chunks)
            raise
    firsts = [chunk.choices[0] for chunk in chunks if chunk.choices]
    said = _Said(
        content="".join(choice.delta.text for choice in firsts),
        refusal="".join(choice.delta.refusal or "" for choice in firsts) or None,
    )
    whole = _Choice(message=said, finish_reason=_last([choice.finish_reason for choice in firsts]))
    return _Completion(
        model=_last([chunk.model for chunk in chunks]), choices=[whole], usage=_last([chunk.usage for chunk in chunks])
    )


def _events(body: str) -> list[str]:
    """The data of each event up to the end that the protocol marks."""
    found: list[str] = []
    for event in re.split(r"(?:\r\n|\n|\r){2,}", body):
        lines = [line[5:].removeprefix(" ") for line in re.split(r"\r\n|\n|\r", event) if line.startswith("data:")]
        data = "\n".join(lines)
        if data.strip() == "[DONE]":
            break
        if data.strip():
            found.append(data)
    return found


_T = TypeVar("_T")


def _last(values: Sequence[_T | None]) -> _T | None:
    return next((value for value in reversed(values) if value is not None), None)


def _counted(tokens: int) -> int:
    return min(max(tokens, 0), MOST_COUNTED)


def _estimated(text: str) -> int:
    """About how many tokens a text is, where nobody says: rather too many."""
    return len(text.encode(errors="replace")) // 3 + 1


def _storable(text: str) -> str:
    """The text without what no database keeps."""
    return text.replace("\0", "").encode(errors="ignore").decode()
