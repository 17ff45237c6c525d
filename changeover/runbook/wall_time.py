"""Wall-clock times of the runbook's zone, and the nights on which some of them do not exist or exist twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from changeover.errors import Mistake
from changeover.runbook.model import WallTime

_SHAPE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_UTC: Final = timezone.utc  # noqa: UP017 - one spelling with 3.11's type stubs


@dataclass(eq=False)
class WallTimeInvalid(Mistake):
    """A text that is no wall-clock time."""

    text: str
    why: str = ""

    def __str__(self) -> str:
        return f"`{self.text}` is not a wall-clock time" + (f": {self.why}" if self.why else "")

    @property
    def hint(self) -> str:
        return "write it in the runbook's zone as `2027-03-13 19:00`, without an offset"


class Oddity(StrEnum):
    """What can be wrong with a local time on the night the clocks change."""

    MISSING = "does not exist"
    TWICE = "exists twice"


def parse(text: str) -> WallTime:
    """The time that *text* says; WallTimeInvalid when it says none."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise WallTimeInvalid(text)
    numbers = (int(part or 0) for part in match.groups())
    try:
        return WallTime(datetime(*numbers))  # type: ignore[arg-type]  # noqa: DTZ001 - naive on purpose: the zone is the runbook's
    except ValueError as problem:
        raise WallTimeInvalid(text, str(problem)) from None


def oddity(when: WallTime, zone: ZoneInfo) -> Oddity | None:
    """What is wrong with *when* in *zone*; None on every ordinary night."""
    first, second = when.at(zone), when.at(zone).replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return None
    back = first.astimezone(_UTC).astimezone(zone).replace(tzinfo=None)
    return Oddity.TWICE if back == when.local else Oddity.MISSING


def neighbours(when: WallTime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The two moments that an odd time could have meant, as local times people can write."""
    shift = timedelta(hours=1)
    return (_ordinary(when.local, -shift, zone), _ordinary(when.local, shift, zone))


def _ordinary(local: datetime, shift: timedelta, zone: ZoneInfo) -> datetime:
    for _ in range(4):
        local += shift
        if oddity(WallTime(local), zone) is None:
            break
    return local
