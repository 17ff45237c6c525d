"""How `migrate: {undo: STEP}` takes a copy back: nothing that others wrote since is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from changeover.contracts import Context, Result, Value
from changeover.counting import counted
from changeover.project import Project
from changeover.transfer.reconcile.mapped_pairs import copied_tables
from changeover.transfer.swapping import swap_back
from changeover.transfer.undoing import NotEmptyBefore, Undo
from changeover.transfer.written_since import export_written_since

if TYPE_CHECKING:
    from changeover.steps.migrate import Migrate, TakingBack


def take_back(context: Context, forward: Migrate, wanted: TakingBack) -> Result:
    """Export what was written since where that is wanted, then take back.

    Raises:
        UndoFailed, ForeignRows, NotEmptyBefore, CannotSwap, TooMuchWrittenSince, NotExported: somebody has to look first.
    """
    name = forward.called(context, wanted.step)
    source, target = context.database(forward.source), context.database(forward.target)
    export = wanted.written_since == "export"
    undo = Undo(name, forward.mapped, source, target, context, foreign=export)
    told: dict[str, Value] = {}
    if export and not undo.finished():
        path = _file(context)
        since = export_written_since(copied_tables(name, forward.mapped, source, target, ()), path, context.check_stopped)
        context.say(f"{counted(sum(since.values()), 'row')} written since the copy: {path}")
        told = {"written_since": dict(since), "file": str(path)}
    match wanted.by:
        case "call":
            answer = context.function(wanted.call)(context, **wanted.arguments)
            undo.seal()
            summary = answer.summary if isinstance(answer, Result) else f"{wanted.call} has restored"
            return Result(summary, {**told, "tables": {}, "rows": 0})
        case "swap_schema" if wanted.swap is not None:
            tables = [table.into for table in forward.mapped.tables]
            moved = swap_back(target, tables, wanted.swap)
            undo.seal()
            summary = (
                f"{counted(len(tables), 'table')} of {wanted.swap.live} {'exchanged' if moved else 'had been exchanged'} back"
            )
            return Result(summary, {**told, "tables": dict.fromkeys(tables, 0), "rows": 0})
        case "truncate" if filled := undo.filled_before():
            raise NotEmptyBefore(filled)
        case _:
            deleted = undo.run()
            rows = sum(deleted.values())
            summary = f"{counted(rows, 'row')} deleted from {counted(len(deleted), 'table')}"
            return Result(summary, {**told, "tables": dict(deleted), "rows": rows})


def _file(context: Context) -> Path:
    """A file for each attempt: one that was interrupted half-way had other rows to tell of."""
    logs = Project(context.folder).log_file(context.run_id, context.step)
    return logs.with_name(f"{logs.stem}.written-since.{context.attempt}.jsonl")
