"""What `plan` shows on a terminal, from 40 columns on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from changeover.cli.gantt import Axis, Bar, gantt, signs
from changeover.cli.plan_words import Times, counted, verdict, window_words, zone_words
from changeover.cli.render import ALARM, CARE, DONE, FAINT, FINE, LOUD, safe, styled, ticked
from changeover.plan.critical_path import StageTimes
from changeover.plan.outlook import Outlook
from changeover.plan.preflight import Examined
from changeover.plan.saying import about, span
from changeover.plan.window import StageBack
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import Severity
from changeover.status.names import person

#: With more steps than this the chart shows stages only.
_STEPS_SHOWN: Final = 60
_PATH_SHOWN: Final = 12
_FINDINGS_SHOWN: Final = 5
#: From this many columns on the stages stand in a table.
_TABLE_FROM: Final = 120
#: From this many columns on the table has room for why there is nothing to undo.
_REASONS_FROM: Final = 160


def show(console: Console, examined: Examined, bundle: Bundle, outlook: Outlook) -> None:
    """Print the whole plan."""
    view = PlanView(bundle, outlook, console.width)
    for part in (view.header(), view.stages(), view.chart(), view.clocks(), view.path(), view.findings(examined)):
        lines = list(part)
        if lines:
            for line in lines:
                console.print(line)
            console.print()
    for line in view.verdict():
        console.print(line)


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as lines for a terminal of *width* columns."""

    bundle: Bundle
    outlook: Outlook
    width: int

    @property
    def _zone(self) -> ZoneInfo:
        return self.bundle.runbook.zone

    @property
    def _times(self) -> Times:
        return Times.of(self.outlook, self._zone)

    def header(self) -> Iterator[Text]:
        """Which runbook, which window."""
        runbook = self.bundle.runbook
        where = f" in {self.bundle.environment}" if self.bundle.environment else ""
        yield styled((safe(runbook.title or runbook.id), "bold"))
        yield styled((f"plan of {runbook.id}{where}, {zone_words(self._times)}", FAINT))
        yield styled(window_words(self.outlook, self._times))

    def stages(self) -> Iterator[Text | Padding | Table]:
        """The stages with their times, their owners and their way back."""
        if self.width < _TABLE_FROM:
            for name, times in self.outlook.schedule.stages.items():
                yield from self._stage_lines(name, times)
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style=FAINT, expand=False)
        for head in ("", "stage", "starts", "ends", "likely", "worst", "slack", "owner", "go back by", "way back"):
            table.add_column(head, justify="right" if head in {"likely", "worst", "slack"} else "left", overflow="fold")
        for name, times in self.outlook.schedule.stages.items():
            back = self.outlook.fit.stages[name]
            table.add_row(
                styled(_mark(critical=times.critical)),
                styled((name, "bold")),
                self._time(times.likely.starts),
                self._time(times.likely.ends),
                about(times.likely.lasts),
                about(times.worst.lasts),
                about(times.slack),
                safe(self._owner(name)),
                self._back_by(back),
                styled(safe(back.how if self.width >= _REASONS_FROM else back.how.partition(":")[0])),
            )
        yield table

    def _stage_lines(self, name: str, times: StageTimes) -> Iterator[Text | Padding]:
        stage, back = self.outlook.plan.stages[name], self.outlook.fit.stages[name]
        title = f" {safe(stage.title)}" if stage.title and stage.title != name else ""
        yield styled(_mark(critical=times.critical), " ", (name, "bold"), title)
        slack = f", slack {about(times.slack)}" if times.slack else ", no slack"
        owner = f", {safe(self._owner(name))}" if stage.owner else ""
        going_back = "go back by " if back.latest_safe_start is not None else "going back: "
        until = self._back_by(back) if back.offered else styled(("no longer offered", FAINT))
        for line in (
            styled(f"{self._time(times.likely.starts)} to {self._time(times.likely.ends)}"),
            styled(f"{span(times.likely.lasts, times.worst.lasts)}{slack}{owner}"),
            Text.assemble(going_back, until, f" ({safe(back.how)})"),
        ):
            yield Padding(line, (0, 0, 0, 2), expand=False)

    def _owner(self, name: str) -> str:
        return person(self.bundle.people, self.outlook.plan.stages[name].owner)

    def _back_by(self, back: StageBack) -> Text:
        if not back.offered:
            return styled(("no longer", FAINT))
        if back.latest_safe_start is None:
            return styled(("any time", FAINT))
        style = "" if back.in_time_worst else CARE if back.in_time else ALARM
        return styled((self._time(back.latest_safe_start), style))

    def _time(self, when: datetime) -> str:
        return self._times.brief(when)

    def chart(self) -> Iterator[Text]:
        """The Gantt chart and what its signs mean."""
        schedule, window, point = self.outlook.schedule, self.outlook.fit.window, self.outlook.point
        if not schedule.steps:
            return
        bars = list(self._bars())
        label_width = min(max(len(bar.label) + (0 if bar.heading else 2) for bar in bars) + 1, max(self.width // 3, 12), 40)
        end = max(schedule.ends_worst, schedule.starts_at + timedelta(minutes=1))
        closes = window.closes if window is not None else None
        if closes is not None and schedule.starts_at < closes <= schedule.starts_at + 2 * (end - schedule.starts_at):
            end = max(end, closes + (end - schedule.starts_at) / 100)
        axis = Axis(schedule.starts_at, end, max(self.width - label_width - 1, 10), self._zone)
        yield from gantt(bars, axis, label_width=label_width, closes=closes)
        yield self._legend(window_shown=closes is not None and closes <= end, point_shown=point.starts is not None)

    def _bars(self) -> Iterator[Bar]:
        plan, schedule, point = self.outlook.plan, self.outlook.schedule, self.outlook.point
        steps_too = len(schedule.steps) <= _STEPS_SHOWN
        for name, times in schedule.stages.items():
            stage_point = point.starts if not steps_too and point.stage == name else None
            yield Bar(
                name, times.likely.starts, times.likely.ends, times.worst.ends, times.critical, heading=True, point=stage_point
            )
            if not steps_too:
                continue
            for key, step in schedule.steps.items():
                if plan.forward[key].stage == name:
                    yield Bar(
                        key,
                        step.likely.starts,
                        step.likely.ends,
                        step.worst.ends,
                        step.critical,
                        point=step.likely.starts if key in plan.points_of_no_return else None,
                        skipped=key in plan.skipped,
                    )

    def _legend(self, *, window_shown: bool, point_shown: bool) -> Text:
        sign = signs()
        parts: list[tuple[str, str] | str] = [(sign.critical, CARE), " critical path  ", (sign.other, DONE), " other  "]
        parts += [(sign.worst, DONE), " until its worst case"]
        if window_shown:
            parts += ["  ", (sign.closes, LOUD), " window closes"]
        if point_shown:
            parts += ["  ", (sign.point, LOUD), " point of no return"]
        return styled(*parts)

    def clocks(self) -> Iterator[Text]:
        """The impact clocks against their budgets."""
        for impact in self.outlook.impacts:
            says = "fits" if impact.fits else "fits only if nothing goes badly" if impact.likely <= impact.budget else "too long"
            style = FINE if impact.fits else CARE if impact.likely <= impact.budget else ALARM
            yield styled(
                (safe(impact.title), "bold"),
                f": {span(impact.likely, impact.worst)}, budget {about(impact.budget)}: ",
                (says, style),
                f"; from {self._times.brief(impact.starts)} to {self._times.brief(impact.stops)}",
            )

    def path(self) -> Iterator[Text]:
        """The critical path, or its longest steps."""
        keys = self.outlook.schedule.critical_path
        if not keys:
            return
        times = self.outlook.schedule.steps
        shown = set(sorted(keys, key=lambda key: times[key].likely.lasts, reverse=True)[:_PATH_SHOWN])
        text = Text("Critical path: ", style="bold")
        before, left_out = "", 0
        for key in keys:
            if key not in shown:
                left_out += 1
                continue
            if left_out:
                text.append(f"{before}({left_out} more)", style=FAINT)
                before, left_out = " > ", 0
            text.append(before, style=FAINT)
            text.append(f"{key} {about(times[key].likely.lasts)}", style="not bold")
            before = " > "
        if left_out:
            text.append(f"{before}({left_out} more)", style=FAINT)
        yield text

    def findings(self, examined: Examined) -> Iterator[Text | Padding]:
        """What lint found, the worst first."""
        errors = [finding for finding in examined.findings if finding.severity is Severity.ERROR]
        warnings = [finding for finding in examined.findings if finding.severity is Severity.WARNING]
        if not examined.findings:
            return
        many = f"{counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}"
        yield styled((f"Lint: {many}", ALARM if errors else CARE), (f" (`changeover lint {self.bundle.runbook.file}`)", FAINT))
        for finding in (errors + warnings)[:_FINDINGS_SHOWN]:
            yield Padding(Text.assemble((f"{finding.at} ", FAINT), ticked(finding.message)), (0, 0, 0, 2), expand=False)
        if len(examined.findings) > _FINDINGS_SHOWN:
            yield styled((f"  and {len(examined.findings) - _FINDINGS_SHOWN} more", FAINT))

    def verdict(self) -> Iterator[Text]:
        """Does it fit, and until when can one go back."""
        fits, sentences = verdict(self.outlook, self._times)
        style = FINE if fits is True else CARE if fits is None else ALARM
        word = "IT FITS" if fits is True else "IT FITS IF NOTHING GOES BADLY" if fits is None else "IT DOES NOT FIT"
        yield Text.assemble((f" {word} ", style), " ", ticked(" ".join(sentences)))


def _mark(*, critical: bool) -> tuple[str, str]:
    sign = signs()
    return (sign.critical, CARE) if critical else (sign.other, DONE)
