"""What is to be expected now: the end, how late it is, and how long there is still a way back. Pure and linear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from changeover.contracts import Expected, StepState
from changeover.plan.critical_path import Moments, clock_rules
from changeover.plan.expected import FixedTimes, fixed_times
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import connect
from changeover.plan.timing import ClockRules, Earliest, Known, earliest
from changeover.runbook.model import OnFailure

_OVER: Final = frozenset({StepState.PASSED, StepState.SKIPPED, StepState.WAIVED})
_NO_RULES: Final = ClockRules()

#: A rate next to nothing forecasts no date that a calendar cannot hold.
_LONGEST: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Actual:
    """What has become of a step, as far as time is concerned."""

    state: StepState
    started_at: datetime | None = None  # of the last attempt
    ended_at: datetime | None = None
    tainted: bool = False  # an attempt started and has not been proven clean
    done: float | None = None
    total: float | None = None
    rate: float | None = None  # units a second
    slow: float | None = None  # the same, at worst
    tail: float | None = None  # seconds that it needs after its last unit


@dataclass(frozen=True, slots=True)
class Forecast:
    """The run as it is expected now; moments are UTC."""

    now: datetime
    ends_likely: datetime
    ends_worst: datetime
    late_likely: timedelta  # after the window's end; nothing when it is not late
    late_worst: timedelta
    rollback: Expected  # of what has started and not been undone
    point_passed: bool  # the point of no return: rollback is no longer offered
    latest_safe_start: datetime | None  # of the rollback; None: no window, or the point has been passed
    countdown: timedelta | None  # until then; negative when it has passed
    critical_path: tuple[str, ...]  # what is still to come on it, first to last
    next: str  # the next step on it that has not started; empty when there is none
    ends: Mapping[str, datetime]  # the likely end of every step that is not over


def forecast(
    plan: Plan,
    actuals: Mapping[str, Actual],
    *,
    now: datetime,
    window_closes: datetime | None,
    margin: timedelta,
    at: Moments | None = None,
    rolling_back: bool = False,
) -> Forecast:
    """The forecast at *now*; who needs many keeps a :class:`Forecaster`."""
    return Forecaster(plan, at=at).forecast(
        actuals, now=now, window_closes=window_closes, margin=margin, rolling_back=rolling_back
    )


class Forecaster:
    """Forecasts of one plan: what does not change with time is worked out once."""

    def __init__(self, plan: Plan, *, at: Moments | None = None) -> None:
        self._plan = plan
        self._at = at
        self._forward = connect(plan.forward)
        self._rollback = connect(plan.rollback)
        fixed = {key: fixed_times(step.step) for key, step in plan.forward.items() if key not in plan.skipped}
        self._fixed: Mapping[str, FixedTimes] = {key: times for key, times in fixed.items() if times.ends_at or times.rest}

    def forecast(
        self,
        actuals: Mapping[str, Actual],
        *,
        now: datetime,
        window_closes: datetime | None,
        margin: timedelta,
        rolling_back: bool = False,
        kept: frozenset[str] = frozenset(),
    ) -> Forecast:
        """What is to be expected at *now*, from what has happened to the steps so far; a rollback leaves the stages *kept*."""
        if rolling_back:
            passes = [self._rollback_pass(actuals, now, kept, worst=worst) for worst in (False, True)]
            rollback = _expected(passes)
        else:
            passes = [self._ends(actuals, now, worst=worst) for worst in (False, True)]
            rollback = self.way_back(actuals, now)
        likely, worst = (now + timedelta(seconds=_last_end(found)) for found in passes)
        passed = any(has_started(actuals.get(key)) for key in self._plan.points_of_no_return)
        safe = None if window_closes is None or passed else window_closes - margin - rollback.worst
        coming = tuple(key for key in passes[0].chain(self._plan.skipped) if not self._over(key, actuals.get(key)))
        return Forecast(
            now=now,
            ends_likely=likely,
            ends_worst=max(likely, worst),
            late_likely=_late(likely, window_closes),
            late_worst=_late(max(likely, worst), window_closes),
            rollback=rollback,
            point_passed=passed,
            latest_safe_start=safe,
            countdown=safe - now if safe is not None else None,
            critical_path=coming,
            next=next((key for key in coming if key not in actuals or actuals[key].state is not StepState.RUNNING), ""),
            ends={
                key: now + timedelta(seconds=end) for key, end in passes[0].ends.items() if not self._over(key, actuals.get(key))
            },
        )

    def way_back(self, actuals: Mapping[str, Actual], now: datetime, kept: frozenset[str] = frozenset()) -> Expected:
        """How long a rollback takes that begins *now* and leaves the stages *kept*."""
        return _expected([self._rollback_pass(actuals, now, kept, worst=worst) for worst in (False, True)])

    def _ends(self, actuals: Mapping[str, Actual], now: datetime, *, worst: bool) -> Earliest:
        rules = self._rules(actuals, now)
        lasts: dict[str, float] = {}
        known: dict[str, Known] = {}
        for key, planned in self._plan.forward.items():
            actual = actuals.get(key)
            lasts[key] = 0.0 if key in self._plan.skipped else _seconds(planned.expected, worst=worst)
            found = self._known(planned, actual, now, rules, worst=worst) if actual is not None else None
            if found is not None:
                known[key] = found
        return earliest(self._forward, lasts, begin=0.0, rules=rules, known=known)

    def _rules(self, actuals: Mapping[str, Actual], now: datetime) -> ClockRules:
        """What ends by the clock; a rest whose step has ended is a clock time now."""
        rules = clock_rules(self._plan, self._fixed, starts_at=now, at=self._at)
        not_before = dict(rules.not_before)
        for key, (since, rest) in rules.rests.items():
            ended = [actual.ended_at for other in since if (actual := actuals.get(other)) is not None and actual.ended_at]
            if ended and len(ended) == len(since):
                not_before[key] = max(not_before.get(key, 0.0), (max(ended) - now).total_seconds() + rest)
        return ClockRules(not_before, rules.rests)

    def _known(self, planned: PlannedStep, actual: Actual, now: datetime, rules: ClockRules, *, worst: bool) -> Known | None:
        """The step on the clock when it is over or running; None when it has still to start."""
        started = (actual.started_at - now).total_seconds() if actual.started_at is not None else 0.0
        if self._over(planned.key, actual):
            ended = (actual.ended_at - now).total_seconds() if actual.ended_at is not None else 0.0
            return Known(min(started, ended), min(ended, 0.0))
        if actual.state is not StepState.RUNNING:
            return None
        end = max(remaining(planned.expected, actual, now, worst=worst).total_seconds(), rules.not_before.get(planned.key, 0.0))
        return Known(min(started, 0.0), end)

    def _rollback_pass(self, actuals: Mapping[str, Actual], now: datetime, kept: frozenset[str], *, worst: bool) -> Earliest:
        """The rollback of what has started, from now on; what is undone already takes no more time."""
        undone = self.to_undo(actuals, kept)
        lasts: dict[str, float] = {}
        known: dict[str, Known] = {}
        for key, planned in self._plan.rollback.items():
            lasts[key] = _seconds(planned.expected, worst=worst) if key in undone else 0.0
            actual = actuals.get(key)
            found = self._known(planned, actual, now, _NO_RULES, worst=worst) if actual is not None else None
            if found is not None:
                known[key] = found
        return earliest(self._rollback, lasts, begin=0.0, rules=_NO_RULES, known=known)

    def to_undo(self, actuals: Mapping[str, Actual], kept: frozenset[str] = frozenset()) -> frozenset[str]:
        """The rollback steps that are worth running: something they undo has started, and their stage is not *kept*."""
        started: dict[int, bool] = {}
        for planned in self._plan.rollback.values():
            if id(planned.undoes) not in started:  # a stage's rollback steps share one tuple
                started[id(planned.undoes)] = any(has_started(actuals.get(key)) for key in planned.undoes)
        return frozenset(
            key for key, planned in self._plan.rollback.items() if started[id(planned.undoes)] and planned.stage not in kept
        )

    def _over(self, key: str, actual: Actual | None) -> bool:
        if actual is None:
            return False
        if actual.state is StepState.FAILED:
            return self._plan.step(key).step.on_failure is OnFailure.WARN
        return actual.state in _OVER


def has_started(actual: Actual | None) -> bool:
    """Whether something of a forward step may be out there: it passed, or an attempt is not proven clean."""
    return actual is not None and (actual.tainted or actual.state is StepState.PASSED)


def remaining(expected: Expected, actual: Actual, now: datetime, *, worst: bool) -> timedelta:
    """How long a running step still takes: by its rate when it has one, else what is expected less what has passed.

    Never negative. The worst case by rate keeps the distance between worst and likely that was planned.
    """
    elapsed = max(now - actual.started_at, timedelta()) if actual.started_at is not None else timedelta()
    by_rate = _by_rate(actual, elapsed, worst=worst)
    if by_rate is None:
        return max((expected.worst if worst else expected.likely) - elapsed, timedelta())
    if worst and expected.likely:
        return by_rate * max(expected.worst / expected.likely, 1.0)
    return by_rate


def _by_rate(actual: Actual, elapsed: timedelta, *, worst: bool) -> timedelta | None:
    if actual.done is None or actual.total is None or actual.total <= 0:
        return None
    left = max(actual.total - actual.done, 0.0)
    rate = actual.slow if worst and actual.slow else actual.rate
    if not rate or rate <= 0:
        rate = actual.done / elapsed.total_seconds() if elapsed else 0.0
    if rate <= 0:
        return None
    return min(timedelta(seconds=min(left / rate + (actual.tail or 0.0), _LONGEST.total_seconds())), _LONGEST)


def _late(ends: datetime, closes: datetime | None) -> timedelta:
    return max(ends - closes, timedelta()) if closes is not None else timedelta()


def _expected(passes: Sequence[Earliest]) -> Expected:
    return Expected(*(timedelta(seconds=_last_end(found)) for found in passes))


def _last_end(found: Earliest) -> float:
    return max(max(found.ends.values(), default=0.0), 0.0)


def _seconds(expected: Expected, *, worst: bool) -> float:
    return (expected.worst if worst else expected.likely).total_seconds()
