"""One connection for each login: opened when first needed, used again, replaced when it has died, closed at the end."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from changeover.remote.errors import HostBusy, HostSetback
from changeover.remote.known_hosts import KnownKey
from changeover.remote.login import Deadlines, Login

if TYPE_CHECKING:
    import paramiko

#: Handshakes under way at once: they are what costs.
HANDSHAKES: Final = 50
#: Of these, through one door (a jump host, or one address): OpenSSH turns callers away at random from the tenth on.
THROUGH_ONE_DOOR: Final = 8
#: Tries when a host turns us away because too many are at its door; seconds before the second one, doubled each time.
_TRIES: Final = 5
_PAUSE: Final = 0.3


@dataclass(slots=True)
class _Slot:
    """The connection of one login."""

    opening: threading.Lock = field(default_factory=threading.Lock)
    transport: paramiko.Transport | None = None


class Connections:
    """Every connection of one environment. Thread-safe."""

    def __init__(self, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self._lock = threading.Lock()
        self._slots: dict[Login, _Slot] = {}
        self._everywhere = threading.BoundedSemaphore(HANDSHAKES)
        self._doors: dict[tuple[str, int], threading.BoundedSemaphore] = {}

    def transport(self, login: Login) -> paramiko.Transport:
        """The open connection of *login*, made through its jump hosts when there is none.

        Raises:
            HostSetback: with the verdict on the host; nothing has been sent to it that acts.
        """
        slot = self._slot(login)
        with slot.opening:
            if slot.transport is None or not slot.transport.is_active():
                _let_go(slot)
                slot.transport = self._patiently(login)
            return slot.transport

    def host_key(self, login: Login) -> KnownKey:
        """The key that the host of *login* shows now, seen through its jump hosts. Raises HostSetback."""
        from changeover.remote.connection import host_key  # noqa: PLC0415 - loads paramiko

        through = self._through(login)
        with ExitStack() as turns:
            turns.enter_context(self._door(login))
            turns.enter_context(self._everywhere)
            return host_key(login, self.deadlines, through)

    def close(self, login: Login | None = None) -> None:
        """Close the connection of *login*, or every one, inner ones first; a later use opens a new one."""
        with self._lock:
            slots = [slot for known, slot in self._slots.items() if login in {None, known}]
        for slot in reversed(slots):
            with slot.opening:
                _let_go(slot)

    def _patiently(self, login: Login) -> paramiko.Transport:
        for turn in range(_TRIES):
            try:
                return self._open(login)
            except HostBusy:
                if turn == _TRIES - 1:
                    raise
                time.sleep(_PAUSE * 2**turn * random.uniform(0.5, 1.5))  # noqa: S311 - callers must not return all at once
        raise AssertionError  # pragma: no cover - the last round returns or raises

    def _open(self, login: Login) -> paramiko.Transport:
        from changeover.remote.connection import connect  # noqa: PLC0415 - loads paramiko

        through = self._through(login)
        with ExitStack() as turns:
            turns.enter_context(self._door(login))
            turns.enter_context(self._everywhere)
            return connect(login, self.deadlines, through)

    def _through(self, login: Login) -> paramiko.Transport | None:
        if login.jump is None:
            return None
        try:
            return self.transport(login.jump)
        except HostSetback as error:
            raise HostSetback(login.host, error.verdict, f"its jump host {error}", error.advice) from error

    def _slot(self, login: Login) -> _Slot:
        with self._lock:
            return self._slots.setdefault(login, _Slot())

    def _door(self, login: Login) -> threading.BoundedSemaphore:
        first = login.jump or login
        with self._lock:
            return self._doors.setdefault((first.address, first.port), threading.BoundedSemaphore(THROUGH_ONE_DOOR))


def _let_go(slot: _Slot) -> None:
    if slot.transport is not None:
        from changeover.remote.cut import let_go  # noqa: PLC0415 - loads paramiko, which it has been by now

        let_go(slot.transport)
        slot.transport = None
