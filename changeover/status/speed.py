"""How fast a running step goes, how fast it would have to, and when it ends at this rate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from changeover.contracts import Value
from changeover.journal.fold import StepRecord
from changeover.plan.forecast import Actual, Forecast, remaining
from changeover.plan.model import PlannedStep
from changeover.status.actuals import actual_of, number

#: Closer to its end than this nothing is required any more: it arrives, or it does not.
_NO_TIME = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Speed:
    """A step that counts what it does, now."""

    now: float  # units a second
    mean: float  # over the last five minutes
    required: float | None  # to end when `required_by` says; None: that cannot be said, or is over
    required_for: str  # plan, or window when the planned end has passed already
    required_by: datetime | None
    ends_likely: datetime
    ends_worst: datetime
    tail: timedelta | None  # of that, what comes after the last unit; None: that was never measured
    tail_from: datetime | None  # the rehearsal in which that was measured; None: it was on the parts that are done
    table: str  # the part that is at work now; empty when it has none
    table_ends: datetime | None
    part: str  # what comes after a table's rows and is at work now, such as `index 3 of 7`
    because: str  # why it goes no faster; empty when nothing slows it down


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when a step should end."""

    planned: datetime | None
    window_closes: datetime | None
    forecast: Forecast


def speed_of(planned: PlannedStep, record: StepRecord, deadlines: Deadlines, now: datetime) -> Speed | None:
    """None for a step that does not run, or does not say how fast it goes."""
    actual = actual_of(record)
    figures = _figures(record)
    if actual.done is None or actual.total is None or not figures:
        return None
    mean = actual.rate or 0.0
    tail = timedelta(seconds=actual.tail or 0.0)
    likely, worst = (now + remaining(planned.expected, actual, now, worst=late) for late in (False, True))
    by, what = _deadline(planned.key, deadlines, now)
    left, time_left = max(actual.total - actual.done, 0.0), by - tail - now if by is not None else None
    required = left / time_left.total_seconds() if time_left is not None and time_left > _NO_TIME else None
    return Speed(
        now=number(figures.get("rate")) or 0.0,
        mean=mean,
        required=required,
        required_for=what if required is not None else "",
        required_by=by if required is not None else None,
        ends_likely=likely,
        ends_worst=max(likely, worst),
        tail=tail if actual.tail is not None or "tail_from" not in figures else None,
        tail_from=_moment(figures.get("tail_from")),
        table=str(figures.get("table") or ""),
        table_ends=_table_ends(figures, actual, now),
        part=str(figures.get("part") or ""),
        because=str(figures.get("because") or ""),
    )


def _deadline(key: str, deadlines: Deadlines, now: datetime) -> tuple[datetime | None, str]:
    """The planned end; once that has passed, the last moment at which the window is still held."""
    if deadlines.planned is not None and deadlines.planned > now:
        return deadlines.planned, "plan"
    ends = deadlines.forecast.ends.get(key)
    if deadlines.window_closes is None or ends is None or key not in deadlines.forecast.critical_path:
        return None, ""
    return deadlines.window_closes - (deadlines.forecast.ends_likely - ends), "window"


def _table_ends(figures: Mapping[str, Value], actual: Actual, now: datetime) -> datetime | None:
    done, total = number(figures.get("table_done")), number(figures.get("table_total"))
    if done is None or total is None or not actual.rate:
        return None
    return now + timedelta(seconds=min(max(total - done, 0.0) / actual.rate, 365 * 86_400.0))


def _moment(text: Value) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and text else None
    except ValueError:
        return None


def _figures(record: StepRecord) -> Mapping[str, Value]:
    figures = (record.progress or {}).get("figures")
    return figures if isinstance(figures, dict) and "mean" in figures else {}
