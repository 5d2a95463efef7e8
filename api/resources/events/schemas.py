"""What `POST /v1/events` answers."""

from pydantic import BaseModel


class Rejected(BaseModel):
    """An event that was not taken: its place in the request, from 0, and why."""

    index: int
    code: str
    detail: str


class EventsTaken(BaseModel):
    """What became of the events of one request."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
