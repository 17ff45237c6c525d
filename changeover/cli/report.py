"""``report``: what happened, as one self-contained HTML page or as Markdown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import jinja2
import typer
from markupsafe import Markup, escape

import changeover
from changeover.cli import render
from changeover.cli.choosing import shown_run
from changeover.cli.chronicle import Chronicle, chronicle
from changeover.cli.exit_codes import ExitCode
from changeover.cli.session import Session, open_session
from changeover.cli.stage_signs import stage_sign
from changeover.contracts import Answer, Phase, StepState, Value
from changeover.errors import Mistake
from changeover.plan.saying import about, offset
from changeover.status.words import sentence

#: Nothing, in a table.
_NONE: Final = "\N{EN DASH}"


class Format(StrEnum):
    """What to write."""

    HTML = "html"
    MARKDOWN = "md"


@dataclass(eq=False)
class CannotWrite(Mistake):
    """The report's file cannot be written."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"the report cannot be written to {self.path}: {self.why}"

    @property
    def hint(self) -> str:
        return "name another file: --output FILE, or `--output -` for standard output"


@dataclass(frozen=True, slots=True)
class Sign:
    """A state as the page shows it."""

    glyph: str
    word: str
    css: str


def report(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only active one, or the newest.", show_default=False),
    ] = "",
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="The file; `-` is standard output; left out: beside the journal.", show_default=False
        ),
    ] = "",
) -> int:
    """Write the report of a run: plan and actual, decisions, deviations, failures, checks with figures, suspensions, people."""
    with open_session() as session:
        found = shown_run(session.journal, run)
        text = page(session, found.id, form)
        if output == "-":
            sys.stdout.write(text)
            return ExitCode.FINE
        path = Path(output) if output else session.project.state / "reports" / f"{found.id}.{form.value}"
        write(path, text)
    sys.stdout.write(f"{path}\n")
    return ExitCode.FINE


def write(path: Path, text: str) -> None:
    """Write the report. Raises CannotWrite."""
    try:
        if path.is_dir():
            raise CannotWrite(path, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotWrite(path, (error.strerror or str(error)).lower()) from error


def page(session: Session, run: str, form: Format) -> str:
    """The report of *run* as text."""
    reader = session.reader(run)
    status = reader.refresh()
    zone = reader.bundle.runbook.zone
    told = chronicle(
        reader.record,
        session.journal.events(run),
        bundle=reader.bundle,
        plan=reader.plan,
        schedule=reader.baseline.schedule,
        stages=status.stages,
        state=reader.state,
        commands=session.journal.commands(run),
        sentence=lambda event: sentence(event, reader.plan, zone, reader.bundle.people),
        now=session.clock.now(),
    )
    return rendered(told, zone, form)


def rendered(told: Chronicle, zone: ZoneInfo, form: Format) -> str:
    """The report as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("changeover.cli"),
        autoescape=form is Format.HTML,  # noqa: S701 - Markdown has an escaping of its own: cell()
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["ticked"] = _ticked
    words = _Words(told, zone)
    return environment.get_template(f"report.{form.value}").render(c=told, **words.names())


#: How states look; css classes are those of the page.
_CSS: Final[Mapping[str, str]] = {
    render.FINE: "fine",
    render.BUSY: "fine",
    render.DONE: "fine",
    render.CARE: "care",
    render.LOUD: "care",
    render.ALARM: "alarm",
    render.FAINT: "faint",
    render.PLAIN: "",
}

_ANSWERS: Final = {
    "approve": Sign("✓", "go", "fine"),
    "typed": Sign("✓", "typed", "fine"),
    "done": Sign("✓", "done", "fine"),
    "refuse": Sign("✗", "no-go", "alarm"),
    "failed": Sign("✗", "could not be done", "alarm"),
}


#: Later than this is late.
_LATE: Final = timedelta(minutes=1)

#: What Markdown would read as markup.
_ESCAPED: Final = re.compile(r"[<\[*_]|\\(?!\|)")


@dataclass(frozen=True, slots=True)
class _Words:
    """What the templates can say besides the chronicle itself."""

    told: Chronicle
    zone: ZoneInfo

    def names(self) -> dict[str, Any]:
        told, state = self.told, self.told.state
        forward = [row for row in told.steps if row.phase is Phase.FORWARD]
        gantt, end = self._gantt()
        moment = state.started_at or told.record.created_at
        return {
            "run": told.record,
            "mode": render.mode_text(told.record.mode),
            "run_sign": _sign(render.RUN_SIGNS[state.state]),
            "held": _sign(render.HELD) if state.held else None,
            "still_off": Sign("!", "still off", "alarm"),
            "final": state.state.final,
            "zone": self.zone.key,
            "offset": offset(moment, self.zone),
            "window": self._window(),
            "planned_lasts": told.schedule.ends_likely - told.schedule.starts_at,
            "steps_passed": sum(row.state is StepState.PASSED for row in forward),
            "steps_total": len(forward),
            "checks_passed": sum(row.answer == Answer.PASSED.value for row in told.checks),
            "gantt": gantt,
            "window_end": end,
            "version": changeover.__version__,
            "person": self._person,
            "stamp": self._stamp,
            "span": self._span,
            "brief_span": self._brief_span,
            "duration": lambda time: _NONE if time is None else about(time),
            "sign": lambda step_state: _sign(render.STEP_SIGNS[step_state]),
            "stage_sign": lambda stage_state: _sign(stage_sign(stage_state, state.state)),
            "verdict": _verdict,
            "answer": lambda answer: _ANSWERS.get(answer, Sign("·", answer, "")),
            "figure": figure,
            "cell": cell,
        }

    def _person(self, name: str) -> str:
        """The name behind a person or a role."""
        people = self.told.bundle.people
        holders = people.holders(name)
        if not holders or not name:
            return name
        known = people.persons.get(holders[0])
        return known.name if known else holders[0]

    def _stamp(self, moment: datetime | None, *, seconds: bool = False, year: bool = False) -> str:
        if moment is None:
            return _NONE
        if year:
            return f"{moment.astimezone(self.zone):%a %d %b %Y %H:%M}"
        return f"{moment.astimezone(self.zone):%a %d %b %H:%M{':%S' if seconds else ''}}"

    def _span(self, start: datetime | None, end: datetime | None) -> str:
        if start is None:
            return _NONE
        if end is None:
            return f"{self._stamp(start)} {_NONE}"
        last = render.clock(end, self.zone) if self._same_day(start, end) else self._stamp(end)
        return f"{self._stamp(start)} {_NONE} {last}"

    def _brief_span(self, start: datetime | None, end: datetime | None) -> str:
        """To the second, without the date."""
        if start is None:
            return _NONE
        first = render.clock(start, self.zone, day=True, seconds=True)
        if end is None:
            return f"{first} {_NONE}"
        return f"{first} {_NONE} {render.clock(end, self.zone, day=not self._same_day(start, end), seconds=True)}"

    def _same_day(self, start: datetime, end: datetime) -> bool:
        return start.astimezone(self.zone).date() == end.astimezone(self.zone).date()

    def _window(self) -> str:
        opens, closes = self.told.state.window_opens, self.told.state.window_closes
        if opens is None or closes is None:
            return "none"
        return f"{render.clock(opens, self.zone, day=True)} {_NONE} {render.clock(closes, self.zone, day=True)}"

    def _gantt(self) -> tuple[list[dict[str, Any]], float | None]:
        """Bars in percent of the time that plan and run cover together, and where the window closes."""
        rows, now = self.told.stages, self.told.state.ended_at or self.told.written_at
        starts = [moment for row in rows for moment in (row.planned_start, row.started) if moment]
        ends = [row.planned_end for row in rows if row.planned_end] + [row.ended or now for row in rows if row.started]
        if not starts or max(ends) <= min(starts):
            return [], None
        first, whole = min(starts), max(ends) - min(starts)

        def place(start: datetime, end: datetime) -> tuple[float, float]:
            return round((start - first) / whole * 100, 3), round(max(end - start, timedelta()) / whole * 100, 3)

        bars = [
            {
                "title": row.title or row.id,
                "plan": place(row.planned_start, row.planned_end) if row.planned_start and row.planned_end else None,
                "actual": place(row.started, row.ended or now) if row.started else None,
                "late": bool(row.planned_end and row.started and (row.ended or now) > row.planned_end + _LATE),
            }
            for row in rows
        ]
        closes = self.told.state.window_closes
        inside = closes is not None and first <= closes <= first + whole
        return bars, round((closes - first) / whole * 100, 3) if inside and closes is not None else None


def figure(value: Value) -> str:
    """A value as people read it."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cell(text: object) -> str:
    """*text* inside a Markdown table: no line break, no bar, no tag comes out of a value."""
    pieces = " ".join(str(text).split()).replace("|", "\\|").split("`")
    return "`".join(piece if number % 2 else _ESCAPED.sub(r"\\\g<0>", piece) for number, piece in enumerate(pieces))


def _ticked(text: str) -> Markup:
    """Names in back quotes as code."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def _sign(sign: render.Sign) -> Sign:
    return Sign(sign.glyph, sign.word, _CSS.get(sign.style, ""))


def _verdict(answer: str) -> Sign:
    known = {entry.value: entry for entry in Answer}
    return _sign(render.VERDICT_SIGNS[known[answer]]) if answer in known else Sign("✗", answer, "alarm")
