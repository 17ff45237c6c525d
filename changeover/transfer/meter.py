"""How fast a copy goes: now, over the last minutes, and what it needs after its rows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Clock

#: Seconds over which "now" is measured, and the mean.
NOW_S: Final = 10.0
MEAN_S: Final = 300.0
#: Seconds that one entry of the record stands for.
_GRAIN_S: Final = 1.0


@dataclass(slots=True)
class Meter:
    """Rows that went, second by second, for the last five minutes."""

    clock: Clock
    _began: float = field(default=0.0, init=False)
    _seconds: deque[tuple[float, int]] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    def went(self, rows: int) -> None:
        """*rows* more went just now."""
        now = self.clock.monotonic()
        if self._seconds and now - self._seconds[-1][0] < _GRAIN_S:
            begun, before = self._seconds[-1]
            self._seconds[-1] = (begun, before + rows)
        else:
            self._seconds.append((now, rows))
        while self._seconds and now - self._seconds[0][0] > MEAN_S:
            self._seconds.popleft()

    @property
    def now(self) -> float:
        """Rows a second over the last ten seconds."""
        return self._over(NOW_S)

    @property
    def mean(self) -> float:
        """Rows a second over the last five minutes, or since it began."""
        return self._over(MEAN_S)

    def _over(self, seconds: float) -> float:
        now = self.clock.monotonic()
        since = max(now - seconds, self._began)
        lasts = max(now - since, 0.001)
        return sum(rows for begun, rows in self._seconds if begun >= since) / lasts


@dataclass(slots=True)
class Tail:
    """What comes after a table's rows - counting, counters, statistics - measured on the tables that are done."""

    rows: int = 0
    seconds: float = 0.0

    def measured(self, rows: int, seconds: float) -> None:
        """A table of so many rows needed so many seconds after its last row."""
        self.rows += rows
        self.seconds += seconds

    def expected(self, rows: int) -> float | None:
        """Seconds that tables of so many rows together need after their last rows; None while nothing was measured."""
        return None if not self.rows else self.seconds / self.rows * rows
