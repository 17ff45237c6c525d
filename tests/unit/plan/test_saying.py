"""Times and durations in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from changeover.plan.saying import about, hour, moment, offset, second, span

BUDAPEST = ZoneInfo("Europe/Budapest")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.4, "0s"),
        (45, "45s"),
        (59.6, "1m"),
        (125, "2m5s"),
        (3600, "1h"),
        (45_000, "12h30m"),
        (45_059, "12h30m"),
        (100_800, "1d4h"),
        (86_400 * 30, "30d"),
        (-90, "-1m30s"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert about(timedelta(seconds=seconds)) == text


def test_a_moment_is_never_said_without_the_offset_that_holds_then() -> None:
    winter = datetime(2027, 3, 13, 18, 0, 7, tzinfo=UTC)
    summer = datetime(2027, 3, 28, 18, 0, 7, tzinfo=UTC)
    assert moment(winter, BUDAPEST) == "2027-03-13 19:00+01:00"
    assert moment(summer, BUDAPEST) == "2027-03-28 20:00+02:00"
    assert hour(winter, BUDAPEST) == "19:00+01:00"
    assert second(winter, BUDAPEST) == "19:00:07+01:00"
    assert offset(summer, ZoneInfo("America/St_Johns")) == "-02:30"
    assert offset(winter, ZoneInfo("America/St_Johns")) == "-03:30"


def test_a_span_says_the_worst_case_only_where_it_differs() -> None:
    assert span(timedelta(hours=12), timedelta(hours=14)) == "about 12h, at worst 14h"
    assert span(timedelta(hours=12), timedelta(hours=12)) == "about 12h"
