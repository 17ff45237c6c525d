"""The text that PostgreSQL's COPY reads, made of whole blocks.

COPY is told that marks stand between the fields and in the place of NULL, so most of a block is sent as it was joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import starmap
from typing import Any, Final

#: Between fields, between rows, in the place of NULL. Data that contains them is written field by field.
FIELD: Final = "\x1f"
ROW: Final = "\x1e"
NULL: Final = "\x1d"
MARKS: Final = NULL + ROW + FIELD

#: What COPY is told about them. Rows end with line feeds; it knows no other end.
MARKED: Final = "FORMAT text, DELIMITER E'\\x1f', NULL E'\\x1d'"


def marks(block: bytes) -> int:
    """How many marks stand in a block, of all three sorts together.

    None is ever missing from a whole block, so when they are no more than its rows ask for, it has no other mark of any sort.
    """
    return len(block) - len(block.translate(None, b"\x1d\x1e\x1f"))


def escaped(block: bytes) -> bytes:
    """A marked block as COPY's text."""
    block = block.replace(b"\\", b"\\\\")
    for raw, written in ((b"\n", b"\\n"), (b"\r", b"\\r")):
        if raw in block:
            block = block.replace(raw, written)
    return block.replace(b"\x1e", b"\n") + b"\n"


_WRITTEN: Final[Mapping[type, Callable[[Any], str]]] = {
    str: str,
    int: str,
    Decimal: str,
    float: repr,
    bool: lambda value: "t" if value else "f",
    bytes: lambda value: f"\\x{value.hex()}",
}


def written_column(values: Sequence[Any]) -> Sequence[str | None]:
    """Values as PostgreSQL reads them. TypeError for what no column is made of."""
    kinds = set(map(type, values))
    empty = type(None) in kinds
    kinds.discard(type(None))
    if kinds <= {str}:
        return values
    if kinds - _WRITTEN.keys():
        raise TypeError(kinds - _WRITTEN.keys())
    if len(kinds) == 1:
        write = _WRITTEN[kinds.pop()]
        return [None if value is None else write(value) for value in values] if empty else list(map(write, values))
    return [None if value is None else _WRITTEN[type(value)](value) for value in values]


def marked_column(values: Sequence[str | None]) -> list[str]:
    """The same with a mark in the place of each NULL."""
    return [NULL if value is None else value for value in values]


def copied_text(columns: Sequence[Sequence[Any]], rows: int) -> bytes:
    """*rows* rows, given column by column, as COPY's text.

    Raises:
        UnicodeEncodeError: a text is no Unicode; whoever checks values has not done so.
    """
    written = [written_column(column) for column in columns]
    marked = [marked_column(column) for column in written]
    block = ROW.join(map(FIELD.join, zip(*marked, strict=True))).encode()
    nulls = sum(column.count(None) for column in written)
    if marks(block) == rows * len(columns) - 1 + nulls:
        return escaped(block)
    lines = zip(*[map(_field, column) for column in written], strict=True)
    return b"".join(starmap(_line, lines))


def _field(value: str | None) -> bytes:
    if value is None:
        return b"\x1d"
    raw = value.encode().replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return raw.replace(b"\x1d", b"\\\x1d").replace(b"\x1f", b"\\\x1f")


def _line(*fields: bytes) -> bytes:
    return b"\x1f".join(fields) + b"\n"
