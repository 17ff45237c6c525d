"""What a run waits for, in words: a line for each thing that only people can move."""

from __future__ import annotations

from changeover.contracts import Phase, StepState
from changeover.engine.decisions import Decisions
from changeover.engine.people import holders
from changeover.engine.runtime import Runtime
from changeover.engine.suspensions import Suspensions


def waiting_lines(runtime: Runtime, decisions: Decisions, suspensions: Suspensions) -> tuple[str, ...]:
    """What the run waits for, the most general first; empty when it goes on by itself."""
    record, phase = runtime.projection.record, runtime.projection.phase
    lines: list[str] = []
    if record.held:
        lines.append(f"held{f' by {record.held_by}' if record.held_by else ''}: {record.held_why}")
    for decision in decisions.waiting():
        named = [str(name) for name in decision.data.get("deciders") or []]  # type: ignore[union-attr]
        who = ", ".join(holders(runtime.bundle.people, named)) or ", ".join(named) or "anybody"
        lines.append(f"{decision.step} waits for {who}: {decision.data.get('ask', '')}")
    for either in Phase:
        lines += [
            f"{key}: did it happen? {runtime.step(key).reason}" for key in runtime.projection.keys(either, StepState.ASKS_HUMAN)
        ]
    for key in runtime.projection.keys(phase, StepState.FAILED, StepState.FAILED_DIRTY):
        lines.append(f"{key} failed: {runtime.step(key).reason}")
    if not runtime.projection.readiness.left:
        lines += [f"{suspension.what} is still off" for suspension in suspensions.open()]
    return tuple(lines)
