"""The window: does the run fit, does its rollback, and until when can each stage still be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from changeover.contracts import Expected
from changeover.plan.critical_path import Schedule
from changeover.plan.model import Plan
from changeover.plan.point_of_no_return import PointOfNoReturn
from changeover.plan.rollback_times import RollbackTimes
from changeover.runbook.model import RollbackPolicy, Runbook, Stage, WallTime


@dataclass(frozen=True, slots=True)
class RunWindow:
    """The window as it holds for one run: a rehearsal moves it. Moments are UTC."""

    opens: datetime
    closes: datetime
    margin: timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """What the runbook's wall-clock times mean in one run."""

    zone: ZoneInfo
    shift: timedelta = timedelta()  # how far a rehearsal has moved them

    def at(self, local: datetime) -> datetime:
        """The moment a naive wall-clock time means, in UTC."""
        return WallTime(local).at(self.zone).astimezone(UTC) + self.shift


def window_of(runbook: Runbook, *, opens: datetime | None = None) -> RunWindow | None:
    """The runbook's window, moved so that it *opens* at that moment; None when it has none."""
    if runbook.window is None:
        return None
    calendar = calendar_of(runbook, opens=opens)
    return RunWindow(
        opens=calendar.at(runbook.window.opens.local),
        closes=calendar.at(runbook.window.closes.local),
        margin=runbook.window.margin,
    )


def calendar_of(runbook: Runbook, *, opens: datetime | None = None) -> Calendar:
    """What its wall-clock times mean when its window *opens* at that moment; as written without one."""
    if runbook.window is None or opens is None:
        return Calendar(runbook.zone)
    return Calendar(runbook.zone, opens.astimezone(UTC) - runbook.window.opens.at(runbook.zone).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class StageBack:
    """How a stage comes back, and until when."""

    stage: str
    own: Expected  # its rollback alone
    lasts: Expected  # of all that has started by its planned end
    offered: bool  # False: by its end the point of no return has been passed
    latest_safe_start: datetime | None  # of that rollback; None: no window, or no longer offered
    in_time: bool  # at its likely end there is still time to go back, or no reason to
    in_time_worst: bool  # even by its worst end
    how: str  # for people: the policy, or why there is nothing to undo
    loses: str  # which data would be lost


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether run and rollback fit the window; everything fits where there is none."""

    window: RunWindow | None
    run_likely: bool
    run_worst: bool
    rollback_likely: bool  # at every stage's likely end the rollback could still be in time
    rollback_worst: bool
    stages: Mapping[str, StageBack]

    @property
    def fits(self) -> bool:
        """Whether the likely run and its rollback fit."""
        return self.run_likely and self.rollback_likely


def fit(plan: Plan, schedule: Schedule, rollback: RollbackTimes, point: PointOfNoReturn, window: RunWindow | None) -> Fit:
    """Compare the plan with *window*."""
    stages = {name: _stage_back(plan.stages[name], schedule, rollback, point, window) for name in schedule.stages}
    return Fit(
        window=window,
        run_likely=window is None or schedule.ends_likely <= window.closes,
        run_worst=window is None or schedule.ends_worst <= window.closes,
        rollback_likely=all(back.in_time for back in stages.values()),
        rollback_worst=all(back.in_time_worst for back in stages.values()),
        stages=stages,
    )


def _stage_back(
    stage: Stage, schedule: Schedule, rollback: RollbackTimes, point: PointOfNoReturn, window: RunWindow | None
) -> StageBack:
    times = schedule.stages[stage.id]
    lasts = rollback.before(times.likely.ends)
    offered = point.starts is None or times.likely.ends <= point.starts
    latest = window.closes - window.margin - lasts.worst if window is not None and offered else None
    # with the last stage the run is over, and nobody decides about going back any more
    free = latest is None or not lasts.worst or times.likely.ends >= schedule.ends_likely
    return StageBack(
        stage=stage.id,
        own=rollback.own[stage.id],
        lasts=lasts,
        offered=offered,
        latest_safe_start=latest,
        in_time=free or latest is None or times.likely.ends <= latest,
        in_time_worst=free or latest is None or times.worst.ends <= latest,
        how=how_it_comes_back(stage),
        loses=stage.rollback.loses if stage.rollback is not None else "",
    )


def how_it_comes_back(stage: Stage) -> str:
    """The way back of a stage in words: its policy, or why there is nothing to undo."""
    own = stage.rollback
    undos = sum(1 for step in stage.all_steps if step.undo is not None)
    steps = (len(own.steps) if own is not None else 0) + undos
    if not steps:
        return f"nothing to undo: {own.none}" if own is not None and own.none else "no way back is written"
    policy = own.policy.value if own is not None and own.steps else RollbackPolicy.RESTORE.value
    return f"{policy}, {steps} {'step' if steps == 1 else 'steps'}"
