"""Every event that a person caused stands behind the answer to what they asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from changeover.journal.events import Event, EventKind, Verb

#: What each word of a person may lead to. The first word of two leads to a warning that names it.
LEADS_TO: Final[Mapping[str, frozenset[EventKind]]] = {
    Verb.APPROVE: frozenset({EventKind.DECISION_GIVEN}),
    Verb.REFUSE: frozenset(
        {EventKind.DECISION_GIVEN, EventKind.STEP_FAILED, EventKind.STEP_RESET, EventKind.RUN_HELD, EventKind.WARNED}
    ),
    Verb.DONE: frozenset(
        {
            EventKind.DECISION_GIVEN,
            EventKind.STEP_PASSED,
            EventKind.STEP_DIRTY,
            EventKind.SUSPENSION_OPENED,
            EventKind.SUSPENSION_CLOSED,
            EventKind.WARNED,
        }
    ),
    Verb.HOLD: frozenset({EventKind.RUN_HELD}),
    Verb.RELEASE: frozenset({EventKind.RUN_RELEASED}),
    Verb.SKIP: frozenset({EventKind.STEP_SKIPPED, EventKind.SUSPENSION_OPENED, EventKind.WARNED}),
    Verb.RETRY: frozenset({EventKind.STEP_RETRYING, EventKind.WARNED}),
    Verb.WAIVE: frozenset({EventKind.STEP_WAIVED, EventKind.WARNED}),
    Verb.ROLLBACK: frozenset({EventKind.ROLLBACK_REQUESTED, EventKind.RUN_RELEASED, EventKind.WARNED}),
    Verb.ABORT: frozenset({EventKind.ABORT_REQUESTED}),
    Verb.LEAVE_OFF: frozenset({EventKind.SUSPENSION_LEFT}),
}
#: What people cause without asking a running engine: they start it.
_STARTING: Final = frozenset({EventKind.RUN_PLANNED, EventKind.RUN_STARTED, EventKind.RUN_TAKEN_OVER, EventKind.CHANGE_ACCEPTED})


@dataclass(slots=True)
class Word:
    """What was answered last, while its effects follow."""

    verb: str = ""

    def follow(self, event: Event) -> list[str]:
        """Why *event* may not stand behind the answer before it, if it may not."""
        if event.kind is EventKind.COMMAND_ANSWERED:
            self.verb = str(event.data.get("verb") or "") if event.data.get("accepted") else ""
            return []
        if not event.who or event.kind in _STARTING:
            self.verb = ""
            return []
        if not self.verb:
            return ["no answer to a person's command stands before it"]
        allowed = LEADS_TO.get(self.verb)
        return [] if allowed is None or event.kind in allowed else [f"`{self.verb}` does not lead to it"]
