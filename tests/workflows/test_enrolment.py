"""The workflow on a real server, where a turn fails."""

from pathlib import Path

from store.migrate import upgrade
from tests.support.house import running_house, unmanned_house
from tests.support.policies import keep_policy
from tests.support.record_histories import NOBODY, SCENARIOS, enter_a_long_wait, poke_often, poke_until_continued
from tests.support.smtp import SmtpSink
from workers.worker import turns_worker


async def test_a_turn_that_fails_is_taken_again_until_it_succeeds(
    database_url: str, temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Its workflow lives on, waits, and comes to the end without anybody's help."""
    await upgrade(database_url)
    await keep_policy(database_url)
    async with running_house(
        database_url=database_url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as house:
        await SCENARIOS["failed-turn"](house, smtp_sink)
        (enrolment,) = await house.enrolments()
        assert "completed" == enrolment.outcome
        assert 1 == len(smtp_sink.arrived)


async def test_a_run_that_only_pokes_wake_becomes_no_longer_than_any_other(
    temporal_address: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """Thousands of events in one wait, each of which wakes her, would else bring the history to the server's limit."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'waymark.db'}"
    async with unmanned_house(
        database_url=url, temporal_address=temporal_address, smtp_url=smtp_sink.url, home=tmp_path
    ) as (house, activities):
        id_ = await enter_a_long_wait(house)
        await poke_often(house, id_)
        async with turns_worker(house.house.client, activities, queues=NOBODY):
            await poke_until_continued(house, id_)
        (bob,) = [each for each in await house.enrolments() if each.id == id_]
        assert ("active", None) == (bob.status, bob.outcome)
