from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.runbook import durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("12h", 43_200), ("2d", 172_800), ("1h30m", 5400), ("0s", 0), (" 5m ", 300)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5min", "1.5h", "-5m", "30m1h", "5M", "99999d", "٣m", "1h1h"])
def test_everything_else_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(durations.DurationInvalid) as refused:
        durations.parse(text)
    assert refused.value.hint


def test_a_bare_number_is_told_its_units() -> None:
    assert "`30m`" in durations.DurationInvalid("30").hint


@given(st.integers(0, 3650 * 86_400))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert durations.parse(durations.text(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@given(st.text(max_size=20))
def test_no_text_escapes_as_another_exception(text: str) -> None:
    try:
        assert durations.parse(text) >= timedelta()
    except durations.DurationInvalid as refused:
        assert text in str(refused)  # noqa: PT017 - either way is fine
