"""How running code is asked to stop, and how it sleeps meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from changeover.contracts import Clock
from changeover.errors import Stopped


@runtime_checkable
class Waiting(Protocol):
    """A clock that also passes the time itself: a virtual one, in tests and rehearsals of long nights."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until *event* or until *seconds* have passed on this clock; whether it was the event."""
        ...


def pause(clock: Clock, event: threading.Event, seconds: float) -> None:
    """Let *seconds* of *clock* pass, or fewer when *event* is set."""
    if isinstance(clock, Waiting):
        clock.wait(event, seconds)
    else:
        event.wait(max(0.0, seconds))


class StopSignal:
    """Asks one attempt to stop, once; thread-safe."""

    def __init__(self, clock: Clock, failed: Callable[[BaseException], None]) -> None:
        self._clock = clock
        self._failed = failed
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._actions: list[Callable[[], None]] = []
        self.why = ""

    @property
    def requested(self) -> bool:
        """Whether it has to stop."""
        return self._event.is_set()

    def request(self, why: str) -> None:
        """Ask it to stop: sleepers wake up, and the actions are called from a thread of their own."""
        with self._lock:
            if self._event.is_set():
                return
            self.why = why
            self._event.set()
            actions, self._actions = self._actions, []
        if actions:
            threading.Thread(target=self._call, args=(actions,), name="stop", daemon=True).start()

    def on_request(self, action: Callable[[], None]) -> None:
        """Call *action* when it has to stop; at once when it has to already."""
        with self._lock:
            if not self._event.is_set():
                self._actions.append(action)
                return
        threading.Thread(target=self._call, args=([action],), name="stop", daemon=True).start()

    def check(self) -> None:
        """Raise Stopped when it has to stop."""
        if self._event.is_set():
            raise Stopped(self.why)

    def sleep(self, seconds: float) -> None:
        """Sleep *seconds* of the clock; raise Stopped at once when it has to stop."""
        pause(self._clock, self._event, seconds)
        self.check()

    def _call(self, actions: list[Callable[[], None]]) -> None:
        for action in actions:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - a step's own code; the others are still called
                self._failed(error)
