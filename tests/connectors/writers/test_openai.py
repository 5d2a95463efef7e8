"""The writer `openai` against a server that speaks Chat Completions, in one piece and as a stream."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors.errors import ConnectorError, Misconfigured, Permanent, Retryable
from connectors.writers import WRITERS, Unusable, Written, open_writer, read_writers
from connectors.writers.base import Writer, writer
from connectors.writers.openai import (
    LARGEST_BODY,
    LONGEST_ANSWER,
    MOST_COUNTED,
    MOST_TOKENS,
    OpenAISettings,
    OpenAIWriter,
)
from journeys.drafting.order import DraftOrder, DraftText, prompt_of
from journeys.program import Draft, Wording
from waymark.demo.writer import KEY, MODEL, Answer, Asked, Raw, Refusal, Reply, WriterServer, obliging

ORDER = DraftOrder(
    "a-journey",
    "hello",
    None,
    "Team Lead",
    Draft("Remind her.", uses=("learner.role",)),
    Wording("Hello", "Your turn."),
)
PROMPT = prompt_of(ORDER)
TEXT = DraftText("Your course", "The first lesson helps every {{ learner.role }}.")
SOUND = json.dumps({"subject": TEXT.subject, "body": TEXT.body})


def sound(_asked: Asked) -> Reply:
    return Answer(SOUND)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WriterServer]:
    """A server whose model always writes, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = WriterServer(sound)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=["in one piece", "streamed"])
def is_streamed(request: pytest.FixtureRequest) -> bool:
    """Every answer in both forms of the protocol."""
    return request.param == "streamed"


def opened(server: WriterServer, *, is_streamed: bool = False, answer: str = "10s", **other: str) -> Writer:
    values = {**server.settings(), "WAYMARK_WRITER_STREAM": str(is_streamed), "WAYMARK_WRITER_ANSWER": answer, **other}
    made = open_writer(values)
    assert made is not None
    return made


async def wrote(server: WriterServer, *, is_streamed: bool = False, **other: str) -> Written | Unusable:
    made = opened(server, is_streamed=is_streamed, **other)
    try:
        return await made.write(PROMPT)
    finally:
        await made.close()


async def raised(server: WriterServer, *, is_streamed: bool = False, **other: str) -> ConnectorError:
    with pytest.raises(ConnectorError) as error:
        await wrote(server, is_streamed=is_streamed, **other)
    return error.value


# --- what is asked, and what comes back ---------------------------------------------------------------------------


async def test_a_text_comes_back(server: WriterServer, is_streamed: bool) -> None:
    """With the model's name and the tokens it took."""
    written = await wrote(server, is_streamed=is_streamed)
    assert Written(TEXT, MODEL, 100, 20, SOUND) == written


async def test_the_prompt_is_sent_as_it_is_stored(server: WriterServer, is_streamed: bool) -> None:
    """The two messages are the prompt's two parts, its schema is the answer's, and nothing else tells the model
    anything.
    """
    await wrote(server, is_streamed=is_streamed)
    (asked,) = server.asked
    expected: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "system", "content": PROMPT.system}, {"role": "user", "content": PROMPT.user}],
        "max_completion_tokens": MOST_TOKENS,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "message", "strict": True, "schema": PROMPT.schema},
        },
    }
    if is_streamed:
        expected |= {"stream": True, "stream_options": {"include_usage": True}}
    assert expected == asked.request


async def test_one_writer_asks_many_at_once(server: WriterServer) -> None:
    """Each gets its own answer."""
    server.usual = lambda asked: Answer(json.dumps({"subject": asked.user[-9:], "body": "b"}))
    made = opened(server)
    orders = [DraftOrder("j", "m", None, None, Draft("b"), Wording("s", f"text {n:04}")) for n in range(30)]
    written = await asyncio.gather(*(made.write(prompt_of(order)) for order in orders))
    await made.close()
    subjects = [one.text.subject for one in written if isinstance(one, Written)]
    assert [prompt_of(order).user[-9:] for order in orders] == subjects


@pytest.mark.parametrize(
    "content",
    [
        f"```json\n{SOUND}\n```",
        f"```\n{SOUND}\n```\n",
        f"\n  {SOUND}\n",
        f"<think>She should {{smile}}.</think>\n{SOUND}",
        json.dumps({"body": f" {TEXT.body}\n", "subject": "Your\n course"}),
    ],
)
async def test_what_stands_around_the_json_is_passed_over(
    server: WriterServer, content: str, is_streamed: bool
) -> None:
    """Fences, thoughts, white space; a subject is one line."""
    server.replies = [Answer(content)]
    written = await wrote(server, is_streamed=is_streamed)
    assert isinstance(written, Written)
    assert written.text == TEXT
    assert content == written.raw


async def test_a_whole_text_needs_no_reason_why_it_ends(server: WriterServer, is_streamed: bool) -> None:
    """Half of a JSON object is none, so that a whole one is the whole answer."""
    server.replies = [Answer(SOUND, finish_reason=None)]
    assert isinstance(await wrote(server, is_streamed=is_streamed), Written)


async def test_content_in_parts_is_one_text(server: WriterServer) -> None:
    """Compatible servers may give a list."""
    parts = [{"type": "text", "text": SOUND[:9]}, {"type": "text", "text": SOUND[9:]}]
    body = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    server.replies = [Raw(json.dumps(body).encode())]
    written = await wrote(server)
    assert isinstance(written, Written)
    assert (TEXT, MODEL) == (written.text, written.model)


async def test_tokens_that_nobody_counts_are_estimated(server: WriterServer, is_streamed: bool) -> None:
    """Rather too many: a budget must not be passed because a server keeps silent."""
    server.replies = [Answer(SOUND, usage=None)]
    written = await wrote(server, is_streamed=is_streamed)
    assert written.tokens_in > len(PROMPT.system + PROMPT.user) // 4
    assert written.tokens_out > len(SOUND) // 4


async def test_tokens_beyond_belief_are_not_believed(server: WriterServer, is_streamed: bool) -> None:
    """A count that no column holds would have the text bought for ever."""
    server.replies = [Answer(SOUND, usage=(2**70, -5))]
    written = await wrote(server, is_streamed=is_streamed)
    assert written.tokens_in == MOST_COUNTED
    assert len(SOUND) // 4 < written.tokens_out < len(SOUND)


# --- answers that are no text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(None, refusal="I can't help with that."), "refused"),
        (Answer("", finish_reason="content_filter"), "refused"),
        (Answer(SOUND[:30], finish_reason="length"), "cut_off"),
        (Answer(SOUND, finish_reason="length"), "cut_off"),
        (Answer(SOUND[:30], finish_reason=None), "cut_off"),
        (Answer(""), "empty"),
        (Answer(" \n "), "empty"),
        (Answer(None), "empty"),
        (Answer(None, finish_reason="tool_calls"), "empty"),
        (Answer(None, finish_reason="function_call"), "empty"),
        (Answer('{"subject": " ", "body": "b"}'), "empty"),
        (Answer('{"subject": "s", "body": ""}'), "empty"),
        (Answer("a" * 100_000), "too_long"),
        (Answer(json.dumps({"subject": "s", "body": "b" * LONGEST_ANSWER})), "too_long"),
        (Answer("Sure! Here is your message."), "no_json"),
        (Answer(f"Sure! {SOUND}"), "no_json"),
        (Answer(SOUND + SOUND), "no_json"),
        (Answer(SOUND[:-1]), "no_json"),
        (Answer("{'subject': 's', 'body': 'b'}"), "no_json"),
        (Answer("<!doctype html><html><body>Hello</body></html>"), "no_json"),
        (Answer("[" * 30_000), "no_json"),
        (Answer("7"), "wrong_shape"),
        (Answer("null"), "wrong_shape"),
        (Answer(f"[{SOUND}]"), "wrong_shape"),
        (Answer('{"subject": "s"}'), "wrong_shape"),
        (Answer('{"subject": "s", "text": "b"}'), "wrong_shape"),
        (Answer('{"subject": "s", "body": ["b"]}'), "wrong_shape"),
        (Answer('{"subject": "s", "body": "b", "to": "everybody"}'), "wrong_shape"),
        (Answer('{"subject": "s", "body": "b\\u0000"}'), "wrong_shape"),
        (Answer('{"subject": "s", "body": "b\\ud83d"}'), "wrong_shape"),
    ],
)
async def test_an_answer_that_is_no_text_says_why(
    server: WriterServer, answer: Answer, reason: str, is_streamed: bool
) -> None:
    """The reason is a value, its tokens count, and what the model said is kept for diagnosis."""
    server.replies = [answer]
    found = await wrote(server, is_streamed=is_streamed)
    assert isinstance(found, Unusable)
    assert (reason, 100, 20, MODEL) == (found.reason, found.tokens_in, found.tokens_out, found.model)
    assert not answer.content or found.raw == answer.content
    assert (answer.content or "Hello")[:20] not in found.detail


def in_full(said: dict[str, Any], finish_reason: str, *, is_streamed: bool) -> Raw:
    """A completion with every field that the API documents beside the text, in either form."""
    rest = {"logprobs": {"content": [], "refusal": None}, "finish_reason": finish_reason}
    usage = {
        "prompt_tokens": 90,
        "completion_tokens": 30,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 12, "accepted_prediction_tokens": 0},
    }
    whole = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": MODEL, "service_tier": "default"}
    whole |= {"system_fingerprint": "fp_1"}
    if not is_streamed:
        said = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "audio": None, **said}
        choices = [{"index": 0, "message": said, **rest}]
        return Raw(json.dumps({**whole, "object": "chat.completion", "choices": choices, "usage": usage}).encode())
    whole["object"] = "chat.completion.chunk"
    first = {"role": "assistant", "content": None, "refusal": None}
    deltas = [first, *({name: value} for name, value in said.items()), {}]
    chunks: list[dict[str, Any]] = [{**whole, "choices": [], "prompt_filter_results": []}]  # as some say beforehand
    for delta in deltas:
        last = rest if delta == {} else {**rest, "finish_reason": None}
        chunks.append({**whole, "choices": [{"index": 0, "delta": delta, **last}], "usage": None, "obfuscation": "x"})
    chunks.append({**whole, "choices": [], "usage": usage})
    events = [": alive\n\n", *(f"event: message\nid: 7\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks)]
    return Raw("".join([*events, "data: [DONE]\n\n"]).encode(), headers={"content-type": "text/event-stream"})


async def test_an_answer_may_have_every_field_there_is(server: WriterServer, is_streamed: bool) -> None:
    """What a reasoning model thought, who quoted what, and what a token cost are passed over."""
    said = {"reasoning_content": "She is a team lead.", "content": SOUND, "annotations": [{"type": "url_citation"}]}
    server.replies = [in_full(said, "stop", is_streamed=is_streamed)]
    assert Written(TEXT, MODEL, 90, 30, SOUND) == await wrote(server, is_streamed=is_streamed)


CALL = {"name": "write", "arguments": SOUND}


@pytest.mark.parametrize(
    ("said", "finish_reason", "reason"),
    [
        ({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": CALL}]}, "tool_calls", "empty"),
        ({"tool_calls": [{"index": 0, "id": "call_1", "type": "custom", "custom": {}}]}, "tool_calls", "empty"),
        ({"function_call": CALL}, "function_call", "empty"),
        ({"audio": {"id": "audio_1", "data": "", "transcript": SOUND, "expires_at": 9}}, "stop", "empty"),
        ({"refusal": "I can't help with that."}, "stop", "refused"),
        ({"content": SOUND[:30]}, "content_filter", "refused"),
        ({"content": SOUND[:30]}, "length", "cut_off"),
    ],
)
async def test_an_answer_of_another_documented_kind_is_no_text(
    server: WriterServer, said: dict[str, Any], finish_reason: str, reason: str, is_streamed: bool
) -> None:
    """Nobody gave the model a tool: what it would call one with is no text that it wrote."""
    server.replies = [in_full(said, finish_reason, is_streamed=is_streamed)]
    found = await wrote(server, is_streamed=is_streamed)
    assert isinstance(found, Unusable)
    assert (reason, 90, 30) == (found.reason, found.tokens_in, found.tokens_out)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no_json"),
        (b"OK", "no_json"),
        (b'{"choices": [', "no_json"),
        (b"\xff\xfe\x00", "no_json"),
        (b"[1]", "wrong_shape"),
        (b'{"choices": "none"}', "wrong_shape"),
        (b'{"choices": [{"message": {"content": 7}}]}', "wrong_shape"),
        (b"{}", "empty"),
        (b'{"choices": []}', "empty"),
        (b'{"choices": [' + b" " * LARGEST_BODY + b"]}", "too_long"),
    ],
)
async def test_a_server_that_answers_in_another_form(server: WriterServer, body: bytes, reason: str) -> None:
    """It said 200, and no completion."""
    server.replies = [Raw(body)]
    found = await wrote(server)
    assert isinstance(found, Unusable)
    assert found.reason in (reason, "cut_off" if reason == "empty" else reason)
    assert found.tokens_in > 100
    assert "\0" not in found.raw


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b": nothing\n\n", "empty"),
        (b"data: [DONE]\n\n", "empty"),
        (b"data: {\n\n", "no_json"),
        (b"data: 7\n\n", "wrong_shape"),
        (b'data: {"choices": [{"delta": {"content": "{"}}]}\n\n', "cut_off"),
        (b'data: {"choices": [{"delta": {"content": "{"}}]}\r\n\r\ndata: [DONE]\r\n\r\n', "cut_off"),
    ],
)
async def test_a_stream_in_another_form(server: WriterServer, body: bytes, reason: str) -> None:
    """A stream that says nothing, or not what the protocol says, or ends in the middle."""
    server.replies = [Raw(body, headers={"content-type": "text/event-stream"})]
    found = await wrote(server, is_streamed=True)
    assert isinstance(found, Unusable)
    assert reason == found.reason


async def test_a_server_that_never_streams_is_understood(server: WriterServer) -> None:
    """It answers in one piece, whatever was asked."""
    body = {"choices": [{"message": {"content": SOUND}, "finish_reason": "stop"}]}
    server.replies = [Raw(json.dumps(body).encode())]
    written = await wrote(server, is_streamed=True)
    assert isinstance(written, Written)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (Refusal(400, "context_length_exceeded"), Permanent, "400"),
        (Refusal(400, "content_filter"), Permanent, "content_filter"),
        (Refusal(400, "invalid_prompt"), Permanent, "400"),
        (Refusal(413), Permanent, "413"),
        (Refusal(400, None, "This model's maximum context length is 8192 tokens."), Permanent, "400"),
        (Refusal(422, None, "The response was filtered by our content management policy."), Permanent, "422"),
        (Refusal(400), Misconfigured, "400"),
        (Refusal(400, "API_KEY_INVALID"), Misconfigured, "400"),
        (Refusal(405), Misconfigured, "405"),
        (Refusal(422), Misconfigured, "422"),
        (Refusal(403, "unsupported_country_region_territory"), Misconfigured, "403"),
        (Refusal(402), Misconfigured, "insufficient_quota"),
        (Refusal(404, "model_not_found"), Misconfigured, "404"),
        (Refusal(429, "insufficient_quota", type="insufficient_quota"), Misconfigured, "insufficient_quota"),
        (Refusal(429, None, type="insufficient_quota"), Misconfigured, "insufficient_quota"),
        (Refusal(429, "rate_limit_exceeded", type="tokens"), Retryable, "429"),
        (Refusal(408), Retryable, "408"),
        (Refusal(409), Retryable, "409"),
        (Refusal(500, type="server_error"), Retryable, "500"),
        (Refusal(503), Retryable, "503"),
        (Refusal(529), Retryable, "529"),
        (Refusal(307, headers={"location": "http://127.0.0.1:9/"}), Misconfigured, "307"),
    ],
)
async def test_each_refusal_says_who_must_act(
    server: WriterServer, refusal: Refusal, kind: type[ConnectorError], code: str, is_streamed: bool
) -> None:
    """One request each: when to try again is not the writer's business."""
    server.replies = [refusal]
    error = await raised(server, is_streamed=is_streamed)
    assert (kind, code) == (type(error), error.code)
    assert refusal.message in (error.provider_words or "")
    assert refusal.message not in str(error)
    assert 1 == len(server.asked)


async def test_a_wrong_key_is_named_and_not_told(server: WriterServer, is_streamed: bool) -> None:
    """The setting stands in the error; the key in neither the error nor the server's words."""
    error = await raised(server, is_streamed=is_streamed, OPENAI_API_KEY="sk-another-9876543210")
    assert isinstance(error, Misconfigured)
    assert ("OPENAI_API_KEY", "401") == (error.setting, error.code)
    assert "sk-another" not in f"{error} {error.provider_words}"
    assert "Incorrect API key provided: (hidden)" in (error.provider_words or "")


async def test_an_unknown_model_is_named(server: WriterServer, is_streamed: bool) -> None:
    """The setting to look at is the model's."""
    error = await raised(server, is_streamed=is_streamed, WAYMARK_WRITER_MODEL="imitation-9")
    assert isinstance(error, Misconfigured)
    assert error.setting == "WAYMARK_WRITER_MODEL"
    assert "imitation-9" in str(error)


@pytest.mark.parametrize(
    ("refusal", "setting", "named"),
    [
        (Refusal(400, "API_KEY_INVALID", "API key not valid."), "OPENAI_API_KEY", "400, API_KEY_INVALID"),
        (Refusal(400, None, "unknown model: m-9"), "WAYMARK_WRITER_MODEL", "400, invalid_request_error"),
        (Refusal(422, None, "No."), "OPENAI_BASE_URL", "422, invalid_request_error"),
        (Refusal(404, "model_not_found"), "WAYMARK_WRITER_MODEL", "404, model_not_found"),
        (Refusal(400, "no code at all, but prose"), "OPENAI_BASE_URL", "400, invalid_request_error"),
    ],
)
async def test_what_would_be_refused_of_any_prompt_names_the_setting_and_the_code(
    server: WriterServer, refusal: Refusal, setting: str, named: str
) -> None:
    """No text is given up for it: compatible servers say so of a bad key or an unknown model, too."""
    server.replies = [refusal]
    error = await raised(server)
    assert isinstance(error, Misconfigured)
    assert setting == error.setting
    assert f"({named})" in str(error)
    assert setting in str(error)


async def test_a_quota_that_is_used_up_says_so(server: WriterServer, is_streamed: bool) -> None:
    """It is no rate limit: waiting does not help."""
    server.replies = [Refusal(429, "insufficient_quota", headers={"retry-after": "5"})]
    error = await raised(server, is_streamed=is_streamed)
    assert isinstance(error, Misconfigured)
    assert "quota of the key is used up" in str(error)


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), (None, None), ("soon", None), ("999999", 86_400.0)])
async def test_a_rate_limit_says_how_long_to_wait(
    server: WriterServer, said: str | None, seconds: float | None, is_streamed: bool
) -> None:
    """As the server asks for, a day at the most."""
    headers = {} if said is None else {"retry-after": said}
    server.replies = [Refusal(429, "rate_limit_exceeded", headers=headers)]
    error = await raised(server, is_streamed=is_streamed)
    assert isinstance(error, Retryable)
    assert seconds == (None if error.after is None else error.after.total_seconds())


async def test_a_wait_may_be_told_in_milliseconds(server: WriterServer) -> None:
    """Rounded up to seconds."""
    server.replies = [Refusal(429, "rate_limit_exceeded", headers={"retry-after-ms": "1200"})]
    error = await raised(server)
    assert isinstance(error, Retryable)
    assert timedelta(seconds=2) == error.after


async def test_a_wait_may_be_told_as_a_date(server: WriterServer) -> None:
    """HTTP's other form of Retry-After."""
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    server.replies = [Refusal(503, headers={"retry-after": at})]
    error = await raised(server)
    assert isinstance(error, Retryable)
    assert error.after is not None
    assert timedelta(minutes=4) < error.after <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "overloaded", "type": "server_error", "code": None}, Retryable),
        ({"message": "wait", "type": "requests", "code": 429}, Retryable),
        ({"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}, Misconfigured),
    ],
)
async def test_a_server_that_fails_in_the_middle(
    server: WriterServer, error: dict[str, Any], kind: type[ConnectorError], is_streamed: bool
) -> None:
    """It said 200 before it knew, and tells the error where the answer would stand; what began may be billed."""
    body = json.dumps({"error": error}).encode()
    if is_streamed:
        body = b'data: {"choices": [{"delta": {"content": "{"}}]}\n\ndata: ' + body + b"\n\n"
    server.replies = [Raw(body, headers={"content-type": "text/event-stream" if is_streamed else "application/json"})]
    found = await raised(server, is_streamed=is_streamed)
    assert kind is type(found)
    assert found.may_be_billed == (is_streamed or kind is Retryable)


async def test_a_web_page_is_no_api(server: WriterServer, is_streamed: bool) -> None:
    """The address leads somewhere else."""
    server.replies = [Raw(b"<html><body>Please log in</body></html>", headers={"content-type": "text/html"})]
    error = await raised(server, is_streamed=is_streamed)
    assert isinstance(error, Misconfigured)
    assert error.setting == "OPENAI_BASE_URL"


async def test_a_proxy_that_fails_with_a_page_is_tried_again(server: WriterServer, is_streamed: bool) -> None:
    """A page under an error's status says no more than the status."""
    server.replies = [Raw(b"<html>Bad Gateway</html>", 502, {"content-type": "text/html"})]
    error = await raised(server, is_streamed=is_streamed)
    assert (Retryable, "502") == (type(error), error.code)


# --- lines that break ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["drop", "stall"])
async def test_a_line_that_breaks_is_for_later(server: WriterServer, trouble: Any, is_streamed: bool) -> None:
    """Before the answer, or in the middle of it, which may be billed."""
    server.replies = [trouble]
    error = await raised(server, is_streamed=is_streamed)
    assert (Retryable, trouble == "stall") == (type(error), error.may_be_billed)


async def test_a_server_that_is_gone_is_for_later(server: WriterServer, is_streamed: bool) -> None:
    """Nobody listens."""
    await server.stop()
    error = await raised(server, is_streamed=is_streamed)
    assert isinstance(error, Retryable)
    assert "cannot be reached" in str(error)


async def test_a_server_that_never_answers_is_for_later(server: WriterServer, is_streamed: bool) -> None:
    """After as long as the setting says."""
    server.replies = ["hang"]
    error = await raised(server, is_streamed=is_streamed, answer="1s")
    assert isinstance(error, Retryable)
    assert "within 1 s" in str(error)


async def test_an_answer_without_end_is_left(server: WriterServer, is_streamed: bool) -> None:
    """No more is read than a message could be."""
    server.replies = ["endless"]
    found = await wrote(server, is_streamed=is_streamed)
    assert isinstance(found, Unusable)
    assert found.reason == "too_long"


# --- servers that know less ---------------------------------------------------------------------------------------


async def test_what_a_server_does_not_know_is_left_out(server: WriterServer) -> None:
    """Each part once, and from then on."""
    server.knows_not = frozenset({"response_format", "stream_options", "max_completion_tokens"})
    made = opened(server, is_streamed=True)
    first, second = await made.write(PROMPT), await made.write(PROMPT)
    await made.close()
    assert isinstance(first, Written)
    assert isinstance(second, Written)
    assert [{"model", "messages", "stream"}] * 2 == [set(asked.request) for asked in server.asked]


async def test_a_limit_of_tokens_that_is_too_high_is_left_out(server: WriterServer) -> None:
    """As models with a small one say it."""
    message = "max_tokens is too large: 8000. This model supports at most 4096 completion tokens."
    server.replies = [Refusal(400, "invalid_value", message, param="max_tokens")]
    assert isinstance(await wrote(server), Written)
    assert "max_completion_tokens" not in server.asked[-1].request


async def test_a_server_that_refuses_everything_is_not_asked_for_ever(server: WriterServer) -> None:
    """It names parts that have been left out already."""
    server.usual = lambda _asked: Refusal(400, None, "response_format, stream_options and max_tokens are unknown")
    error = await raised(server, is_streamed=True)
    assert isinstance(error, Misconfigured)
    assert 4 == len(server.asked)


# --- settings -----------------------------------------------------------------------------------------------------


def test_without_a_key_or_a_model_there_is_no_writer() -> None:
    """A key alone may stand in an environment for other reasons."""
    assert open_writer({}) is None
    assert open_writer({"OPENAI_API_KEY": KEY}) is None
    assert open_writer({"WAYMARK_WRITER_MODEL": "m"}) is None
    assert open_writer({"OPENAI_API_KEY": "", "WAYMARK_WRITER_MODEL": "m"}) is None
    made = open_writer({"OPENAI_API_KEY": KEY, "WAYMARK_WRITER_MODEL": "m"})
    assert isinstance(made, OpenAIWriter)
    assert made.model == "m"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "two words"),
        ("OPENAI_API_KEY", "kéy"),
        ("OPENAI_BASE_URL", "llm.example.org"),
        ("WAYMARK_WRITER_STREAM", "perhaps"),
        ("WAYMARK_WRITER_ANSWER", "long"),
    ],
)
def test_a_wrong_setting_is_named_and_no_key_is_told(name: str, value: str) -> None:
    """As for channels."""
    with pytest.raises(Misconfigured) as error:
        read_writers({"OPENAI_API_KEY": KEY, "WAYMARK_WRITER_MODEL": "m", name: value})
    assert name == error.value.setting
    assert name != "OPENAI_API_KEY" or value not in str(error.value)


def test_a_second_writer_of_a_name_is_an_error_that_names_both_files() -> None:
    """The first stays."""
    before = dict(WRITERS)
    with pytest.raises(TypeError, match=r"'openai' is defined twice.*writers/openai\.py.*test_openai\.py"):

        @writer("openai")
        class Second(Writer):
            settings = OpenAISettings

    assert before == WRITERS


def test_the_package_is_imported_by_who_writes_alone() -> None:
    """It takes half a second, and every process imports the registry."""
    code = "import sys, connectors.writers; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the imitation itself -----------------------------------------------------------------------------------------


async def test_the_imitation_writes_by_what_the_prompt_says(server: WriterServer) -> None:
    """Only placeholders that are allowed, for whom it is; a fault at first where one is wanted, none once corrected."""
    fallback = Wording("Your course", "Hello {{ learner.given_name }}. It suits a {{ learner.role }}.")
    order = DraftOrder("j", "m", None, "Team Lead", Draft("b", uses=("learner.role",)), fallback)
    server.usual = lambda asked: obliging(asked, is_faulty_at_first=True)
    made = opened(server)
    first = await made.write(prompt_of(order))
    await made.close()
    assert isinstance(first, Written)
    expected = "It suits a {{ learner.role }}. This text is for Team Lead. Hurry, only 2 days are left!"
    assert DraftText("Your course", expected) == first.text
