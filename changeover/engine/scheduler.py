"""Which ready step is next: in the order they became ready, within the limits of their ``for_each``, after their pauses."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Phase, StepState
from changeover.engine.runtime import Runtime
from changeover.plan.model import PlannedStep

_MAY_BEGIN: Final = frozenset({StepState.PENDING, StepState.RETRYING})
_FAILED: Final = (StepState.FAILED, StepState.FAILED_DIRTY, StepState.ASKS_HUMAN, StepState.UNKNOWN)
_Group = tuple[Phase, str]


@dataclass(slots=True)
class Scheduler:
    """The queue of ready steps."""

    runtime: Runtime
    _queue: deque[str] = field(default_factory=deque)
    _queued: set[str] = field(default_factory=set)
    _active: dict[_Group, set[str]] = field(default_factory=dict)
    _parked: dict[_Group, deque[str]] = field(default_factory=dict)
    _pausing: set[str] = field(default_factory=set)

    @property
    def pausing(self) -> bool:
        """Whether a step waits for the end of its pause."""
        return bool(self._pausing)

    @property
    def queued(self) -> bool:
        """Whether a step could begin."""
        return bool(self._queue)

    def offer(self, keys: Iterable[str]) -> None:
        """Queue *keys*, each when its pause is over."""
        for key in keys:
            if key in self._pausing:
                continue
            left = self.runtime.not_before.get(key, 0.0) - self.runtime.options.clock.monotonic()
            if left > 0:
                self._pausing.add(key)
                self.runtime.timers.after(left, lambda key=key: self._after_pause(key))  # type: ignore[misc]
            elif key not in self._queued:
                self._queued.add(key)
                self._queue.append(key)

    def next(self) -> PlannedStep | None:
        """Take the next step that may begin; its ``for_each`` counts it as under way."""
        while self._queue:
            key = self._queue.popleft()
            self._queued.discard(key)
            planned = self.runtime.projection.planned(key)
            if planned is None or not self._eligible(planned):
                continue
            group = _group(planned)
            if group is None:
                return planned
            if key not in self._active.get(group, ()) and self._full(group, planned):
                self._parked.setdefault(group, deque()).append(key)
                continue
            self._active.setdefault(group, set()).add(key)
            return planned
        return None

    def ended(self, planned: PlannedStep) -> None:
        """Note that *planned* is no longer under way."""
        group = _group(planned)
        if group is not None:
            self._active.get(group, set()).discard(planned.key)

    def revive(self) -> None:
        """Queue as many of the steps that their limits held back as may begin now."""
        for group, parked in self._parked.items():
            if not parked:
                continue
            planned = self.runtime.planned(parked[0])
            queued = 0
            while parked and not self._full(group, planned, more=queued):
                self.offer((parked.popleft(),))
                queued += 1

    def _after_pause(self, key: str) -> None:
        self._pausing.discard(key)
        self.offer((key,))
        self.runtime.wake.set()

    def _eligible(self, planned: PlannedStep) -> bool:
        projection = self.runtime.projection
        if planned.phase is not projection.phase or planned.key in self.runtime.busy:
            return False
        readiness = projection.readiness
        ready = readiness.counts(planned.key) and readiness.ready(planned.key)
        return ready and projection.step(planned.key).state in _MAY_BEGIN

    def _full(self, group: _Group, planned: PlannedStep, *, more: int = 0) -> bool:
        limits = planned.step.for_each
        assert limits is not None  # noqa: S101 - it has a group
        if len(self._active.get(group, ())) + more >= max(1, limits.max_parallel):
            return True
        projection = self.runtime.projection
        failed = [key for key in projection.keys(planned.phase, *_FAILED) if _group(self.runtime.planned(key)) == group]
        return len(failed) > limits.max_failures


def _group(planned: PlannedStep) -> _Group | None:
    return (planned.phase, planned.step.id) if planned.step.for_each is not None else None
