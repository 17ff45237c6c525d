"""What a step told of itself when it was rehearsed last: the only measure there is before the night itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from changeover.contracts import Mode, StepState, Value
from changeover.journal.fold import fold
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal

#: Rehearsals that are looked at: older ones say little about today.
_LATEST: Final = 10


def rehearsed(journal: Journal, run: RunRecord, step: str) -> Mapping[str, Value]:
    """The figures with which *step* passed in the latest other rehearsal of the same runbook, and when (`at`, ISO).

    Empty when there is none.
    """
    others = (other for other in journal.runs() if other.runbook == run.runbook and other.id != run.id)
    for other in [other for other in others if other.mode is Mode.REHEARSE][:_LATEST]:
        record = fold(other.id, journal.events(other.id)).steps.get(step)
        if record is None or record.state is not StepState.PASSED or record.progress is None or record.ended_at is None:
            continue
        figures = record.progress.get("figures")
        if isinstance(figures, dict):
            return {**figures, "at": record.ended_at.isoformat()}
    return {}
