"""The texts of the demo: waited for, looked at, approved, all over the API, as a person would who reads drafts.

One value of `per` is left without an approval, so that its readers get the journey's own words.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from journeys.drafting.choosing import Approved
from journeys.drafting.order import DraftText, order_for, order_key
from journeys.program import Program
from waymark.cli.client import Api, path_of
from waymark.cli.errors import NotSo

LEFT = "Operations"
"""Whose text nobody approves."""
READ_FIRST = "Sales"
"""Whose text is looked at by itself: Ada's."""
PATIENCE_SECONDS = 240.0
"""How long a real model may take for all of them."""

_FOUND = re.compile(r"<<<DATA [0-9a-f]+: what was found wrong.*?>>>\n(.*?)\n<<<END", re.DOTALL)


@dataclass(frozen=True)
class Reviewed:
    """The texts with what became of each, and which words may go out."""

    drafts: Sequence[Mapping[str, Any]]
    approved: Mapping[tuple[str, str], Approved]

    @property
    def model(self) -> str:
        """Who wrote them."""
        return ", ".join(sorted({str(draft["model"]) for draft in self.drafts if draft["model"]}))

    @property
    def sent_back(self) -> Sequence[Mapping[str, Any]]:
        """Those whose first text had a hard finding."""
        return [draft for draft in self.drafts if draft["cost"]["calls"] > 1]


def review(api: Api, program: Program) -> Reviewed:
    """Wait until each text is proposed, approve what may be sent, and read back what is approved."""
    listed = _all_written(api, program.journey)
    proposed = [draft for draft in listed if draft["state"] == "proposed" and not draft["found"]["hard"]]
    for draft in proposed:
        if draft["value"] == READ_FIRST:
            api.post(path_of("drafts", draft["id"], "approve"))
    others = [draft["id"] for draft in proposed if draft["value"] not in (READ_FIRST, LEFT)]
    if others:
        api.post("/v1/drafts/approve", {"ids": others})
    drafts = [api.get(path_of("drafts", draft["id"])) for draft in listed]
    return Reviewed(sorted(drafts, key=lambda draft: str(draft["value"])), dict(_approved(program, drafts)))


def faults_of(draft: Mapping[str, Any]) -> list[str]:
    """What was found wrong with the text before this one: the last prompt says it to the model."""
    found = _FOUND.search(str(draft["prompt"].get("user", "")))
    return [] if found is None else [line.removeprefix("| ") for line in found[1].splitlines()]


def _all_written(api: Api, journey: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        listed = list(api.list_all("/v1/drafts", {"journey": journey}))
        waiting = [draft for draft in listed if draft["state"] == "wanted"]
        if listed and not waiting:
            return listed
        if time.monotonic() > deadline:
            why = next((draft["reason"] for draft in waiting if draft["reason"]), "the logs are in the demo's home")
            raise NotSo(f"{len(waiting)} texts are not written within {PATIENCE_SECONDS:.0f} s: {why}")
        time.sleep(0.1)


def _approved(program: Program, drafts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], Approved]]:
    """The approved texts as a rehearsal takes them, by message and key of the order."""
    for draft in drafts:
        order = order_for(program, draft["message"], language=draft["language"], value=draft["value"])
        if order is not None and draft["state"] == "approved":
            text = DraftText(draft["subject"], draft["body"])
            yield (draft["message"], order_key(order)), Approved(draft["id"], text)
