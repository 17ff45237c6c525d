"""Times of day: they exist once, and they stand in order."""

from __future__ import annotations

from changeover.runbook import wall_time
from changeover.runbook.lint.view import View
from changeover.runbook.model import WallTime
from changeover.runbook.position import NOWHERE


def times_exist(view: View) -> None:
    """No time of the night on which the clocks change is missing or exists twice."""
    zone = view.runbook.zone
    for moment in view.moments:
        oddity = wall_time.oddity(moment.when, zone)
        if oddity is None:
            continue
        before, after = (f"{local:%Y-%m-%d %H:%M}" for local in wall_time.neighbours(moment.when, zone))
        code = "time-missing" if oddity is wall_time.Oddity.MISSING else "time-twice"
        message = f"{moment.when.local:%Y-%m-%d %H:%M} {oddity.value} in {view.runbook.timezone}: the clocks change that night"
        view.report(code, message, f"write `{before}` or `{after}`", moment.at)


def times_are_in_order(view: View) -> None:
    """What belongs into the window is inside, and what comes after it does; that it closes after it opens is the loader's."""
    runbook = view.runbook
    window = runbook.window
    if window is None:
        return
    _not_before(view, runbook.hypercare.until if runbook.hypercare else None, window.closes, "hypercare")
    _not_before(view, runbook.way_back.until if runbook.way_back else None, window.opens, "way_back")
    for moment in view.moments:
        if moment.scope != NOWHERE and not window.opens.local <= moment.when.local <= window.closes.local:
            message = f"{moment.when.local:%Y-%m-%d %H:%M} is outside of the window"
            view.report("time-outside-window", message, "correct the day, or the window", moment.at)


def _not_before(view: View, when: WallTime | None, earliest: WallTime, word: str) -> None:
    if when is not None and when.local < earliest.local:
        at = view.place(view.runbook.at, word, "until")
        view.report("times-reversed", f"`{word}` ends before the window does", "correct the day", at)
