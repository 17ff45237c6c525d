"""How `migrate: {undo: STEP}` takes a copy back: nothing that others wrote since is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.contracts import Context, Database, Result, Value
from changeover.counting import counted
from changeover.errors import Mistake
from changeover.project import Project
from changeover.transfer.reconcile.mapped_pairs import copied_tables
from changeover.transfer.swapping import swap_back
from changeover.transfer.undoing import NotEmptyBefore, Undo
from changeover.transfer.written_since import export_written_since

if TYPE_CHECKING:
    from changeover.steps.migrate import Migrate, TakingBack


@dataclass(eq=False)
class CannotExport(Mistake):
    """What others wrote since is found by comparing with the source, and a service cannot be compared."""

    step: str

    def __str__(self) -> str:
        return f"step {self.step} copied from a service: what others wrote since cannot be told from its rows"

    @property
    def hint(self) -> str:
        return "leave `written_since` out: then an undo that would delete rows of others is refused"


def take_back(context: Context, forward: Migrate, wanted: TakingBack) -> Result:
    """Export what was written since where that is wanted, then take back.

    Raises:
        UndoFailed, ForeignRows, NotEmptyBefore, CannotSwap, TooMuchWrittenSince, NotExported, CannotExport: somebody has to
            look first.
    """
    if forward.from_service and wanted.written_since == "export":
        raise CannotExport(wanted.step)
    with forward.opened_source(context) as source:
        return _taken_back(context, forward, wanted, source)


def _taken_back(context: Context, forward: Migrate, wanted: TakingBack, source: Database) -> Result:
    name, target = forward.called(context, wanted.step), context.database(forward.target)
    export = wanted.written_since == "export"
    undo = Undo(name, forward.mapped_in(context), source, target, context, foreign=export)
    told: dict[str, Value] = {}
    if export and not undo.finished():
        path = _file(context)
        since = export_written_since(
            copied_tables(name, forward.mapped_in(context), source, target, ()), path, context.check_stopped
        )
        context.say(f"{counted(sum(since.values()), 'row')} written since the copy: {path}")
        told = {"written_since": dict(since), "file": str(path)}
    match wanted.by:
        case "call":
            answer = context.function(wanted.call)(context, **wanted.arguments)
            undo.seal(gone=True)
            summary = answer.summary if isinstance(answer, Result) else f"{wanted.call} has restored"
            return Result(summary, {**told, "tables": {}, "rows": 0})
        case "swap_schema" if wanted.swap is not None:
            tables = [table.into for table in forward.mapped.tables]
            moved = swap_back(target, tables, wanted.swap)
            undo.seal(gone=False)
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
