"""The chart, in any width."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.cli.gantt import GLYPHS, Axis, Bar, gantt

BUDAPEST = ZoneInfo("Europe/Budapest")
START = datetime(2027, 3, 13, 18, tzinfo=UTC)


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def chart(bars: list[Bar], *, columns: int = 40, end: float = 10, closes: datetime | None = None) -> list[str]:
    axis = Axis(START, hours(end), columns, BUDAPEST)
    return [line.plain for line in gantt(bars, axis, label_width=8, closes=closes)]


@pytest.fixture(autouse=True)
def _glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.cli.gantt.signs", lambda: GLYPHS)


def test_a_bar_stands_at_its_time_and_its_worst_case_follows() -> None:
    (_, row) = chart([Bar("copy", hours(1), hours(5), hours(7), critical=True, heading=True)])
    assert row == "copy    " + "    " + "█" * 16 + "·" * 8


def test_bars_beside_the_critical_path_differ_without_colour() -> None:
    (_, row) = chart([Bar("copy", hours(0), hours(5), hours(5), critical=False, heading=True)])
    assert row == "copy    " + "▒" * 20


def test_a_step_too_short_for_a_column_is_seen_and_ends_do_not_overlap_the_next() -> None:
    rows = chart(
        [
            Bar("a", hours(0), hours(0.01), hours(0.01), critical=True),
            Bar("b", hours(0.01), hours(5), hours(5), critical=True),
            Bar("c", hours(5), hours(5), hours(5), critical=False),
        ]
    )
    assert rows[1] == "  a     █"
    assert rows[2] == "  b     " + "█" * 20
    assert rows[3] == "  c     " + " " * 20 + "▏"


def test_the_end_of_the_window_and_the_point_of_no_return_are_marked() -> None:
    bar = Bar("go", hours(2), hours(4), hours(4), critical=True, heading=True, point=hours(2))
    (_, row) = chart([bar], closes=hours(9))
    assert row == "go      " + " " * 8 + "◆" + "█" * 7 + " " * 20 + "┃"


def test_a_skipped_step_says_so_and_a_long_name_is_cut() -> None:
    rows = chart([Bar("a-very-long-name", hours(0), hours(0), hours(0), critical=False, skipped=True)])
    assert rows[1] == "  a-ve… skipped"


def test_ticks_stand_at_whole_hours_of_the_zone_and_the_offset_beside_them() -> None:
    head = chart([], columns=70)[0]
    assert head.startswith("UTC+01…")
    assert "19:00" in head
    assert head.index("20:00") - head.index("19:00") == 7
    spring = Axis(datetime(2027, 3, 27, 23, tzinfo=UTC), datetime(2027, 3, 28, 9, tzinfo=UTC), 80, BUDAPEST)
    assert spring.offsets == "+01:00/+02:00"
    assert [label for _, label in spring.ticks()][:3] == ["00:00", "01:00", "03:00"]


@given(
    st.integers(5, 300),
    st.timedeltas(timedelta(minutes=1), timedelta(days=40)),
    st.timedeltas(timedelta(), timedelta(days=50)),
    st.timedeltas(timedelta(), timedelta(days=50)),
)
def test_no_row_is_ever_wider_than_the_chart(columns: int, lasts: timedelta, starts: timedelta, takes: timedelta) -> None:
    axis = Axis(START, START + lasts, columns, BUDAPEST)
    ends = START + starts + takes
    bar = Bar("some-step", START + starts, ends, ends + takes, critical=True, point=START + starts)
    for line in gantt([bar], axis, label_width=12, closes=START + takes):
        assert len(line.plain) <= 12 + columns


@given(st.integers(5, 300), st.timedeltas(timedelta(minutes=1), timedelta(days=40)))
def test_labels_of_ticks_never_touch(columns: int, lasts: timedelta) -> None:
    free = 0
    for column, label in Axis(START, START + lasts, columns, BUDAPEST).ticks():
        assert column >= free
        free = column + len(label) + 1
