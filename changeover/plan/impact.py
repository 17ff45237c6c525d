"""Impact clocks in the plan: how long customers feel it, against the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from changeover.plan.critical_path import Schedule, keys_by_id
from changeover.plan.model import Plan
from changeover.runbook.model import ImpactClock


@dataclass(frozen=True, slots=True)
class Impact:
    """An impact clock by the plan."""

    name: str
    title: str
    budget: timedelta
    starts: datetime  # likely
    stops: datetime  # likely
    worst: timedelta

    @property
    def likely(self) -> timedelta:
        """How long it is likely to run."""
        return self.stops - self.starts

    @property
    def fits(self) -> bool:
        """Whether even the worst case keeps the budget."""
        return self.worst <= self.budget


def impacts(plan: Plan, schedule: Schedule, clocks: Mapping[str, ImpactClock]) -> tuple[Impact, ...]:
    """The clocks whose two steps take part in this run, in written order."""
    keys = keys_by_id(plan.forward.values())
    found: list[Impact] = []
    for name, clock in clocks.items():
        begins = [schedule.steps[key] for key in keys.get(clock.starts, ()) if key not in plan.skipped]
        ends = [schedule.steps[key] for key in keys.get(clock.stops, ()) if key not in plan.skipped]
        if not begins or not ends:
            continue
        likely = (min(times.likely.starts for times in begins), max(times.likely.ends for times in ends))
        worst = (min(times.worst.starts for times in begins), max(times.worst.ends for times in ends))
        found.append(
            Impact(
                name=name,
                title=clock.title or name,
                budget=clock.budget,
                starts=likely[0],
                stops=likely[1],
                worst=max(worst[1] - worst[0], likely[1] - likely[0]),
            )
        )
    return tuple(found)
