"""``commands``: what people have asked of a run, and what became of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from changeover.cli import render
from changeover.cli.choosing import shown_run
from changeover.cli.exit_codes import ExitCode
from changeover.cli.session import open_session
from changeover.journal.audit import command_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from changeover.journal.events import CommandRecord


def commands(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only active one, or the newest.", show_default=False),
    ] = "",
    *,
    unanswered: Annotated[bool, typer.Option("--open", help="Only those that no engine has answered.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object a line.")] = False,
) -> int:
    """List what people have asked of a run, and what became of it."""
    with open_session() as session:
        found = shown_run(session.journal, run)
        asked = session.journal.commands(found.id, unanswered=unanswered)
        zone = session.reader(found.id).bundle.runbook.zone
    if as_json:
        for record in asked:
            sys.stdout.write(json.dumps({"run": found.id, **command_of(record)}, ensure_ascii=False) + "\n")
        return ExitCode.FINE
    console = render.console()
    if not asked:
        console.print(render.safe(f"Nobody has asked anything of {found.id}{' that is open' if unanswered else ''}."))
        return ExitCode.FINE
    console.print(_table(asked, zone, console.width))
    return ExitCode.FINE


def _table(asked: list[CommandRecord], zone: ZoneInfo, width: int) -> Table:
    wide = width >= 100  # noqa: PLR2004 - columns
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=False)
    for head in (
        ("When", "Command", "Who", "From", "Why", "What became of it") if wide else ("Command", "Who", "What became of it")
    ):
        table.add_column(head, header_style=render.FAINT, overflow="fold")
    for record in asked:
        command = record.command
        what = render.safe(f"{command.verb.value} {command.step}".strip())
        when = render.clock(record.at, zone, seconds=True)
        short: tuple[Any, ...] = (what, render.safe(command.who), _answer(record))
        table.add_row(*((when, *short[:2], render.safe(command.whence), render.safe(command.why), short[2]) if wide else short))
    return table


def _answer(record: CommandRecord) -> Any:
    if record.accepted is None:
        return render.styled(("waits for an engine", render.LOUD))
    word, style = ("accepted", render.DONE) if record.accepted else ("refused", render.CARE)
    return render.styled((word, style), render.safe(f": {record.answer}") if record.answer else "")
