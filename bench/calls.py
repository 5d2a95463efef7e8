"""What Temporal's frontend was asked, counted by Temporal itself (its own metric `service_requests`): every request of
everybody, whichever workflow it names, refused and deduplicated ones included.

    before = await calls_so_far(stage)
    ...
    made = calls_since(before, await calls_so_far(stage))
    made.other        # by operation, what is not polling

Polling is what goes on while nothing happens: a worker's long polls and its heartbeat, and what a process asks when it
connects. What Temporal's own workers ask in its own namespace is none of ours, and is left out.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from bench.stage import Servers, Wrong

POLLING = frozenset({
    "PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue", "RecordWorkerHeartbeat",
    "GetSystemInfo", "DescribeNamespace",
})  # fmt: skip
OF_TEMPORAL = "temporal-system"

_LINE = re.compile(r"service_requests(?:_total)?\{(?P<labels>.*)\} (?P<number>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Calls:
    """How many of each operation, without those of which there was none."""

    by_operation: Mapping[str, int]

    @property
    def polling(self) -> Mapping[str, int]:
        """What goes on while nothing happens."""
        return {name: number for name, number in self.by_operation.items() if name in POLLING}

    @property
    def other(self) -> Mapping[str, int]:
        """All else."""
        return {name: number for name, number in self.by_operation.items() if name not in POLLING}


async def calls_so_far(stage: Servers) -> Calls:
    """Since the server began; raises Wrong where it does not count."""
    port = stage.temporal.metrics_port
    if port is None:
        raise Wrong("this Temporal server does not count its calls: start it with a metrics_port")
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    answer.raise_for_status()
    return read(answer.text)


def read(metrics: str) -> Calls:
    """The calls in what the server tells; raises Wrong where none are told: there always were some."""
    found: Counter[str] = Counter()
    for line in _LINE.finditer(metrics):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels["service_name"] == "frontend" and labels["namespace"] != OF_TEMPORAL:
            found[labels["operation"]] += int(float(line["number"]))
    if not found:
        raise Wrong("Temporal's metrics tell of no call at all, and connecting alone is one")
    return Calls(found)


def calls_since(before: Calls, after: Calls) -> Calls:
    """What came between."""
    grown = {name: number - before.by_operation.get(name, 0) for name, number in after.by_operation.items()}
    return Calls({name: number for name, number in sorted(grown.items()) if number})


def in_words(calls: Mapping[str, int]) -> str:
    """`12 PollWorkflowTaskQueue, 1 GetSystemInfo`; `none` where there is none."""
    return ", ".join(f"{number:,} {name}" for name, number in calls.items()) or "none"
