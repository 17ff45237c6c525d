"""How many requests a second a service bears: found out once, carefully, and never exceeded again. Pure.

It begins slowly and gets faster by one request a second each second, until the service refuses one or slows down markedly. From
then on half of that rate is the safe one, and the search is over: it may fall further, and it never rises above it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

_FIRST: Final = 1.0
_LOWEST: Final = 0.05
#: What is left of a rate after a refusal, and when answers become slow.
_REFUSED: Final = 0.5
_SLOWED: Final = 0.8
#: An answer is slow when it takes this much longer than the quickest one did, and at least this many seconds.
_SLOW_TIMES: Final = 4.0
_SLOW_S: Final = 0.5
#: Slow answers in a row that mean that the service is loaded.
_SLOW_IN_A_ROW: Final = 3
#: With each quick answer a slowed rate comes back by this part of the safe one.
_BACK: Final = 0.05


@dataclass(slots=True)
class SafeRate:
    """The rate at which one service is asked.

    Attributes:
        most: requests a second, whatever it bears.
        settled: whether the search is over.
        safe: requests a second; while it is searched, the rate so far.
    """

    most: float
    settled: bool = False
    safe: float = _FIRST
    refusals: int = 0
    _now: float = field(default=0.0, init=False)  # requests a second; below the safe rate while the service is slow
    _last: float | None = field(default=None, init=False)
    _came: float = field(default=0.0, init=False)  # the last answer
    _not_before: float = field(default=0.0, init=False)
    _quickest: float | None = field(default=None, init=False)
    _slow: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.safe = self._now = min(self.safe, self.most)

    @classmethod
    def of(cls, kept: dict[str, Any] | None, most: float) -> SafeRate:
        """The rate that :attr:`kept` had; one that was still searched for begins with half."""
        if not kept:
            return cls(most)
        settled, safe = bool(kept["settled"]), float(kept["safe"])
        return cls(most, settled, safe if settled else max(safe * _REFUSED, min(_FIRST, safe)), int(kept["refusals"]))

    @property
    def kept(self) -> dict[str, Any]:
        """For the target, so that another process does not search again."""
        return {"settled": self.settled, "safe": round(self.safe, 4), "refusals": self.refusals}

    @property
    def now(self) -> float:
        """Requests a second at this moment."""
        return self._now

    @property
    def words(self) -> str:
        """Why it goes no faster."""
        if not self.settled:
            return f"{self._now:,.1f} requests/s, while it is found out what the service bears"
        slowed = f", now {self._now:,.1f}, because it answers slowly" if self._now < self.safe * 0.99 else ""
        return f"at most {self.safe:,.1f} requests/s, which the service is known to bear{slowed}"

    def wait(self, now: float) -> float:
        """Seconds until the next request may go; a process that has sent none yet waits too."""
        if self._last is None:
            self._last = now
        # half an interval after the answer: however long a request is on its way, two never arrive closer than at twice the rate
        return max(0.0, self._last + 1 / self._now - now, self._came + 0.5 / self._now - now, self._not_before - now)

    def sent(self, now: float) -> None:
        """A request goes now."""
        passed = now - self._last if self._last is not None else 0.0
        self._last = now
        if not self.settled:
            self._now = self.safe = min(self._now + min(passed, 1.0), self.most)

    def came(self, now: float) -> None:
        """An answer came, whatever it says."""
        self._came = now

    def answered(self, seconds: float) -> bool:
        """An answer came after *seconds*; whether that changes what is safe."""
        quickest = self._quickest = seconds if self._quickest is None else min(self._quickest, seconds)
        slow = seconds > max(quickest * _SLOW_TIMES, quickest + _SLOW_S)
        self._slow = self._slow + 1 if slow else 0
        if self._slow >= _SLOW_IN_A_ROW:
            self._slow = 0
            self._now = max(self._now * _SLOWED, _LOWEST)
            if not self.settled:
                self.settled, self.safe = True, self._now
                return True
        elif not slow and self.settled:
            self._now = min(self._now + self.safe * _BACK, self.safe)
        return False

    def refused(self, now: float, wait: float) -> None:
        """It was too much: nothing goes for *wait* seconds, and then half as fast, for good."""
        self.refusals += 1
        self.settled = True
        self.safe = self._now = max(min(self._now, self.safe) * _REFUSED, _LOWEST)
        self._not_before = now + wait
