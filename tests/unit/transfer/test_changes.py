from __future__ import annotations

from typing import Any

import pytest

from changeover.transfer.changes import Unfit, changes_of, in_order, shown
from changeover.transfer.mapping import Change, ColumnMapping


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("trim", "  a b \t", "a b"),
        ("lower", "ÁRVÍZ", "árvíz"),
        ("upper", "tűrő", "TŰRŐ"),
        ("zero_date_to_null", "0000-00-00", None),
        ("zero_date_to_null", "0000-00-00 00:00:00", None),
        ("zero_date_to_null", "2024-01-02", "2024-01-02"),
        ("empty_to_null", "", None),
        ("empty_to_null", " ", " "),
        ("trim", 5, 5),
    ],
)
def test_a_change_does_what_its_name_says(change: Change, before: Any, after: Any) -> None:
    convert = in_order(changes_of(ColumnMapping(do=(change,))))
    assert convert is not None
    assert convert(before) == after


def test_changes_run_in_the_order_written() -> None:
    convert = in_order(changes_of(ColumnMapping(do=("trim", "empty_to_null", "lower"))))
    assert convert is not None
    assert convert("   ") is None
    assert convert(" A ") == "a"


def test_without_changes_there_is_nothing_to_call() -> None:
    assert in_order(changes_of(ColumnMapping())) is None


def test_map_translates_texts_numbers_and_flags_by_how_they_are_written() -> None:
    (convert,) = changes_of(ColumnMapping(map={"active": "ACTIVE", "1": True, "true": "yes"}))
    assert [convert("active"), convert(1), convert(bool(1))] == ["ACTIVE", True, "yes"]


def test_what_map_does_not_name_is_refused_by_value() -> None:
    (convert,) = changes_of(ColumnMapping(map={"a": "A"}))
    with pytest.raises(Unfit, match="`map` does not name 'b'"):
        convert("b")


def test_what_map_does_not_name_may_be_kept_or_emptied() -> None:
    (keep,) = changes_of(ColumnMapping(map={"a": "A"}, unmapped="keep"))
    (null,) = changes_of(ColumnMapping(map={"a": "A"}, unmapped="null"))
    assert (keep("b"), null("b")) == ("b", None)


def test_a_value_is_shown_in_one_readable_piece() -> None:
    assert shown("a\0b") == repr("a\\0b")
    assert shown(b"\x01\xff") == "01ff"
    assert len(shown("x" * 500)) < 70
