"""How long a rollback takes, for whatever has started by a moment of the plan."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from changeover.contracts import Expected
from changeover.plan.critical_path import Schedule
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import Network, connect

_NOTHING: Final = Expected(timedelta(), timedelta())


@dataclass(frozen=True, slots=True)
class RollbackTimes:
    """The rollback over the plan: it grows with every step that has started."""

    moments: tuple[datetime, ...]  # when something starts that will have to be undone, ascending
    lasts: tuple[Expected, ...]  # the rollback from right after each moment on
    own: Mapping[str, Expected]  # of each stage alone

    def before(self, moment: datetime) -> Expected:
        """How long the rollback takes of all that is planned to have started before *moment*."""
        place = bisect_left(self.moments, moment)
        return self.lasts[place - 1] if place else _NOTHING


def rollback_times(plan: Plan, schedule: Schedule) -> RollbackTimes:
    """The rollback durations of *plan*, over the likely times of *schedule*; linear but for one sort."""
    network = connect(plan.rollback)
    tails = {worst: _tails(network, worst=worst) for worst in (False, True)}
    begun = sorted(_begins(plan, schedule).items(), key=lambda pair: pair[1])
    moments: list[datetime] = []
    lasts: list[Expected] = []
    likely = worst = 0.0
    for key, moment in begun:
        likely, worst = max(likely, tails[False][key]), max(worst, tails[True][key])
        moments.append(moment)
        lasts.append(Expected(timedelta(seconds=likely), timedelta(seconds=worst)))
    own = {worst: _own(network, worst=worst) for worst in (False, True)}
    return RollbackTimes(
        tuple(moments),
        tuple(lasts),
        {
            stage: Expected(timedelta(seconds=own[False].get(stage, 0)), timedelta(seconds=own[True].get(stage, 0)))
            for stage in plan.stages
        },
    )


def _begins(plan: Plan, schedule: Schedule) -> dict[str, datetime]:
    """When the first thing starts that each rollback step undoes."""
    first: dict[int, datetime | None] = {}
    begins: dict[str, datetime] = {}
    for key, planned in plan.rollback.items():
        if id(planned.undoes) not in first:  # a stage's rollback steps share one tuple
            started = (schedule.steps[forward].likely.starts for forward in planned.undoes if forward not in plan.skipped)
            first[id(planned.undoes)] = min(started, default=None)
        moment = first[id(planned.undoes)]
        if moment is not None:
            begins[key] = moment
    return begins


def _tails(network: Network, *, worst: bool) -> dict[str, float]:
    """Seconds from each step's start to the end of the rollback.

    Whatever comes after it undoes something that started earlier, so it always counts.
    """
    tails: dict[str, float] = {}
    joins: dict[int, float] = {}
    for key in reversed(network.order):
        follows = max((joins[number] for number in network.joins_with[key] if number in joins), default=0.0)
        slot = network.slot_after.get(key)
        tail = tails[key] = _seconds(network.steps[key], worst=worst) + max(follows, tails[slot] if slot else 0.0)
        number = network.join_of[key]
        joins[number] = max(joins.get(number, 0.0), tail)
    return tails


def _own(network: Network, *, worst: bool) -> dict[str, float]:
    """Seconds that each stage's rollback takes by itself."""
    ends: dict[str, float] = {}
    joined: dict[tuple[int, str], float] = {}
    own: dict[str, float] = {}
    for key in network.order:
        planned = network.steps[key]
        at = (network.join_of[key], planned.stage)
        if at not in joined:
            same = (need for need in network.joins[at[0]] if network.steps[need].stage == planned.stage)
            joined[at] = max((ends[need] for need in same), default=0.0)
        slot = network.slot_before.get(key)
        ends[key] = max(joined[at], ends[slot] if slot else 0.0) + _seconds(planned, worst=worst)
        own[planned.stage] = max(own.get(planned.stage, 0.0), ends[key])
    return own


def _seconds(planned: PlannedStep, *, worst: bool) -> float:
    return (planned.expected.worst if worst else planned.expected.likely).total_seconds()
