"""In which form two columns are compared as texts that any server writes alike; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from changeover.transfer.shapes import NUMERIC, TEMPORAL, Column, Sort


class Form(Enum):
    """How a value is written down before it is hashed. What is equal has the same text in every database system."""

    TEXT = auto()  # the characters, in UTF-8
    BYTES = auto()  # lower hexadecimal digits
    WHOLE = auto()  # digits; yes is 1
    FIXED = auto()  # a decimal with the same number of digits behind the point on both sides
    NUMBER = auto()  # a decimal without zeros at its end
    DAY = auto()  # ISO
    MOMENT = auto()  # ISO, in UTC, without zeros at the end of the fraction
    DAY_OR_MOMENT = auto()  # the same; midnight is left out


#: Forms in which a value cannot hold the mark between two fields, so that it needs no length before it.
PLAIN: Final = frozenset(Form) - {Form.TEXT}

_EXACT: Final = NUMERIC - {Sort.FLOAT, Sort.BIT}  # each server prints floats its own way


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a row that is hashed: SQL for its text."""

    text: str
    form: Form
    nullable: bool


def form_of(one: Column, two: Column, *, alike: bool) -> Form | None:
    """The form in which two columns are compared by their servers; None when their values have to be looked at one by one.

    Args:
        one: a column of the first table.
        two: the column of the second table that stands beside it.
        alike: whether both systems keep a column's digits as declared, which SQLite does not.
    """
    sorts = {one.sort, two.sort}
    if sorts <= {Sort.TEXT, Sort.UUID}:
        return Form.TEXT
    if sorts == {Sort.BINARY}:
        return Form.BYTES
    if sorts <= _EXACT:
        return _number(one, two, alike=alike)
    if sorts <= TEMPORAL:
        if len(sorts) > 1 or not alike:
            return Form.DAY_OR_MOMENT
        return Form.DAY if sorts == {Sort.DATE} else Form.MOMENT
    return None


def _number(one: Column, two: Column, *, alike: bool) -> Form:
    if Sort.DECIMAL not in {one.sort, two.sort}:
        return Form.WHOLE
    same = one.sort is two.sort and one.precision is not None and one.scale is not None and one.scale == two.scale
    return Form.FIXED if same and two.precision is not None and alike else Form.NUMBER
