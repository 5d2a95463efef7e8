"""An imitation of a language model's server, for where there is no key: it speaks Chat Completions on this machine.

It checks a request as the documented API does (key, model, messages, schema), answers at once or as a stream, and
refuses in the documented forms. What it answers is up to whoever starts it; `obliging` makes a text of what the prompt
says, which is no model's work and never pretends to be.
"""

import argparse
import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from journeys.drafting.tongues import detect

KEY = "sk-imitation-0123456789"
MODEL = "imitation-1"


@dataclass(frozen=True)
class Asked:
    """One request that was let in."""

    headers: Mapping[str, str]
    request: Mapping[str, Any]

    @property
    def system(self) -> str:
        """The rules."""
        return str(self.request["messages"][0]["content"])

    @property
    def user(self) -> str:
        """What is asked."""
        return str(self.request["messages"][-1]["content"])

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is wanted as a stream."""
        return bool(self.request.get("stream"))


@dataclass(frozen=True)
class Answer:
    """A completion. `usage` are the tokens of the prompt and of the answer; None: the server does not say."""

    content: str | None
    finish_reason: str | None = "stop"
    refusal: str | None = None
    usage: tuple[int, int] | None = (100, 20)


@dataclass(frozen=True)
class Refusal:
    """An error in the API's form."""

    status: int
    code: str | None = None
    message: str = "The request cannot be served."
    type: str = "invalid_request_error"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Raw:
    """Anything else that a server might say."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


Trouble = Literal["hang", "drop", "stall", "endless"]
"""No answer; the line is cut; it is cut or stays silent in the middle of an answer; an answer without end."""

Reply = Answer | Refusal | Raw | Trouble


@dataclass
class WriterServer:
    """One server. `replies` come first, one for each request; then `usual` is asked. `knows_not` are parts of a request
    that it refuses as unknown, as an older server would.
    """

    usual: Callable[[Asked], Reply]
    replies: list[Reply] = field(default_factory=list[Reply])
    knows_not: frozenset[str] = frozenset()
    key: str = KEY
    model: str = MODEL
    port: int = 0
    asked: list[Asked] = field(default_factory=list[Asked])
    _lines: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"http://127.0.0.1:{self.port}/v1"

    def settings(self) -> dict[str, str]:
        """The settings that lead here, by their names in the environment."""
        return {"OPENAI_API_KEY": self.key, "OPENAI_BASE_URL": self.url, "WAYMARK_WRITER_MODEL": self.model}

    async def start(self) -> None:
        """Listen; port 0 takes a free one."""
        self._server = await asyncio.start_server(self._line, "127.0.0.1", self.port, limit=4 * 1024 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every line."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._lines):
            writer.close()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(headers, cast("dict[str, Any]", json.loads(body or b"{}")))
        reply = self._wrong_with(first, asked) or self._reply(asked)
        match reply:
            case Answer():
                _write(writer, _streamed(asked, reply) if asked.is_streamed else _completion(asked, reply))
            case Refusal():
                _write(writer, _error(reply))
            case Raw():
                _write(writer, reply)
            case "drop":
                return False
            case "hang":
                await asyncio.get_running_loop().create_future()
            case "stall":
                writer.write(b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
                await writer.drain()
                return False
            case "endless":
                await _talk_without_end(writer)
        await writer.drain()
        return True

    def _reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.replies.pop(0) if self.replies else self.usual(asked)

    def _wrong_with(self, first: str, asked: Asked) -> Refusal | None:
        """What the documented API would say to such a request, before any model sees it."""
        if first.split()[:2] != ["POST", "/v1/chat/completions"]:
            return Refusal(404, None, "Invalid URL")
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            given = asked.headers.get("authorization", "").removeprefix("Bearer ")
            return Refusal(401, "invalid_api_key", f"Incorrect API key provided: {given}.")
        if asked.request.get("model") != self.model:
            return Refusal(404, "model_not_found", f"The model `{asked.request.get('model')}` does not exist.")
        for part in sorted(self.knows_not & asked.request.keys()):
            message = f"Unknown parameter: '{part}'."
            return Refusal(400, "unknown_parameter", message, param=part)
        return _wrong_with_schema(asked.request.get("response_format"))


def _wrong_with_schema(given: object) -> Refusal | None:
    if given is None:
        return None
    form = cast("dict[str, Any]", given)
    schema = form.get("json_schema", {}).get("schema", {})
    is_sound = (
        form.get("type") == "json_schema"
        and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", form["json_schema"].get("name", "")) is not None
        and schema.get("additionalProperties") is False
        and sorted(schema.get("required", [])) == sorted(schema.get("properties", {}))
    )
    message = "Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false."
    return None if is_sound else Refusal(400, "invalid_json_schema", message, param="response_format")


# --- the forms of an answer ---------------------------------------------------------------------------------------


def _write(writer: asyncio.StreamWriter, raw: Raw) -> None:
    lines = [f"HTTP/1.1 {raw.status} X", *(f"{name}: {value}" for name, value in raw.headers.items())]
    writer.write("\r\n".join([*lines, f"content-length: {len(raw.body)}", "", ""]).encode() + raw.body)


def _error(refusal: Refusal) -> Raw:
    error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
    headers = {"content-type": "application/json", "x-request-id": "req_imitation", **refusal.headers}
    return Raw(json.dumps({"error": error}).encode(), refusal.status, headers)


def _envelope(asked: Asked, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-imitation", "object": kind, "created": 1_790_000_000, "model": asked.request["model"]}


def _usage(answer: Answer) -> dict[str, int] | None:
    if answer.usage is None:
        return None
    said, wrote = answer.usage
    return {"prompt_tokens": said, "completion_tokens": wrote, "total_tokens": said + wrote}


def _completion(asked: Asked, answer: Answer) -> Raw:
    message = {"role": "assistant", "content": answer.content, "refusal": answer.refusal}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    plain = {**_envelope(asked, "chat.completion"), "choices": [choice]}
    if answer.usage is not None:
        plain["usage"] = _usage(answer)
    return Raw(json.dumps(plain).encode())


def _streamed(asked: Asked, answer: Answer) -> Raw:
    """The same as server-sent events: a role, pieces, the reason why it ends, the usage where that is wanted."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name, text in (("content", answer.content), ("refusal", answer.refusal)):
        deltas += [{name: piece} for piece in re.findall(r"(?s).{1,7}", text or "")]
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    if answer.finish_reason is not None:
        choices.append([{"index": 0, "delta": {}, "finish_reason": answer.finish_reason}])
    chunks = [{**_envelope(asked, "chat.completion.chunk"), "choices": choice, "usage": None} for choice in choices]
    if asked.request.get("stream_options", {}).get("include_usage") and answer.usage is not None:
        chunks.append({**_envelope(asked, "chat.completion.chunk"), "choices": [], "usage": _usage(answer)})
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Raw("".join([*events, "data: [DONE]\n\n"]).encode(), headers={"content-type": "text/event-stream"})


async def _talk_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n["\r\n')
    while True:
        writer.write(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
        await writer.drain()


# --- what it answers in the demo ----------------------------------------------------------------------------------

_FALLBACK = re.compile(r"<<<DATA [0-9a-f]+: the text that goes out.*?>>>\n(.*?)\n<<<END", re.DOTALL)
_VALUE = re.compile(r"<<<DATA [0-9a-f]+: the readers are those.*?>>>\n\| (.*?)\n<<<END", re.DOTALL)
_FOUND = re.compile(r"<<<DATA [0-9a-f]+: what was found wrong.*?>>>\n(.*?)\n<<<END", re.DOTALL)
_LANGUAGE = re.compile(r"^- language: the language (\S+)", re.MULTILINE)
_ALTERNATIVE = re.compile(r"<<<DATA [0-9a-f]+: alternative \d+, which is there already")
PRESSURE = "Hurry, only 2 days are left!"
"""What the first draft says where it should have a fault to be found."""

_OTHERWISE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("{}, in other words", "Here is the same in other words, for whenever you have a moment to read it."),
        ("A word on this: {}", "You may know this one already; then read it as a reminder, and as no more."),
        ("{}, once more", "A short word between two other things, to be read when it suits you best."),
        ("Again: {}", "Somebody thought that this could be of use to you, so here it is."),
    ),
    "de": (
        ("{}, anders gesagt", "Hier steht dasselbe noch einmal in anderen Worten, für einen ruhigen Augenblick."),
        ("Kurz gesagt: {}", "Vielleicht kennst du das schon; dann lies es als Erinnerung und als nicht mehr."),
        ("{}, noch einmal", "Ein kurzes Wort zwischen zwei anderen Dingen, zu lesen, wann es dir passt."),
        ("Noch einmal: {}", "Jemand meinte, dass dir das von Nutzen sein kann, darum steht es hier."),
    ),
}
"""How an alternative begins, by language: its subject, and its first sentence."""


def obliging(asked: Asked, *, is_faulty_at_first: bool = False) -> Answer:
    """A text made of the prompt alone: the fallback's sentences whose placeholders may be used and with which nothing
    was found wrong, and for whom it is. Of alternatives each begins in its own way and says less.
    """
    subject, sentences = _fallback_in(asked.user)
    kept = [sentence for sentence in sentences if not _is_wrong(sentence, asked.user)]
    subject, kept = _otherwise(asked.user, subject, kept)
    value = _VALUE.search(asked.user)
    if value is not None and _LANGUAGE.search(asked.user) is None:
        kept.append(f"This text is for {value[1]}.")
    if is_faulty_at_first and _FOUND.search(asked.user) is None:
        kept.append(PRESSURE)
    kept.sort(key=lambda sentence: "{{ link }}" in sentence)  # the link comes last
    body = " ".join(kept or ["There is something new for you."])
    text = {"subject": subject, "body": f"{body[:1].upper()}{body[1:]}"}
    words = len(asked.system.split()) + len(asked.user.split())
    return Answer(json.dumps(text), usage=(words * 4 // 3, len(text["body"].split()) * 4 // 3))


def _fallback_in(prompt: str) -> tuple[str, list[str]]:
    """The subject and the sentences of the text that goes out otherwise; those that print what may not be left out."""
    fallback = _FALLBACK.search(prompt)
    lines = [] if fallback is None else [line.removeprefix("|").strip() for line in fallback[1].split("\n")]
    first, *rest = [line for line in lines if line] or [""]
    allowed = set(re.findall(r"^- (\{\{ .*? \}\})", prompt, re.MULTILINE))
    sentences = [sentence for line in rest for sentence in re.split(r"(?<=[.!?])\s+", line)]
    kept = [sentence for sentence in sentences if set(re.findall(r"\{\{.*?\}\}|\{%.*?%\}", sentence)) <= allowed]
    return re.sub(r"\{\{.*?\}\}", "", first).strip(" ,") or "A message for you", kept


def _is_wrong(sentence: str, prompt: str) -> bool:
    """Whether a finding quotes it, or a part of it."""
    found = _FOUND.search(prompt)
    quotes = [] if found is None else re.findall(r'"([^"\n]+)"$', found[1], re.MULTILINE)
    return any(quote in sentence or sentence in quote for quote in quotes)


def _otherwise(prompt: str, subject: str, sentences: list[str]) -> tuple[str, list[str]]:
    """The text as an alternative to so many that are there; where we know no such words, as it is."""
    number = len(_ALTERNATIVE.findall(prompt))
    if not number:
        return subject, sentences
    asked_for = _LANGUAGE.search(prompt)
    said = detect(" ".join(sentences))
    language = asked_for[1].partition("-")[0] if asked_for else said[0] if said else ""
    ways = _OTHERWISE.get(language, ())
    if number > len(ways):
        return subject, sentences
    title, opening = ways[number - 1]
    plain = [sentence for sentence in sentences if "{{ link }}" not in sentence]
    links = [sentence for sentence in sentences if "{{ link }}" in sentence]
    return title.format(subject), [opening, *(plain[number % len(plain) :][:1] if plain else []), *links]


# --- as a process -------------------------------------------------------------------------------------------------


def now_and_then() -> Callable[[Asked], Reply]:
    """What the process answers: its first text has a fault, as a model's has now and then."""
    is_first = True

    def reply(asked: Asked) -> Reply:
        nonlocal is_first
        was_first, is_first = is_first, False
        return obliging(asked, is_faulty_at_first=was_first)

    return reply


async def _serve(port: int) -> None:
    server = WriterServer(usual=now_and_then(), port=port)
    await server.start()
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Answer on a port of this machine until told to stop."""
    parser = argparse.ArgumentParser(description="An imitation of a language model's server.")
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port))


if __name__ == "__main__":
    main()
