"""Cutting a table into chunks: ranges of its key, none of them overlapping, none left out. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

#: A row's key as it travels: one value for each key column.
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The rows with ``after`` < key <= ``upto``; None leaves that side open."""

    after: Key | None
    upto: Key | None

    def holds(self, key: Key) -> bool:
        """Whether a key of integers is in it: the order of texts only their database knows."""
        return (self.after is None or self.after < key) and (self.upto is None or key <= self.upto)


#: Below this share of keys in use, equal ranges of integers would make chunks of very unequal size.
_DENSE: Final = 0.5


def is_dense(lowest: int, highest: int, count: int) -> bool:
    """Whether the keys between *lowest* and *highest* are mostly in use."""
    return count >= (highest - lowest + 1) * _DENSE


def integer_ranges(lowest: int, highest: int, count: int, chunk_rows: int) -> Iterator[Range]:
    """Ranges of about *chunk_rows* rows over the integers from *lowest* to *highest*."""
    if count <= 0:
        return
    step = max(1, (highest - lowest + 1) * chunk_rows // count)
    after = lowest - 1
    while after < highest:
        upto = min(after + step, highest)
        yield Range((after,), (upto,))
        after = upto


def ranges_between(boundaries: Iterable[Key]) -> Iterator[Range]:
    """Ranges that end at each of *boundaries*, which come in the source's own order; the last one is the highest key."""
    after: Key | None = None
    for upto in boundaries:
        yield Range(after, upto)
        after = upto


def key_text(key: Key | None) -> str | None:
    """A key as JSON, readable and exact."""
    return None if key is None else json.dumps([_packed(value) for value in key], ensure_ascii=True)


def key_of(text: str | None) -> Key | None:
    """The key that :func:`key_text` wrote."""
    return None if text is None else tuple(_unpacked(value) for value in json.loads(text))


def _packed(value: Any) -> Any:
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case Decimal():
            return {"decimal": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _unpacked(value: Any) -> Any:
    match value:
        case {"base64": text}:
            return base64.b64decode(text)
        case {"decimal": text}:
            return Decimal(text)
        case _:
            return value
