"""The steps of one phase as a graph that stays linear: needs that many steps share are one join, visited once."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from changeover.errors import Mistake
from changeover.plan.model import PlannedStep


@dataclass(eq=False)
class StepsInACircle(Mistake):
    """Steps wait for each other, so none of them could ever start."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"these steps wait for each other: {' -> '.join(self.steps)}"

    @property
    def hint(self) -> str:
        return "take one of the `needs:` of the circle away"


@dataclass(frozen=True, slots=True)
class Network:
    """An order in which the steps can run, and the joins between them.

    A join is one tuple of needs: the steps that wait for exactly the same steps share it (:func:`share`), so a stage of
    2,000 parallel steps after another costs 4,000 visits and not 4,000,000.
    """

    steps: Mapping[str, PlannedStep]
    order: tuple[str, ...]
    joins: Sequence[tuple[str, ...]]  # the steps that have to be over
    join_of: Mapping[str, int]  # the join that a step waits for
    joins_with: Mapping[str, Sequence[int]]  # the joins that a step is part of
    slot_before: Mapping[str, str]  # the item of `for_each` whose place a step takes (max_parallel)
    slot_after: Mapping[str, str]


def connect(steps: Mapping[str, PlannedStep]) -> Network:
    """The network of *steps*. Raises StepsInACircle."""
    joins: list[tuple[str, ...]] = []
    join_of: dict[str, int] = {}
    joins_with: dict[str, list[int]] = {key: [] for key in steps}
    seen: dict[int, int] = {}
    for key, planned in steps.items():
        number = seen.get(id(planned.needs))
        if number is None:
            number = seen[id(planned.needs)] = len(joins)
            members = tuple(dict.fromkeys(need for need in planned.needs if need in steps))
            joins.append(members)
            for member in members:
                joins_with[member].append(number)
        join_of[key] = number
    before = _slots(steps.values())
    after = {earlier: later for later, earlier in before.items()}
    order = _Sorting(joins, join_of, before).order(joins_with, after)
    if len(order) < len(join_of):
        raise StepsInACircle(_circle(joins, join_of, set(join_of) - set(order)))
    return Network(steps, order, joins, join_of, joins_with, before, after)


def _slots(steps: Iterable[PlannedStep]) -> dict[str, str]:
    items: dict[int, list[str]] = {}
    slots: dict[str, str] = {}
    for planned in steps:
        for_each = planned.step.for_each
        if for_each is None:
            continue
        earlier = items.setdefault(id(planned.step), [])
        if len(earlier) >= for_each.max_parallel:
            slots[planned.key] = earlier[-for_each.max_parallel]
        earlier.append(planned.key)
    return slots


class _Sorting:
    """Kahn's order; of several steps that could be next, the one written first."""

    def __init__(self, joins: Sequence[tuple[str, ...]], join_of: Mapping[str, int], before: Mapping[str, str]) -> None:
        self._keys = list(join_of)
        self._written = {key: number for number, key in enumerate(join_of)}
        self._waiters: list[list[str]] = [[] for _ in joins]
        for key, number in join_of.items():
            self._waiters[number].append(key)
        self._open_members = [len(members) for members in joins]
        self._open_conditions = {key: 1 + (key in before) for key in join_of}
        self._ready: list[int] = []

    def order(self, joins_with: Mapping[str, Sequence[int]], after: Mapping[str, str]) -> tuple[str, ...]:
        """All steps that can ever run; fewer than there are when some wait for each other."""
        for number, count in enumerate(self._open_members):
            if not count:
                self._open(number)
        order: list[str] = []
        while self._ready:
            key = self._keys[heapq.heappop(self._ready)]
            order.append(key)
            for number in joins_with[key]:
                self._open_members[number] -= 1
                if not self._open_members[number]:
                    self._open(number)
            if key in after:
                self._meet(after[key])
        return tuple(order)

    def _open(self, number: int) -> None:
        for key in self._waiters[number]:
            self._meet(key)

    def _meet(self, key: str) -> None:
        self._open_conditions[key] -= 1
        if not self._open_conditions[key]:
            heapq.heappush(self._ready, self._written[key])


def _circle(joins: Sequence[tuple[str, ...]], join_of: Mapping[str, int], stuck: set[str]) -> tuple[str, ...]:
    """One circle among the *stuck* steps, spelled out: each waits for the one before it."""
    path: list[str] = []
    at: dict[str, int] = {}
    key = next(key for key in join_of if key in stuck)
    while key not in at:
        at[key] = len(path)
        path.append(key)
        key = next((need for need in joins[join_of[key]] if need in stuck), key)
    return tuple(reversed([*path[at[key] :], key]))
