"""Durations as people write them: ``90s``, ``20m``, ``12h``, ``2d``, ``1h30m``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from changeover.errors import Mistake

_SHAPE: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)
_LONGEST: Final = timedelta(days=3650)


@dataclass(eq=False)
class DurationInvalid(Mistake):
    """A text that is no duration."""

    text: str

    def __str__(self) -> str:
        return f"`{self.text}` is not a duration"

    @property
    def hint(self) -> str:
        if self.text.strip().isdigit():
            number = self.text.strip()
            return f"a duration needs its unit: write `{number}s`, `{number}m` or `{number}h`"
        return "write it as `90s`, `20m`, `12h`, `2d` or `1h30m`: whole numbers, the largest unit first, up to ten years"


@lru_cache(maxsize=1024)
def parse(text: str) -> timedelta:
    """The duration that *text* says; DurationInvalid when it says none."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None or not match.group(0):
        raise DurationInvalid(text)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration > _LONGEST:
        raise DurationInvalid(text)
    return duration


def text(duration: timedelta) -> str:
    """The shortest way to write *duration*, rounded to whole seconds; the inverse of :func:`parse`."""
    seconds = max(0, round(duration.total_seconds()))
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"
