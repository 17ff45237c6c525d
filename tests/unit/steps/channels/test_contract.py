from __future__ import annotations

import pytest

from changeover.steps.channels.contract import ChannelBroken, ChannelState, Standing, percent_of
from changeover.steps.channels.haproxy import _escaped, _with_entry


@pytest.mark.parametrize(
    ("written", "percent"), [("open", 100), ("closed\n", 0), ("37 %", 37), (0, 0), ("100%", 100), ("007", 7)]
)
def test_a_state_is_a_word_or_a_percentage(written: object, percent: int) -> None:
    assert percent_of("shop", written, "the map") == percent


@pytest.mark.parametrize("written", ["ajar", "", None, "101", "-1", "1e1", "٣", "1000000", True])
def test_anything_else_is_named(written: object) -> None:
    with pytest.raises(ChannelBroken, match=r"channel shop: the map says .* neither open, closed nor a percentage"):
        percent_of("shop", written, "the map")


def test_between_open_and_closed_it_is_partly_open() -> None:
    assert [Standing(percent).state for percent in (0, 1, 99, 100)] == [
        ChannelState.CLOSED,
        ChannelState.PARTLY_OPEN,
        ChannelState.PARTLY_OPEN,
        ChannelState.OPEN,
    ]
    assert str(Standing(10, differs="lb-2 is closed")) == "open for 10 % (lb-2 is closed)"


def test_parts_that_differ_are_not_as_wanted() -> None:
    assert Standing(0).is_at(0)
    assert not Standing(0, differs="lb-2 is open").is_at(0)


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ("", "0", "shop 0\n"),
        ("shop 100\n", "0", "shop 0\n"),
        ("# shop\n shop   100\nshop-2 5\nshop 7", "0", "# shop\nshop 0\nshop-2 5\n"),
        ("a 1\nshop 100\nb 2\n", None, "a 1\nb 2\n"),
    ],
)
def test_only_its_own_line_of_a_map_is_rewritten(text: str, value: str | None, written: str) -> None:
    assert _with_entry(text, "shop", value) == written


def test_nothing_in_a_text_ends_a_command_of_the_runtime_socket() -> None:
    assert _escaped("back; at 21\\<<") == r"back\;\ at\ 21\\\<\<"
