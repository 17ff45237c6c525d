"""How fast a copy may go: asked after every block of rows and before every chunk, by every worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from changeover.contracts import Clock

#: Seconds between two looks at what is allowed, while a worker waits.
_LOOK_EVERY: Final = 0.2
#: Seconds that a worker waits inside the chunk it is in. After that the chunk is given back: no transaction stays open.
KEPT_S: Final = 10.0
#: Seconds that a chunk takes at most at the pace that is allowed when it is claimed; half of what would give it back.
_CHUNK_S: Final = 5.0
#: Seconds for which nobody goes to sleep.
_TOO_SHORT_S: Final = 0.001
#: Seconds of unused allowance that may be made up for.
_MADE_UP_S: Final = 0.5


class ChunkGivenBack(Exception):
    """The copy waited in the middle of a chunk for too long: its transaction is rolled back, and it is copied anew later."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How fast rows may go now."""

    held: bool = False
    rows_per_s: float | None = None  # None: as fast as it can

    def share(self, workers: int) -> Allowance:
        """What each of several workers may do."""
        if self.rows_per_s is None or workers <= 1:
            return self
        return Allowance(self.held, self.rows_per_s / workers)


class Pace(Protocol):
    """Says when the next rows may be read."""

    def went(self, rows: int) -> None:
        """*rows* more have been read and sent; return when the next ones may be.

        It is asked inside the chunk's transaction, so whoever waits here keeps the chunk. 0 rows: nothing has been sent
        since it was asked last.

        Raises:
            Stopped: the step has to stop; the transaction is rolled back.
            ChunkGivenBack: the transaction is to be rolled back, and :meth:`between_chunks` asked.
        """
        ...

    def between_chunks(self) -> None:
        """No transaction is open; return when a chunk may be claimed. Raises Stopped."""
        ...

    def longest_chunk(self) -> int | None:
        """The rows that a chunk may have now, so that its transaction stays short; None: as many as were planned."""
        ...


@dataclass(frozen=True, slots=True)
class Unhurried:
    """As fast as both databases can, until the step has to stop."""

    check_stopped: Callable[[], None]

    def went(self, rows: int) -> None:  # noqa: ARG002 - the protocol's
        self.check_stopped()

    def between_chunks(self) -> None:
        self.check_stopped()

    def longest_chunk(self) -> int | None:
        return None


@dataclass(slots=True)
class Paced:
    """As fast as is allowed, which may change at any moment.

    Attributes:
        allowed: what is allowed now; asked often.
        tell: is told of every row that went.
        sleep: raises Stopped when the step has to stop.
    """

    allowed: Callable[[], Allowance]
    check_stopped: Callable[[], None]
    sleep: Callable[[float], None]
    clock: Clock
    tell: Callable[[int], None]
    _debt: float = field(default=0.0, init=False)  # rows that went earlier than they were allowed to; negative: later
    _since: float | None = field(default=None, init=False)
    _waited: float = field(default=0.0, init=False)  # seconds, inside this chunk, to keep the pace

    def went(self, rows: int) -> None:
        if rows:
            self.tell(rows)
        self._debt += rows
        held_since: float | None = None
        while True:
            self.check_stopped()
            allowed = self.allowed()
            now = self.clock.monotonic()
            wait = self._owed(allowed, now)
            if allowed.held:
                held_since = now if held_since is None else held_since
                if now - held_since >= KEPT_S:
                    self._debt = 0.0
                    raise ChunkGivenBack
                wait = _LOOK_EVERY
            elif wait < _TOO_SHORT_S:
                return
            elif self._waited >= KEPT_S:
                raise ChunkGivenBack
            else:
                self._waited += min(wait, _LOOK_EVERY)
            self.sleep(min(wait, _LOOK_EVERY))

    def between_chunks(self) -> None:
        self._waited = 0.0
        while True:
            self.check_stopped()
            allowed = self.allowed()
            wait = self._owed(allowed, self.clock.monotonic())
            if not allowed.held and wait < _TOO_SHORT_S:
                return
            self.sleep(_LOOK_EVERY if allowed.held else min(wait, _LOOK_EVERY))

    def longest_chunk(self) -> int | None:
        rate = self.allowed().rows_per_s
        return None if rate is None else max(1, int(rate * _CHUNK_S))

    def _owed(self, allowed: Allowance, now: float) -> float:
        """Seconds until the rows that went are within what is allowed."""
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        if allowed.rows_per_s is None:
            self._debt = 0.0
            return 0.0
        if not allowed.held:
            self._debt = max(self._debt - passed * allowed.rows_per_s, -_MADE_UP_S * allowed.rows_per_s)
        return self._debt / allowed.rows_per_s
