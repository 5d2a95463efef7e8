"""The state of the whole installation."""

from datetime import datetime

from pydantic import BaseModel


class Halted(BaseModel):
    """Whether deliveries are held, since when and by which key; `woken` counts the enrolments that `go` let go on."""

    halted: bool
    since: datetime | None = None
    by: str | None = None
    woken: int | None = None
