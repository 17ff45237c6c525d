"""What is wrong with the times of a plan: it does not fit its window, or nobody could go back in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from changeover.plan.expected import expected_of, is_assumed
from changeover.plan.outlook import Outlook
from changeover.plan.parameters import entry
from changeover.plan.saying import about, moment
from changeover.runbook.bundle import Bundle
from changeover.runbook.codes import Code
from changeover.runbook.findings import Finding, Severity
from changeover.runbook.model import Runbook
from changeover.runbook.position import Position

#: The codes of this module; docs/findings/ has a page for each.
TIME_CODES: Final = {
    "window-overrun": Code("window-overrun", "channels that are promised for the end of the window would still be closed"),
    "window-tight": Code("window-tight", "one thing that goes badly is enough to overrun the window", Severity.WARNING),
    "rollback-too-late": Code("rollback-too-late", "whoever decides to go back then finds out that there is no time left for it"),
    "rollback-tight": Code("rollback-tight", "when the stage takes long, there is no time left to go back", Severity.WARNING),
    "impact-over-budget": Code("impact-over-budget", "customers feel it for longer than was agreed"),
    "impact-tight": Code("impact-tight", "when it goes badly, customers feel it for longer than was agreed", Severity.WARNING),
    "expect-missing": Code(
        "expect-missing", "the end of the run depends on a guess, and so does the latest safe rollback start", Severity.WARNING
    ),
    "gate-after-deadline": Code(
        "gate-after-deadline", "the deadline has passed before anybody is asked, and the run holds by itself", Severity.WARNING
    ),
}


def findings(bundle: Bundle, outlook: Outlook) -> tuple[Finding, ...]:
    """All that is wrong with the times of the plan, in the order of the file."""
    found = [
        *_window(bundle, outlook),
        *_rollback(bundle.runbook, outlook),
        *_impacts(bundle.runbook, outlook),
        *_guesses(outlook),
        *_gates(bundle.runbook, outlook),
    ]
    return tuple(sorted(found, key=lambda finding: (finding.at, finding.code)))


def _say(code: str, message: str, hint: str, at: Position) -> Finding:
    return Finding(code, message, hint, at, TIME_CODES[code].severity)


def _window(bundle: Bundle, outlook: Outlook) -> Iterator[Finding]:
    runbook, window, times = bundle.runbook, outlook.fit.window, outlook.schedule
    if window is None:
        return
    written = entry(entry(bundle.traces.nodes.get(runbook.at), "window"), "closes")
    closes = written.at if written is not None else runbook.at
    longest = max(times.critical_path, key=lambda key: times.steps[key].likely.lasts, default="")
    hint = f"the longest step on the critical path is `{longest}`: make it shorter, start earlier, or close the window later"
    if not outlook.fit.run_likely:
        late = about(times.ends_likely - window.closes)
        message = f"the plan ends {moment(times.ends_likely, runbook.zone)}, {late} after the window closes"
        yield _say("window-overrun", message, hint, closes)
    elif not outlook.fit.run_worst:
        late = about(times.ends_worst - window.closes)
        message = f"in the worst case the plan ends {moment(times.ends_worst, runbook.zone)}, {late} after the window closes"
        yield _say("window-tight", message, hint, closes)


def _rollback(runbook: Runbook, outlook: Outlook) -> Iterator[Finding]:
    said: set[str] = set()
    for name, back in sorted(outlook.fit.stages.items(), key=lambda pair: outlook.schedule.stages[pair[0]].likely.ends):
        times = outlook.schedule.stages[name]
        if back.latest_safe_start is None or back.in_time_worst:
            continue
        code, ends, case = (
            ("rollback-tight", times.worst.ends, " in the worst case")
            if back.in_time
            else ("rollback-too-late", times.likely.ends, "")
        )
        if code in said:
            continue  # what comes after the first such stage follows from it
        said.add(code)
        yield _say(
            code,
            f"stage `{name}` ends {moment(ends, runbook.zone)}{case}, but going back then takes up to "
            f"{about(back.lasts.worst)}, so it has to start by {moment(back.latest_safe_start, runbook.zone)}",
            "make its rollback or the stage shorter, start earlier, or close the window later",
            outlook.plan.stages[name].at,
        )
    if "rollback-too-late" not in said:
        yield from _point(runbook, outlook)


def _point(runbook: Runbook, outlook: Outlook) -> Iterator[Finding]:
    point = outlook.point
    if point.starts is None or point.latest_safe_start is None or point.starts <= point.latest_safe_start:
        return
    yield _say(
        "rollback-too-late",
        f"`{point.step}` is the point of no return and starts {moment(point.starts, runbook.zone)}, but going back "
        f"takes up to {about(point.rollback.worst)}, so it has to start by {moment(point.latest_safe_start, runbook.zone)}",
        "decide earlier, or make the rollback shorter",
        outlook.plan.forward[point.step].step.at,
    )


def _impacts(runbook: Runbook, outlook: Outlook) -> Iterator[Finding]:
    for impact in outlook.impacts:
        if impact.fits:
            continue
        code, lasts, case = (
            ("impact-over-budget", impact.likely, "by the plan")
            if impact.likely > impact.budget
            else ("impact-tight", impact.worst, "in the worst case")
        )
        yield _say(
            code,
            f"clock `{impact.name}` runs {about(lasts)} {case}; its budget is {about(impact.budget)}",
            "move steps out from between its two ends, make them shorter, or agree on another budget",
            runbook.clocks[impact.name].at,
        )


def _guesses(outlook: Outlook) -> Iterator[Finding]:
    said: set[str] = set()
    for key in outlook.schedule.critical_path:
        step = outlook.plan.forward[key].step
        if step.id in said or not is_assumed(step):
            continue
        said.add(step.id)
        likely = about(expected_of(step).likely)
        yield _say(
            "expect-missing",
            f"step `{step.id}` is on the critical path and does not say how long it takes; {likely} is assumed",
            f"write how long it takes, such as `expect: {likely}`",
            step.at,
        )


def _gates(runbook: Runbook, outlook: Outlook) -> Iterator[Finding]:
    for key, times in outlook.schedule.steps.items():
        if times.by is not None and times.likely.starts > times.by:
            yield _say(
                "gate-after-deadline",
                f"gate `{key}` is reached {moment(times.likely.starts, runbook.zone)}, "
                f"after its deadline {moment(times.by, runbook.zone)}",
                "give it a later `by:`, or make what stands before it shorter",
                outlook.plan.forward[key].step.at,
            )
