"""Which step certainly comes after which: the graph across stages, without an edge for every pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from changeover.runbook.model import Stage
from changeover.runbook.order import cycle_in, last_steps, needs_of, stage_needs_of

#: Before the name of a stage: the moment at which its first steps may start. No step has such an id.
ENTRY = "\0"
_MOST_CYCLES = 10


class Ancestry:
    """The steps of a runbook with all they need."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self._stages = stages
        self.inside = {name: needs_of(stage) for name, stage in stages.items()}
        self.stage_needs = stage_needs_of(stages)

    @cached_property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """Every step and every stage's entry with what it needs."""
        graph: dict[str, tuple[str, ...]] = {}
        for name, needs in self.inside.items():
            ends: list[str] = []
            for need in self.stage_needs[name]:
                ends += last_steps(self._stages[need]) or (ENTRY + need,)
            graph[ENTRY + name] = tuple(dict.fromkeys(ends))
            for step, needed in needs.items():
                graph[step] = needed if any(need in needs for need in needed) else (*needed, ENTRY + name)
        return graph

    def stage_cycle(self) -> tuple[str, ...]:
        """A circle of stages, each needing the next; empty when there is none."""
        return cycle_in(self.stage_needs)

    def step_cycles(self) -> Iterator[tuple[str, ...]]:
        """Circles of steps, each needing the next, until what is left has none."""
        left = dict(self.graph)
        for _ in range(_MOST_CYCLES):
            cycle = cycle_in(left)
            if not cycle:
                return
            yield cycle
            left[cycle[0]] = tuple(need for need in left[cycle[0]] if need != cycle[1])

    @cached_property
    def _rank(self) -> dict[str, int]:
        """The place of each step in one possible order; empty when the graph has a circle."""
        known = {name: [need for need in needs if need in self.graph] for name, needs in self.graph.items()}
        try:
            return {name: place for place, name in enumerate(TopologicalSorter(known).static_order())}
        except CycleError:
            return {}

    def comes_after(self, later: str, earlier: str) -> bool:
        """Whether *later* can only start once *earlier* has passed."""
        rank = self._rank
        lowest = rank.get(earlier, 0)
        seen: set[str] = set()
        waiting = [later]
        while waiting:
            for need in self.graph.get(waiting.pop(), ()):
                if need == earlier:
                    return True
                if need not in seen and rank.get(need, 0) >= lowest:
                    seen.add(need)
                    waiting.append(need)
        return False

    def all_after(self, steps: set[str]) -> set[str]:
        """*steps* and all that can only start once one of them has passed; entries of stages left out."""
        followers: dict[str, list[str]] = {}
        for name, needs in self.graph.items():
            for need in needs:
                followers.setdefault(need, []).append(name)
        found, waiting = set(steps), list(steps)
        while waiting:
            for follower in followers.get(waiting.pop(), ()):
                if follower not in found:
                    found.add(follower)
                    waiting.append(follower)
        return {name for name in found if not name.startswith(ENTRY)}
