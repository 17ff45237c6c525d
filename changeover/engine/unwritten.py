"""What people have asked past the journal: acted on at once, and written down as soon as it can be."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from changeover.engine.attempts import Attempts
from changeover.engine.context import later
from changeover.engine.endings import Cause
from changeover.engine.people import PersonUnknown, person
from changeover.engine.runtime import Runtime
from changeover.journal.events import Command, Verb
from changeover.journal.store import Journal

_LATER = "it is written into the journal as soon as that can be written"


@dataclass(slots=True)
class Unwritten:
    """Commands that are not in the journal yet. :meth:`ask` may be called from any thread."""

    runtime: Runtime
    attempts: Attempts
    _commands: dict[str, Command] = field(default_factory=dict)  # by key
    _written: set[str] = field(default_factory=set)  # keys of those that are in the journal, and may not be answered yet
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def any(self) -> bool:
        """Whether something has not been written and answered: nothing begins before."""
        with self._lock:
            return bool(self._commands)

    def ask(self, command: Command) -> str:
        """Act on *command*; what is said to whoever asked."""
        try:
            person(self.runtime.bundle.people, command.who)
        except PersonUnknown as unknown:
            return f"refused: {unknown}"
        with self._lock:
            self._commands.setdefault(command.key, command)
        if command.verb is Verb.ABORT:
            later(self.runtime.loop, self._stop_all)
            return f"everything that runs is stopped now; {_LATER}"
        return f"no step begins any more, what runs goes on; {_LATER}"

    def write(self, journal: Journal) -> None:
        """Write what waits; on a thread that may block. Raises JournalUnavailable."""
        with self._lock:
            waiting = [command for key, command in self._commands.items() if key not in self._written]
        for command in waiting:
            journal.request(command)
            with self._lock:
                self._written.add(command.key)

    def forget_written(self) -> None:
        """What was written has been answered as well: from now on the run's own state holds."""
        with self._lock:
            for key in self._written:
                del self._commands[key]
            self._written.clear()

    def _stop_all(self) -> None:
        self.attempts.leaving = "the run was aborted"
        self.attempts.stop_all(Cause.ABORT, self.attempts.leaving)
