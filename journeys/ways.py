"""The ways through a program: what leads where, and how soon. Pure; knows no step type."""

from collections.abc import Collection, Mapping
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
        self.reached = self.reached_without(())

    def reached_without(self, arms: Collection[tuple[str, str]]) -> set[str]:
        """Where a run can come without ever taking one of these arms (node and name)."""
        return self._walk([] if self._start is None else [self._start], arms)

    def after(self, nodes: Collection[str]) -> set[str]:
        """Where a run can come that has left one of these nodes."""
        return self._walk([to for node in nodes for _, to in self._arms[node]], ())

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

    def _walk(self, ahead: list[str], arms: Collection[tuple[str, str]]) -> set[str]:
        seen: set[str] = set()
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                ahead.extend(to for arm, to in self._arms[at] if (at, arm) not in arms)
        return seen
