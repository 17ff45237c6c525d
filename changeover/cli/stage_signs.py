"""How stages look."""

from __future__ import annotations

from typing import Final

from changeover.cli.render import ALARM, BUSY, CARE, DONE, FAINT, LOUD, Sign
from changeover.contracts import RunState
from changeover.status.model import StageState

STAGE_SIGNS: Final[dict[StageState, Sign]] = {
    StageState.PENDING: Sign("·", ".", "pending", FAINT),
    StageState.RUNNING: Sign("▶", ">", "running", BUSY),
    StageState.WAITING: Sign("!", "!", "waits for people", ALARM),
    StageState.FAILED: Sign("✗", "x", "failed", ALARM),
    StageState.UNKNOWN: Sign("?", "?", "unknown", ALARM),
    StageState.PASSED: Sign("✓", "+", "passed", DONE),
    StageState.SKIPPED: Sign("»", "-", "skipped", FAINT),
    StageState.STOPPED: Sign("◼", "#", "stopped", CARE),
    StageState.UNDOING: Sign("◀", "<", "undoing", LOUD),
    StageState.UNDONE: Sign("↶", "<", "undone", CARE),
}

#: What has not begun by the end of its run never will.
NOT_REACHED: Final = Sign("·", ".", "not reached", FAINT)


def stage_sign(stage: StageState, run: RunState) -> Sign:
    """How a stage looks in a run that stands there."""
    return NOT_REACHED if run.final and stage is StageState.PENDING else STAGE_SIGNS[stage]
