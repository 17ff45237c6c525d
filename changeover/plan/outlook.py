"""Everything that a plan says about time, worked out once: for lint, the `plan` command and the start of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from changeover.plan.collector import without_collector
from changeover.plan.critical_path import Schedule, schedule
from changeover.plan.impact import Impact, impacts
from changeover.plan.model import Plan
from changeover.plan.point_of_no_return import PointOfNoReturn, point_of_no_return
from changeover.plan.rollback_times import RollbackTimes, rollback_times
from changeover.plan.window import Fit, calendar_of, fit, window_of
from changeover.runbook.bundle import Bundle

#: The start of a plan without a window when nobody says another.
_SOME_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan on the clock and in its window."""

    plan: Plan
    schedule: Schedule
    rollback: RollbackTimes
    point: PointOfNoReturn
    fit: Fit
    impacts: tuple[Impact, ...]


@without_collector()
def outlook(bundle: Bundle, plan: Plan, *, starts_at: datetime | None = None, opens: datetime | None = None) -> Outlook:
    """Put *plan* on the clock: it starts when the window opens, or at *starts_at*.

    With *opens* the window and every clock time are moved so that it opens then, as in a rehearsal. Raises StepsInACircle.
    """
    window = window_of(bundle.runbook, opens=opens)
    begin = starts_at or (window.opens if window is not None else _SOME_DAY)
    times = schedule(plan, starts_at=begin, at=calendar_of(bundle.runbook, opens=opens).at)
    rollback = rollback_times(plan, times)
    margin = window.margin if window is not None else timedelta()
    point = point_of_no_return(plan, times, rollback, closes=window.closes if window is not None else None, margin=margin)
    return Outlook(
        plan=plan,
        schedule=times,
        rollback=rollback,
        point=point,
        fit=fit(plan, times, rollback, point, window),
        impacts=impacts(plan, times, bundle.runbook.clocks),
    )
