"""For operators and their probes: alive, ready, figures. Open to everybody, so nothing personal is here."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from api import metrics
from api.parts import HealthCheck, Parts, PartsOf
from store.queries import reports

router = APIRouter(tags=["health"])

CHECK_SECONDS = 3.0


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class DependencyOut(BaseModel):
    """One dependency; `detail` is the kind of failure, where it does not answer."""

    ok: bool
    detail: str | None


class Ready(BaseModel):
    """Every dependency by name."""

    ready: bool
    checks: dict[str, DependencyOut]


@router.get("/healthz")
async def healthz() -> Alive:
    """Whether this process answers; asks nobody else."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Ready}})
async def readyz(parts: PartsOf, response: Response) -> Ready:
    """Whether every dependency answers; 503 where one does not."""
    found = await asyncio.gather(*(_ask(check) for check in parts.health.values()))
    checks = dict(zip(parts.health, found, strict=True))
    ready = all(check.ok for check in found)
    response.status_code = 200 if ready else 503
    return Ready(ready=ready, checks=checks)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def show_metrics(parts: PartsOf) -> Response:
    """Figures for Prometheus. Those of the store are left out while the database is away."""
    await _look(parts)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _ask(check: HealthCheck) -> DependencyOut:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return DependencyOut(ok=False, detail=f"no answer within {CHECK_SECONDS:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a dependency raises, it is not well
        return DependencyOut(ok=False, detail=type(error).__name__)
    return DependencyOut(ok=True, detail=None)


async def _look(parts: Parts) -> None:
    try:
        async with parts.database.read() as session:
            metrics.show(await reports.standing(session), now=parts.clock())
    except (SQLAlchemyError, OSError):
        metrics.forget()
