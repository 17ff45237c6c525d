"""Figures of the rows of one side: worked out by its server, or here from the rows where it cannot, with the same result."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.canonical import Canonical, common, row_digest, written
from changeover.transfer.changes import Convert
from changeover.transfer.dialects import Joiner
from changeover.transfer.digests import Digest, Portion, Term, fields_of, forms_of, number_of
from changeover.transfer.forms import Block, Form
from changeover.transfer.reading import literal
from changeover.transfer.reconcile.areas import Span
from changeover.transfer.reconcile.joined import JoinedRows

_BATCH_ROWS: Final = 5_000

#: The canonical bytes of a row's key: what two sides know a row by.
KeyBytes = tuple[bytes | None, ...]
#: A key's values as a driver gave them.
RawKey = tuple[Any, ...]
#: By key: its values, and the digest of its row.
RowFigures = dict[KeyBytes, tuple[RawKey, int]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of two tables that are compared, and how the values of both become alike."""

    portion: Portion
    forms: tuple[Form | None, ...]  # of its terms
    key_forms: tuple[Form | None, ...]
    makers: tuple[Canonical, ...]  # of its terms' values
    key_makers: tuple[Canonical, ...]
    by_server: bool  # whether the server works out the figures
    joined: JoinedRows | None = None  # how the rows of a span are joined; None: their digests are added up

    def digest(self, connection: sa.Connection, *, area: Span) -> Digest | None:
        """The digest of a span; None when its rows are more than the server can join."""
        if self.joined is None:
            return self.sums(connection, area).get(0, Digest(0, 0))
        return self.joined.digest(connection, area)

    def count(self, connection: sa.Connection, *, area: Span) -> Digest:
        """How many rows a span has; nothing of what is in them."""
        select = self.portion.rows(sa.func.count()).where(*area.conditions(self.portion))
        return Digest(int(connection.execute(select).scalar_one()), None)

    def sums(self, connection: sa.Connection, area: Span | int) -> dict[int, Digest]:
        """The digest of a span, as share 0; or of each of so many shares."""
        if self.by_server:
            return self._asked(connection, area)
        found: dict[int, list[int]] = {}
        for key, fields in self._read(connection, area):
            share = 0 if isinstance(area, Span) else row_digest(key, self.key_forms) % area
            entry = found.setdefault(share, [0, 0])
            entry[0] += 1
            entry[1] += row_digest(fields, self.forms)
        return {share: Digest(rows, figure) for share, (rows, figure) in found.items()}

    def _asked(self, connection: sa.Connection, area: Span | int) -> dict[int, Digest]:
        number = literal(number_of(self.portion.dialect, self.portion.terms, self.forms))
        if isinstance(area, Span):
            select = self.portion.rows(sa.func.count(), sa.func.sum(number)).where(*area.conditions(self.portion))
            rows, total = connection.execute(select).one()
            return {0: Digest(rows, int(total or 0))}
        share = self._share(area)
        select = self.portion.rows(share, sa.func.count(), sa.func.sum(number)).group_by(share)
        return {int(row[0]): Digest(row[1], int(row[2])) for row in connection.execute(select)}

    def _share(self, of: int) -> sa.ColumnElement[Any]:
        return literal(f"mod({number_of(self.portion.dialect, self.portion.key, self.key_forms)}, {of:d})")

    def row_figures(self, connection: sa.Connection, *, area: Span | int, chosen: Collection[int]) -> RowFigures:
        """The key and the digest of every row of a span, or of the *chosen* ones of so many shares."""
        if not self.by_server:
            found: RowFigures = {}
            for raw, key, fields in self._read_raw(connection, area):
                if isinstance(area, Span) or row_digest(key, self.key_forms) % area in chosen:
                    found[key] = raw, row_digest(fields, self.forms)
            return found
        number = literal(number_of(self.portion.dialect, self.portion.terms, self.forms))
        select = self.portion.rows(*self._transported(self.portion.key), number)
        if isinstance(area, Span):
            select = select.where(*area.conditions(self.portion))
        else:
            select = select.where(self._share(area).in_([literal(f"{share:d}") for share in chosen]))
        return {self.key_of(row): (tuple(row[:-1]), int(row[-1])) for row in connection.execute(select)}

    def key_of(self, row: Sequence[Any]) -> KeyBytes:
        """The canonical key of a row that begins with its key."""
        return tuple(None if value is None else make(value) for make, value in zip(self.key_makers, row, strict=False))

    def fields_of(self, row: Sequence[Any]) -> KeyBytes:
        """The canonical fields of a row of its terms."""
        return tuple(None if value is None else make(value) for make, value in zip(self.makers, row, strict=True))

    def _transported(self, terms: Sequence[Term]) -> list[sa.ColumnElement[Any]]:
        transport = self.portion.dialect.transport
        return [literal(transport(term.column, term.sql)).label(f"f{place}") for place, term in enumerate(terms)]

    def rows_select(self) -> sa.Select[Any]:
        """Its rows: the key, then the terms."""
        return self.portion.rows(*self._transported((*self.portion.key, *self.portion.terms)))

    def _read(self, connection: sa.Connection, area: Span | int) -> Iterator[tuple[KeyBytes, KeyBytes]]:
        for _, key, fields in self._read_raw(connection, area):
            yield key, fields

    def _read_raw(self, connection: sa.Connection, area: Span | int) -> Iterator[tuple[RawKey, KeyBytes, KeyBytes]]:
        select = self.rows_select()
        if isinstance(area, Span):
            select = select.where(*area.conditions(self.portion))
        width = len(self.portion.key)
        for batch in streamed(connection, select):
            for row in batch:
                yield tuple(row[:width]), self.key_of(row), self.fields_of(row[width:])


def streamed(connection: sa.Connection, select: sa.Select[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    """The rows of *select*, some at a time. Text that is not UTF-8 arrives with surrogates."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.text_factory = _decoded
    result = connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS).execute(select)
    yield from result.partitions(_BATCH_ROWS)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def sides(one: Portion, two: Portion) -> tuple[Side, Side]:
    """Both sides of a comparison, with everything that makes their values alike. A server works only where terms have forms."""
    forms, key_forms = forms_of(one, two), forms_of(one, two, of_key=True)
    makers = [_makers(*terms) for terms in zip(forms, one.terms, two.terms, strict=True)]
    key_makers = [_makers(*terms) for terms in zip(key_forms, one.key, two.key, strict=True)]
    return (
        Side(one, forms, key_forms, tuple(m[0] for m in makers), tuple(m[0] for m in key_makers), _can(one, forms, key_forms)),
        Side(two, forms, key_forms, tuple(m[1] for m in makers), tuple(m[1] for m in key_makers), _can(two, forms, key_forms)),
    )


def joining(source: Side, target: Side) -> tuple[Side, Side]:
    """Both sides, with rows that are joined where both servers know their order, and one sees whether texts hold the mark."""
    portions = source.portion, target.portion
    joiners = [portion.dialect.joiner for portion in portions if portion.by_primary_key]
    one, two = joiners if len(joiners) == len(portions) else (None, None)
    if one is None or two is None or not (source.by_server and target.by_server and (one.proves_marks or two.proves_marks)):
        return source, target
    null, end = secrets.token_urlsafe(9), secrets.token_urlsafe(9)

    def joined(side: Side, joiner: Joiner, *, proven: bool) -> Side:
        fields = fields_of(side.portion.dialect, side.portion.terms, side.forms)
        block = Block(fields, side.portion.key[0].sql, null, end, proven)
        return replace(side, joined=JoinedRows(side.portion, joiner, block))

    # what is equal holds the same marks: one side need look for them
    return joined(source, one, proven=one.proves_marks), joined(target, two, proven=not one.proves_marks)


def _makers(form: Form | None, mine: Term, theirs: Term) -> tuple[Canonical, Canonical]:
    make = written(form, common(mine.column.sort, theirs.column.sort))
    return _after(mine.change, make), _after(theirs.change, make)


def _after(change: Convert | None, make: Canonical) -> Canonical:
    if change is None:
        return make

    def changed(value: Any) -> bytes | None:
        found = change(value)
        return None if found is None else make(found)

    return changed


def _can(portion: Portion, forms: Sequence[Form | None], key_forms: Sequence[Form | None]) -> bool:
    return bool(number_of(portion.dialect, portion.terms, forms) and number_of(portion.dialect, portion.key, key_forms))
