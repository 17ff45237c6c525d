"""How fast a copy goes: now, over the last minutes, and what it needs after its rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Clock, Value

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


#: What ties the tables together comes after all of them, and counts as one.
TIES: Final = ""


@dataclass(frozen=True, slots=True)
class Lasted:
    """What came after the rows of one table."""

    rows: int
    seconds: float

    def of(self, rows: int) -> float:
        """What so many rows would need."""
        return self.seconds / self.rows * rows if self.rows else self.seconds


@dataclass(slots=True)
class Tail:
    """What comes after a table's rows - counting, indexes, counters, statistics - measured in the last rehearsal or just now.

    A table that was rehearsed needs what it needed then, by its rows; any other what the tables need that are done.
    """

    clock: Clock
    rehearsed: dict[str, Lasted] = field(default_factory=dict)
    since: str = ""  # when that was, ISO
    planned: dict[str, int] = field(default_factory=dict)
    done: dict[str, Lasted] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict, init=False)

    @classmethod
    def known(cls, clock: Clock, figures: Mapping[str, Value]) -> Tail:
        """With what a rehearsal told by :meth:`figures`."""
        told, at = figures.get("tails"), figures.get("at")
        tail = cls(clock, since=str(at or ""))
        for table, pair in told.items() if isinstance(told, dict) else ():
            match pair:
                case [int(rows), int() | float() as seconds]:
                    tail.rehearsed[str(table)] = Lasted(rows, float(seconds))
                case _:
                    continue
        return tail

    def plan(self, tables: Mapping[str, int]) -> None:
        """These are the tables, and their rows."""
        self.planned = {**tables, TIES: sum(tables.values())}
        self._began = {}

    def is_done(self, table: str) -> None:
        """It was done earlier, and nobody measured how long it took."""
        self.planned.pop(table, None)

    def begins(self, table: str) -> None:
        """The last row of a table has come."""
        self._began[table] = self.clock.monotonic()

    def ends(self, table: str, rows: int) -> None:
        """All is done that comes after the rows of a table; nothing when it did not begin here. Several times: it adds up."""
        began = self._began.pop(table, None)
        if began is not None:
            before = self.done[table].seconds if table in self.done else 0.0
            self.done[table] = Lasted(rows, before + self.clock.monotonic() - began)

    @property
    def left(self) -> float | None:
        """Seconds that are still to come; None while nothing was ever measured."""
        if not self.rehearsed and not self.done:
            return None
        return sum(self._left_of(table, rows) for table, rows in self.planned.items())

    def _left_of(self, table: str, rows: int) -> float:
        if table in self.done and table != TIES:
            return 0.0
        known = self.rehearsed.get(table)
        expected = known.of(rows) if known is not None else self._usual(rows) if table != TIES else 0.0
        began = self._began.get(table)
        passed = self.clock.monotonic() - began if began is not None else 0.0
        if table in self.done:
            passed += self.done[table].seconds
        return max(expected - passed, 0.0)

    def _usual(self, rows: int) -> float:
        """What tables of so many rows need."""
        known = [lasted for table, lasted in (self.done or self.rehearsed).items() if table != TIES]
        return Lasted(sum(each.rows for each in known), sum(each.seconds for each in known)).of(rows)

    @property
    def seconds(self) -> float:
        """What it took so far."""
        return sum(lasted.seconds for lasted in self.done.values())

    @property
    def figures(self) -> dict[str, Value]:
        """What a later run can know it by."""
        return {"tails": {table: [lasted.rows, round(lasted.seconds, 3)] for table, lasted in self.done.items()}}
