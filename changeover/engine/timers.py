"""What is due later, on the run's own clock, so that a virtual night needs no real one."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from changeover.contracts import Clock


@dataclass(slots=True)
class Timer:
    """Something that is due at a moment, unless it is cancelled."""

    due: float  # monotonic
    action: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        """Let it never happen."""
        self.cancelled = True
        self.action = _nothing


def _nothing() -> None:
    """What a cancelled timer does."""


@dataclass(slots=True)
class Timers:
    """Timers by the moment they are due."""

    clock: Clock
    _heap: list[tuple[float, int, Timer]] = field(default_factory=list)
    _number: itertools.count[int] = field(default_factory=itertools.count)

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Do *action* when *seconds* have passed."""
        timer = Timer(self.clock.monotonic() + seconds, action)
        heapq.heappush(self._heap, (timer.due, next(self._number), timer))
        return timer

    def fire(self) -> int:
        """Do all that is due; how many that was."""
        now = self.clock.monotonic()
        fired = 0
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if not timer.cancelled:
                timer.action()
                fired += 1
        return fired

    def next_in(self) -> float | None:
        """Seconds until the next one is due; None when there is none."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0][0] - self.clock.monotonic()) if self._heap else None
