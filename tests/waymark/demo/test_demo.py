"""`waymark demo`, as a person would run it: on real servers of its own."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from waymark.cli.client import connect
from waymark.cli.errors import NotSo
from waymark.demo.cast import CAST
from waymark.demo.expecting import FACTS
from waymark.demo.judging import bring_together, judge
from waymark.demo.postbox import Postbox
from waymark.demo.records import read_records
from waymark.demo.stage import Stage, stage_in
from waymark.demo.tour import REFUSED, why_imitated
from waymark.demo.writer import MODEL
from waymark.settings import load

ELSEWHERE = {
    "WAYMARK_TEMPORAL_ADDRESS": "temporal.invalid:7233",
    "TEMPORAL_ADDRESS": "temporal.invalid:7233",
    "WAYMARK_KAFKA_BOOTSTRAP": "kafka.invalid:9092",
    "WAYMARK_SMTP_URL": "smtp://mail.invalid:25",
    "WAYMARK_DATABASE_URL": "postgresql+asyncpg://nobody@db.invalid/waymark",
    "WAYMARK_DELIVER": "none",
}
"""Servers of a production that the demo must never touch."""
OURS = ("WAYMARK_", "TEMPORAL_", "OPENAI_")


async def _demo(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-P", "-m", "waymark", "demo", *options],
        cwd=folder, env={**clean, **ELSEWHERE}, capture_output=True, text=True,
    )  # fmt: skip


async def _problems(stage: Stage) -> list[str]:
    """What the judge says of what is there now, where what must be is what the enrolments say of themselves."""
    postbox = Postbox(stage.address_of("mailbox"))
    await postbox.look()
    await postbox.close()
    found = (await asyncio.to_thread(read_records, connect(stage.settings()))).found(postbox.mails)
    return judge(bring_together(found), found, people=CAST, facts=FACTS, refused=REFUSED)


@pytest.mark.timeout(600)
async def test_the_demo_on_real_servers(tmp_path: Path) -> None:
    """It ends by itself with what arrived being what the journey says, whatever servers are configured; the servers
    stay up; a message that is lost afterwards is noticed; a second run would begin afresh.
    """
    (tmp_path / ".env").write_text("WAYMARK_SMTP_URL=smtp://mail.invalid:25\nWAYMARK_MAILBOX_PORT=1\n")
    stage = stage_in(tmp_path / ".waymark")
    try:
        done = await _demo(tmp_path, "--json")
        assert 0 == done.returncode, done.stderr
        summary = json.loads(done.stdout)
        told = {name: summary[name] for name in ("events", "enrolments", "deliveries", "learners", "dead_letters")}
        assert {"events": 102, "enrolments": 24, "deliveries": 167, "learners": 25, "dead_letters": 1} == told
        assert {"goal": 17, "completed": 5, "left": 2} == summary["outcomes"]
        _the_drafts_are_told(summary)
        assert stage.is_up
        assert [] == await _problems(stage)
        next((stage.path / "mailbox" / "mail").glob("*3.eml")).rename(tmp_path / "lost.eml")
        assert any("1 deliveries are said to be sent" in problem for problem in await _problems(stage))
    finally:
        await asyncio.to_thread(stage.down)
    assert not stage.is_up


def _the_drafts_are_told(summary: dict[str, Any]) -> None:
    """One text was sent back for its fault; all but one are approved; those words went, and the journey's own."""
    drafts = summary["drafts"]
    assert ["Engineering", "Finance", "Operations", "Product", "Sales"] == [draft["value"] for draft in drafts]
    assert {"Operations"} == {draft["value"] for draft in drafts if draft["state"] != "approved"}
    assert {MODEL} == {draft["model"] for draft in drafts}
    (faulty,) = (draft for draft in drafts if draft["calls"] > 1)
    assert (2, True) == (faulty["calls"], any("pressure" in fault for fault in faulty["sent_back_for"]))
    assert (18, 2) == (summary["in_approved_words"], summary["in_own_words"])


def test_a_real_model_is_asked_where_a_key_is_set(tmp_path: Path) -> None:
    """The user's settings are passed on then, and only those of the model; else an imitation is started."""
    writer = {"OPENAI_API_KEY": "sk-own", "WAYMARK_WRITER_MODEL": "large-1"}
    told = stage_in(tmp_path, writer=writer).environment()
    assert writer == {name: told[name] for name in writer}
    assert "WAYMARK_WRITER_IMITATION" not in told
    assert "true" == stage_in(tmp_path).environment()["WAYMARK_WRITER_IMITATION"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "OPENAI_API_KEY and WAYMARK_WRITER_MODEL are not set: "),
        ({"OPENAI_API_KEY": "sk-own"}, "WAYMARK_WRITER_MODEL is not set: "),
        ({"WAYMARK_WRITER_MODEL": "large-1"}, "OPENAI_API_KEY is not set: "),
    ],
)
def test_what_is_missing_for_a_real_model_is_named(given: dict[str, str], said: str, tmp_path: Path) -> None:
    """And no more: who has set a key is not told that there is none."""
    settings = load(environment={"WAYMARK_HOME": str(tmp_path), **given}, dotenv=tmp_path / "no.env").settings
    first, second = why_imitated(settings.lacks_for_writer(), model=MODEL)
    assert f"  {said}an imitation of a language model ({MODEL}) made them" == first
    assert second.endswith("a real one writes them.")
    assert not settings.has_writer()


def test_a_folder_that_is_no_demo_is_left_alone(tmp_path: Path) -> None:
    """Only a home with the demo's mark is thrown away."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "letters").write_text("dear")
    with pytest.raises(NotSo, match="is no home of a demo"):
        stage_in(tmp_path).clear()
    assert "dear" == (tmp_path / "demo" / "letters").read_text()


def test_it_begins_afresh(tmp_path: Path) -> None:
    """What an earlier demo kept is gone."""
    stage = stage_in(tmp_path)
    stage.clear()
    (stage.path / "waymark.db").touch()
    stage.clear()
    assert not (stage.path / "waymark.db").exists()
