"""Whether a value can stand in its target column exactly: a value changed in silence is worse than one refused.

Databases round decimals, cut times off dates and drop fractions of seconds without a word; so the check is made here,
and left out wherever source and target cannot disagree. Calendar values travel as ISO text (see the dialects).
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from changeover.transfer.changes import Convert, Unfit, in_order, shown
from changeover.transfer.shapes import CLOCKS, Column, Sort
from changeover.transfer.silent_changes import check_of, promised

_SINGLE: Final = struct.Struct("f")


@dataclass(frozen=True, slots=True)
class Target:
    """What the target database can hold."""

    dialect: str  # postgresql, mysql, sqlite
    nul: Literal["reject", "strip"]

    @property
    def holds_nul(self) -> bool:
        """Whether text may contain NUL."""
        return self.dialect != "postgresql"


def plain(value: Any) -> Any:
    """What a driver gave, as a value that travels: int, float, Decimal, str, bytes, bool or None."""
    match value:
        case None | str() | int() | float() | Decimal() | bytes():
            return value
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _clock(value)
        case bytearray() | memoryview():
            return bytes(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _clock(value: timedelta) -> str:
    micro = round(value / timedelta(microseconds=1))
    seconds, micro = divmod(abs(micro), 1_000_000)
    sign = "-" if value < timedelta() else ""
    fraction = f".{micro:06d}" if micro else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def fit(source: Column | None, column: Column, target: Target, *, source_dialect: str) -> Convert | None:
    """What makes a value fit *column*, raising Unfit when it cannot; None when every value of *source* fits as it is."""
    check = check_of(column, target.dialect)
    alike = source is not None and _always_fits(source, column, target, source_dialect)
    if alike and (check is None or (source is not None and promised(source, column))):
        return None
    convert = _convert(column, target, source_dialect)
    return in_order([convert, check]) if check is not None else convert


def _convert(column: Column, target: Target, source_dialect: str) -> Convert:
    makers: dict[Sort, Callable[[Column, Target], Convert]] = {
        Sort.INTEGER: _integer,
        Sort.DECIMAL: _decimal,
        Sort.FLOAT: _float,
        Sort.BOOLEAN: _boolean,
        Sort.TEXT: _text,
        Sort.JSON: _text,
        Sort.BINARY: _binary,
        Sort.DATE: _date,
        Sort.DATETIME: _datetime,
        Sort.BIT: _bit,
    }
    if column.sort in CLOCKS and target.dialect != "sqlite":
        return _time(column, target)
    if column.sort in {Sort.DATE, Sort.DATETIME} and target.dialect == source_dialect == "mysql":
        return _zero_dates_too(makers[column.sort](column, target))
    if column.sort in makers:
        return makers[column.sort](column, target)
    return _text(column, target) if target.dialect == "postgresql" else _anything


def _always_fits(source: Column, column: Column, target: Target, source_dialect: str) -> bool:
    """Whether the two types alone say that nothing can go wrong. SQLite promises nothing about what stands in a column."""
    if source_dialect == "sqlite" or source.sort is not column.sort:
        return False
    match column.sort:
        case Sort.INTEGER:
            return _within(source, column)
        case Sort.DECIMAL:
            return target.dialect != "sqlite" and _digits_suffice(source, column)
        case Sort.TEXT:
            nul = target.holds_nul or source_dialect == "postgresql"
            return nul and (column.length is None or (source.length is not None and source.length <= column.length))
        case Sort.FLOAT:
            return source_dialect == target.dialect and source.single == column.single
        case Sort.DATE | Sort.DATETIME | Sort.TIME | Sort.INTERVAL | Sort.BIT:
            return source_dialect == target.dialect and source.fraction == column.fraction and source.length == column.length
        case _:
            return source_dialect == target.dialect


def _within(source: Column, column: Column) -> bool:
    if source.lowest is None or source.highest is None or column.lowest is None or column.highest is None:
        return False
    return column.lowest <= source.lowest and source.highest <= column.highest


def _digits_suffice(source: Column, column: Column) -> bool:
    if column.precision is None:
        return True
    if source.precision is None or source.scale is None or column.scale is None:
        return False
    return source.scale <= column.scale and source.precision - source.scale <= column.precision - column.scale


def _integer(column: Column, _target: Target) -> Convert:
    lowest = column.lowest if column.lowest is not None else -(2**63)
    highest = column.highest if column.highest is not None else 2**63 - 1

    def whole(value: Any) -> int:
        if type(value) is not int:
            value = _as_whole(value, column)
        if not lowest <= value <= highest:
            raise Unfit(f"{value} is outside {column.declared}")
        return value  # type: ignore[no-any-return] # narrowed above

    return whole


def _as_whole(value: Any, column: Column) -> int:
    number = _number(plain(value), column)
    if number != number.to_integral_value():
        raise Unfit(f"{shown(value)} has a fraction, {column.declared} holds none")
    return int(number)


def _number(value: Any, column: Column) -> Decimal:
    try:
        if isinstance(value, bytes):
            raise Unfit(f"bytes are no {column.declared}")
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, ValueError):
        raise Unfit(f"{shown(value)} is no {column.declared}") from None
    if not number.is_finite():
        raise Unfit(f"{shown(value)} is no finite number")
    return number


#: SQLite keeps a decimal as a float; up to this many digits nothing is lost.
_FLOAT_DIGITS: Final = 15


def _decimal(column: Column, target: Target) -> Convert:
    scale, precision = column.scale, column.precision
    rounds = target.dialect == "sqlite"

    def exact(value: Any) -> Any:
        if type(value) is not Decimal:
            if target.dialect == "postgresql" and precision is None and str(value) == "nan":
                return value
            value = _number(plain(value), column)
        if not value.is_finite():
            if target.dialect == "postgresql" and precision is None:
                return value
            raise Unfit(f"{value} is no finite number")
        _, digits, exponent = value.as_tuple()
        if scale is not None and -exponent > scale and value != round(value, scale):
            raise Unfit(f"{value} has more than {scale} decimals")
        if precision is not None and scale is not None and value and value.adjusted() >= precision - scale:
            raise Unfit(f"{value} does not fit {column.declared}")
        if rounds and len(value.normalize().as_tuple().digits if len(digits) > _FLOAT_DIGITS else digits) > _FLOAT_DIGITS:
            raise Unfit(f"SQLite would round {value}: it has more than {_FLOAT_DIGITS} digits")
        return format(value, "f") if rounds else value

    return exact


def _float(column: Column, target: Target) -> Convert:
    def floating(value: Any) -> float:
        if isinstance(value, float):
            number = value
        else:
            exact = _number(plain(value), column)
            number = float(exact)
            if Decimal(repr(number)) != exact:
                raise Unfit(f"{column.declared} would round {shown(value)}")
        if column.single and not _is_single(number):
            raise Unfit(f"{column.declared} would round {number!r}")
        if target.dialect != "postgresql" and not math.isfinite(number):
            raise Unfit(f"{number} is no finite number")
        return number

    return floating


#: As many significant digits as a float of 4 bytes can need.
_SINGLE_DIGITS: Final = 9


def _is_single(number: float) -> bool:
    """Whether a float of 4 bytes holds *number*, or is written with the same digits."""
    if not math.isfinite(number):
        return True
    try:
        single: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    except OverflowError:
        return False
    if single == number:
        return True
    if not single:
        return False
    written = (float(f"{single:.{digits}g}") for digits in range(1, _SINGLE_DIGITS + 1))
    shortest = next(short for short in written if _SINGLE.unpack(_SINGLE.pack(short))[0] == single)
    return shortest == number


_YES_NO: Final = {"0": False, "1": True, "f": False, "t": True, "false": False, "true": True, "no": False, "yes": True}


def _boolean(_column: Column, _target: Target) -> Convert:
    def yes_or_no(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        found = _YES_NO.get(str(value).lower())
        if found is None:
            raise Unfit(f"{shown(value)} is neither true nor false")
        return found

    return yes_or_no


def _text(column: Column, target: Target) -> Convert:
    limit = column.length if column.sort is Sort.TEXT else None
    keeps_nul, strips = target.holds_nul, target.nul == "strip"

    def text(value: Any) -> str:
        if not isinstance(value, str):
            value = _as_text(value, column)
        if not keeps_nul and "\0" in value:
            if not strips:
                raise Unfit("text contains NUL")
            value = value.replace("\0", "")
        if limit is not None and len(value) > limit:
            raise Unfit(f"{len(value)} characters do not fit {column.declared}")
        if not value.isascii() and not _encodable(value):
            raise Unfit("text is not valid UTF-8")
        return value  # type: ignore[no-any-return] # narrowed above

    return text


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(value: Any, column: Column) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Unfit(f"bytes that are no UTF-8 text are no {column.declared}") from None
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(plain(value))


def _binary(column: Column, target: Target) -> Convert:
    def binary(value: Any) -> bytes:
        found = value if isinstance(value, bytes) else str(plain(value)).encode("utf-8", "surrogateescape")
        if column.length is not None and len(found) > column.length and target.dialect != "postgresql":
            raise Unfit(f"{len(found)} bytes do not fit {column.declared}")
        return found

    return binary


_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?")


def _valid_day(text: str) -> None:
    if text.startswith("0000-00-00"):
        raise Unfit(f"zero date {text}")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise Unfit(f"there is no day {text}") from None


def _date(column: Column, target: Target) -> Convert:
    def day(value: Any) -> str:
        text = value if isinstance(value, str) else plain(value)
        if isinstance(text, str) and _DATE.fullmatch(text):
            _valid_day(text)
            return text
        moment = _MOMENT.fullmatch(text) if isinstance(text, str) else None
        if moment is None:
            return _beyond(text, column, target)
        _valid_day(moment[1])
        if (moment[2] or "").strip("0:") or (moment[3] or "").strip("0"):
            raise Unfit(f"{column.declared} would lose the time of {text}")
        return moment[1]

    return day


def _datetime(column: Column, target: Target) -> Convert:
    allowed = column.fraction if column.fraction is not None else 6

    def moment_of(value: Any) -> str:
        text = value if isinstance(value, str) else plain(value)
        moment = _MOMENT.fullmatch(text) if isinstance(text, str) else None
        if moment is None:
            return _beyond(text, column, target)
        _valid_day(moment[1])
        clock, fraction, zone = moment[2] or "00:00:00", moment[3] or "", moment[4] or ""
        if len(fraction.rstrip("0")) > allowed:
            raise Unfit(f"{column.declared} would lose part of the second of {text}")
        if column.zoned and target.dialect == "postgresql":
            return str(text)
        if zone and zone not in {"Z", "+00", "+00:00", "+0000"}:
            raise Unfit(f"{column.declared} would lose the zone of {text}")
        _valid_clock(clock, text)
        return f"{moment[1]} {clock}.{fraction}" if fraction else f"{moment[1]} {clock}"

    return moment_of


def _valid_clock(clock: str, text: str) -> None:
    try:
        time.fromisoformat(clock)
    except ValueError:
        raise Unfit(f"there is no time {text}") from None


#: A fraction of a second in a time or an interval.
_FRACTION: Final = re.compile(r":\d\d\.(\d+)")


def _time(column: Column, target: Target) -> Convert:
    allowed = 6 if column.fraction is None else column.fraction
    further = _text(column, target) if target.dialect == "postgresql" else _anything

    def clock(value: Any) -> Any:
        text = plain(value)
        fraction = _FRACTION.search(text) if isinstance(text, str) else None
        if fraction is not None and len(fraction[1].rstrip("0")) > allowed:
            raise Unfit(f"{column.declared} would lose part of the second of {text}")
        return further(text)

    return clock


def _beyond(text: Any, column: Column, target: Target) -> str:
    """``infinity`` and years that only PostgreSQL knows."""
    if target.dialect == "postgresql" and isinstance(text, str) and (text in {"infinity", "-infinity"} or text.endswith(" BC")):
        return text
    raise Unfit(f"{shown(text)} is no {column.declared}")


def _zero_dates_too(strict: Convert) -> Convert:
    """Between two MariaDBs even a zero date arrives exactly."""

    def moment(value: Any) -> Any:
        return value if isinstance(value, str) and "-00" in value[:10] else strict(value)

    return moment


def _bit(column: Column, target: Target) -> Convert:
    def bits(value: Any) -> Any:
        if isinstance(value, str) and not column.fixed and target.dialect == "postgresql" and value.strip("01") == "":
            if column.length is not None and len(value) > column.length:
                raise Unfit(f"{len(value)} bits do not fit {column.declared}")
            return value
        try:
            number = int(value, 2) if isinstance(value, str) else int(value)
        except ValueError:
            raise Unfit(f"{shown(value)} is no {column.declared}") from None
        if column.length is not None and number.bit_length() > column.length:
            raise Unfit(f"{shown(value)} does not fit {column.declared}({column.length})")
        return format(number, f"0{column.length or 1}b") if target.dialect == "postgresql" else number

    return bits


def _anything(value: Any) -> Any:
    return plain(value)
