"""What the readings of a probe mean for a copy."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.testing import FakeClock
from changeover.transfer.meter import TIES, Meter, Tail
from changeover.transfer.throttle import SLOWEST, Brake, Load, LoadProbe, Throttle


def brake() -> Brake:
    return Brake(LoadProbe("select 1", most=40, critical=200))


def test_over_the_limit_the_copy_slows_down_with_every_reading() -> None:
    found = brake()
    assert found.take(55, 10_000)
    assert (found.load, found.limit) == (Load.SLOWED, 6_000)
    assert not found.take(55, 6_000)
    assert found.limit == pytest.approx(3_600)


def test_back_under_the_limit_it_gets_faster_in_steps_until_it_is_free() -> None:
    found = brake()
    found.take(55, 10_000)
    limits = []
    while found.load is Load.SLOWED:
        found.take(10, 5_000)
        limits.append(found.limit)
    assert limits == [7_500, 9_375, None]


def test_a_critical_reading_stops_it_until_the_limit_is_kept_again() -> None:
    found = brake()
    loads = [found.load for reading in (200, 150, 40) if found.take(reading, 10_000) or reading == 150]
    assert loads == [Load.STOPPED, Load.STOPPED, Load.SLOWED]  # 150 is below critical, and still over the limit


@given(st.lists(st.floats(0, 400, allow_nan=False), max_size=60), st.floats(0, 1e6, allow_nan=False))
def test_it_never_starves_and_always_comes_free_again(readings: list[float], rate: float) -> None:
    found = brake()
    for reading in readings:
        found.take(reading, rate)
        assert found.limit is None or found.limit >= SLOWEST
        assert found.load is not Load.STOPPED or reading > 40
    for _ in range(200):
        found.take(0, rate)
    assert (found.load, found.limit) == (Load.FREE, None)


@pytest.mark.parametrize(
    ("throttle", "problem"),
    [
        (Throttle(rows_per_s=0), "rows_per_s"),
        (Throttle(probe=LoadProbe("select 1", 40, critical=40)), "critical"),
        (Throttle(target_probe=LoadProbe("select 1", 40, every=timedelta())), "target_probe: every"),
    ],
)
def test_a_throttle_that_makes_no_sense_is_named(throttle: Throttle, problem: str) -> None:
    (found,) = throttle.problems()
    assert problem in found


def test_a_throttle_that_makes_sense_has_no_problems() -> None:
    assert list(Throttle(5_000, LoadProbe("select 1", 40, 200)).problems()) == []


def test_the_meter_knows_now_from_the_last_minutes() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    for _ in range(600):
        clock.advance(1)
        meter.went(1_000)
    for _ in range(20):
        clock.advance(1)
        meter.went(100)
    assert meter.now == pytest.approx(100, rel=0.15)
    assert meter.mean == pytest.approx((280 * 1_000 + 20 * 100) / 300, rel=0.05)


def test_the_meter_of_a_copy_that_stands_still_falls_to_nothing() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    clock.advance(1)
    meter.went(1_000)
    clock.advance(60)
    assert meter.now == 0
    assert meter.mean > 0


def test_what_comes_after_the_rows_is_expected_as_it_was_on_the_tables_before() -> None:
    clock = FakeClock()
    tail = Tail(clock)
    tail.plan({"parents": 1_000, "children": 10_000})
    assert tail.left is None
    tail.begins("parents")
    clock.advance(2)
    tail.ends("parents", 1_000)
    assert tail.left == pytest.approx(20.0)
    tail.begins("children")
    clock.advance(5)
    assert tail.left == pytest.approx(15.0)
    clock.advance(100)
    assert tail.left == 0


def test_what_was_rehearsed_counts_by_table_and_by_rows_and_the_next_run_knows_what_this_one_needed() -> None:
    clock = FakeClock()
    first = Tail(clock)
    first.plan({"parents": 100, "children": 1_000})
    for table, seconds, rows in (("parents", 3.0, 100), ("children", 5.0, 1_000), (TIES, 1.0, 1_100), (TIES, 1.0, 1_100)):
        first.begins(table)
        clock.advance(seconds)
        first.ends(table, rows)
    told = {**json.loads(json.dumps(first.figures)), "at": "2027-03-06T18:00:00+00:00"}
    night = Tail.known(clock, told)
    night.plan({"parents": 1_000, "children": 10_000, "new": 1_100})
    assert night.since == "2027-03-06T18:00:00+00:00"
    usual = 8.0  # a table that was not rehearsed needs what the others needed together, by its rows
    assert night.left == pytest.approx(30.0 + 50.0 + 2.0 * 12_100 / 1_100 + usual)
    night.is_done("parents")
    assert night.left == pytest.approx(50.0 + 22.0 + usual)


@pytest.mark.parametrize("tails", [None, 3, [], {"parents": 3}, {"parents": ["many", 2]}, {"parents": [1, 2, 3]}])
def test_what_nobody_understands_of_a_rehearsal_is_not_known(tails: Any) -> None:
    assert Tail.known(FakeClock(), {"tails": tails, "at": 5}).rehearsed == {}
