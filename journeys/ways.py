"""The ways through a program: what leads where, and how soon. Pure; knows no step type."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from heapq import heappop, heappush

from journeys.program import Program

Takes = Mapping[str, Mapping[str, timedelta]]
"""The least time that a step takes, by the arm it is left by; an arm that is not named may take none."""


class Graph:
    """The nodes of a program and the arms between them, without those that no run takes (`never`, by node)."""

    def __init__(self, program: Program, never: Mapping[str, Collection[str]]) -> None:
        self._start = program.start
        self._arms = {
            id_: [
                (arm, to)
                for arm, to in node.successors.items()
                if to is not None and (arm not in never.get(id_, ()) or (arm == "next" and node.guard is not None))
            ]
            for id_, node in program.nodes.items()
        }
        self._ahead: dict[str, set[str]] = {}
        self._reached = set[str]() if self._start is None else {self._start, *self._after(self._start)}

    def is_reached(self, node: str) -> bool:
        """Whether any run can come there."""
        return node in self._reached

    def leads(self, node: str, to: str) -> bool:
        """Whether a run that was at `node` can come to `to` afterwards."""
        return to in self._after(node)

    def can_be_reached_without(self, node: str, arms: Collection[tuple[str, str]]) -> bool:
        """Whether a run can come to `node` without ever taking one of these arms (node and name)."""
        seen: set[str] = set()
        ahead = [] if self._start is None else [self._start]
        while ahead:
            at = ahead.pop()
            if at == node:
                return True
            if at not in seen:
                seen.add(at)
                ahead.extend(to for arm, to in self._arms[at] if (at, arm) not in arms)
        return False

    def earliest(self, takes: Takes) -> dict[str, timedelta]:
        """How long after the entry a run can be at each node at the soonest (Dijkstra's shortest paths)."""
        arrives: dict[str, timedelta] = {}
        ahead = [] if self._start is None else [(timedelta(), self._start)]
        while ahead:
            since, at = heappop(ahead)
            if at in arrives:
                continue
            arrives[at] = since
            for arm, to in self._arms[at]:
                heappush(ahead, (since + takes.get(at, {}).get(arm, timedelta()), to))
        return arrives

    def _after(self, node: str) -> set[str]:
        if node not in self._ahead:
            self._ahead[node] = set(self._walk(node))
        return self._ahead[node]

    def _walk(self, node: str) -> Iterator[str]:
        seen: set[str] = set()
        ahead = [to for _, to in self._arms[node]]
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                yield at
                ahead.extend(to for _, to in self._arms[at])
