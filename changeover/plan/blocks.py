"""Stages that come back together, because their steps wait for each other's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field


def blocks_of(behind: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """The names of *behind* in an order in which each stands after all it points at; circles stand together.

    Tarjan's algorithm without recursion, linear.
    """
    search = _Search(behind)
    for name in behind:
        if name not in search.number:
            search.visit(name)
    return search.blocks


@dataclass(slots=True)
class _Search:
    behind: Mapping[str, Iterable[str]]
    number: dict[str, int] = field(default_factory=dict)  # in the order they were met
    lowest: dict[str, int] = field(default_factory=dict)  # the earliest that can be reached again
    stack: list[str] = field(default_factory=list)
    on_stack: set[str] = field(default_factory=set)
    blocks: list[tuple[str, ...]] = field(default_factory=list)

    def visit(self, root: str) -> None:
        """Walk everything that can be reached from *root*."""
        work = [self._enter(root)]
        while work:
            name, others = work[-1]
            new = self._next_new(name, others)
            if new is not None:
                work.append(self._enter(new))
                continue
            work.pop()
            if work:
                parent = work[-1][0]
                self.lowest[parent] = min(self.lowest[parent], self.lowest[name])
            if self.lowest[name] == self.number[name]:
                self._close(name)

    def _enter(self, name: str) -> tuple[str, Iterator[str]]:
        self.number[name] = self.lowest[name] = len(self.number)
        self.stack.append(name)
        self.on_stack.add(name)
        return name, iter(self.behind[name])

    def _next_new(self, name: str, others: Iterator[str]) -> str | None:
        for other in others:
            if other not in self.number:
                return other
            if other in self.on_stack:
                self.lowest[name] = min(self.lowest[name], self.number[other])
        return None

    def _close(self, name: str) -> None:
        block: list[str] = []
        while not block or block[-1] != name:
            block.append(self.stack.pop())
        self.on_stack.difference_update(block)
        self.blocks.append(tuple(block))
