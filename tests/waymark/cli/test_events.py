"""`waymark emit`, to a real broker and to the real API."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from tests.support.api import Api, event
from tests.support.command import run


def _file(folder: Path, *events: dict[str, Any]) -> str:
    file = folder / "events.jsonl"
    file.write_text("\n\n".join(json.dumps(one, ensure_ascii=False) for one in events) + "\n")
    return str(file)


async def test_http(api: Api, tmp_path: Path) -> None:
    """Over HTTP, the answer is the API's: accepted, then duplicates."""
    file = _file(tmp_path, event("hr.learner.hired", "ada"), event("hr.learner.hired", "bea"))
    first = await run(api, "emit", file, "--http", "--json")
    second = await run(api, "emit", file, "--http")
    assert {"accepted": 2, "duplicates": 0, "rejected": []} == json.loads(first.output)
    assert "0 events accepted, 2 duplicates, 0 rejected\n" == second.output
    assert 2 == len((await api.get("/v1/learners"))["items"])


async def test_http_rejected(api: Api, tmp_path: Path) -> None:
    """What the API rejects is told by its line, with exit status 1; the others are taken."""
    one = event("hr.learner.hired", "ada")
    file = _file(tmp_path, one, event("hr.learner.hired", "bea"), {**one, "data": {"level": "other"}})
    done = await run(api, "emit", file, "--http", "--json")
    rejected = json.loads(done.output)["rejected"]
    assert (1, [(2, 5, "conflicting_duplicate")]) == (
        done.status,
        [(r["index"], r["line"], r["code"]) for r in rejected],
    )
    assert 2 == len((await api.get("/v1/learners"))["items"])


async def test_lines_are_checked_first(tmp_path: Path) -> None:
    """A file with a line that is no event sends nothing, and names every such line."""
    file = _file(tmp_path, event("hr.learner.hired", "ada"), {"id": "1"}, {**event("x.y", "ada"), "time": "yesterday"})
    done = await run(None, "emit", file)
    assert 1 == done.status
    assert f"{file}:3:" in done.errors
    assert "missing_field" in done.errors
    assert f"{file}:5:" in done.errors
    assert "bad_time" in done.errors


async def test_kafka(kafka_bootstrap: str, tmp_path: Path, until: Callable[..., Any]) -> None:
    """To Kafka, each event goes to its topic under its learner's id."""
    mark = uuid.uuid4().hex
    events = [event("hr.learner.hired", f"adé-{mark}"), event("lms.course.started", f"adé-{mark}", course="c")]
    done = await run(None, "emit", _file(tmp_path, *events), "--json", WAYMARK_KAFKA_BOOTSTRAP=kafka_bootstrap)
    assert 0 == done.status, done.errors
    assert {"sent": 2, "topics": {"hr.events": 1, "lms.events": 1}} == json.loads(done.output)
    consumer: Any = KafkaConsumer(
        "hr.events", "lms.events", bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    found: dict[str, Any] = {}

    def came() -> bool:
        for records in consumer.poll(timeout_ms=500).values():
            found.update({r.topic: json.loads(r.value) for r in records if r.key == f"adé-{mark}".encode()})
        return len(found) == 2

    await until(came)
    consumer.close()
    assert {"hr.events": events[0], "lms.events": events[1]} == found


async def test_no_kafka(tmp_path: Path) -> None:
    """Without a broker the exit status is 3; where there is none on purpose, it is 2 and says what to do."""
    file = _file(tmp_path, event("hr.learner.hired", "ada"))
    none = await run(None, "emit", file)
    off = await run(None, "emit", file, WAYMARK_KAFKA_BOOTSTRAP="off")
    assert (3, 2) == (none.status, off.status)
    assert "--http" in off.errors


@pytest.mark.parametrize("command", [("emit", "none.jsonl"), ("emit", "x", "--http", "--topic", "t"), ("emit",)])
async def test_wrong_usage(command: tuple[str, ...]) -> None:
    """A missing file, or options that exclude each other, are wrong usage."""
    assert 2 == (await run(None, *command)).status
