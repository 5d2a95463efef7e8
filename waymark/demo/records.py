"""What the installation says of itself after the story, over its API."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waymark.cli.client import Api, path_of
from waymark.cli.output import instant
from waymark.demo.judging import Enrolled, Found, Sent
from waymark.demo.postbox import Mail


@dataclass(frozen=True)
class Records:
    """Every enrolment with its journal, the deliveries that were sent, the dead letters."""

    enrolments: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]

    def found(self, mails: list[Mail]) -> Found:
        """What came of the story, for the judge."""
        enrolments = [Enrolled(e["id"], e["learner"], e["entry_key"], e["outcome"]) for e in self.enrolments]
        sent = {
            delivery["id"]: Sent(delivery["enrolment"], delivery["message"], self._told_at(delivery))
            for delivery in self.deliveries
            if delivery["status"] == "sent"
        }
        return Found(enrolments, sent, mails, [letter["reason"] for letter in self.dead_letters])

    def _told_at(self, delivery: dict[str, Any]) -> datetime | None:
        """When the journal says that the message went."""
        journal = next(e["journal"] for e in self.enrolments if e["id"] == delivery["enrolment"])
        told = [line["at"] for line in journal if _tells(line, delivery["message"])]
        return instant(told[0]) if len(told) == 1 else None


def _tells(line: dict[str, Any], message: str) -> bool:
    return line["data"].get("message") == message and line["data"].get("status") == "sent"


def read_records(api: Api) -> Records:
    """Everything, read anew."""
    enrolments = [api.get(path_of("enrolments", one["id"])) for one in api.list_all("/v1/enrolments", {})]
    deliveries = list(api.list_all("/v1/deliveries", {}))
    return Records(enrolments, deliveries, list(api.list_all("/v1/dead-letters", {})))
