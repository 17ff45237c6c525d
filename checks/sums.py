"""Is the content the same, not only the number of rows?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from changeover.api import Answer, Context, Selection, Value, Verdict, aggregates, checksums_of_pair, counted


def equal(
    context: Context, *, source: str, target: str, tables: Sequence[str | Mapping[str, Any]], tolerance: float = 0
) -> Verdict:
    """Checksums and figures of each table are the same on both sides.

    A table that is only named is compared by checksum, over the columns that both sides have. A mapping says more:
    `{from, to, where, target_where}`, `columns` and `target_columns` for the checksum (or `checksum: false`), and `figures`:
    `{label: sum(total)}`, or `{label: {source: sum(credit * 100), target: sum(credit_minor)}}` where the sides differ.

    Args:
        context: given by the engine.
        source: the one database.
        target: the other database.
        tables: names or mappings.
        tolerance: by how much a figure may differ.
    """
    figures: dict[str, Value] = {}
    wrong: list[str] = []
    rows, compared = 0, 0
    for entry in tables:
        table = {"from": entry} if isinstance(entry, str) else dict(entry)
        into = str(table.get("to", table["from"]))
        found = list(_differences(context, source, target, table, Decimal(str(tolerance))))
        compared += len(found)
        rows += sum(count for count, _, _, _ in found)
        for _, label, figure, differs in found:
            figures[f"{into}: {label}"] = figure
            if differs:
                wrong.append(f"{into}: {label}: {differs}")
    if wrong:
        return Verdict(Answer.FAILED, "; ".join(wrong), compared, compared - len(wrong), figures)
    if not rows:
        return Verdict(Answer.NOT_VERIFIABLE, "there is nothing to compare: no table has a row", compared, compared, figures)
    summary = f"{counted(compared, 'figure')} of {counted(len(tables), 'table')} agree on both sides"
    return Verdict(Answer.PASSED, summary, compared, compared, figures)


def _differences(
    context: Context, source: str, target: str, table: dict[str, Any], tolerance: Decimal
) -> Iterator[tuple[int, str, Value, str]]:
    """Rows behind it, label, figures of both sides, and how they differ (empty when they do not)."""
    into = str(table.get("to", table["from"]))
    where, target_where = table.get("where", ""), table.get("target_where", "")
    wanted: Mapping[str, Any] = table.get("figures", {})
    if table.get("checksum", True):
        one, two, columns = checksums_of_pair(
            context.database(source),
            Selection(table["from"], tuple(table.get("columns", ())), where),
            context.database(target),
            Selection(into, tuple(table.get("target_columns", ())), target_where),
        )
        label = f"checksum of {counted(len(columns), 'column')}"
        differs = "" if one == two else f"{one} in {source}, {two} in {target}"
        if not columns:
            differs = "the two tables have no column in common"
        yield min(one.rows, two.rows), label, {"source": str(one), "target": str(two)}, differs
    if wanted:
        pairs = [(one, one) if isinstance(one, str) else (one["source"], one["target"]) for one in wanted.values()]
        left = aggregates(context.database(source), table["from"], ["count(*)", *[p[0] for p in pairs]], where=where)
        right = aggregates(context.database(target), into, ["count(*)", *[p[1] for p in pairs]], where=target_where)
        rows = int(min(left[0], right[0]))
        for label, one_side, other_side in zip(wanted, left[1:], right[1:], strict=True):
            differs = "" if _close(one_side, other_side, tolerance) else f"{one_side} in {source}, {other_side} in {target}"
            yield rows, label, {"source": str(one_side), "target": str(other_side)}, differs


def _close(one: Any, other: Any, tolerance: Decimal) -> bool:
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return abs(one - other) <= tolerance
    return bool(one == other)
