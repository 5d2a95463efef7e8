"""The servers of a test run are real, tuned, and do what Waymark needs of them."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio import workflow
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.stack import kafka, process, temporal
from waymark.stack.parts import CannotStart, PortTaken
from waymark.stack.run import running


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(timedelta(days=30))
        return workflow.now().isoformat()


def test_pinned_versions_are_read_from_where_they_are_pinned() -> None:
    """`go.mod` and `pom.xml` say which servers there are."""
    assert temporal.version() == "1.32.1"
    assert kafka.version() == "4.1.0"


async def test_temporal_works_at_once_and_skips_a_month(temporal_address: str) -> None:
    """A workflow that starts as soon as the server is ready, and sleeps for 30 days, ends now at its exact instant."""
    client = await Client.connect(temporal_address)
    queue = uuid.uuid4().hex
    async with Worker(client, task_queue=queue, workflows=[Sleeper], workflow_runner=UnsandboxedWorkflowRunner()):
        skipper = TimeSkipper(client)
        handle = await client.start_workflow(Sleeper.run, id=queue, task_queue=queue)
        await skipper.fast_forward(handle, timedelta(days=30, seconds=5))
        ended = datetime.fromisoformat(await asyncio.wait_for(handle.result(), 30))
    assert timedelta(days=30) <= ended - datetime.now(UTC) + timedelta(minutes=5) < timedelta(days=30, minutes=10)


async def test_temporal_on_a_file_remembers_after_a_kill(tmp_path: Path) -> None:
    """A server that is killed (-9) and started on the same file still knows its workflows."""
    part = temporal.TemporalServer(temporal.take(_silent).what, process.free_port())
    async with running(part, tmp_path) as server:
        client = await Client.connect(part.address)
        await client.start_workflow(Sleeper.run, id="kept", task_queue="nobody")
        server.kill()
        server.wait()
    async with running(part, tmp_path):
        client = await Client.connect(part.address)
        described = await client.get_workflow_handle("kept").describe()
    assert described.status is not None
    assert described.status.name == "RUNNING"


def test_kafka_has_the_topics_with_four_partitions(kafka_bootstrap: str) -> None:
    """Every topic of ours is there, and no topic comes into being by being named."""
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    try:
        described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(list(kafka.TOPICS))}
        assert described == dict.fromkeys(kafka.TOPICS, 4)
    finally:
        admin.close()


def test_kafka_carries_a_record(kafka_bootstrap: str) -> None:
    """What a producer sends, a consumer of a new group reads."""
    key = uuid.uuid4().bytes
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap)
    producer.send("lms.events", key=key, value=b"hello").get(timeout=20)
    producer.close()
    consumer = KafkaConsumer(
        "lms.events",
        bootstrap_servers=kafka_bootstrap,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    try:
        assert next(record.value for record in consumer if record.key == key) == b"hello"
    finally:
        consumer.close()


async def test_a_database_of_ones_own(database_url: str) -> None:
    """Each test has a database that takes tables, on SQLite and on PostgreSQL."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
        await connection.execute(text("INSERT INTO thing VALUES (7)"))
        assert (await connection.execute(text("SELECT id FROM thing"))).scalar_one() == 7
    await engine.dispose()


async def test_a_taken_port_names_its_holder(tmp_path: Path) -> None:
    """A server whose port is taken says by whom, and which setting moves it."""
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    part = temporal.TemporalServer(temporal.take(_silent).what, port, port_setting="WAYMARK_TEMPORAL_PORT")
    with pytest.raises(PortTaken, match=rf"port {port} .* taken by .*\(pid \d+\).* WAYMARK_TEMPORAL_PORT"):
        async with running(part, tmp_path):
            pass
    listener.close()


async def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    """A server that cannot start is named, with how it ended and its log."""
    part = temporal.TemporalServer(temporal.Program(("false",)), process.free_port())
    with pytest.raises(CannotStart, match=r"temporal: it ended with status 1 before it was ready; its log is .*log"):
        async with running(part, tmp_path):
            pass


class TestSmtpSink:
    """The SMTP server for tests behaves as it is told, for each recipient."""

    async def test_it_keeps_what_arrives(self, smtp_sink: SmtpSink) -> None:
        """A message that was taken is there, with its parts."""
        await _send(smtp_sink, "ada@example.org")
        (mail,) = smtp_sink.for_("ada@example.org")
        assert mail.part("plain") == "Hello\n"

    @pytest.mark.parametrize(("behaviour", "code"), [("refuse", 550), ("later", 451)])
    async def test_it_refuses_a_recipient(self, smtp_sink: SmtpSink, behaviour: str, code: int) -> None:
        """A recipient is refused as told, once; then taken."""
        smtp_sink.treat("ada@example.org", behaviour)  # type: ignore[arg-type]
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
            await _send(smtp_sink, "ada@example.org")
        assert refused.value.recipients[0].code == code
        await _send(smtp_sink, "ada@example.org")
        assert len(smtp_sink.for_("ada@example.org")) == 1

    async def test_it_drops_the_line_after_data(self, smtp_sink: SmtpSink) -> None:
        """The client learns nothing, and yet the message arrived."""
        smtp_sink.treat("ada@example.org", "drop_after_data")
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await _send(smtp_sink, "ada@example.org")
        assert len(smtp_sink.for_("ada@example.org")) == 1

    async def test_it_hangs(self, smtp_sink: SmtpSink) -> None:
        """A client that waits for an answer waits for ever."""
        smtp_sink.treat("ada@example.org", "hang")
        with pytest.raises(aiosmtplib.SMTPTimeoutError):
            await _send(smtp_sink, "ada@example.org", timeout=0.3)
        assert smtp_sink.arrived == []

    async def test_it_goes_down_and_comes_back_on_its_port(self, smtp_sink: SmtpSink) -> None:
        """A provider that is down takes no connection; up again it is where it was."""
        await smtp_sink.stop()
        with pytest.raises(aiosmtplib.SMTPConnectError):
            await _send(smtp_sink, "ada@example.org")
        await smtp_sink.start()
        await _send(smtp_sink, "ada@example.org")
        assert await until(lambda: smtp_sink.for_("ada@example.org"))


async def _send(sink: SmtpSink, to: str, *, timeout: float = 10.0) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "waymark@example.org", to, "A test"
    message.set_content("Hello")
    await aiosmtplib.send(message, hostname=sink.host, port=sink.port, timeout=timeout, start_tls=False)


def _silent(part: str, text: str, share: float | None) -> None:
    pass
