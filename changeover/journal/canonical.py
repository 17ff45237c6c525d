"""One way to write a value down, so that the same event always has the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

_FAST: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False)
_DECODER: Final = json.JSONDecoder()


def text_of(value: object) -> str:
    """*value* as JSON with sorted keys and no blanks, which can always be encoded as UTF-8.

    It never fails: what JSON does not know (a Decimal, a date, an infinite number, half a surrogate pair) is written in
    the nearest way it knows, because a journal that cannot take an event in stops a run.
    """
    try:
        text = _FAST.encode(value)
        text.encode()
    except (TypeError, ValueError):
        return _FAST.encode(_plain(value))
    return text


def quoted(text: str) -> str:
    """A clean text as JSON."""
    return _FAST.encode(text)


def value_of(text: str) -> Any:
    """The value that :func:`text_of` wrote."""
    return _DECODER.raw_decode(text)[0]


def mapping_of(text: str) -> dict[str, Any]:
    """The mapping that :func:`text_of` wrote. Raises ValueError when it is something else."""
    found = value_of(text)
    if not isinstance(found, dict):
        raise ValueError(f"{text[:40]!r} is no mapping")  # noqa: TRY004 - like text that is no JSON at all
    return found


def moment_text(moment: datetime) -> str:
    """An aware moment in UTC with microseconds, ``2027-03-13T19:00:00.000000+00:00``: texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@lru_cache(maxsize=256)  # the events of one commit share theirs
def moment_of(text: str) -> datetime:
    """The moment that :func:`moment_text` wrote."""
    return datetime.fromisoformat(text)


def clean(text: str) -> str:
    """*text* without what a database refuses: NUL, and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _plain(value: object) -> object:
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(_plain(str(key))): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _plain(str(value))
