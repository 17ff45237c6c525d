"""A value as bytes that are equal when the values are, whatever database and driver they came from; pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from changeover.transfer.fitting import plain
from changeover.transfer.forms import Form
from changeover.transfer.shapes import NUMERIC, TEMPORAL, Sort

#: Makes the bytes of a value that is not NULL; None when it is compared as NULL after all.
Canonical = Callable[[Any], bytes | None]

#: Hexadecimal digits of a row's digest that are added up: 60 bits, of which no two rows that differ by accident have the same.
DIGITS: Final = 15


def written(form: Form | None, sort: Sort) -> Canonical:
    """What makes the bytes of a value: those a server writes down for *form*; of a *sort* when servers cannot do it."""
    match form:
        case Form.TEXT:
            return _text
        case Form.BYTES:
            return _hexadecimal
        case None:
            return canonical(sort)
        case Form.WHOLE:
            return _whole
        case Form.NUMBER | Form.FIXED:
            return _number
        case _:
            return _moment


def row_digest(fields: Sequence[bytes | None], forms: Sequence[Form | None]) -> int:
    """What servers add up for a row, from its canonical fields: see `Dialect.digest`."""
    parts = []
    for field, form in zip(fields, forms, strict=True):
        if field is None:
            parts.append(b"-")
        elif form is Form.TEXT or form is None:
            parts += [b"%d" % len(field), field]
        else:
            parts.append(field)
    return int(hashlib.md5(b";".join(parts), usedforsecurity=False).hexdigest()[:DIGITS], 16)


def common(one: Sort, two: Sort) -> Sort:
    """The sort in which two columns are compared."""
    if one is two:
        return one
    for wide in (Sort.JSON, Sort.BIT):
        if wide in {one, two}:
            return wide
    if one in NUMERIC or two in NUMERIC:
        return Sort.DECIMAL
    if {one, two} == {Sort.TIME, Sort.INTERVAL}:
        return Sort.TIME
    if one in TEMPORAL or two in TEMPORAL:
        return Sort.DATETIME
    return one if two in {Sort.TEXT, Sort.OTHER} else two


def canonical(sort: Sort) -> Canonical:
    """What makes the bytes of a value that is compared as a *sort*."""
    if sort in {Sort.INTEGER, Sort.BOOLEAN}:
        return _whole
    if sort in NUMERIC - {Sort.BIT}:
        return _number
    if sort in TEMPORAL:
        return _moment
    return {Sort.JSON: _json, Sort.BIT: _bits, Sort.TIME: _clock, Sort.TEXT: _text}.get(sort, by_type)


def _text(value: Any) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else by_type(value)


def _whole(value: Any) -> bytes:
    return b"%d" % value if isinstance(value, int) else _number(value)


def _number(value: Any) -> bytes:
    """Without sign of scale: 12, 12.0 and 12.00 are one number."""
    if isinstance(value, int):
        return b"%d" % value
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        return _text(str(value))
    text = format(number, "f") if number.is_finite() else str(number)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return (b"0" if text in {"-0", ""} else text.encode()) if number.is_finite() else text.lower().encode()


_ZONE: Final = re.compile(r"(?:Z|\+00(?::?00)?)$")


def _moment(value: Any) -> bytes:
    """ISO text without what means nothing: a zone of UTC, zeros of a fraction, midnight."""
    text = _ZONE.sub("", str(plain(value))).replace("T", " ")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.removesuffix(" 00:00:00").encode()


def _clock(value: Any) -> bytes:
    text = str(plain(value))
    return (text.rstrip("0").rstrip(".") if "." in text else text).encode()


def _json(value: Any) -> bytes:
    try:
        found = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        return _text(value)
    return json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _bits(value: Any) -> bytes:
    return b"%d" % (int(value, 2) if isinstance(value, str) else int(value))


def _hexadecimal(value: Any) -> bytes:
    value = plain(value)
    return value.hex().encode() if isinstance(value, bytes) else by_type(value)


def by_type(value: Any) -> bytes:
    """The bytes of a value that nothing is known of."""
    value = plain(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return _number(value)
