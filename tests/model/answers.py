"""Every event that a person caused stands behind the answer to what they asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Value
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
    Verb.ADJUST: frozenset({EventKind.STEP_ADJUSTED}),
    Verb.WAIVE: frozenset({EventKind.STEP_WAIVED, EventKind.WARNED}),
    Verb.ROLLBACK: frozenset({EventKind.ROLLBACK_REQUESTED, EventKind.RUN_RELEASED, EventKind.WARNED}),
    Verb.ABORT: frozenset({EventKind.ABORT_REQUESTED}),
    Verb.LEAVE_OFF: frozenset({EventKind.SUSPENSION_LEFT}),
}
#: What people cause without asking a running engine: they start it.
_STARTING: Final = frozenset({EventKind.RUN_PLANNED, EventKind.RUN_STARTED, EventKind.RUN_TAKEN_OVER, EventKind.CHANGE_ACCEPTED})
#: What one word may lead to more than once.
_SEVERAL: Final = frozenset(
    {EventKind.STEP_RETRYING, EventKind.SUSPENSION_OPENED, EventKind.SUSPENSION_CLOSED, EventKind.SUSPENSION_LEFT}
)


@dataclass(slots=True)
class Word:
    """What was answered last, while its effects follow."""

    verb: str = ""
    _answered: set[int] = field(default_factory=set)
    _led_to: set[EventKind] = field(default_factory=set)

    def follow(self, event: Event) -> list[str]:
        """Why *event* may not stand behind the answer before it, if it may not."""
        if event.kind is EventKind.COMMAND_ANSWERED:
            self._led_to.clear()
            self.verb = str(event.data.get("verb") or "") if event.data.get("accepted") else ""
            return self._once(event.data.get("command"))
        if not event.who or event.kind in _STARTING:
            self.verb = ""
            return []
        if not self.verb:
            return ["no answer to a person's command stands before it"]
        if event.kind in self._led_to and event.kind not in _SEVERAL:
            return [f"`{self.verb}` has led to it already"]
        self._led_to.add(event.kind)
        verb, allowed = self.verb, LEADS_TO.get(self.verb)
        if event.kind is EventKind.WARNED:
            self.verb = ""  # a first word is all that its answer leads to
        return [] if allowed is None or event.kind in allowed else [f"`{verb}` does not lead to it"]

    def _once(self, command: Value) -> list[str]:
        if not isinstance(command, int):
            return []
        before = command in self._answered
        self._answered.add(command)
        return [f"command {command} has been answered already"] if before else []
