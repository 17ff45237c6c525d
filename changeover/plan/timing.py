"""Earliest and latest times over a network, in seconds; each join is visited once, so the cost is linear."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from changeover.plan.network import Network

#: Differences below a microsecond are rounding.
_NOTHING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class ClockRules:
    """What ends by the clock rather than after a duration, in the seconds of the pass."""

    not_before: Mapping[str, float] = field(default_factory=dict)  # a step's earliest possible end
    rests: Mapping[str, tuple[tuple[str, ...], float]] = field(default_factory=dict)  # so long after these have ended


@dataclass(frozen=True, slots=True)
class Known:
    """When a step started and ended, or is known to."""

    starts: float
    ends: float


@dataclass(frozen=True, slots=True)
class Earliest:
    """When each step starts and ends at the earliest, and the step or clock that decides it."""

    starts: Mapping[str, float]
    ends: Mapping[str, float]
    after: Mapping[str, str | None]  # the step that decides its end; None: nothing before it, or the clock

    def end_of(self, keys: Iterable[str]) -> float:
        """The last end of *keys*; minus infinity when there is none."""
        return max((self.ends[key] for key in keys if key in self.ends), default=-math.inf)

    def chain(self, skipped: Iterable[str] = ()) -> tuple[str, ...]:
        """The steps that decide the end, first to last: the critical path."""
        last = max(self.ends, key=self.ends.__getitem__, default=None)
        left_out = set(skipped)
        chain: list[str] = []
        while last is not None:
            if last not in left_out:
                chain.append(last)
            last = self.after[last]
        return tuple(reversed(chain))


def earliest(
    network: Network,
    lasts: Mapping[str, float],
    *,
    begin: float,
    rules: ClockRules,
    known: Mapping[str, Known] | None = None,
) -> Earliest:
    """Every step as early as its needs allow, none before *begin*; *known* steps as they were."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    after: dict[str, str | None] = {}
    joined: dict[int, tuple[float, str | None]] = {}
    known = known or {}
    for key in network.order:
        number = network.join_of[key]
        if number not in joined:
            joined[number] = _last(network.joins[number], ends, begin)
        start, because = joined[number]
        slot = network.slot_before.get(key)
        if slot is not None and ends[slot] > start:
            start, because = ends[slot], slot
        if key in known:
            starts[key], ends[key], after[key] = known[key].starts, known[key].ends, because
            continue
        end = start + lasts[key]
        if key in rules.rests:
            since, rest = rules.rests[key]
            passed, by = _last(since, ends, -math.inf)
            if passed + rest > end:
                end, because = passed + rest, by
        if rules.not_before.get(key, -math.inf) > end:
            end, because = rules.not_before[key], None
        starts[key], ends[key], after[key] = start, end, because
    return Earliest(starts, ends, after)


def latest_ends(
    network: Network, lasts: Mapping[str, float], first: Earliest, *, end: float, rules: ClockRules
) -> dict[str, float]:
    """How late each step may end without moving *end*, given the earliest times."""
    latest: dict[str, float] = {}
    joins: dict[int, float] = {}
    rest_limits: dict[str, float] = {}
    for key in reversed(network.order):
        limit = min((joins[number] for number in network.joins_with[key] if number in joins), default=end)
        slot = network.slot_after.get(key)
        if slot is not None:
            limit = min(limit, latest[slot] - lasts[slot])
        limit = latest[key] = max(min(limit, rest_limits.get(key, end)), first.ends[key])
        own_start = limit - lasts[key]
        number = network.join_of[key]
        joins[number] = min(joins.get(number, end), own_start)
        if key in rules.rests:
            since, rest = rules.rests[key]
            for other in since:
                rest_limits[other] = min(rest_limits.get(other, end), limit - rest)
    return latest


def no_slack(slack: float) -> bool:
    """Whether *slack* is nothing but rounding."""
    return slack <= _NOTHING


def _last(members: Iterable[str], ends: Mapping[str, float], begin: float) -> tuple[float, str | None]:
    found, because = begin, None
    for member in members:
        end = ends.get(member)
        if end is not None and (end > found or (because is None and end >= found)):
            found, because = end, member
    return found, because
