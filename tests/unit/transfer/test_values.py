"""Columns changed as a whole are what their values would have become one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.changes import Unfit, batch_of, changes_of, in_order
from changeover.transfer.encoding import MARKS
from changeover.transfer.fitting import Target, fit
from changeover.transfer.mapping import ColumnMapping
from changeover.transfer.planning import Feed
from changeover.transfer.shapes import Column, Sort
from changeover.transfer.values import values_of

TEXTS = st.none() | st.sampled_from(["", "a", "B", " a ", "0000-00-00", "Σίσυφος ΟΔΟΣ", "İ", "ẞ"]) | st.text(max_size=6)
DO = st.lists(st.sampled_from(["trim", "lower", "upper", "zero_date_to_null", "empty_to_null"]), max_size=3).map(tuple)
MAPPINGS = st.builds(
    ColumnMapping,
    do=DO,
    map=st.dictionaries(
        st.sampled_from(["", "a", "b"]), st.none() | st.sampled_from(["x", "much longer"]) | st.integers(), max_size=3
    ),
    unmapped=st.sampled_from(["reject", "keep", "null"]),
)


def one_by_one(mapping: ColumnMapping, values: list[Any]) -> list[Any] | str:
    change = in_order(changes_of(mapping))
    try:
        return [value if value is None or change is None else change(value) for value in values]
    except Unfit:
        return "unfit"


@given(MAPPINGS, st.lists(TEXTS, min_size=1, max_size=5))
def test_a_whole_column_becomes_what_its_values_become(mapping: ColumnMapping, values: list[Any]) -> None:
    try:
        found: Any = list(batch_of(mapping)(values))
    except Unfit:
        found = "unfit"
    assert found == one_by_one(mapping, values)


@given(MAPPINGS, st.lists(TEXTS.filter(lambda text: text is None or not set(text) & set(MARKS)), min_size=1, max_size=5))
def test_marked_text_becomes_what_the_row_path_would_send_or_is_left_to_it(mapping: ColumnMapping, values: list[Any]) -> None:
    source, target = Column("name", Sort.TEXT, "varchar(20)", length=20), Column("name", Sort.TEXT, "varchar(6)", length=6)
    last = fit(None, target, Target("postgresql", "strip"), source_dialect="mysql")
    assert last is not None
    convert = in_order([*changes_of(mapping), last])
    feed = Feed(target, source, "name", None, convert, required=False, mapping=mapping)
    made = values_of(feed)
    assert made is not None
    assert convert is not None
    try:
        found: Any = made.made([MARKS[0].encode() if value is None else value.encode() for value in values])
    except Unfit:
        return
    expected = [None if value is None else convert(value) for value in values]
    assert found == [MARKS[0].encode() if value is None else value.encode() for value in expected]
