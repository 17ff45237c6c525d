from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.runbook import wall_time
from changeover.runbook.model import WallTime

BUDAPEST, UTC = ZoneInfo("Europe/Budapest"), ZoneInfo("UTC")
FIRST, LAST = datetime(2020, 1, 1), datetime(2035, 1, 1)  # noqa: DTZ001 - local times


@pytest.mark.parametrize("text", ["2027-03-13 19:00", "2027-03-13T19:00", "2027-03-13 19:00:00"])
def test_wall_clock_times_are_read(text: str) -> None:
    assert wall_time.parse(text).local == datetime(2027, 3, 13, 19)  # noqa: DTZ001


@pytest.mark.parametrize("text", ["19:00", "2027-03-13", "2027-02-30 10:00", "2027-03-13 25:00", "2027-03-13 19:00+01:00", ""])
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(wall_time.WallTimeInvalid) as refused:
        wall_time.parse(text)
    assert "2027-03-13 19:00" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "oddity"),
    [
        ("2027-03-28 01:59", None),
        ("2027-03-28 02:00", wall_time.Oddity.MISSING),
        ("2027-03-28 02:59", wall_time.Oddity.MISSING),
        ("2027-03-28 03:00", None),
        ("2027-10-31 02:00", wall_time.Oddity.TWICE),
        ("2027-10-31 02:59", wall_time.Oddity.TWICE),
        ("2027-10-31 03:00", None),
        ("2027-07-01 12:00", None),
    ],
)
def test_the_nights_on_which_the_clocks_change_are_known(text: str, oddity: wall_time.Oddity | None) -> None:
    assert wall_time.oddity(wall_time.parse(text), BUDAPEST) is oddity


def test_the_cure_for_an_odd_time_is_two_times_that_are_not() -> None:
    for text in ("2027-03-28 02:30", "2027-10-31 02:30"):
        for local in wall_time.neighbours(wall_time.parse(text), BUDAPEST):
            assert wall_time.oddity(WallTime(local), BUDAPEST) is None


@given(
    st.datetimes(FIRST, LAST),
    st.sampled_from(["Europe/Budapest", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_an_ordinary_time_survives_the_way_to_utc_and_back(local: datetime, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    when = WallTime(local)
    moment = when.at(zone)
    same = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local
    assert same == (wall_time.oddity(when, zone) is not wall_time.Oddity.MISSING)
    assert abs(moment.utcoffset() or timedelta()) < timedelta(hours=15)
