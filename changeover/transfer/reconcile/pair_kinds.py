"""Questions about two tables: are all rows there, do the figures agree, does every field?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Answer, Value
from changeover.counting import counted
from changeover.transfer.control import DeadLetter
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.digests import Portion
from changeover.transfer.questions import exact
from changeover.transfer.reading import authored
from changeover.transfer.reconcile.differences import Gap
from changeover.transfer.reconcile.drilling import Tell, compare, expected_keys, readable
from changeover.transfer.reconcile.findings import Finding, evidence
from changeover.transfer.reconcile.pairs import NotComparable, Pair
from changeover.transfer.reconcile.words import Aggregate, Figure, TablePair

_GROUPS_SHOWN: Final = 50


def count(pair: Pair, words: TablePair, letters: Sequence[DeadLetter]) -> Finding:
    """Source = target + dead letters, exactly."""
    source, target = _rows(pair.source), _rows(pair.target)
    figures: dict[str, Value] = {"source": source, "target": target, "dead letters": len(letters)}
    arrived = target + len(letters)
    summary = f"{target:,} and {counted(len(letters), 'dead letter')} of {counted(source, 'row')}"
    if source != arrived:
        more = arrived - source
        summary += f": {counted(abs(more), 'row')} {'too many' if more > 0 else 'missing'}"
        return Finding("count", pair.into, Answer.FAILED, summary, source, arrived, figures, evidence=_letters(pair, letters))
    if source < words.at_least:
        summary += f", where at least {words.at_least:,} should be: too few to prove anything"
        return Finding("count", pair.into, Answer.NOT_VERIFIABLE, summary, source, arrived, figures)
    return Finding("count", pair.into, Answer.PASSED, summary, source, arrived, figures, evidence=_letters(pair, letters))


def _letters(pair: Pair, letters: Sequence[DeadLetter]) -> tuple[Any, ...]:
    rows = [
        (", ".join(str(part) for part in letter.key), letter.column, _value(pair, letter), letter.reason)
        for letter in letters[:1_000]
    ]
    return evidence("dead letters", ("key", "column", "value", "reason"), rows, len(letters))


def _value(pair: Pair, letter: DeadLetter) -> Value:
    """The value that was refused, as it stands in the source; its column there may have another name."""
    sources = {term.name: term.column.name for term in pair.source.terms}
    found = letter.row.get(letter.column, letter.row.get(sources.get(letter.column, "")))
    return json.dumps(found, ensure_ascii=False) if isinstance(found, dict | list) else readable(found)


def checksum(pair: Pair, letters: Sequence[DeadLetter], tell: Tell, limit: int) -> Finding:
    """Every compared column of every row is the same; else which row and which column is not."""
    compared = compare(pair, tell, limit=limit, expected_missing=expected_keys(pair, [letter.key for letter in letters]))
    figures: dict[str, Value] = {
        "source": compared.source_rows,
        "target": compared.target_rows,
        "columns": len(compared.columns),
        **{gap.value: compared.number(gap) for gap in Gap},
    }
    if compared.explained:
        figures["dead letters"] = compared.explained
    if compared.left_out:
        figures["not compared"] = ", ".join(compared.left_out)
    rows, different = compared.source_rows, len(compared.differences)
    if different:
        more = "" if compared.complete else "at least "
        by_gap = ", ".join(f"{compared.number(gap):,} {gap.of(compared.number(gap))}" for gap in Gap if compared.number(gap))
        summary = f"{more}{counted(different, 'row')} of {rows:,} not the same: {by_gap}"
        return Finding("checksum", pair.into, Answer.FAILED, summary, 0, different, figures, compared)
    if not rows:
        return Finding("checksum", pair.into, Answer.NOT_VERIFIABLE, "0 of 0 rows compared", 0, 0, figures, compared)
    summary = f"{counted(len(compared.columns), 'column')} of {counted(rows - compared.explained, 'row')} are the same"
    return Finding("checksum", pair.into, Answer.PASSED, summary, 0, 0, figures, compared)


def aggregate(pair: Pair, words: Aggregate) -> Finding:
    """Figures of both sides, of all rows or by group."""
    mine, theirs = _grouped(pair.source, words, 0), _grouped(pair.target, words, 1)
    groups = list(dict.fromkeys([*mine, *theirs]))
    labels, rows, differing = list(words.figures), [], 0
    tolerance = Decimal(str(words.tolerance))
    figures: dict[str, Value] = {}
    for group in groups:
        one, two = mine.get(group, (0, *[None] * len(labels))), theirs.get(group, (0, *[None] * len(labels)))
        for label, left, right in zip(labels, one[1:], two[1:], strict=True):
            agrees = _close(left, right, tolerance)
            differing += not agrees
            if not agrees or not group:
                rows.append((*group, label, _shown(left), _shown(right)))
            if not group:
                figures[label] = {"source": _shown(left), "target": _shown(right)}
    compared = len(groups) * len(labels)
    seen = min(sum(entry[0] for entry in mine.values()), sum(entry[0] for entry in theirs.values()))
    listed = evidence(
        "figures" if not words.by else "figures that differ",
        (*words.by, "figure", pair.source.database.name, pair.target.database.name),
        rows[:_GROUPS_SHOWN],
        len(rows),
    )
    what = f"{counted(compared, 'figure')}" + (f" of {counted(len(groups), 'group')}" if words.by else "")
    about = f"{pair.into}: {', '.join(labels)}"
    if differing:
        first = rows[0] if words.by else next(row for row in rows if not _close(exact(row[-2]), exact(row[-1]), tolerance))
        summary = (
            f"{differing:,} of {what} differ, such as {' '.join(str(part) for part in first[:-2])}: {first[-2]} and {first[-1]}"
        )
        return Finding("aggregate", about, Answer.FAILED, summary, 0, differing, figures, evidence=listed)
    if not seen:
        return Finding("aggregate", about, Answer.NOT_VERIFIABLE, "there is no row to add up", 0, 0, figures)
    return Finding("aggregate", about, Answer.PASSED, f"{what} agree", 0, 0, figures, evidence=listed)


def _grouped(portion: Portion, words: Aggregate, side: int) -> Mapping[tuple[Value, ...], tuple[Any, ...]]:
    groups = [authored(_of(entry, side)) for entry in words.by.values()]
    wanted = [
        *[group.label(f"g{place}") for place, group in enumerate(groups)],
        sa.func.count().label("rows_seen"),
        *[authored(_of(entry, side)).label(f"f{place}") for place, entry in enumerate(words.figures.values())],
    ]
    select = portion.rows(*wanted)
    width = len(groups)
    rows = _all(portion, select.group_by(*groups) if groups else select)
    return {
        tuple(_shown(exact(value)) for value in row[:width]): (int(row[width]), *[exact(value) for value in row[width + 1 :]])
        for row in rows
    }


def _of(entry: str | Figure, side: int) -> str:
    return entry if isinstance(entry, str) else (entry.source, entry.target)[side]


def _close(one: Any, two: Any, tolerance: Decimal) -> bool:
    if isinstance(one, Decimal) and isinstance(two, Decimal):
        return abs(one - two) <= tolerance
    return bool(one == two)


def _shown(value: Any) -> Value:
    """A figure without zeros at its end, as people and other systems write it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else format(value.normalize(), "f")
    return readable(value)


def _rows(portion: Portion) -> int:
    return int(_all(portion, portion.rows(sa.func.count()))[0][0])


def _all(portion: Portion, select: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    try:
        with portion.database.engine.connect() as connection:
            return connection.execute(select).all()
    except SQLAlchemyError as error:
        raise StatementFailed(portion.database.name, f"reading {portion.table}", reason(error)) from error


def pair_called(pairs: Mapping[str, Pair], table: str) -> Pair:
    """The pair of the target's table *table*.

    Raises:
        NotComparable: `tables` has no such.
    """
    if table not in pairs:
        raise NotComparable(table, f"`tables` does not name it; it names {', '.join(pairs) or 'nothing'}")
    return pairs[table]
