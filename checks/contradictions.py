"""Do two systems say different things about the same customer?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from changeover.api import Answer, Context, Database, Value, Verdict, sampled


def within_limit(
    context: Context,
    *,
    first: str,
    second: str,
    table: str,
    key: str,
    fields: Sequence[str] | Mapping[str, str],
    second_table: str = "",
    second_key: str = "",
    where: str = "",
    second_where: str = "",
    ignore: Sequence[str] = (),
    limit: int = 0,
) -> Verdict:
    """Two databases disagree about no more than *limit* of the keys that both know.

    Keys that only one of them knows are counted, and are no contradiction.

    Args:
        context: given by the engine.
        first: the one database.
        second: the other database.
        table: the table of the first.
        key: the column that both know a thing by.
        fields: columns to compare; or a mapping from the first's to the second's.
        second_table: the second's table, where it has another name.
        second_key: the second's key column, where it has another name.
        where: an SQL condition on the first's rows.
        second_where: an SQL condition on the second's rows.
        ignore: `case` and `blanks` (around a text) where they mean nothing.
        limit: keys that may disagree.
    """
    pairs = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}
    ours = dict(_all(context, _Part(context.database(first), table, key, tuple(pairs), where)))
    theirs = dict(
        _all(
            context,
            _Part(context.database(second), second_table or table, second_key or key, tuple(pairs.values()), second_where),
        )
    )
    common = ours.keys() & theirs.keys()
    by_field = dict.fromkeys(pairs, 0)
    samples: list[Value] = []
    disagreeing = 0
    for known in sorted(common):
        different = [
            (name, one, two)
            for name, one, two in zip(pairs, ours[known], theirs[known], strict=True)
            if _plain(one, ignore) != _plain(two, ignore)
        ]
        for name, one, two in different:
            by_field[name] += 1
            if len(samples) < 5:  # noqa: PLR2004 - enough to see what it is about
                samples.append({"key": known, "field": name, first: _shown(one), second: _shown(two)})
        disagreeing += bool(different)
    counted: dict[str, Value] = dict(by_field)
    figures: dict[str, Value] = {
        "compared": len(common),
        f"only in {first}": len(ours.keys() - theirs.keys()),
        f"only in {second}": len(theirs.keys() - ours.keys()),
        "fields": counted,
        "samples": samples,
    }
    if not common:
        return Verdict(Answer.NOT_VERIFIABLE, f"{first} and {second} have no {key} in common", limit, 0, figures)
    summary = f"{first} and {second} disagree about {disagreeing} of {len(common)} (at most {limit})"
    return Verdict(Answer.PASSED if disagreeing <= limit else Answer.FAILED, summary, limit, disagreeing, figures)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is read of one side."""

    database: Database
    table: str
    key: str
    columns: tuple[str, ...]
    where: str


def _all(context: Context, part: _Part) -> Iterator[tuple[str, tuple[Any, ...]]]:
    after: Any = None
    while True:
        context.check_stopped()
        rows = sampled(part.database, part.table, part.key, part.columns, where=part.where, after=after)
        for row in rows:
            yield str(row[0]), row[1:]
        if not rows:
            return
        after = rows[-1][0]


def _plain(value: Any, ignore: Sequence[str]) -> Any:
    if isinstance(value, bool | int | float | Decimal):
        return Decimal(str(int(value) if isinstance(value, bool) else value))
    if isinstance(value, str):
        value = value.strip() if "blanks" in ignore else value
        return value.casefold() if "case" in ignore else value
    return value


def _shown(value: Any) -> Value:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
