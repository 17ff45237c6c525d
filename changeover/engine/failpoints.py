"""Named points at which a test may kill the engine. Off, a point costs one comparison.

``CHANGEOVER_FAILPOINT=name:N`` is SIGKILL when *name* is passed for the N-th time; ``*:N`` counts every point.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

VARIABLE: Final = "CHANGEOVER_FAILPOINT"

#: Every point beside the two that each event kind has: ``before.KIND`` and ``after.KIND``, around its transaction.
POINTS: Final = (
    "leased",  # the run is ours, and nothing of this incarnation stands in the journal
    "renewed",
    "intended",  # an intent is durable
    "acting",  # on the step's thread, before its code
    "acted",  # its code has returned, and nothing of that is recorded
    "recovering",  # something in doubt is about to be found out
    "probing",
    "probed",
    "concluding",  # the run or this engine's part of it is over, and the run is still ours
    "released",  # it is not any more
)


@dataclass(slots=True)
class Failpoint:
    """An armed point."""

    name: str
    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def passed(self, name: str) -> None:
        """Count, and kill this process when the count is up."""
        if self.name not in {"*", name}:
            return
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def parse(text: str) -> Failpoint | None:
    """The point that the variable's *text* arms; None when it is empty."""
    if not text:
        return None
    name, _, number = text.rpartition(":")
    return Failpoint(name or text, int(number) if name else 1)


def _listener(point: Failpoint | None) -> Callable[[str], None] | None:
    return None if point is None else point.passed


_listening: Callable[[str], None] | None = _listener(parse(os.environ.get(VARIABLE, "")))


def arm(text: str) -> None:
    """Arm the point that *text* names, as the variable would; an empty text disarms."""
    listen(_listener(parse(text)))


def listen(listener: Callable[[str], None] | None) -> None:
    """Let *listener* know the name of every point that is passed, from whatever thread passes it."""
    global _listening  # noqa: PLW0603 - there is one process to kill
    _listening = listener


def armed() -> bool:
    """Whether anybody listens, so that callers can skip making names."""
    return _listening is not None


def reach(name: str) -> None:
    """Pass the point called *name*."""
    if _listening is not None:
        _listening(name)
