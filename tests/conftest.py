"""What every test can ask for: real servers, shared by one test run, and a database of its own."""

import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from tests.connectors.channels.receiver import Receiver
from tests.connectors.systems import System, by_token
from tests.support import servers
from tests.support import until as waiting
from tests.support.smtp import SmtpSink

hypothesis.settings.register_profile("waymark", deadline=None)  # how long an example takes is the machine's matter
hypothesis.settings.load_profile("waymark")


def pytest_configure(config: pytest.Config) -> None:
    """The process that runs the tests makes the run's folder, before it starts its workers."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell runs beside it; it would be inherited
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if servers.FOLDER not in os.environ:
        servers.begin_run()
        config.add_cleanup(servers.end_run)
        for name in [name for name in os.environ if name.startswith(("WAYMARK_", "TEMPORAL_", "OPENAI_"))]:
            if name not in (servers.FOLDER, servers.RUNNER):
                del os.environ[name]  # a developer's own settings are not the tests'


@pytest.fixture(scope="session")
def temporal_address() -> str:
    """A Temporal server in memory that can skip time, namespace `default`; shared: use ids of your own."""
    return servers.address_of("temporal")


@pytest.fixture(scope="session")
def kafka_bootstrap() -> str:
    """A Kafka broker with Waymark's topics; shared: use topics, groups or keys of your own."""
    return servers.address_of("kafka")


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """host:port of a PostgreSQL server that trusts this machine, user `waymark`; shared."""
    return servers.address_of("postgresql")


@pytest.fixture
async def postgres_url(postgres_server: str) -> AsyncIterator[str]:
    """An empty PostgreSQL database of this test's own, as `postgresql+asyncpg://...`."""
    name = f"test_{uuid.uuid4().hex}"
    await _execute(postgres_server, f'CREATE DATABASE "{name}"')
    yield f"postgresql+asyncpg://waymark@{postgres_server}/{name}"
    await _execute(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(address: str, statement: str) -> None:
    connection = await asyncpg.connect(f"postgresql://waymark@{address}/postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database of this test's own, which is not there yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'waymark.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of this test's own; the test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
async def smtp_sink() -> AsyncIterator[SmtpSink]:
    """A real SMTP server that keeps what arrives, and can be told how to treat a recipient."""
    sink = SmtpSink()
    await sink.start()
    yield sink
    await sink.stop()


@pytest.fixture
def until() -> Callable[..., object]:
    """`await until(condition)`: what the condition answers once that is true."""
    return waiting.until


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """A receiver of webhooks, and no proxy on the way to it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def moodle() -> AsyncIterator[System]:
    """An LMS that assigns whatever it is asked to."""
    system = System(by_token)
    await system.start()
    yield system
    await system.stop()
