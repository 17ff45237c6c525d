"""``status``: where a run stands, in words or as JSON; without a run, the list of all."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from changeover.cli import render
from changeover.cli.choosing import NoRunYet, state_of
from changeover.cli.exit_codes import ExitCode
from changeover.cli.screen import screen
from changeover.cli.session import Session, open_session
from changeover.contracts import StepState
from changeover.journal.errors import JournalMissing
from changeover.journal.fold import fold
from changeover.status.as_json import as_json as as_document

if TYPE_CHECKING:
    from rich.console import Console

    from changeover.journal.records import RunRecord
    from changeover.status.model import RunStatus, StepStatus


def status(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run, or `latest`; left out: a list of all runs.", show_default=False)
    ] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> int:
    """Say where a run stands, or list all runs."""
    try:
        with open_session() as session:
            return _show(session, run, as_json=as_json) if run else _list(session, as_json=as_json)
    except JournalMissing:
        if run:
            raise NoRunYet from None
        _nothing(as_json=as_json)
        return ExitCode.FINE


def _show(session: Session, run: str, *, as_json: bool) -> int:
    found = session.reader(session.journal.run(run).id).refresh()
    if as_json:
        sys.stdout.write(json.dumps(as_document(found), ensure_ascii=False) + "\n")
        return ExitCode.FINE
    console = render.console()
    print_status(console, found)
    return ExitCode.FINE


def print_status(console: Console, found: RunStatus) -> None:
    """Everything about a run, once, as long as it takes; the steps that are over stand under their stage's line."""
    for line in screen(found, width=console.width, height=10_000):
        console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(_steps([*found.steps, *found.rollback], console.width))


def _steps(steps: list[StepStatus], width: int) -> Table:
    narrow = width < 72  # noqa: PLR2004 - columns
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    for head in ("Step", "State") if narrow else ("Step", "Stage", "State", "Try", "Took", "Remark"):
        table.add_column(head, style=render.PLAIN, header_style=render.FAINT, overflow="fold")
    for step in steps:
        sign = render.STEP_SIGNS[step.state]
        state = render.styled((sign.text(), sign.style))
        if narrow:
            table.add_row(step.key, state)
            continue
        title = step.title if step.title != step.key else ""
        remark = step.reason if step.state is not StepState.PASSED and step.reason else step.summary or title
        took = render.duration(step.elapsed) if step.elapsed is not None else ""
        table.add_row(step.key, step.stage, state, str(step.attempt or ""), took, render.safe(remark))
    return table


def _list(session: Session, *, as_json: bool) -> int:
    runs = session.journal.runs()
    if not runs:
        _nothing(as_json=as_json)
        return ExitCode.FINE
    if as_json:
        rows = [_row(session, run) for run in runs]
        sys.stdout.write(json.dumps({"runs": rows}, ensure_ascii=False) + "\n")
        return ExitCode.FINE
    console = render.console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    heads = ("Run", "State", "Mode", "Environment", "Started by", "Created")
    shown = len(heads) if console.width >= 110 else 3 if console.width >= 72 else 2  # noqa: PLR2004 - columns
    for head in heads[:shown]:
        table.add_column(head, header_style=render.FAINT, overflow="fold", no_wrap=shown > 2 and head != "Environment")  # noqa: PLR2004
    for run in runs:
        state = state_of(session.journal, run.id)
        sign = render.RUN_SIGNS[state]
        gone = (", no engine", render.LOUD) if not state.final and not session.journal.ownership(run.id).live else ""
        text = render.styled((sign.text(), sign.style), gone)
        created = f"{run.created_at.astimezone():%Y-%m-%d %H:%M %z}"
        row = (run.id, text, render.mode_text(run.mode), run.environment or "-", run.runner, created)
        table.add_row(*row[:shown])
    console.print(table)
    return ExitCode.FINE


def _row(session: Session, run: RunRecord) -> dict[str, Any]:
    state = fold(run.id, session.journal.events(run.id))
    return {
        "id": run.id,
        "runbook": run.runbook,
        "title": run.title,
        "state": state.state.value,
        "held": state.held,
        "engine_alive": session.journal.ownership(run.id).live,
        "mode": run.mode.value,
        "environment": run.environment,
        "runner": run.runner,
        "created": run.created_at.isoformat(timespec="seconds"),
        "started": state.started_at.isoformat(timespec="seconds") if state.started_at else None,
        "ended": state.ended_at.isoformat(timespec="seconds") if state.ended_at else None,
    }


def _nothing(*, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"runs": []}) + "\n")
    else:
        render.console().print("There is no run yet. Start one: `changeover run FILE --environment NAME`")
