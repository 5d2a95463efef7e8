"""How long a page of an admin's list takes, among a million enrolments: over HTTP, from the real API.

Each list is read from its beginning and again from its middle, page after page. The rows are put into the tables
directly: a tenth as many learners, each in ten journeys; two fifths active, one in a thousand paused, others ended.

At the end it is checked that the pages have shown nothing twice, nothing out of order and nothing else than was asked
for.
"""

import time
from collections.abc import Mapping, Sequence

import httpx2

from api.pagination import encode
from bench.figures import Column, Row, Table, Target, percentile
from bench.filling import JOURNEYS, add_enrolments, add_learners, analyse
from bench.stage import SUBJECT_OF, Servers, Waymark, Wrong, installed, on_stage

WARM_UP = 3
LISTS: Mapping[str, Mapping[str, str]] = {
    "all": {},
    "of a journey": {"journey": "journey-3"},
    "of a journey, active": {"journey": "journey-3", "status": "active"},
    "paused": {"status": "paused"},
    "active": {"status": "active"},
    "of a learner": {"learner": "known-7"},
}
COLUMNS = (Column("pages"), Column("p50", "ms", 1), Column("p99", "ms", 1), Column("the longest", "ms", 1))


async def measure(
    *, enrolments: int, pages: int, on: Sequence[str] = ("sqlite", "postgresql"), stage: Servers | None = None
) -> Table:
    """A row for each list and database; raises Wrong."""
    rows: list[Row] = []
    targets: list[Target] = []
    async with on_stage(stage) as stage:
        for database in on:
            async with installed(stage, database, [], parts=("api",)) as waymark:
                stage.progress.say(f"{SUBJECT_OF[database]}: {enrolments:,} rows")
                await add_learners(waymark.database, 0, enrolments // JOURNEYS)
                await add_enrolments(waymark.database, 1, enrolments)
                await analyse(waymark.database)
                figures = {name: await _read(waymark, wanted, pages) for name, wanted in LISTS.items()}
            said = SUBJECT_OF[database]
            rows += [Row(f"{said}: {name}", each) for name, each in figures.items()]
            slowest = max(figures, key=lambda name: figures[name]["p99"])
            figure = f"{said}: p99 of a page among {enrolments:,} enrolments, the slowest list"
            targets.append(Target(figure, figures[slowest]["p99"], "ms", at_most=50, decimals=1, subject=said))
        stage.progress.done()
    title = f"listing: pages of 50 among {enrolments:,} enrolments, by the API"
    return Table("listing", title, COLUMNS, rows, ["No page showed anything twice, or out of order."], targets)


async def _read(waymark: Waymark, wanted: Mapping[str, str], pages: int) -> dict[str, float]:
    """So many pages from the beginning, and as many from the middle."""
    headers = {"Authorization": f"Bearer {waymark.api_key}"}
    taken: list[float] = []
    async with httpx2.AsyncClient(base_url=waymark.api_url, headers=headers, timeout=120, trust_env=False) as client:
        for _ in range(WARM_UP):
            await client.get("/v1/enrolments", params=dict(wanted))
        for cursor in (None, encode("enr-8")):
            taken += await _pages(client, wanted, cursor, pages)
    return {
        "pages": len(taken), "p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "the longest": max(taken),
    }  # fmt: skip


async def _pages(client: httpx2.AsyncClient, wanted: Mapping[str, str], cursor: str | None, pages: int) -> list[float]:
    taken: list[float] = []
    shown: list[str] = []
    while len(taken) < pages:
        began = time.perf_counter()
        answer = await client.get("/v1/enrolments", params={**wanted, **({} if cursor is None else {"cursor": cursor})})
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise Wrong(f"the API answers {answer.status_code}: {answer.text[:300]}")
        told = answer.json()
        items = told["items"]
        if any(item[name] != value for item in items for name, value in wanted.items()):
            raise Wrong("a page shows what was not asked for")
        shown += [item["id"] for item in items]
        if told["next"] is None:
            break
        cursor = told["next"]
    if shown != sorted(set(shown)) or (not shown and cursor is None):
        raise Wrong("the pages show something twice, out of order, or nothing")
    return taken
