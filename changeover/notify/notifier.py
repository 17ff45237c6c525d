"""The thread in which chat is told. Whatever happens here, the engine does not notice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from changeover.contracts import Clock
from changeover.errors import ChangeoverError
from changeover.notify.correspondent import Correspondent

#: Seconds between two looks at the journal.
POLL: Final = 0.25

#: Seconds until the next try after something unexpected.
_RECOVER: Final = 5.0


class Notifier:
    """Runs a correspondent beside the engine, with a journal connection of its own."""

    def __init__(
        self,
        make: Callable[[ExitStack], Correspondent],
        *,
        clock: Clock,
        report: Callable[[str, str], None],
        poll: float = POLL,
        recover: float = _RECOVER,
    ) -> None:
        """Take *make*, which opens what the correspondent needs and leaves its closing to the stack, in the thread itself."""
        self._make = make
        self._clock = clock
        self._report = report
        self._poll = poll
        self._recover = recover
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._complete = False
        self._thread = threading.Thread(target=self._work, name="chat", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self, drain: float) -> bool:
        """Tell the rest for at most *drain* seconds. True when chat knows all; otherwise the cursor knows where to go on."""
        self._deadline = self._clock.monotonic() + drain
        self._stopping.set()
        self._thread.join(drain + 1)
        return self._complete

    def _work(self) -> None:
        told = ""
        last_try = False
        while True:
            try:
                with ExitStack() as stack:
                    return self._tell(self._make(stack))
            except ChangeoverError as error:  # the journal is away, or the token cannot be resolved: the engine says so too
                problem, hint = str(error), error.hint
            except Exception as error:  # noqa: BLE001 - a bug in chat must not end a cutover; it is said, and tried again
                problem, hint = f"{type(error).__name__}: {error}", "this is a bug in changeover; the run is not affected"
            if problem != told:
                told = problem
                self._report(f"chat: {problem}", hint)
            if last_try:
                return None
            last_try = self._stopping.wait(self._recover)

    def _tell(self, correspondent: Correspondent) -> None:
        while not self._stopping.wait(self._poll):
            correspondent.turn()
        while self._clock.monotonic() < self._deadline:
            if correspondent.turn(last=True):
                self._complete = True
                return
            threading.Event().wait(min(self._poll, 0.1))
