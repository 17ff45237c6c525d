"""What the author writes below `throttle:`, and how a probe's readings slow a copy down. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from changeover.contracts import key

#: By what a copy is slowed down with each reading over the limit, and lets go with each one below.
_SLOWER: Final = 0.6
_FASTER: Final = 1.25
#: Rows a second below which nothing is slowed down further: only *critical* stops.
SLOWEST: Final = 100.0


@dataclass(frozen=True, slots=True)
class LoadProbe:
    """A figure of a database that must not be too high while it is copied."""

    sql: str = key("a query whose last column of the first row is a number, such as `show status like 'Threads_running'`")
    most: float = key("over this the copy slows down until it is no longer so", word="max")
    critical: float | None = key("from this on it stops between two blocks, until `max` is kept again", default=None)
    every: timedelta = key("between two readings", default=timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class Throttle:
    """How much a copy may ask of the databases."""

    rows_per_s: float | None = key("rows a second, of all workers together", default=None)
    probe: LoadProbe | None = key("the load of the source", default=None)
    target_probe: LoadProbe | None = key("the load of the target", default=None)

    def problems(self) -> Iterable[str]:
        """What makes no sense; a `${...}` is left alone."""
        if not _more(self.rows_per_s, 0):
            yield "`throttle: rows_per_s` is above 0"
        for word, probe in (("probe", self.probe), ("target_probe", self.target_probe)):
            if probe is None:
                continue
            if not _more(probe.every, timedelta()):
                yield f"`throttle: {word}: every` is longer than nothing"
            if not _more(probe.critical, probe.most):
                yield f"`throttle: {word}: critical` is above `max`"


def _more(value: object, least: object) -> bool:
    """True also where one of them is left out, or only the run will know it."""
    if isinstance(value, int | float) and isinstance(least, int | float):
        return value > least
    return value > least if isinstance(value, timedelta) and isinstance(least, timedelta) else True


class Load(StrEnum):
    """What the readings mean for the copy."""

    FREE = "free"
    SLOWED = "slowed"
    STOPPED = "stopped"


@dataclass(slots=True)
class Brake:
    """Slows a copy down by the readings of one probe, and lets go again: halfway there fast, back in small steps."""

    probe: LoadProbe
    load: Load = field(default=Load.FREE, init=False)
    limit: float | None = field(default=None, init=False)  # rows a second
    _free: float = field(default=0.0, init=False)  # how fast it went before it was slowed down

    def take(self, reading: float, rate: float) -> bool:
        """Take a reading while the copy goes at *rate*; whether that changes what it may do."""
        before = self.load
        if self.probe.critical is not None and reading >= self.probe.critical:
            self.load = Load.STOPPED
        elif reading > self.probe.most:
            if self.load is Load.FREE:
                self._free, self.limit = rate, rate
            self.limit = max((self.limit if self.limit is not None else rate) * _SLOWER, SLOWEST)
            if self.load is not Load.STOPPED:  # once stopped, it waits until `max` is kept
                self.load = Load.SLOWED
        elif self.load is Load.STOPPED:
            self.load, self.limit = Load.SLOWED, max(self.limit or SLOWEST, SLOWEST)
        elif self.load is Load.SLOWED:
            self.limit = (self.limit or SLOWEST) * _FASTER
            if self.limit >= max(self._free, SLOWEST * _FASTER):
                self.load, self.limit = Load.FREE, None
        return self.load is not before
