"""`waymark up`, `status` and `down`, as a person types them, in homes of their own on real servers."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from temporalio.client import Client

from store.database import Database
from store.migrate import upgrade
from store.tables import DraftRow
from tests.support.until import until
from waymark.stack import kafka, process

SERVERS = "temporal,kafka,mailbox"


@dataclass(frozen=True)
class Place:
    """A working folder with a home in it; every port is free."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def environment(self, **settings: str) -> dict[str, str]:
        ports = {f"WAYMARK_{name}_PORT": "0" for name in ("TEMPORAL", "KAFKA", "MAILBOX")}
        own = {"WAYMARK_HOME": str(self.home), "WAYMARK_HTTP_ADDRESS": "127.0.0.1:0", **ports, **settings}
        return {**os.environ, "PYTHONPATH": str(Path.cwd()), **own}

    def run(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "waymark", *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment(**settings), cwd=self.folder, timeout=300
        )

    def up(self, only: str = "mailbox") -> "subprocess.CompletedProcess[str]":
        """`up --detach`, which must succeed."""
        done = self.run("up", "--detach", "--only", only)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *words: str, **settings: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "waymark", *words]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(**settings),
            cwd=self.folder,
        )

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json").stdout)

    def part(self, name: str) -> dict[str, Any]:
        return next(part for part in self.status()["parts"] if part["name"] == name)

    def setting(self, name: str) -> str:
        return json.loads((self.home / "stack.json").read_text())["settings"][name]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place; what is up in it at the end is stopped."""
    here = Place(tmp_path)
    yield here
    here.run("down")


@pytest.fixture
def other_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Another one."""
    here = Place(tmp_path_factory.mktemp("other"))
    yield here
    here.run("down")


async def test_up_detached_status_and_down(place: Place) -> None:
    """`up --detach` says a line for each part and returns; `status` finds all well; `down` leaves nothing."""
    up = place.up(SERVERS)
    assert {line.split()[0] for line in up.stdout.splitlines()} == {"temporal", "kafka", "mailbox", "ready"}

    status = place.status()
    assert status["well"]
    assert [(part["name"], part["well"]) for part in status["parts"]] == [
        ("temporal", True),
        ("kafka", True),
        ("mailbox", True),
    ]
    assert set(kafka.TOPICS) <= set(kafka.look(place.setting("kafka_bootstrap")))
    await Client.connect(place.setting("temporal_address"))

    down = place.run("down")
    assert down.returncode == 0
    assert not any(Path(f"/proc/{part['pid']}").exists() for part in status["parts"])
    assert place.run("status").returncode == 1


def test_detach_leaves_nothing_attached_to_its_output(place: Place) -> None:
    """A pipe that reads what `up --detach` says ends when it returns."""
    up = place.start("up", "--detach", "--only", "mailbox")
    assert up.stdout is not None
    said = up.stdout.read()  # ends only when nobody holds the other end
    assert up.wait(10) == 0
    assert "mailbox    ready  http://127.0.0.1:" in said
    assert place.status()["well"]


def test_the_home_is_the_owners_alone(place: Place) -> None:
    """The home, the key and the secret are readable by their owner only, and survive the next `up`."""
    place.up()
    key, secret = ((place.home / name).read_text() for name in ("admin.key", "secret"))
    assert len(key.strip()) > 32
    modes = {
        name: (place.home / name).stat().st_mode & 0o777 for name in (".", "admin.key", "secret", "stack.json", "logs")
    }
    assert modes == {".": 0o700, "admin.key": 0o600, "secret": 0o600, "stack.json": 0o600, "logs": 0o700}
    place.run("down")
    place.up()
    assert key == (place.home / "admin.key").read_text()
    assert secret == (place.home / "secret").read_text()


def test_ctrl_c_stops_in_order(place: Place) -> None:
    """Ctrl-C stops what `up` started, and it ends well."""
    up = place.start("up", "--only", "mailbox")
    assert up.stdout is not None
    assert "mailbox" in up.stdout.readline()
    pid = place.part("mailbox")["pid"]
    up.send_signal(signal.SIGINT)
    assert up.wait(30) == 0
    assert not Path(f"/proc/{pid}").exists()
    assert place.status()["state"] == "down"


async def test_killed_and_started_again_goes_on(place: Place) -> None:
    """After a kill (-9) of `up` nothing runs on, and the next `up` has mail, workflows and records as they were."""
    place.up(SERVERS)
    await _send(place.setting("smtp_url"))
    client = await Client.connect(place.setting("temporal_address"))
    await client.start_workflow("Nobody", id="kept", task_queue="nobody")
    status = place.status()
    parts = [process.named(part["pid"]) for part in status["parts"]]
    os.kill(status["pid"], signal.SIGKILL)
    await until(lambda: not any(part is not None and part.is_alive() for part in parts))

    place.up(SERVERS)
    client = await Client.connect(place.setting("temporal_address"))
    described = await client.get_workflow_handle("kept").describe()
    assert described.status is not None
    assert described.status.name == "RUNNING"
    assert len(list((place.home / "mailbox" / "mail").glob("*.eml"))) == 1
    assert set(kafka.TOPICS) <= set(kafka.look(place.setting("kafka_bootstrap")))


async def test_a_part_that_dies_is_started_again(place: Place) -> None:
    """A killed part is back, on the same address, and its restart is counted."""
    place.up()
    before = place.part("mailbox")
    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> dict[str, Any] | None:
        part = place.part("mailbox")
        return part if part["restarts"] >= 1 and part["well"] else None

    after = await until(is_back)
    assert after["pid"] != before["pid"]
    assert after["address"] == before["address"]


def test_two_homes_are_up_side_by_side(place: Place, other_place: Place) -> None:
    """Two homes have servers of their own; stopping one leaves the other well."""
    for here in (place, other_place):
        here.up()
    assert place.part("mailbox")["address"] != other_place.part("mailbox")["address"]
    place.run("down")
    assert other_place.status()["well"]


def test_a_second_up_is_refused(place: Place) -> None:
    """A second `up` in one home names the first, and disturbs nothing."""
    place.up()
    holder = place.status()["pid"]
    for words in (["up", "--only", "mailbox"], ["up", "--detach", "--only", "mailbox"]):
        second = place.run(*words)
        assert second.returncode == 1
        assert f"is up already (pid {holder})" in second.stderr
    assert place.status()["well"]


@pytest.mark.parametrize("words", [["up"], ["up", "--detach"]])
def test_a_taken_port_is_named(place: Place, words: list[str]) -> None:
    """A taken port is an error with the port, who has it and the setting; nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = place.run(*words, "--only", "temporal,mailbox", WAYMARK_MAILBOX_PORT=port)
    assert up.returncode == 3
    assert f"mailbox: port {port} of 127.0.0.1 is taken by" in up.stderr
    assert f"(pid {os.getpid()})" in up.stderr
    assert "WAYMARK_MAILBOX_PORT" in up.stderr
    assert place.status()["state"] == "down"


def test_a_configured_server_is_used_and_said(place: Place, temporal_address: str) -> None:
    """A server that is configured elsewhere is not started, and stays when `down` is said."""
    up = place.run("up", "--detach", "--only", "temporal,mailbox", WAYMARK_TEMPORAL_ADDRESS=temporal_address)
    assert f"temporal   elsewhere  {temporal_address}" in up.stdout
    assert [part["name"] for part in place.status()["parts"]] == ["mailbox"]
    place.run("down")
    assert process.answers(int(temporal_address.rpartition(":")[2]))


def test_a_configured_server_that_is_not_there_is_named(place: Place) -> None:
    """Nothing is started instead of it."""
    up = place.run("up", "--only", "kafka", WAYMARK_KAFKA_BOOTSTRAP=f"127.0.0.1:{process.free_port()}")
    assert up.returncode == 3
    assert "kafka: it is configured, and cannot be reached" in up.stderr
    assert "WAYMARK_KAFKA_BOOTSTRAP" in up.stderr


def test_a_recycled_pid_is_not_killed(place: Place) -> None:
    """A record that names a living process with another start time leaves that process alone."""
    place.up()
    place.run("down")
    file = place.home / "stack.json"
    record = json.loads(file.read_text())
    record["state"] = "ready"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        record["parts"][0] |= {"pid": stranger.pid, "identity": "another-boot-1", "state": "ready"}
        file.write_text(json.dumps(record))
        place.up()
        assert place.run("down").returncode == 0
        assert stranger.poll() is None
        stranger.kill()


def test_down_where_nothing_is_up(place: Place) -> None:
    """It says so, and that is no failure."""
    down = place.run("down")
    assert down.returncode == 0
    assert "nothing was up in" in down.stdout


def test_json_is_all_there_is_on_standard_output(place: Place) -> None:
    """`--json` prints one JSON document."""
    assert json.loads(place.run("up", "--detach", "--json", "--only", "mailbox").stdout)["well"] is True
    assert json.loads(place.run("doctor", "--json").stdout)["findings"]
    assert json.loads(place.run("settings", "--json").stdout)["WAYMARK_SECRET"]["origin"] == "home"
    assert json.loads(place.run("down", "--json").stdout)["was_up"] is True


def test_doctor_says_what_to_do(place: Place) -> None:
    """A setting that does not exist and a server that is not there are found, with advice."""
    nobody = f"127.0.0.1:{process.free_port()}"
    doctor = place.run("doctor", WAYMARK_KAFKA_BOOTSTRAP=nobody, WAYMARK_SMPT_URL="smtp://x")
    assert doctor.returncode == 1
    assert "WAYMARK_SMPT_URL is no setting" in doctor.stdout
    assert "did you mean WAYMARK_SMTP_URL?" in doctor.stdout
    assert f"problem  kafka     {nobody}" in doctor.stdout


async def test_doctor_says_what_drafts_wait_for(place: Place) -> None:
    """Nobody looks into a worker's log for a wrong key."""
    url = f"sqlite+aiosqlite:///{place.folder / 'drafts.db'}"
    await upgrade(url)
    database = Database(url)
    no_writer = await _drafts_of(place, database, "first", reason=None)
    refused = await _drafts_of(place, database, "second", reason="waits for the writer: it refuses the key (401)")
    await database.close()
    assert "texts that are wanted: 1; there is no writer" == no_writer
    assert "texts that are wanted: 2; one of them waits for the writer: it refuses the key (401)" == refused


async def _drafts_of(place: Place, database: Database, draft: str, *, reason: str | None) -> str:
    """What the doctor says of drafts, with this one too."""
    now = datetime.now(UTC)
    async with database.write() as session:
        row = DraftRow(
            id=draft, journey="j", message="m", key=draft, number=1, program="p", state="wanted", reason=reason,
            created_at=now, updated_at=now,
        )  # fmt: skip
        session.add(row)
    doctor = await asyncio.to_thread(place.run, "doctor", "--json", WAYMARK_DATABASE_URL=database.url)
    (drafts,) = (each for each in json.loads(doctor.stdout)["findings"] if each["name"] == "drafts")
    assert "warning" == drafts["verdict"]
    assert drafts["advice"]
    return drafts["text"]


async def _send(url: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "waymark@example.org", "ada@example.org", "Kept"
    message.set_content("Hello")
    host, _, port = url.removeprefix("smtp://").rpartition(":")
    await aiosmtplib.send(message, hostname=host, port=int(port), start_tls=False)
