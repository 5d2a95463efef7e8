"""The processes and the migration as an operator starts them: what is not configured is named before anything runs."""

from pathlib import Path

import pytest

from tests.support.command import run

SECRET = "a secret of the tests, of no worth"


@pytest.mark.parametrize("process", ["api", "worker", "bridge"])
async def test_without_a_secret_a_process_says_how_to_make_one(process: str) -> None:
    """Wrong usage, whatever else is missing; nothing is started with a secret that nobody keeps."""
    done = await run(None, process)
    assert (done.status, done.output) == (2, "")
    assert "WAYMARK_SECRET is not set" in done.errors
    assert "openssl rand -hex 32" in done.errors


@pytest.mark.parametrize("process", ["api", "worker", "bridge"])
async def test_without_temporal_a_process_names_the_setting(process: str) -> None:
    """Wrong usage, in one line."""
    done = await run(None, process, WAYMARK_SECRET=SECRET)
    assert done.status == 2
    assert "set WAYMARK_TEMPORAL_ADDRESS" in done.errors
    assert "Traceback" not in done.errors


async def test_a_new_database_is_made_in_a_new_home(tmp_path: Path) -> None:
    """`db upgrade` needs nothing before it; the home is nobody else's to read."""
    home = tmp_path / "not" / "there"
    done = await run(None, "db", "upgrade", WAYMARK_HOME=str(home))
    assert done.status == 0, done.errors
    assert (home / "waymark.db").is_file()
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://user:hunter2@127.0.0.1:9/waymark",
        "sqlite+aiosqlite:////nonexistent/folder/waymark.db",
    ],
)
async def test_a_database_that_is_not_there_cannot_be_reached(url: str) -> None:
    """Status 3, the setting by name, and no password."""
    done = await run(None, "db", "upgrade", WAYMARK_DATABASE_URL=url)
    assert done.status == 3
    assert "WAYMARK_DATABASE_URL" in done.errors
    assert "hunter2" not in done.errors
    assert "Traceback" not in done.errors


async def test_a_database_of_another_name_cannot_be_opened(postgres_server: str) -> None:
    """The server answers, and says that there is none of this name."""
    url = f"postgresql+asyncpg://waymark@{postgres_server}/no_such_database"
    done = await run(None, "db", "upgrade", WAYMARK_DATABASE_URL=url)
    assert (done.status, "Traceback" in done.errors) == (3, False)
    assert 'database "no_such_database" does not exist' in done.errors
