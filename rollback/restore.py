"""Save a state before it is changed, put exactly that back, and prove it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from changeover.api import Answer, Context, Result, Value, Verdict, checksum, counted, put_back, save_rows


def save_table(context: Context, *, database: str, table: str, saved: str, where: str = "") -> Result:
    """Copy *table* into the new table *saved* of the same database; an earlier copy of that name is kept as it is.

    Args:
        context: given by the engine.
        database: where.
        table: what to save.
        saved: the copy's name; with `${run.id}` in it every run has its own.
        where: an SQL condition on the rows to save.
    """
    rows = save_rows(context.database(database), table=table, saved=saved, where=where)
    return Result(f"{counted(rows, 'row')} of {table} saved in {saved}", {"table": table, "saved": saved, "rows": rows})


def put_back_rows(context: Context, *, database: str, table: str, saved: str, where: str = "") -> Result:
    """Make *table* what *saved* holds, in one transaction. Doing it twice changes nothing more.

    Args:
        context: given by the engine.
        database: where.
        table: what to restore.
        saved: the copy that was saved before.
        where: the SQL condition with which it was saved; other rows stay as they are.
    """
    rows = put_back(context.database(database), table=table, saved=saved, where=where)
    return Result(f"{counted(rows, 'row')} of {table} restored as before", {"table": table, "rows": rows})


def remember_state(context: Context, *, database: str, tables: Sequence[str]) -> Result:
    """Take the checksum of each table, to be captured: `capture: {before: $.tables}`.

    Args:
        context: given by the engine.
        database: where.
        tables: which.
    """
    found: dict[str, Value] = {table: str(checksum(context.database(database), table)) for table in tables}
    return Result(f"the state of {counted(len(found), 'table')} is remembered", {"tables": found})


def state_equals_before(context: Context, *, database: str, before: Mapping[str, str]) -> Verdict:
    """Every table is what it was when its checksum was taken: a check for the end of a rollback.

    Args:
        context: given by the engine.
        database: where.
        before: the captured checksums by table.
    """
    after: dict[str, Value] = {table: str(checksum(context.database(database), table)) for table in before}
    differing = [table for table, was in before.items() if after[table] != was]
    if not before:
        return Verdict(Answer.NOT_VERIFIABLE, "no table was remembered", 0, 0)
    good = len(before) - len(differing)
    summary = f"{good} of {counted(len(before), 'table')} as before"
    if differing:
        summary += "; these are not: " + ", ".join(f"{table} (was {before[table]}, is {after[table]})" for table in differing)
    return Verdict(Answer.FAILED if differing else Answer.PASSED, summary, len(before), good, after)
