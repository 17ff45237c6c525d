"""Four eyes: what two different people have to ask for before it happens. The first one's word survives a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from changeover.contracts import Value
from changeover.engine.decisions import Reply, noted
from changeover.engine.runtime import Runtime
from changeover.journal.events import CommandRecord, Draft, Event, EventKind


@dataclass(slots=True)
class Seconds:
    """First words that wait for a second person. A word counts for one verb on one attempt of one step."""

    runtime: Runtime
    _first: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def recall(self, events: Iterable[Event]) -> None:
        """Take in what was said before this incarnation."""
        for event in events:
            verb = event.data.get("needs_second") if event.kind is EventKind.WARNED else None
            if verb:
                attempt, step = event.data.get("of_attempt"), str(event.data.get("of_step") or "")
                self._first[str(verb), step, attempt if isinstance(attempt, int) else 0] = event.who

    def second(self, record: CommandRecord, who: str, what: str, said: str = "") -> tuple[str, Reply | None]:
        """The person who said it first, when *who* is the second; else the reply that notes *who*'s word.

        *said* tells apart what can be said by one verb: two people have to say the same.
        """
        command = record.command
        attempt = self.runtime.step(command.step).attempt if command.step else 0
        key = (said or command.verb.value, command.step, attempt)
        first = self._first.get(key)
        if first == who:
            return "", noted(f"noted already, {who}; a different person has to say so too")
        if first is not None:
            return first, None
        self._first[key] = who
        text = f"{who} wants to {what}: {command.why}; it needs a second person"
        data: dict[str, Value] = {"text": text, "needs_second": key[0], "of_step": key[1], "of_attempt": attempt}
        return "", noted("noted; it needs a second person", Draft(EventKind.WARNED, who=who, data=data))
