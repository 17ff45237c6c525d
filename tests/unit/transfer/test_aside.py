"""Values that the source leaves to Python stand between marks of their own."""

from __future__ import annotations

import pytest

from changeover.transfer.aside import put_back
from changeover.transfer.carrying import Field
from changeover.transfer.changes import Unfit, batch_of
from changeover.transfer.mapping import ColumnMapping
from changeover.transfer.values import Values

PLAIN = Field("id", "id", nullable=False)
LOWER, EMPTIED = (
    Field(name, name, nullable=True, values=Values(None, batch_of(mapping)), changed=True, safe="1", text=name)
    for name, mapping in (("name", ColumnMapping(do=("lower",))), ("note", ColumnMapping(do=("trim", "empty_to_null"))))
)


def test_only_what_was_set_aside_is_made() -> None:
    block = b"1\x1fABC\x1fx\x1e2\x1f\x1d\x1d0001\xc4\xb0\x1d\x1d\x1f\x1d\x1e3\x1f\x1d\x1f\x1d\x1d0002\xc2\xa0y\x1d\x1d"
    made = b"1\x1fABC\x1fx\x1e2\x1fi\xcc\x87\x1f\x1d\x1e3\x1f\x1d\x1fy"
    assert put_back(block, (PLAIN, LOWER, EMPTIED)) == made


def test_what_becomes_null_on_the_way_is_a_mark() -> None:
    assert put_back(b"1\x1fA\x1f\x1d\x1d0002\xc2\xa0\x1d\x1d", (PLAIN, LOWER, EMPTIED)) == b"1\x1fA\x1f\x1d"


def test_what_does_not_fit_is_said() -> None:
    rejecting = Field("name", "name", nullable=True, values=Values(None, batch_of(ColumnMapping(map={"a": "b"}))), safe="1")
    with pytest.raises(Unfit):
        put_back(b"\x1d\x1d0000\xc3\xa9\x1d\x1d", (rejecting,))
