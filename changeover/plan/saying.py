"""Times and durations as people read them. A time never stands without the offset of its zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def moment(when: datetime, zone: ZoneInfo) -> str:
    """``2027-03-13 19:00+01:00``."""
    local = when.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M}{offset(when, zone)}"


def hour(when: datetime, zone: ZoneInfo) -> str:
    """``19:00+01:00``, where the day is clear."""
    local = when.astimezone(zone)
    return f"{local:%H:%M}{offset(when, zone)}"


def second(when: datetime, zone: ZoneInfo) -> str:
    """``19:00:07+01:00``, where seconds matter."""
    local = when.astimezone(zone)
    return f"{local:%H:%M:%S}{offset(when, zone)}"


def offset(when: datetime, zone: ZoneInfo) -> str:
    """``+01:00``: what holds in *zone* then."""
    written = f"{when.astimezone(zone):%z}"
    return f"{written[:3]}:{written[3:5]}"


def about(duration: timedelta) -> str:
    """The two largest units: ``1d4h``, ``12h30m``, ``2m5s``, ``45s``; with a minus sign when it is negative."""
    seconds = round(abs(duration.total_seconds()))
    sign = "-" if duration < timedelta() and seconds else ""
    for place, (unit, size) in enumerate(_UNITS[:-1]):
        if seconds < size:
            continue
        next_unit, next_size = _UNITS[place + 1]
        number, rest = divmod(seconds, size)
        return f"{sign}{number}{unit}" + (f"{rest // next_size}{next_unit}" if rest // next_size else "")
    return f"{sign}{seconds}s"


def span(likely: timedelta, worst: timedelta) -> str:
    """``about 12h, at worst 14h``, or only the one where they are the same."""
    first, second_ = about(likely), about(worst)
    return f"about {first}" if first == second_ else f"about {first}, at worst {second_}"
