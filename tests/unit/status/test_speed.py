"""How fast a step goes, how fast it would have to, and what is said when that is not enough."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from changeover.cli.screen import screen
from changeover.journal.events import EventKind
from changeover.notify.card import card
from changeover.status.model import RunStatus

Told = Any  # of conftest.py, which no module can import


def copying(told: Told, done: int, **figures: float | str) -> RunStatus:
    """An hour after the load began, of 2 h planned: it says how far it is."""
    told.start()
    told.does("silence", 2)
    told.does("close", 10)
    told.begins("load")
    told.clock.advance(3600)
    told.say(EventKind.STEP_PROGRESSED, "load", attempt=1, done=done, total=7_200_000, unit="rows", figures=figures)
    status: RunStatus = told.status()
    return status


def lines(status: RunStatus, width: int = 120) -> str:
    return "\n".join(line.plain.rstrip() for line in screen(status, width=width, height=60))


def test_the_required_rate_is_that_which_ends_when_the_plan_says(told: Told) -> None:
    speed = copying(told, 3_600_000, rate=1200.0, mean=1000.0).step("load").speed
    assert speed is not None
    assert (speed.now, speed.mean) == (1200.0, 1000.0)
    assert speed.required == pytest.approx(1000.0)
    assert speed.required_for == "plan"
    assert speed.ends_likely - told.clock.now() == timedelta(hours=1)
    assert speed.ends_worst - told.clock.now() == timedelta(hours=1.5)  # the planned distance of worst from likely


def test_what_comes_after_the_rows_counts_into_the_end_and_into_what_is_required(told: Told) -> None:
    speed = copying(told, 3_600_000, rate=1000.0, mean=1000.0, tail=1200.0).step("load").speed
    assert speed is not None
    assert speed.ends_likely - told.clock.now() == timedelta(hours=1, minutes=20)
    assert speed.required == pytest.approx(3_600_000 / 2400)


def test_it_is_said_where_what_comes_after_the_rows_was_measured(told: Told) -> None:
    rehearsed = copying(told, 3_600_000, rate=1000.0, mean=1000.0, tail=1500.0, tail_from="2027-03-06T18:00:00+00:00")
    for width in (80, 120):
        assert "25m of that after the rows, measured in rehearsal of 2027-03-06" in " ".join(lines(rehearsed, width).split())
    speed = rehearsed.step("load").speed
    assert speed is not None
    assert speed.ends_worst - speed.ends_likely == timedelta(minutes=42, seconds=30)  # the tail has a worst case, too


def test_a_tail_that_was_never_measured_is_not_passed_off_as_none(told: Told) -> None:
    status = copying(told, 3_600_000, rate=1000.0, mean=1000.0, tail_from="", part="index 3 of 7")
    speed = status.step("load").speed
    assert speed is not None
    assert (speed.tail, speed.tail_from, speed.part) == (None, None, "index 3 of 7")
    said = " ".join(lines(status).split())
    assert "what comes after the rows was never measured" in said
    assert "index 3 of 7" in said


def test_at_worst_it_goes_on_as_slowly_as_now(told: Told) -> None:
    speed = copying(told, 3_600_000, rate=500.0, mean=1000.0).step("load").speed
    assert speed is not None
    assert speed.ends_likely - told.clock.now() == timedelta(hours=1)
    assert speed.ends_worst - told.clock.now() == timedelta(hours=3)


def test_a_table_has_an_end_of_its_own(told: Told) -> None:
    figures: dict[str, Any] = {"table": "customers", "table_done": 400_000, "table_total": 1_000_000}
    speed = copying(told, 3_600_000, rate=1000.0, mean=1000.0, **figures).step("load").speed
    assert speed is not None
    assert (speed.table, speed.table_ends) == ("customers", told.clock.now() + timedelta(minutes=10))


def test_hours_ahead_it_is_said_by_how_much_the_window_is_missed(told: Told) -> None:
    status = copying(told, 1_000_000, rate=300.0, mean=310.0)
    missed = status.missed_at_this_rate
    assert missed is not None
    assert missed > timedelta(hours=1)
    assert status.window_closes is not None
    assert status.window_closes - status.now > timedelta(hours=4)
    for width in (60, 80, 120):
        assert "at this rate the window is missed by" in lines(status, width)
    assert "at this rate the window is missed by" in str(card(status).post.blocks)
    on_time = copying_again(told, 1_000_000, rate=9_000.0, mean=9_000.0)
    assert on_time.missed_at_this_rate is None
    assert "missed" not in lines(on_time)
    assert card(on_time).mood != card(status).mood


def copying_again(told: Told, done: int, **figures: float) -> RunStatus:
    told.say(EventKind.STEP_PROGRESSED, "load", attempt=1, done=done, total=7_200_000, unit="rows", figures=figures)
    status: RunStatus = told.status()
    return status


def test_rate_required_rate_end_reason_and_hold_stand_below_the_step(told: Told) -> None:
    told_figures: dict[str, Any] = {"because": "slowed to 800 rows/s: the load of legacy is 55, over 40"}
    copying(told, 3_600_000, rate=800.0, mean=900.0, **told_figures)
    changes: dict[str, Any] = {"hold": True}
    assert "the load of legacy is 55, over 40" in " ".join(lines(told.status()).split())
    told.say(EventKind.STEP_ADJUSTED, "load", attempt=1, who="anna", changes=changes, why="the shop is slow")
    said = " ".join(lines(told.status()).split())
    for piece in (
        *("800 rows/s", "5 min mean 900 rows/s", "required 1,000 for the plan", "done ", "at worst"),
        "HELD by Kovács Anna: the shop is slow",
    ):
        assert piece in said
    assert "HELD by Kovács Anna: the shop is slow" in str(card(told.status()).post.blocks)


def test_a_step_that_does_not_measure_its_rate_has_no_speed(told: Told) -> None:
    assert copying(told, 3_600_000, rate=1200.0).step("load").speed is None
