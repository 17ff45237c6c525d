"""Values inside a block that the source leaves to Python: set aside by marks of their own, which are counted with the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from changeover.transfer.carrying import Field

#: Stands before and after such a value. Two marks of NULL never stand side by side otherwise.
_ASIDE: Final = b"\x1d\x1d"
#: Marks in both together.
_MARKS: Final = 2 * len(_ASIDE)
#: Digits that say which column it is.
_DIGITS: Final = 4


def set_aside(field: Field, place: int) -> str:
    """SQL for what the source makes of *field*, the one at *place*, or for its text between marks."""
    before = (_ASIDE + f"{place:0{_DIGITS}d}".encode()).hex()
    return f"IF({field.safe}, {field.expression}, CONCAT(_utf8mb4 x'{before}', {field.text}, _utf8mb4 x'{_ASIDE.hex()}'))"


def marks_aside(field: Field) -> str:
    """SQL for how many marks this takes, in all rows."""
    return f"{_MARKS:d} * (COUNT({field.text}) - IFNULL(SUM({field.safe}), 0))"


def put_back(block: bytes, fields: Sequence[Field]) -> bytes:
    """A block whose marks have been counted, with what Python makes of the values that were set aside.

    Raises:
        Unfit: at least one of them cannot stand in its column.
    """
    pieces = block.split(_ASIDE)
    if len(pieces) == 1:
        return block
    places: dict[bytes, list[int]] = defaultdict(list)
    for place in range(1, len(pieces), 2):
        places[pieces[place][:_DIGITS]].append(place)
    for number, mine in places.items():
        values = fields[int(number)].values
        if values is not None:
            for place, made in zip(mine, values.made([pieces[place][_DIGITS:] for place in mine]), strict=True):
                pieces[place] = made
    return b"".join(pieces)
