"""When everything starts and ends if it goes as planned, how much may slip, and which steps decide the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from changeover.plan.expected import NO_FIXED_TIMES, FixedTimes, fixed_times
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import Network, connect
from changeover.plan.timing import ClockRules, Earliest, earliest, latest_ends, no_slack

#: Says which moment a naive wall-clock time of the runbook means in this run.
Moments = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, at the earliest and at the latest; UTC."""

    starts: datetime
    ends: datetime
    latest_start: datetime
    latest_end: datetime  # later than this moves the end of the run

    @property
    def slack(self) -> timedelta:
        """How much later it may end without moving the end of the run."""
        return self.latest_end - self.ends

    @property
    def lasts(self) -> timedelta:
        """From start to end."""
        return self.ends - self.starts


@dataclass(frozen=True, slots=True)
class StepTimes:
    """The planned times of one forward step."""

    key: str
    likely: Span
    worst: Span
    critical: bool  # with likely durations, it decides the end
    holds_until: datetime | None = None  # a wait's clock time
    by: datetime | None = None  # a gate's deadline


@dataclass(frozen=True, slots=True)
class StageTimes:
    """The planned times of a stage: those of its steps together."""

    stage: str
    likely: Span
    worst: Span
    slack: timedelta  # the least of its steps
    critical: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """The plan on the clock."""

    starts_at: datetime
    ends_likely: datetime
    ends_worst: datetime
    steps: Mapping[str, StepTimes]
    stages: Mapping[str, StageTimes]  # of those that have steps, in written order
    critical_path: tuple[str, ...]  # first to last; skipped steps left out


def schedule(plan: Plan, *, starts_at: datetime, at: Moments | None = None) -> Schedule:
    """Put *plan* on the clock; without *at* waits and gates that name a clock time count with their duration only.

    Linear in steps and needs. Raises StepsInACircle.
    """
    network = connect(plan.forward)
    fixed = {key: found for key, step in plan.forward.items() if (found := _fixed(plan, step)) is not NO_FIXED_TIMES}
    rules = clock_rules(plan, fixed, starts_at=starts_at, at=at)
    passes = {worst: _Pass.over(network, _seconds(plan, worst=worst), rules, starts_at) for worst in (False, True)}
    likely, worst = passes[False], passes[True]
    steps: dict[str, StepTimes] = {}
    for key in plan.forward:
        span = likely.span(key)
        times = fixed.get(key, NO_FIXED_TIMES)
        steps[key] = StepTimes(
            key=key,
            likely=span,
            worst=worst.span(key),
            critical=no_slack(likely.latest[key] - likely.first.ends[key]),
            holds_until=at(times.ends_at) if at is not None and times.ends_at is not None else None,
            by=at(times.by) if at is not None and times.by is not None else None,
        )
    return Schedule(
        starts_at=starts_at.astimezone(UTC),
        ends_likely=likely.end,
        ends_worst=worst.end,
        steps=steps,
        stages=_stages(plan, steps),
        critical_path=likely.first.chain(plan.skipped),
    )


def clock_rules(plan: Plan, fixed: Mapping[str, FixedTimes], *, starts_at: datetime, at: Moments | None) -> ClockRules:
    """What ends by the clock, in seconds after *starts_at*."""
    keys = keys_by_id(plan.forward.values()) if any(times.rest is not None for times in fixed.values()) else {}
    return ClockRules(
        not_before={
            key: (at(times.ends_at) - starts_at).total_seconds()
            for key, times in fixed.items()
            if at is not None and times.ends_at is not None
        },
        rests={
            key: (keys.get(times.rest.since, ()), times.rest.lasts.total_seconds())
            for key, times in fixed.items()
            if times.rest is not None
        },
    )


def keys_by_id(steps: Iterable[PlannedStep]) -> dict[str, tuple[str, ...]]:
    """The keys of each step of the runbook: one, or one for each item."""
    found: dict[str, list[str]] = {}
    for planned in steps:
        found.setdefault(planned.step.id, []).append(planned.key)
    return {name: tuple(keys) for name, keys in found.items()}


def _fixed(plan: Plan, planned: PlannedStep) -> FixedTimes:
    return NO_FIXED_TIMES if planned.key in plan.skipped else fixed_times(planned.step)


def _seconds(plan: Plan, *, worst: bool) -> dict[str, float]:
    return {
        key: 0.0 if key in plan.skipped else (planned.expected.worst if worst else planned.expected.likely).total_seconds()
        for key, planned in plan.forward.items()
    }


@dataclass(frozen=True, slots=True)
class _Pass:
    """The times with likely or with worst durations."""

    begin: datetime
    lasts: Mapping[str, float]
    first: Earliest
    latest: Mapping[str, float]
    end: datetime
    moments: dict[float, datetime] = field(default_factory=dict)

    @classmethod
    def over(cls, network: Network, lasts: Mapping[str, float], rules: ClockRules, begin: datetime) -> _Pass:
        first = earliest(network, lasts, begin=0.0, rules=rules)
        end = max(first.ends.values(), default=0.0)
        latest = latest_ends(network, lasts, first, end=end, rules=rules)
        begin = begin.astimezone(UTC)
        return cls(begin, lasts, first, latest, begin + timedelta(seconds=end))

    def span(self, key: str) -> Span:
        latest = self.latest[key]
        return Span(
            self._at(self.first.starts[key]),
            self._at(self.first.ends[key]),
            self._at(latest - self.lasts[key]),
            self._at(latest),
        )

    def _at(self, seconds: float) -> datetime:
        # what one step ends with another begins with: far fewer moments than steps
        found = self.moments.get(seconds)
        if found is None:
            found = self.moments[seconds] = self.begin + timedelta(seconds=seconds)
        return found


def _stages(plan: Plan, steps: Mapping[str, StepTimes]) -> dict[str, StageTimes]:
    members: dict[str, list[StepTimes]] = {name: [] for name in plan.stages}
    for key, planned in plan.forward.items():
        members[planned.stage].append(steps[key])
    return {
        name: StageTimes(
            stage=name,
            likely=_hull([times.likely for times in own]),
            worst=_hull([times.worst for times in own]),
            slack=min(times.likely.slack for times in own),
            critical=any(times.critical for times in own),
        )
        for name, own in members.items()
        if own
    }


def _hull(spans: list[Span]) -> Span:
    return Span(
        starts=min(span.starts for span in spans),
        ends=max(span.ends for span in spans),
        latest_start=min(span.latest_start for span in spans),
        latest_end=max(span.latest_end for span in spans),
    )
