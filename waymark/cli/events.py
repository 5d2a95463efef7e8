"""`waymark emit`: events from a file to Kafka, or to the API."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.sources.base import Raw, Refused
from connectors.sources.cloudevents import BATCH, STRUCTURED, CloudEvents
from journeys.events import Event
from waymark.cli.client import Api, connect
from waymark.cli.errors import NotSo, Unreachable, WrongUsage
from waymark.cli.output import AsJson, print_json, progress
from waymark.settings import Settings, load_settings

BATCH_EVENTS = 500
BATCH_BYTES = 512 * 1024
SHOWN = 20


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: waymark emit events.jsonl --topic hr.events")(emit)


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it stands in the file."""

    number: int
    text: str
    event: Event


def emit(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="One JSON CloudEvent a line.", show_default=False)],
    topic: Annotated[
        str | None, typer.Option(help="The topic; by the event's type where none is given: hr.events or lms.events.")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Send to the API instead of Kafka.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send events, and return when they are taken. What was sent before does nothing again."""
    if http and topic is not None:
        raise WrongUsage("--topic is for Kafka: leave out --http or --topic")
    settings = load_settings()
    lines = read(file)
    answer = _over_http(connect(settings), lines) if http else _over_kafka(settings, lines, topic)
    if as_json:
        print_json(answer)
    else:
        typer.echo(_told(answer))
    if answer.get("rejected"):
        raise NotSo(_rejections(answer["rejected"]))


def read(file: Path) -> list[Line]:
    """Every event of the file, checked; raises NotSo with each line that is none."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from None
    lines: list[Line] = []
    wrong: list[str] = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        (translated,) = CloudEvents.translate(Raw(raw, {"content-type": STRUCTURED}, "kafka"))
        if isinstance(translated, Refused):
            wrong.append(f"{file}:{number}: {translated.detail} [{translated.code}]")
        else:
            lines.append(Line(number, raw.decode().strip(), translated.event))
    if wrong:
        more = f"\n(and {len(wrong) - SHOWN} more)" if len(wrong) > SHOWN else ""
        raise NotSo("nothing was sent; these lines are no events:\n" + "\n".join(wrong[:SHOWN]) + more)
    return lines


def topic_of(event_type: str) -> str:
    """The topic an event goes to where none is given."""
    return "lms.events" if event_type.startswith("lms.") else "hr.events"


def _over_kafka(settings: Settings, lines: Sequence[Line], topic: str | None) -> dict[str, Any]:
    from store.queries.outbox import Outgoing
    from workers.kafka import Passing, Producer

    bootstrap = settings.kafka_bootstrap
    if bootstrap == "off":
        raise WrongUsage("this installation has no Kafka (WAYMARK_KAFKA_BOOTSTRAP is off): use --http")
    if bootstrap is None:
        raise Unreachable("no Kafka is up: start one with `waymark up`, set WAYMARK_KAFKA_BOOTSTRAP, or use --http")
    records = [
        Outgoing(line.number, topic or topic_of(line.event.type), line.event.subject or "", line.text) for line in lines
    ]
    try:
        producer = Producer(bootstrap)
    except Passing as error:
        raise Unreachable(f"no Kafka answers at {bootstrap} ({error}): is it up?") from None
    try:
        _produce(producer, records, bootstrap)
    finally:
        producer.close()
    return {"sent": len(records), "topics": dict(Counter(topic or topic_of(line.event.type) for line in lines))}


def _produce(producer: Any, records: Sequence[Any], bootstrap: str) -> None:
    with progress("sending", len(records)) as advance:
        for start in range(0, len(records), BATCH_EVENTS):
            batch = records[start : start + BATCH_EVENTS]
            taken = producer.send(batch)
            if taken < len(batch):
                raise Unreachable(
                    f"Kafka at {bootstrap} took {start + taken} of {len(records)} events and then no more: "
                    "emit the file again when it is well; what was taken does nothing twice"
                )
            advance(len(batch))


def _over_http(api: Api, lines: Sequence[Line]) -> dict[str, Any]:
    answer: dict[str, Any] = {"accepted": 0, "duplicates": 0, "rejected": []}
    done = 0
    with progress("sending", len(lines)) as advance:
        for batch in _batches(lines):
            body = f"[{','.join(line.text for line in batch)}]".encode()
            taken = api.post_content("/v1/events", body, media_type=BATCH)
            answer["accepted"] += taken["accepted"]
            answer["duplicates"] += taken["duplicates"]
            for one in taken["rejected"]:
                line = batch[int(one["index"])].number
                answer["rejected"].append({**one, "index": done + one["index"], "line": line})
            done += len(batch)
            advance(len(batch))
    return answer


def _batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = len(line.text.encode()) + 1
        if batch and (len(batch) == BATCH_EVENTS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def _told(answer: dict[str, Any]) -> str:
    if "topics" in answer:
        where = ", ".join(f"{number} to {topic}" for topic, number in sorted(answer["topics"].items()))
        return f"{answer['sent']} events sent" + (f": {where}" if where else "")
    duplicates, rejected = answer["duplicates"], len(answer["rejected"])
    return f"{answer['accepted']} events accepted, {duplicates} duplicates, {rejected} rejected"


def _rejections(rejected: Sequence[dict[str, Any]]) -> str:
    told = [f"line {one['line']}: {one['detail']} [{one['code']}]" for one in rejected[:SHOWN]]
    more = [f"(and {len(rejected) - SHOWN} more)"] if len(rejected) > SHOWN else []
    return "\n".join([f"{len(rejected)} events were rejected:", *told, *more])
