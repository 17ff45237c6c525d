"""Named points at which a test may kill the engine. Off, a point costs one comparison.

``CHANGEOVER_FAILPOINT=name:N`` is SIGKILL when *name* is passed for the N-th time; ``*:N`` counts every point.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Final

VARIABLE: Final = "CHANGEOVER_FAILPOINT"


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


_armed: Failpoint | None = parse(os.environ.get(VARIABLE, ""))


def arm(text: str) -> None:
    """Arm the point that *text* names, as the variable would; an empty text disarms."""
    global _armed  # noqa: PLW0603 - there is one process to kill
    _armed = parse(text)


def armed() -> bool:
    """Whether any point is armed, so that callers can skip making names."""
    return _armed is not None


def reach(name: str) -> None:
    """Pass the point called *name*."""
    if _armed is not None:
        _armed.passed(name)
