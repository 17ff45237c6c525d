"""Whether a journal obeys the rules: each event is replayed through the table and the conditions beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.engine.projection import Projection
from changeover.engine.transitions import MoveNotAllowed
from changeover.journal.events import Event
from changeover.journal.fold import RunRecordState, apply
from changeover.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Deviation:
    """An event that the rules do not allow where it stands."""

    event: Event
    why: str


def deviations(plan: Plan, run: str, events: Iterable[Event]) -> list[Deviation]:
    """The events of *run* that must not stand where they stand; an empty list for an honest journal."""
    projection = Projection(plan, RunRecordState(run))
    found: list[Deviation] = []
    for event in events:
        try:
            projection.take_in(event)
        except MoveNotAllowed as refusal:
            found.append(Deviation(event, str(refusal)))
            apply(projection.record, event)
    return found
