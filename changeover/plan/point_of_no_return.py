"""The point of no return: the step from whose start on rollback is no longer offered, and the latest time for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from changeover.contracts import Expected
from changeover.plan.critical_path import Schedule
from changeover.plan.model import Plan
from changeover.plan.rollback_times import RollbackTimes


@dataclass(frozen=True, slots=True)
class PointOfNoReturn:
    """Where the way back ends, by the plan."""

    step: str  # the first of them by the plan; empty: rollback is offered to the end
    stage: str
    starts: datetime | None  # its likely start
    starts_worst: datetime | None
    rollback: Expected  # of all that has started right before it, or by the end of a run without one
    latest_safe_start: datetime | None  # of that rollback: it still ends inside the window, margin kept


def point_of_no_return(
    plan: Plan, schedule: Schedule, rollback: RollbackTimes, *, closes: datetime | None, margin: timedelta
) -> PointOfNoReturn:
    """The point of no return of *plan*; *closes* is the end of the window, if there is one."""
    first = min(plan.points_of_no_return, key=lambda key: schedule.steps[key].likely.starts, default="")
    times = schedule.steps[first] if first else None
    lasts = rollback.before(times.likely.starts if times is not None else schedule.ends_likely)
    return PointOfNoReturn(
        step=first,
        stage=plan.forward[first].stage if first else "",
        starts=times.likely.starts if times is not None else None,
        starts_worst=times.worst.starts if times is not None else None,
        rollback=lasts,
        latest_safe_start=closes - margin - lasts.worst if closes is not None else None,
    )
