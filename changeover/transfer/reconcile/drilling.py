"""From "the tables differ" to the rows and columns that do: figures of areas, then of their rows, then the rows themselves.

Only areas that differ are looked into, and only rows that differ travel. What two servers write differently and means the
same is settled here, on the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Value
from changeover.transfer.changes import shown
from changeover.transfer.dialects import Extent
from changeover.transfer.digests import Digest, number_of
from changeover.transfer.reading import bound, literal
from changeover.transfer.reconcile.areas import AREA_ROWS, Span, block_rows, shares, spans
from changeover.transfer.reconcile.differences import Compared, Difference, FieldDifference, Gap
from changeover.transfer.reconcile.figures import KeyBytes, RawKey, RowFigures, Side, joining, sides
from changeover.transfer.reconcile.hands import Hands
from changeover.transfer.reconcile.pairs import Pair
from changeover.transfer.shapes import NUMERIC, Sort

#: Connections to each database.
_HANDS: Final = 2
#: So many times the rows of an area are asked for one by one at once; an area that holds more is cut in two. Where rows are
#: joined it costs little to cut, and only half of them are.
_MOST_ROWS: Final = 4
#: Pieces into which an area of joined rows is cut.
_PIECES: Final = 16
#: Rows that are fetched in one statement.
_ROWS_AT_A_TIME: Final = 200
#: Shares that are looked into in one scan.
_SHARES_AT_A_TIME: Final = 64
#: Areas whose rows are asked for ahead.
_AREAS_AHEAD: Final = 16

#: Told of rows looked at so far, and of all of them; raises to stop.
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Both:
    """Two sides and the hands that work at them."""

    source: Side
    target: Side
    at_source: Hands
    at_target: Hands

    def each(self, what: str, work: Callable[[Side, sa.Connection], Any]) -> tuple[Any, Any]:
        """The same on both sides, side by side."""
        one = self.at_source.give(what, lambda connection: work(self.source, connection))
        two = self.at_target.give(what, lambda connection: work(self.target, connection))
        return one.result(), two.result()

    def able(self, *, whole_key: bool) -> _Both:
        """Sides whose server has said that it can work out figures; the rows of the others are read.

        Args:
            whole_key: whether the key is one integer, by whose order rows can be joined.
        """
        able = self.each("looking at the table", _able)
        source, target = (replace(side, by_server=can) for side, can in zip((self.source, self.target), able, strict=True))
        if not whole_key:
            return replace(self, source=source, target=target)
        source, target = joining(source, target)
        joins = replace(self, source=source, target=target)
        if source.joined is None or all(joins.each("looking at the table", _joins)):
            return joins
        return replace(self, source=replace(source, joined=None), target=replace(target, joined=None))

    @property
    def grain(self) -> _Grain:
        """How finely its areas are cut."""
        if self.source.joined is None:
            return _Grain(_MOST_ROWS * AREA_ROWS, 2)
        return _Grain(-(-AREA_ROWS // 2), _PIECES)


@dataclass(frozen=True, slots=True)
class _Grain:
    """How finely areas that differ are cut."""

    few: int  # rows that are asked for one by one; an area that holds more is cut
    pieces: int  # into at most so many at once


def compare(pair: Pair, tell: Tell, *, limit: int = 1_000, expected_missing: frozenset[KeyBytes] = frozenset()) -> Compared:
    """Every difference between two tables; at most *limit* of them in full.

    Args:
        pair: what is compared.
        tell: told how far it is.
        limit: differences after which no more are looked for.
        expected_missing: canonical keys of rows that the target need not have: dead letters.

    Raises:
        StatementFailed: a database cannot be asked.
    """
    with ExitStack() as stack:
        at_source = stack.enter_context(Hands(pair.source.database, _HANDS))
        at_target = stack.enter_context(Hands(pair.target.database, _HANDS))
        whole = _Both(*sides(pair.source, pair.target), at_source, at_target)
        ends, extent = _extent(whole)
        parts = [part.able(whole_key=ends is not None) for part in _parts(pair, at_source, at_target)]
        drill = _Drill(whole, tell, extent, extent.rows * len(parts), ends, limit, expected_missing)
        for part in parts:
            drill.look(part)
        return Compared(
            pair.into,
            *drill.rows,
            pair.names,
            pair.left_out,
            tuple(sorted(drill.found.values(), key=_place)),
            len(drill.explained),
            drill.areas,
            drill.differing,
            complete=len(drill.found) < limit,
        )


def expected_keys(pair: Pair, keys: Iterable[Sequence[Any]]) -> frozenset[KeyBytes]:
    """The canonical keys of rows, from the values that stand in a dead letter."""
    source, _ = sides(pair.source, pair.target)
    return frozenset(source.key_of(key) for key in keys if len(key) == len(pair.source.key))


def _parts(pair: Pair, at_source: Hands, at_target: Hands) -> Iterator[_Both]:
    """Columns that servers can compare, with the key; and those whose values have to be looked at here."""
    source, _ = sides(pair.source, pair.target)
    easy = [place for place, form in enumerate(source.forms) if form is not None]
    hard = [place for place, form in enumerate(source.forms) if form is None]
    for places in (easy, hard):
        if places:
            chosen = [
                replace(portion, terms=tuple(portion.terms[place] for place in places)) for portion in (pair.source, pair.target)
            ]
            yield _Both(*sides(*chosen), at_source, at_target)


def _able(side: Side, connection: sa.Connection) -> bool:
    if not side.by_server:
        return False
    dialect = side.portion.dialect
    numbers = [
        literal(number_of(dialect, side.portion.terms, side.forms)),
        literal(number_of(dialect, side.portion.key, side.key_forms)),
    ]
    try:
        connection.execute(side.portion.rows(*numbers).limit(1)).all()
    except SQLAlchemyError:
        return False  # an older server, or one that forbids MD5; whatever else is wrong is said when the rows are read
    return True


def _joins(side: Side, connection: sa.Connection) -> bool:
    return side.joined is not None and side.joined.works(connection)


def _extent(both: _Both) -> tuple[tuple[int, int] | None, Extent]:
    """The lowest and the highest key, when it is one integer on both sides; and about how large the larger table is."""
    keys = (both.source.portion.key, both.target.portion.key)
    whole = all(len(key) == 1 for key in keys) and _integers(keys[0][0].column.sort, keys[1][0].column.sort)

    def ask(side: Side, connection: sa.Connection) -> tuple[Extent, Sequence[Any]]:
        portion = side.portion
        extent = portion.dialect.extent(connection, portion.table)
        if extent is None:
            extent = Extent(int(connection.execute(portion.rows(sa.func.count())).scalar_one()), 0)
        if not whole:
            return extent, ()
        key: sa.ColumnElement[Any] = literal(portion.key[0].sql)
        return extent, connection.execute(portion.rows(sa.func.min(key), sa.func.max(key))).one()

    (one, mine), (two, theirs) = both.each("looking at the table", ask)
    extent = Extent(max(one.rows, two.rows), max(one.row_bytes, two.row_bytes))
    known = [value for value in (*mine, *theirs) if value is not None]
    if not known or any(isinstance(value, str) or int(value) != value for value in known):
        return None, extent
    return (min(map(int, known)), max(map(int, known))), extent


def _integers(one: Sort, two: Sort) -> bool:
    return Sort.INTEGER in {one, two} and {one, two} <= {Sort.INTEGER, Sort.DECIMAL} and {one, two} <= NUMERIC


@dataclass(slots=True)
class _Drill:
    """Looks for differences, and keeps them by key."""

    whole: _Both
    tell: Tell
    extent: Extent
    total: int  # rows of all parts, about
    ends: tuple[int, int] | None  # the lowest and the highest key, when it is one integer
    limit: int
    expected_missing: frozenset[KeyBytes]
    found: dict[KeyBytes, Difference] = field(default_factory=dict)
    explained: set[KeyBytes] = field(default_factory=set)  # rows that the target need not have
    areas: int = 0
    differing: int = 0
    seen: int = 0
    rows: tuple[int, int] = (0, 0)  # of both sides

    def look(self, part: _Both) -> None:
        """Compare the columns of *part*."""
        self.rows = 0, 0
        if self.ends is None:
            self._shares(part)
        else:
            self._spans(part, self.ends)

    def _full(self) -> bool:
        return len(self.found) >= self.limit

    def _spans(self, part: _Both, ends: tuple[int, int]) -> None:
        each = AREA_ROWS if part.source.joined is None else block_rows(self.extent.row_bytes)
        areas = list(spans(*ends, max(self.extent.rows, 1), each=each))
        self.areas += len(areas)
        different = []
        for area, mine, theirs in self._compared(part, areas):
            self._seen(mine.rows, theirs.rows)
            if not mine.same_as(theirs):
                different.append((area, max(mine.rows, theirs.rows)))
        self.differing += len(different)
        self._look_into(part, different, ends)

    def _compared(self, part: _Both, areas: Sequence[Span]) -> Iterator[tuple[Span, Digest, Digest]]:
        """The digests of areas. All of them are given out at once, so that no connection waits for the other side."""
        both = (part.source, part.at_source), (part.target, part.at_target)
        asked = [
            [hands.give(f"comparing {side.portion.table}", partial(side.digest, area=area)) for side, hands in both]
            for area in areas
        ]
        for area, futures in zip(areas, asked, strict=True):
            mine, theirs = (
                future.result() or hands.give("counting rows", partial(side.count, area=area)).result()
                for future, (side, hands) in zip(futures, both, strict=True)
            )
            yield area, mine, theirs

    def _look_into(self, part: _Both, areas: Sequence[tuple[Span, int]], ends: tuple[int, int]) -> None:
        """Areas that differ, with their rows: they are cut as long as they hold too many."""
        grain = part.grain
        cut: list[Sequence[Span]] = []
        small: list[tuple[Span, Sequence[int]]] = []
        for area, rows in areas:
            pieces = area.pieces(max(1, min(grain.pieces, -(-rows // grain.few))), *ends)
            if rows <= grain.few or len(pieces) == 1:
                small.append((area, ()))
            else:
                cut.append(pieces)
        self._rows_of(part, small)
        for start in range(0, len(cut), _AREAS_AHEAD):
            if self._full():
                return
            different = []
            for area, mine, theirs in self._compared(part, list(chain.from_iterable(cut[start : start + _AREAS_AHEAD]))):
                self.tell(self.seen, self.total)
                if not mine.same_as(theirs):
                    different.append((area, max(mine.rows, theirs.rows)))
            self._look_into(part, different, ends)

    def _shares(self, part: _Both) -> None:
        of = shares(self.extent.rows)
        self.areas += of
        mine, theirs = part.each("comparing", lambda side, connection: side.sums(connection, of))
        different = sorted(share for share in mine.keys() | theirs.keys() if mine.get(share) != theirs.get(share))
        self._seen(sum(digest.rows for digest in mine.values()), sum(digest.rows for digest in theirs.values()))
        self.differing += len(different)
        starts = range(0, len(different), _SHARES_AT_A_TIME)
        self._rows_of(part, [(of, different[start : start + _SHARES_AT_A_TIME]) for start in starts])

    def _seen(self, mine: int, theirs: int) -> None:
        self.rows = self.rows[0] + mine, self.rows[1] + theirs
        self.seen += max(mine, theirs)
        self.total = max(self.total, self.seen)
        self.tell(self.seen, self.total)

    def _rows_of(self, part: _Both, areas: Sequence[tuple[Span | int, Sequence[int]]]) -> None:
        """Find the rows of areas that differ; some areas are asked for ahead, so that no connection waits."""
        for start in range(0, len(areas), _AREAS_AHEAD):
            asked = [
                tuple(
                    hands.give("comparing rows", partial(side.row_figures, area=area, chosen=frozenset(chosen)))
                    for side, hands in ((part.source, part.at_source), (part.target, part.at_target))
                )
                for area, chosen in areas[start : start + _AREAS_AHEAD]
            ]
            for one, two in asked:
                self.tell(self.seen, self.total)
                if not self._full():
                    self._rows(one.result(), two.result())

    def _rows(self, mine: RowFigures, theirs: RowFigures) -> None:
        differing: list[tuple[KeyBytes, RawKey | None, RawKey | None]] = []
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            one, two = mine.get(key), theirs.get(key)
            if two is None and key in self.expected_missing:
                self.explained.add(key)
                continue
            if key not in self.found and (one is None or two is None or one[1] != two[1]):
                differing.append((key, one[0] if one else None, two[0] if two else None))
        for start in range(0, len(differing), _ROWS_AT_A_TIME):
            if self._full():
                return
            self._settle(differing[start : start + _ROWS_AT_A_TIME])

    def _settle(self, differing: Sequence[tuple[KeyBytes, RawKey | None, RawKey | None]]) -> None:
        """Fetch rows and compare their values."""
        wanted = {
            id(self.whole.source): [raw for _, raw, _ in differing if raw is not None],
            id(self.whole.target): [raw for _, _, raw in differing if raw is not None],
        }
        mine, theirs = self.whole.each(
            "fetching rows that differ", lambda side, connection: fetched(side, connection, wanted[id(side)])
        )
        for key, _, _ in differing:
            found = _difference(self.whole, mine.get(key), theirs.get(key))
            if found is not None and not self._full():
                self.found[key] = found


def fetched(side: Side, connection: sa.Connection, keys: Sequence[RawKey]) -> Mapping[KeyBytes, Sequence[Any]]:
    """The rows with these keys, by canonical key; as far as they are there."""
    if not keys:
        return {}
    width = len(side.portion.key)
    terms = [literal(term.sql) for term in side.portion.key]
    condition: sa.ColumnElement[bool]
    if width == 1:
        condition = terms[0].in_([bound(key[0]) for key in keys])
    else:
        condition = sa.or_(
            *[
                sa.and_(
                    *[term.is_(None) if value is None else term == bound(value) for term, value in zip(terms, key, strict=True)]
                )
                for key in keys
            ]
        )
    wanted = {side.key_of(key) for key in keys}
    rows = connection.execute(side.rows_select().where(condition)).all()
    # a collation may take several keys for equal
    return {key: row for row in rows if (key := side.key_of(row)) in wanted}


def _difference(both: _Both, one: Sequence[Any] | None, two: Sequence[Any] | None) -> Difference | None:
    """How two rows differ; None when their values mean the same."""
    width = len(both.source.portion.key)
    if one is None and two is None:
        return None  # gone meanwhile
    key = tuple(readable(value) for value in (one if one is not None else two or ())[:width])
    if one is None or two is None:
        side, row = (both.source, one) if one is not None else (both.target, two or ())
        fields = [(term.name, readable(value)) for term, value in zip(side.portion.terms, row[width:], strict=True)]
        if two is None:
            return Difference(key, Gap.MISSING, tuple(FieldDifference(name, value, None) for name, value in fields))
        return Difference(key, Gap.EXTRA, tuple(FieldDifference(name, None, value) for name, value in fields))
    names = [term.name for term in both.target.portion.terms]
    mine, theirs = both.source.fields_of(one[width:]), both.target.fields_of(two[width:])
    differing = tuple(
        FieldDifference(name, readable(one[width + place]), readable(two[width + place]))
        for place, name in enumerate(names)
        if mine[place] != theirs[place]
    )
    return Difference(key, Gap.DIFFERS, differing) if differing else None


def _place(difference: Difference) -> list[tuple[bool, float, str]]:
    """By key: numbers by size, before texts."""
    return [
        (not isinstance(part, int | float), part if isinstance(part, int | float) else 0, str(part)) for part in difference.key
    ]


def readable(value: Any) -> Value:
    """A value as a report shows it."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        case _:
            return shown(value, 200)
