"""What can go wrong, and whose turn it is when it does.

::

    ChangeoverError
    ├── Mistake        the author's or the operator's: found before anything acts
    │   └── (each part derives its own, beside the code that raises it)
    └── Setback        something failed while a run was under way; it is journalled, never hidden
        ├── TimedOut   the time-out its author wrote has passed
        ├── Unclear    it may have happened or not: the step becomes *unknown*
        └── Stopped    the engine asked the step to stop: abort, time-out or shutdown

Every error says what is wrong in ``str(error)`` and what to do next in ``error.hint``.
"""

from __future__ import annotations

from dataclasses import dataclass


class ChangeoverError(Exception):
    """Anything this package raises on purpose."""

    @property
    def hint(self) -> str:
        """What to do next, as one sentence; empty when the message already says it."""
        return ""


class Mistake(ChangeoverError):
    """The runbook, the project or the command line is wrong."""


class Setback(ChangeoverError):
    """Something failed while a run was under way."""


@dataclass(eq=False)
class TimedOut(Setback):
    """The time-out its author wrote has passed."""

    what: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.what} did not end within {self.seconds:g} s"


@dataclass(eq=False)
class Unclear(Setback):
    """It was sent, and nobody can say whether it happened. Never a success, never an automatic retry."""

    what: str

    def __str__(self) -> str:
        return f"{self.what}: it may have happened"


@dataclass(eq=False)
class Stopped(Setback):
    """The engine asked the step to stop, and it did."""

    why: str

    def __str__(self) -> str:
        return f"stopped: {self.why}"

    @property
    def engine_ends(self) -> bool:
        """Whether only the engine ends, to come back: what it can find again may go on meanwhile."""
        return self.why.startswith("shutdown")
