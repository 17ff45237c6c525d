"""What is switched off for the night: it ends by itself, by a step, or by a person's word; and a run does not end without."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.engine.runtime import Runtime
from changeover.journal.events import Draft, EventKind
from changeover.journal.fold import OpenSuspension


@dataclass(slots=True)
class Suspensions:
    """The open suspensions of a run."""

    runtime: Runtime
    _said: str = ""

    def look(self) -> None:
        """Close those that have switched themselves on again."""
        suspended = self.runtime.projection.record.suspensions
        if not suspended:
            return
        now = self.runtime.options.clock.now()
        for suspension in list(suspended.values()):
            if suspension.expires is not None and suspension.expires <= now:
                data = {"what": suspension.what, "why": "it has expired"}
                self.runtime.put(Draft(EventKind.SUSPENSION_CLOSED, suspension.step, data=data))

    def open(self) -> list[OpenSuspension]:
        """What nobody has switched on again, and nobody has said may stay off."""
        return self.runtime.projection.suspended()

    def keep_open(self) -> bool:
        """Whether the run has to wait for a person's word about what is still off; it is said once."""
        still = ", ".join(suspension.what for suspension in self.open())
        if still and still != self._said:
            self._said = still
            text = f"everything is done, but still off: {still}; switch it on, or say who accepts that it stays off (leave-off)"
            self.runtime.warn(text)
        return bool(still)
