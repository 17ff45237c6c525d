"""Impact clocks, live."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from changeover.contracts import StepState
from changeover.runbook.model import ImpactClock
from changeover.status.model import ClockState, ImpactClockStatus, StepStatus

_OVER = frozenset({StepState.PASSED, StepState.SKIPPED})


def clocks_of(
    clocks: Mapping[str, ImpactClock], steps: tuple[StepStatus, ...], until: datetime, *, undone: bool = False
) -> tuple[ImpactClockStatus, ...]:
    """Every clock whose steps are in this run: it starts with the first of its steps and stops when all have passed.

    In a run that is *undone* it has stopped in any case, at the end of the rollback.
    """
    named = {clock.starts for clock in clocks.values()} | {clock.stops for clock in clocks.values()}
    by_id: dict[str, list[StepStatus]] = {}
    for step in steps if named else ():
        name = step.key.partition("[")[0]
        if name in named:
            by_id.setdefault(name, []).append(step)
    return tuple(
        _clock(name, clock, by_id[clock.starts], by_id[clock.stops], until, undone=undone)
        for name, clock in clocks.items()
        if clock.starts in by_id and clock.stops in by_id
    )


def _clock(
    name: str, clock: ImpactClock, begins: list[StepStatus], ends: list[StepStatus], until: datetime, *, undone: bool
) -> ImpactClockStatus:
    started = min((step.started for step in begins if step.started is not None), default=None)
    ended = [step.ended for step in ends if step.ended is not None and step.state in _OVER]
    stopped = max(ended) if started is not None and len(ended) == len(ends) else None
    if undone and started is not None and stopped is None:
        stopped = until
    expected = [step.ends for step in ends if step.ends is not None]
    stops = stopped or max(expected, default=None)
    state = ClockState.PLANNED if started is None else ClockState.STOPPED if stopped is not None else ClockState.RUNNING
    return ImpactClockStatus(
        name=name,
        title=clock.title or name,
        budget=clock.budget,
        state=state,
        started=started,
        stopped=stopped,
        lasts=(stopped or until) - started if started is not None else None,
        likely=stops - started if started is not None and stops is not None else None,
    )
