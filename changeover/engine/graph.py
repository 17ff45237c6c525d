"""Which steps are ready, counted and never searched: the cost of a run is linear in its steps and joins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from changeover.plan.model import PlannedStep


@dataclass(slots=True)
class _Join:
    """What several steps wait for together. The plan shares one tuple of needs among them, and so do we."""

    open: int
    waiting: list[str] = field(default_factory=list)


class Readiness:
    """Counts down what each step still waits for.

    With *stands_for* only some steps count (a rollback undoes only what started); the others let through what they wait
    for without ever being ready themselves.
    """

    __slots__ = ("_done", "_early", "_join_of", "_joins_of", "_left", "_through")

    def __init__(self, steps: Mapping[str, PlannedStep], *, counts: Callable[[str], bool] | None = None) -> None:
        self._through = frozenset(key for key in steps if counts is not None and not counts(key))
        self._join_of: dict[str, _Join] = {}
        self._joins_of: dict[str, list[_Join]] = {}
        self._done: set[str] = set()
        self._early: set[str] = set()
        self._left = len(steps) - len(self._through)
        shared: dict[int, _Join] = {}
        for key, planned in steps.items():
            join = shared.get(id(planned.needs))
            if join is None:
                members = [need for need in dict.fromkeys(planned.needs) if need in steps]
                join = shared[id(planned.needs)] = _Join(len(members))
                for need in members:
                    self._joins_of.setdefault(need, []).append(join)
            join.waiting.append(key)
            self._join_of[key] = join

    @property
    def left(self) -> int:
        """How many steps are not done."""
        return self._left

    def ready(self, key: str) -> bool:
        """Whether all that *key* waits for is done."""
        return self._join_of[key].open == 0

    def counts(self, key: str) -> bool:
        """Whether *key* is one of the steps that count."""
        return key not in self._through

    def first(self) -> list[str]:
        """The steps that wait for nothing. Call it once, before anything is done."""
        roots = [key for key, join in self._join_of.items() if join.open == 0]
        return list(self._let_through(roots))

    def done(self, key: str) -> list[str]:
        """Note that *key* is done; the steps that are ready because of it. A second time changes nothing.

        What is done before its turn (skipped by a person) holds up whoever needs it until its turn has come: else a
        step skipped behind a gate would open the way around the gate.
        """
        if key in self._done:
            return []
        if self._join_of[key].open:
            self._early.add(key)
            return []
        return list(self._let_through(self._finish(key)))

    def _finish(self, key: str) -> list[str]:
        self._done.add(key)
        if key not in self._through:
            self._left -= 1
        opened: list[str] = []
        for join in self._joins_of.get(key, ()):
            join.open -= 1
            if join.open == 0:
                opened += join.waiting
        return opened

    def _let_through(self, keys: Iterable[str]) -> Iterator[str]:
        stack = list(keys)[::-1]
        while stack:
            key = stack.pop()
            if key not in self._through and key not in self._early:
                yield key
            elif key not in self._done:
                stack.extend(self._finish(key)[::-1])
