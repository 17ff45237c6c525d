"""What the checkpoint in the target says about a migration, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database, Value
from changeover.counting import counted
from changeover.transfer.control import Control, TableState
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.deferred import DeferredControl, State


class Standing(StrEnum):
    """How far a migration is."""

    NOTHING = "nothing"  # it never began
    PARTIAL = "partial"
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was found, in words, with the output of a finished migration."""

    state: Standing
    words: str
    output: Value = None


def standing(name: str, target: Database) -> Checkpoint:
    """How far the migration called *name* is.

    Raises:
        StatementFailed: the target cannot be asked.
    """
    control = Control(name)
    try:
        with target.engine.connect() as connection:
            if not Control.exists(connection):
                return Checkpoint(Standing.NOTHING, "it never began")
            tables = control.tables(connection)
            sealed = control.undone(connection)
            away = [each for each in DeferredControl(name).all(connection) if each.state is not State.BACK]
            tallies = {table.target: control.tally(connection, table.number) for table in tables}
    except SQLAlchemyError as error:
        raise StatementFailed(target.name, "the migration's checkpoint", reason(error)) from error
    if not tables:
        return Checkpoint(Standing.UNDONE if sealed else Standing.NOTHING, "nothing was copied")
    if not away and all(table.state is TableState.UNDONE for table in tables):
        return Checkpoint(Standing.UNDONE, "everything copied was taken back")
    done, chunks = sum(tally.done for tally in tallies.values()), sum(tally.chunks for tally in tallies.values())
    rows, rejected = sum(tally.written for tally in tallies.values()), sum(tally.rejected for tally in tallies.values())
    words = f"{done:,} of {counted(chunks, 'chunk')} in the target, {counted(rows, 'row')}"
    if away:
        words += f"; {counted(len(away), 'index or foreign key', 'indexes or foreign keys')} to be made"
    elif not sealed and all(table.state is TableState.DONE for table in tables):
        figures: Value = {
            name: {"source": tally.read, "copied": tally.written, "rejected": tally.rejected} for name, tally in tallies.items()
        }
        return Checkpoint(Standing.DONE, words, {"tables": figures, "rows": rows, "rejected": rejected, "seconds": None})
    return Checkpoint(Standing.PARTIAL, words)
