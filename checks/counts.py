"""Is every row there, once, and does it belong to somebody?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changeover.api import Answer, Context, Value, Verdict, count_rows, counted, duplicates, orphans, rejected_rows


def same_number_of_rows(
    context: Context,
    *,
    source: str,
    target: str,
    tables: Sequence[str | Mapping[str, Any]],
    at_least: int = 1,
    copies: Sequence[str] = (),
) -> Verdict:
    """Every row of the source is in the target or a dead letter of this run, or of a copy that lives beyond it.

    Args:
        context: given by the engine.
        source: the database that was copied.
        target: the database that was filled.
        tables: names, or `{from, to, where, target_where}`.
        at_least: rows that every table of the source must have; with fewer the comparison proves nothing.
        copies: the names of copies that have a `name:` of their own; their dead letters count like those of this run.
    """
    figures: dict[str, Value] = {}
    wrong, vacuous = [], []
    totals = [0, 0]
    for entry in tables:
        table: dict[str, Any] = {"from": entry} if isinstance(entry, str) else dict(entry)
        into = str(table.get("to", table["from"]))
        expected = count_rows(context.database(source), table["from"], where=table.get("where", ""))
        found = count_rows(context.database(target), into, where=table.get("target_where", ""))
        rejected = sum(rejected_rows(context.database(target), into, run=name) for name in {context.run_id, *copies})
        figures[into] = {"source": expected, "target": found, "rejected": rejected}
        totals = [totals[0] + expected, totals[1] + found + rejected]
        if expected != found + rejected:
            wrong.append(f"{into}: {found} and {rejected} rejected of {expected}")
        elif expected < at_least:
            vacuous.append(f"{into}: {found} of {expected}")
    if wrong:
        return Verdict(Answer.FAILED, "rows differ: " + "; ".join(wrong), totals[0], totals[1], figures)
    if vacuous or not figures:
        why = "; ".join(vacuous) or "no table is named"
        return Verdict(Answer.NOT_VERIFIABLE, f"too few rows to compare: {why}", totals[0], totals[1], figures)
    summary = f"{totals[1]:,} of {counted(totals[0], 'row')} in {counted(len(figures), 'table')}"
    return Verdict(Answer.PASSED, summary, totals[0], totals[1], figures)


def nobody_is_orphaned(context: Context, *, database: str, references: Sequence[Mapping[str, str]]) -> Verdict:
    """Every row belongs to a parent that is there.

    Args:
        context: given by the engine.
        database: where.
        references: `{table, column, parent}` each, and `parent_column` where it is not `id`.
    """
    figures: dict[str, Value] = {}
    wrong, rows = [], 0
    for entry in references:
        table, column = entry["table"], entry["column"]
        found = orphans(
            context.database(database), table, column, entry["parent"], parent_column=entry.get("parent_column", "id")
        )
        rows += count_rows(context.database(database), table)
        figures[f"{table}.{column}"] = found.count
        if found.count:
            samples = ", ".join(str(sample) for sample in found.samples)
            missing = f"{column} that {entry['parent']} does not have"
            wrong.append(f"{counted(found.count, 'row')} of {table} with a {missing}, such as {samples}")
    if wrong:
        return Verdict(Answer.FAILED, "; ".join(wrong), 0, sum(int(str(count)) for count in figures.values()), figures)
    if not rows:
        return Verdict(Answer.NOT_VERIFIABLE, "there is no row that could be orphaned", 0, 0, figures)
    return Verdict(Answer.PASSED, f"{counted(rows, 'row')}, and each belongs to somebody", 0, 0, figures)


def nothing_is_there_twice(
    context: Context, *, database: str, table: str, columns: str | Sequence[str], where: str = "", at_most: int = 0
) -> Verdict:
    """No two rows share the same values of *columns*.

    Args:
        context: given by the engine.
        database: where.
        table: which table.
        columns: what must be unique together.
        where: an SQL condition on its rows.
        at_most: shared values that are allowed.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    rows = count_rows(context.database(database), table, where=where)
    if not rows:
        return Verdict(Answer.NOT_VERIFIABLE, f"{table} has no rows", at_most, 0)
    shared = duplicates(context.database(database), table, names, where=where)
    samples: list[Value] = [list(entry) for entry in shared[:5]]
    summary = f"{counted(len(shared), 'shared value')} of {', '.join(names)} in {counted(rows, 'row')} of {table}"
    return Verdict.of(len(shared) <= at_most, summary, expected=at_most, found=len(shared), samples=samples)
