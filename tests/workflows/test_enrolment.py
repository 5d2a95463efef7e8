"""The workflow on a real server, where a turn fails."""

from pathlib import Path

from store.migrate import upgrade
from tests.support.house import running_house
from tests.support.policies import keep_policy
from tests.support.record_histories import SCENARIOS
from tests.support.smtp import SmtpSink


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
