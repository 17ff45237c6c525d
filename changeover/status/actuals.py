"""What the journal knows of the steps, in the words of the forecast."""

from __future__ import annotations

from changeover.contracts import StepState, Value
from changeover.journal.fold import RunRecordState, StepRecord
from changeover.plan.forecast import Actual
from changeover.plan.model import Plan


def actuals_of(state: RunRecordState, plan: Plan) -> dict[str, Actual]:
    """The steps of which something has happened; one that waits for people runs from the moment they were asked."""
    actuals = {key: actual_of(record) for key, record in state.steps.items()}
    for key, decision in state.decisions.items():
        known = actuals.get(key)
        if known is None or known.state in {StepState.PENDING, StepState.RETRYING}:
            tainted = known is not None and known.tainted
            actuals[key] = Actual(StepState.RUNNING, started_at=decision.asked_at, tainted=tainted)
    for key in plan.skipped:
        actuals.setdefault(key, Actual(StepState.SKIPPED))
    return actuals


def actual_of(record: StepRecord) -> Actual:
    """One step."""
    progress = record.progress or {}
    figures = progress.get("figures")
    told = figures if isinstance(figures, dict) else {}
    now, mean = number(told.get("rate")), number(told.get("mean"))  # a moment says less than the last minutes
    return Actual(
        state=record.state,
        started_at=record.started_at,
        ended_at=record.ended_at,
        tainted=record.tainted,
        done=number(progress.get("done")),
        total=number(progress.get("total")),
        rate=mean or now,
        slow=min(now, mean) if now and mean else None,
        tail=number(told.get("tail")),
    )


def number(value: Value) -> float | None:
    """*value* when it is one."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
