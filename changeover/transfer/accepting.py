"""Whether a whole column of values fits as it is: the usual case, said without a Python call for each value.

No only means that somebody has to look at each value; what fits and what does not is said in :mod:`.fitting`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

from changeover.transfer.fitting import Target
from changeover.transfer.shapes import Column, Sort
from changeover.transfer.silent_changes import check_of

Accepts = Callable[[Sequence[Any]], bool]

_DATES: Final = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}\n)+")
_MOMENTS: Final = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?\n)+")


def accepts_of(column: Column, target: Target) -> Accepts | None:
    """Says of values for *column* that each of them fits unchanged; None where nothing so quick can be said."""
    if check_of(column, target.dialect) is not None:
        return None
    match column.sort:
        case Sort.INTEGER if column.lowest is not None and column.highest is not None:
            return _integers(column.lowest, column.highest)
        case Sort.TEXT | Sort.JSON:
            return _texts(column.length if column.sort is Sort.TEXT else None, keeps_nul=target.holds_nul)
        case Sort.DATE:
            return _dates
        case Sort.DATETIME if column.fraction is None or column.fraction >= 6:  # noqa: PLR2004 - microseconds
            return _moments
        case _:
            return None


def _only(kind: type, values: Sequence[Any]) -> Sequence[Any] | None:
    """The values that are not NULL, when all of them are of one type."""
    kinds = set(map(type, values))
    if type(None) in kinds:
        values = [value for value in values if value is not None]
        kinds.discard(type(None))
    return values if kinds == {kind} else None


def _integers(lowest: int, highest: int) -> Accepts:
    def accepts(values: Sequence[Any]) -> bool:
        numbers = _only(int, values)
        return numbers is not None and min(numbers) >= lowest and max(numbers) <= highest

    return accepts


def _texts(limit: int | None, *, keeps_nul: bool) -> Accepts:
    def accepts(values: Sequence[Any]) -> bool:
        texts = _only(str, values)
        if texts is None or (limit is not None and max(map(len, texts)) > limit):
            return False
        joined = "".join(texts)
        return (keeps_nul or "\0" not in joined) and (joined.isascii() or _encodable(texts))

    return accepts


def _encodable(texts: Sequence[str]) -> bool:
    try:
        "\n".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _dates(values: Sequence[Any]) -> bool:
    days = _only(str, values)
    return days is not None and _DATES.fullmatch("\n".join(days) + "\n") is not None and _are(date.fromisoformat, days)


def _moments(values: Sequence[Any]) -> bool:
    moments = _only(str, values)
    if moments is None or _MOMENTS.fullmatch("\n".join(moments) + "\n") is None:
        return False
    return _are(datetime.fromisoformat, moments)


def _are(read: Callable[[str], object], texts: Sequence[str]) -> bool:
    try:
        for text in texts:
            read(text)
    except ValueError:
        return False
    return True
