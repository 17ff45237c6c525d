"""How fast a copy may go: asked after every block of rows, by every worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Pace(Protocol):
    """Says when the next rows may be read."""

    def went(self, rows: int) -> None:
        """*rows* more have been read and sent; return when the next ones may be.

        It is asked inside the chunk's transaction, so whoever waits here keeps the chunk. 0 rows: nothing has been sent
        since it was asked last.

        Raises:
            Stopped: the step has to stop; the transaction is rolled back.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unhurried:
    """As fast as both databases can, until the step has to stop."""

    check_stopped: Callable[[], None]

    def went(self, rows: int) -> None:  # noqa: ARG002 - the protocol's
        self.check_stopped()
