"""Columns of text that become Python values on their way, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from changeover.transfer.changes import Batch, Unfit, batch_of
from changeover.transfer.encoding import FIELD, NULL, ROW, marked_column, marks, written_column
from changeover.transfer.planning import Feed
from changeover.transfer.shapes import CLOCKS, TAKEN_AS_TEXT, Sort

#: What the driver would have made of the same text.
_PARSED: Final[Mapping[Sort, Callable[[str], Any]]] = {
    Sort.INTEGER: int,
    Sort.BIT: int,
    Sort.DECIMAL: Decimal,
    Sort.FLOAT: float,
    Sort.BINARY: bytes.fromhex,
    Sort.TEXT: str,
    Sort.DATE: str,
    Sort.DATETIME: str,
    Sort.TIME: str,
    Sort.UUID: str,
}


@dataclass(frozen=True, slots=True)
class Values:
    """What becomes of one column: marked text from the source, marked text for the target, as the row path would have it."""

    parse: Callable[[str], Any] | None  # None: text stays text
    change: Batch

    def made(self, fields: Sequence[bytes]) -> list[bytes]:
        """The column as the target shall read it.

        Raises:
            Unfit: at least one value cannot stand in its column, or it takes a closer look.
        """
        parse = self.parse
        read: Sequence[Any] = [None if field == NULL else field for field in b"\x1e".join(fields).decode().split(ROW)]
        if parse is not None:
            read = [None if value is None else parse(value) for value in read]
        made = written_column(self.change(read))
        try:
            block = ROW.join(marked_column(made)).encode()
        except UnicodeEncodeError:
            raise Unfit("text is not valid UTF-8") from None
        if marks(block) != len(fields) - 1 + made.count(None) or b"\0" in block:
            raise Unfit(f"a value contains NUL, or a mark of blocks ({FIELD!r}, {ROW!r}, {NULL!r})")
        return block.split(b"\x1e")


def values_of(feed: Feed) -> Values | None:
    """How Python makes *feed*'s values from text; None when it is not known."""
    if feed.source is None or feed.source.sort not in _PARSED:
        return None
    parse = _PARSED[feed.source.sort]
    texts_only = feed.mapping is None or all(value is None or isinstance(value, str) for value in feed.mapping.map.values())
    if parse is str and feed.target.sort in TAKEN_AS_TEXT - CLOCKS and texts_only and not (feed.target.fixed or feed.called):
        limit = feed.target.length if feed.target.sort is Sort.TEXT else None
        return Values(None, _limited(batch_of(feed.mapping), limit))
    return Values(None if parse is str else parse, _one_by_one(feed))


def _limited(change: Batch, limit: int | None) -> Batch:
    if limit is None:
        return change

    def changed(values: Sequence[Any]) -> Sequence[Any]:
        made = change(values)
        if any(map(limit.__lt__, map(len, filter(None, written_column(made))))):
            raise Unfit(f"more than {limit} characters")
        return made

    return changed


def _one_by_one(feed: Feed) -> Batch:
    convert = feed.convert

    def changed(values: Sequence[Any]) -> Sequence[Any]:
        return values if convert is None else [None if value is None else convert(value) for value in values]

    return changed
