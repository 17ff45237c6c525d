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


#: Between two fields, and between two rows.
MARK: Final = 0x1F


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that stand for one area of a table: what they are joined of, and in which order.

    The two words are drawn anew for each comparison, of 72 bits each: no text is one of them by accident.

    Attributes:
        fields: of each row.
        order: SQL for what the rows are ordered by; no two rows have the same.
        null: stands for a text that is NULL.
        end: the last field of each row.
        proven: whether it is proven that no text holds the mark, for then nobody knows where its field ends.
    """

    fields: tuple[Field, ...]
    order: str
    null: str
    end: str
    proven: bool

    def texts(self, otherwise: str, quote: str) -> list[str]:
        """SQL for the fields of a row, with a system's words for what is NULL *otherwise*, and for a text."""
        words = {Form.TEXT: self.null}
        return [
            *(
                otherwise.format(field.text, quote.format(words.get(field.form, "-"))) if field.nullable else field.text
                for field in self.fields
            ),
            quote.format(self.end),
        ]


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
