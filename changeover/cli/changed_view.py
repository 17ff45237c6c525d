"""What has changed since a run was started, shown before a person accepts it on the record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import typer

from changeover.cli import render
from changeover.engine.changed import Changes, RunChanged, changes_since

if TYPE_CHECKING:
    from rich.console import Console

    from changeover.cli.session import Session
    from changeover.journal.records import RunRecord

#: Lines of a diff that are shown; the rest is counted.
_LINES: Final = 60
_STYLES: Final = {"+": render.BUSY, "-": render.CARE, "@": render.FAINT}


def look_at_changes(session: Session, record: RunRecord, *, accept: bool, quiet: bool) -> bool:
    """Show what has changed, if anything has; whether somebody accepts it. Raises RunChanged when nobody does.

    With *quiet* nothing is shown and nobody is asked: for programs.
    """
    reader = session.reader(record.id)
    changes = changes_since(record, session.journal.events(record.id), session.project.root, session.kinds, reader.plan)
    if not changes.what:
        return False
    if not quiet:
        show(render.console(error=True), record.id, changes)
    if accept:
        return True
    interactive = not quiet and sys.stdin.isatty() and sys.stderr.isatty()
    if not interactive or not typer.confirm("accept this, on the record, and go on?", default=False, err=True):
        raise RunChanged(record.id, changes)
    return True


def show(console: Console, run: str, changes: Changes) -> None:
    """Everything that has changed, the general first."""
    console.print(render.safe(f"since {run} was started:"), style=render.LOUD, soft_wrap=True)
    for sentence in changes.what:
        console.print(render.safe(f"  {sentence}"), soft_wrap=True)
    for _, lines in changes.diffs:
        console.print()
        for line in lines[:_LINES]:
            console.print(render.styled((render.safe(line), _STYLES.get(line[:1], render.PLAIN))), soft_wrap=True)
        if len(lines) > _LINES:
            console.print(f"... {len(lines) - _LINES} more lines", style=render.FAINT)
    if changes.steps:
        console.print()
        console.print("a run started now would be different:", soft_wrap=True)
        for sentence in changes.steps:
            console.print(render.safe(f"  {sentence}"), soft_wrap=True)
    texts = "The run goes on with the texts it was started with" if changes.diffs else "The run goes on"
    console.print()
    console.print(f"{texts}; code and program are those that stand here now.", soft_wrap=True)
