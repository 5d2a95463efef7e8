"""Events over HTTP: one or a batch, in each of the three modes of CloudEvents."""

from typing import Any

from fastapi import APIRouter, Request

from api.bodies import media_type_of, read_body
from api.idempotency import IdempotentRoute
from api.parts import PartsOf
from api.problems import NotTaken, TooLarge, Unreadable
from api.resources.events.schemas import EventsTaken, Rejected
from api.security import Caller
from connectors.sources.base import Raw, Refused, Translated
from connectors.sources.cloudevents import BATCH, STRUCTURED, CloudEvents

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=IdempotentRoute)

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "source", "type", "subject", "time"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string"},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "The learner's id as the source knows it."},
        "time": {"type": "string", "format": "date-time"},
        "effective": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": _EVENT},
            BATCH: {"schema": {"type": "array", "items": _EVENT}},
            "application/json": {"schema": {"type": "object", "description": "Binary mode: `data`; ce- headers."}},
        },
    }
}


@router.post("", status_code=202, openapi_extra=_DOCUMENTED)
async def take_events(request: Request, parts: PartsOf, _caller: Caller) -> EventsTaken:
    """Take events in. 202 also where all are rejected; what was accepted survives a crash that follows."""
    raw = Raw(await read_body(request), dict(request.headers.items()), "http")
    translated = CloudEvents.translate(raw)
    _refuse_unreadable(translated, is_json_missing=media_type_of(request) == "")
    events = [one.event for one in translated if isinstance(one, Translated)]
    taken = iter(await parts.ingest.take(events))
    answer = EventsTaken(accepted=0, duplicates=0, rejected=[])
    for index, one in enumerate(translated):
        if isinstance(one, Refused):
            answer.rejected.append(Rejected(index=index, code=one.code, detail=one.detail))
            continue
        became = next(taken)
        match became.status:
            case "accepted":
                answer.accepted += 1
            case "duplicate":
                answer.duplicates += 1
            case "rejected":
                code, detail = became.code or "rejected", became.detail or ""
                answer.rejected.append(Rejected(index=index, code=code, detail=detail))
    return answer


def _refuse_unreadable(translated: tuple[Translated | Refused, ...], *, is_json_missing: bool) -> None:
    """Raise where nothing is known of what the body held."""
    refused = translated[0] if len(translated) == 1 else None
    if not isinstance(refused, Refused) or not refused.is_unreadable:
        return
    match refused.code:
        case "too_large":
            raise TooLarge(refused.code, refused.detail)
        case "bad_content_type" if not is_json_missing:
            raise NotTaken("unsupported_media_type", refused.detail)
        case _:
            raise Unreadable(refused.code, refused.detail)
