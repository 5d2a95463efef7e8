"""The worker killed (-9) in the middle of a call to the model: the text is bought again, and proposed once."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert
from temporalio.client import Client

from journeys.codec import program_to_json
from journeys.drafting.choosing import Wanted
from journeys.drafting.order import order_for, order_key
from store.queries import drafts
from store.tables import DraftRow, DraftSpending, JourneyRow, Version
from tests.support.drafting import drafted
from tests.support.processes import Installation, installation, own_temporal
from tests.support.smtp import SmtpSink
from tests.support.until import until
from waymark.demo.writer import WriterServer
from workflows.gateway import Gateway


async def test_a_call_whose_worker_is_killed_is_made_again(
    server: WriterServer, database_url: str, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    """One text is proposed, of one call; what the lost one may have taken stays reserved."""
    server.replies.append("hang")
    async with (
        own_temporal(tmp_path / "temporal") as temporal,
        installation(
            tmp_path, database_url=database_url, temporal_address=temporal.address, smtp_url=smtp_sink.url,
            WAYMARK_REVIEWERS="email:ld@firm.example", NO_PROXY="127.0.0.1", **server.settings(),
        ) as installed,
    ):  # fmt: skip
        id_ = await wanted(installed)
        gateway = Gateway(await Client.connect(temporal.address))
        await installed.start("worker")
        assert not await gateway.draft([id_])
        await until(lambda: server.asked)
        await installed.kill("worker")
        await installed.start("worker")
        await until(lambda: smtp_sink.arrived, timeout=180)

        (row,) = await installed.rows(DraftRow)
        assert ("proposed", 1, 120) == (row.state, row.calls, row.tokens_in + row.tokens_out)
        assert 2 == len(server.asked)
        assert {1} == {each.calls for each in await installed.rows(DraftSpending)}
        assert all(each.tokens > 8_000 for each in await installed.rows(DraftSpending))


async def wanted(installed: Installation) -> str:
    """A journey with a drafted message, and the order for its text."""
    program, now = drafted(), datetime.now(UTC)
    order = order_for(program, "hello", language=None, value=None)
    assert order is not None
    version = {
        "journey": program.journey, "number": 1, "hash": program.hash, "title": program.title, "definition": "",
        "media_type": "", "program": program_to_json(program), "published_at": now,
    }  # fmt: skip
    async with installed.database.write() as session:
        core = await session.connection()
        await core.execute(insert(Version), [version])
        await core.execute(
            insert(JourneyRow), [{"name": program.journey, "version": 1, "created_at": now, "status": "live"}]
        )
        (id_,) = await drafts.want(session, [Wanted(order, order_key(order))], program=program.hash, at=now)
    return id_
