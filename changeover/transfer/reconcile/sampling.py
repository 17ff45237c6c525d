"""Some rows of both sides beside each other, field by field, for the people who own the data."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from changeover.contracts import Answer, Value
from changeover.counting import counted
from changeover.transfer.digests import number_of
from changeover.transfer.reading import bound, literal
from changeover.transfer.reconcile.drilling import fetched, readable
from changeover.transfer.reconcile.figures import RawKey, Side, sides, streamed
from changeover.transfer.reconcile.findings import Finding, evidence
from changeover.transfer.reconcile.hands import Hands
from changeover.transfer.reconcile.pairs import Pair
from changeover.transfer.reconcile.words import Sample
from changeover.transfer.shapes import Sort

#: Tries to hit another row by chance, for each row that is wanted.
_TRIES: Final = 5


def sample(pair: Pair, words: Sample) -> Finding:
    """Rows picked by chance (the same ones for the same seed), with what both sides say."""
    source, target = sides(pair.source, pair.target)
    with Hands(pair.source.database, 1) as at_source, Hands(pair.target.database, 1) as at_target:
        keys = at_source.give("picking rows", lambda connection: _picked(source, connection, words)).result()
        mine = at_source.give("reading the sample", lambda connection: fetched(source, connection, keys)).result()
        theirs = at_target.give("reading the sample", lambda connection: fetched(target, connection, keys)).result()
    width = len(pair.source.key)
    rows: list[tuple[Value, ...]] = []
    differing = 0
    for key, row in mine.items():
        other = theirs.get(key)
        shown = ", ".join(str(readable(value)) for value in row[:width])
        ours = source.fields_of(row[width:])
        found = target.fields_of(other[width:]) if other is not None else (None,) * len(ours)
        same = [other is not None and one == two for one, two in zip(ours, found, strict=True)]
        differing += not all(same)
        for place, name in enumerate(pair.names):
            there = readable(other[width + place]) if other is not None else "no such row"
            rows.append((shown, name, readable(row[width + place]), there, "same" if same[place] else "DIFFERS"))
    headings = ("key", "column", pair.source.database.name, pair.target.database.name, "")
    listed = evidence(f"{counted(len(mine), 'row')}, picked with seed {words.seed}", headings, rows)
    if not mine:
        return Finding("sample", pair.into, Answer.NOT_VERIFIABLE, "there is no row to pick", 0, 0)
    summary = f"{len(mine) - differing} of {counted(len(mine), 'row')} are the same in every field"
    answer = Answer.FAILED if differing else Answer.PASSED
    return Finding("sample", pair.into, answer, summary, 0, differing, {"rows": len(mine)}, evidence=listed)


def _picked(side: Side, connection: sa.Connection, words: Sample) -> Sequence[RawKey]:
    chance = random.Random(words.seed)  # noqa: S311 - a sample, not a secret
    if len(side.portion.key) == 1 and side.portion.key[0].column.sort is Sort.INTEGER:
        return list(_by_number(side, connection, chance, words.rows))
    return _by_hash(side, connection, chance, words.rows)


def _by_number(side: Side, connection: sa.Connection, chance: random.Random, wanted: int) -> Iterator[RawKey]:
    """The next key at or after numbers between the lowest and the highest."""
    key: sa.ColumnElement[Any] = literal(side.portion.key[0].sql)
    lowest, highest = connection.execute(side.portion.rows(sa.func.min(key), sa.func.max(key))).one()
    seen: set[Any] = set()
    if lowest is None:
        return
    for _ in range(wanted * _TRIES):
        at = chance.randint(int(lowest), int(highest))
        found = connection.execute(side.portion.rows(sa.func.min(key)).where(key >= bound(at))).scalar()
        if found is not None and found not in seen:
            seen.add(found)
            yield (found,)
        if len(seen) == wanted:
            return


def _by_hash(side: Side, connection: sa.Connection, chance: random.Random, wanted: int) -> Sequence[RawKey]:
    """Keys from a share of the table by their hash, or by reading them all where the server has none."""
    number = number_of(side.portion.dialect, side.portion.key, side.key_forms)
    transport = side.portion.dialect.transport
    keys = side.portion.rows(*[literal(transport(term.column, term.sql)) for term in side.portion.key])
    if number:
        rows = connection.execute(side.portion.rows(sa.func.count())).scalar_one()
        of = max(1, int(rows) // (wanted * _TRIES))
        keys = keys.where(literal(f"mod({number}, {of:d})") == literal(str(chance.randrange(of))))
    picked: list[RawKey] = []
    seen = 0
    for batch in streamed(connection, keys):
        for row in batch:  # every row has the same chance to be among those that stay
            seen += 1
            if len(picked) < wanted:
                picked.append(tuple(row))
            elif (place := chance.randrange(seen)) < wanted:
                picked[place] = tuple(row)
    return picked
