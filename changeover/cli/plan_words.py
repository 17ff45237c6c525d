"""The sentences of `plan`: the window, and whether everything fits it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from changeover.plan.outlook import Outlook
from changeover.plan.saying import about, offset, span
from changeover.plan.saying import moment as full_moment

#: So far from the start a weekday says which day is meant.
_WEEKDAYS: Final = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Times:
    """How a plan says its times: the offset once, in the header, unless the clocks change meanwhile."""

    zone: ZoneInfo
    starts_at: datetime
    offset: str  # the only one; empty when there are two, and every time bears its own

    @classmethod
    def of(cls, outlook: Outlook, zone: ZoneInfo) -> Times:
        """The times of a plan in *zone*."""
        schedule, window = outlook.schedule, outlook.fit.window
        ends = [schedule.starts_at, schedule.ends_likely, schedule.ends_worst]
        ends += [window.opens, window.closes] if window is not None else []
        found = {offset(when, zone) for when in ends}
        return cls(zone, schedule.starts_at, found.pop() if len(found) == 1 else "")

    def moment(self, when: datetime) -> str:
        """``2027-03-13 19:00``."""
        return f"{when.astimezone(self.zone):%Y-%m-%d %H:%M}" if self.offset else full_moment(when, self.zone)

    def brief(self, when: datetime) -> str:
        """``Sat 19:00``, where that is clear."""
        if abs(when - self.starts_at) > _WEEKDAYS:
            return self.moment(when)
        return f"{when.astimezone(self.zone):%a %H:%M}{'' if self.offset else offset(when, self.zone)}"


def zone_words(times: Times) -> str:
    """Which times these are."""
    return f"times of {times.zone.key}" + (f", UTC{times.offset}" if times.offset else ", on both sides of a clock change")


def window_words(outlook: Outlook, times: Times) -> str:
    """The window, or when the plan starts without one."""
    window, schedule = outlook.fit.window, outlook.schedule
    if window is None:
        lasts = span(schedule.ends_likely - schedule.starts_at, schedule.ends_worst - schedule.starts_at)
        return f"no window; the plan takes {lasts}"
    words = f"window {times.moment(window.opens)} to {times.moment(window.closes)}"
    words += f" ({about(window.closes - window.opens)}, {about(window.margin)} of it kept as margin)"
    if schedule.starts_at != window.opens:
        words += f"; starts {times.moment(schedule.starts_at)}"
    return words


def verdict(outlook: Outlook, times: Times) -> tuple[bool | None, list[str]]:
    """Whether run and rollback fit (None: only if nothing goes badly), and why, in sentences."""
    fit, window = outlook.fit, outlook.fit.window
    sentences = [_end(outlook, times)]
    if window is None:
        return True, sentences
    sentences.append(_way_back(outlook, times))
    broken = [impact for impact in outlook.impacts if impact.likely > impact.budget]
    sentences += [f"Clock `{impact.name}` runs {about(impact.likely)}, over its budget." for impact in broken]
    if not fit.fits or broken or not _point_in_time(outlook):
        return False, sentences
    tight = not (fit.run_worst and fit.rollback_worst and all(impact.fits for impact in outlook.impacts))
    return (None if tight else True), sentences


def counted(number: int, word: str) -> str:
    """``1 error``, ``2 errors``, ``no errors``."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _end(outlook: Outlook, times: Times) -> str:
    schedule, window = outlook.schedule, outlook.fit.window
    ends = f"The run ends {times.moment(schedule.ends_likely)}, at worst {times.moment(schedule.ends_worst)}"
    if schedule.ends_likely == schedule.ends_worst:
        ends = f"The run ends {times.moment(schedule.ends_likely)}"
    if window is None:
        return f"{ends}."
    spare, spare_worst = window.closes - schedule.ends_likely, window.closes - schedule.ends_worst
    if not outlook.fit.run_likely:
        return f"{ends}: {about(-spare)} after the window closes."
    if not outlook.fit.run_worst:
        return f"{ends}: {about(spare)} before the window closes, but {about(-spare_worst)} after it at worst."
    return f"{ends}: {about(spare)} before the window closes ({about(spare_worst)} at worst)."


def _way_back(outlook: Outlook, times: Times) -> str:
    point = outlook.point
    late = [name for name, back in outlook.fit.stages.items() if not back.in_time]
    tight = [name for name, back in outlook.fit.stages.items() if back.in_time and not back.in_time_worst]
    if late:
        return f"After {_listed(late)} there is no time left to go back."
    if point.latest_safe_start is None:
        return ""
    takes = span(point.rollback.likely, point.rollback.worst)
    until = times.moment(point.latest_safe_start)
    if not _point_in_time(outlook):
        return f"Going back from `{point.step}` takes {takes} and would have to start by {until}, before it is reached."
    if point.step:
        words = f"You can go back until `{point.step}`: that takes {takes} and has to start by {until}."
    else:
        words = f"You can go back until {until}: that takes {takes}."
    return f"{words} If {_listed(tight)} took their worst time, there would be no time left to." if tight else words


def _point_in_time(outlook: Outlook) -> bool:
    point = outlook.point
    return point.starts is None or point.latest_safe_start is None or point.starts <= point.latest_safe_start


def _listed(names: list[str]) -> str:
    word = "stage" if len(names) == 1 else "stages"
    return f"{word} " + ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
