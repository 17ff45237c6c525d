"""What fills each column, and everything that can be found wrong before a byte moves."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from changeover.contracts import Database
from changeover.errors import Setback
from changeover.transfer.accepting import Accepts, accepts_of
from changeover.transfer.calling import called
from changeover.transfer.catching_up import catching_up_problems, without_buried
from changeover.transfer.changes import Convert, Unfit, changes_of, in_order
from changeover.transfer.deferred import missing_parents
from changeover.transfer.dialects import Dialect
from changeover.transfer.fitting import Target, fit
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping, TextPolicy
from changeover.transfer.quoting import quoted
from changeover.transfer.shapes import CLOCKS, NUMERIC, TEMPORAL, Column, Shape, Sort, TableName, shape


@dataclass(frozen=True, slots=True)
class Feed:
    """What fills one column of the target."""

    target: Column
    source: Column | None  # None: an SQL expression or a constant
    expression: str  # read from the source; empty: a constant
    constant: Any
    convert: Convert | None  # None: every value fits as it is
    required: bool  # NULL may come and must not arrive
    mapping: ColumnMapping | None = None
    accepts: Accepts | None = None  # says of a whole column that `convert` would change nothing
    fits: Convert | None = None  # the last part of `convert`: makes the value that its author wants fit the column

    @property
    def changed(self) -> bool:
        """Whether its author wants another value than the source's."""
        return self.mapping is not None and self.mapping.changes

    @property
    def called(self) -> bool:
        """Whether a function of the project makes its values: nobody but Python can tell what becomes of them."""
        return self.mapping is not None and bool(self.mapping.call)

    @property
    def untouched(self) -> bool:
        """Whether the source's value arrives as it is."""
        return self.convert is None and self.source is not None


def converted(feed: Feed, values: Sequence[Any]) -> Sequence[Any]:
    """What becomes of some values of a feed.

    Raises:
        Unfit: one of them cannot stand in its column.
    """
    convert = feed.convert
    if convert is not None and not (feed.accepts is not None and feed.accepts(values)):
        values = [None if value is None else convert(value) for value in values]
    if feed.required and None in values:
        raise Unfit("it is empty and must not be")
    return values


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table, ready to be copied."""

    number: int
    mapping: TableMapping
    source: Shape
    target: Shape
    key: tuple[Column, ...]  # of the source
    key_expressions: tuple[str, ...]  # how they are read
    feeds: tuple[Feed, ...]
    chunk_rows: int
    handle: tuple[int, ...]  # the feeds (by place) that tell the target's rows apart; empty: nothing does
    left_out: tuple[str, ...]  # columns of the source that go nowhere

    @property
    def columns(self) -> tuple[str, ...]:
        """The target's columns that are written."""
        return tuple(feed.target.name for feed in self.feeds)

    @property
    def into(self) -> str:
        """The target's table, as people call it."""
        return str(self.target.name)

    @property
    def refers_to_itself(self) -> bool:
        """Whether a row may have to wait for a later one of the same table."""
        return any(_same(parent, self.into, self.target) for parent in self.target.references)

    @property
    def fingerprint(self) -> str:
        """Changes when the mapping does in a way that would mix two truths in one table."""
        essence = asdict(self.mapping)
        for word in ("chunk_rows", "delta", *(() if self.mapping.api else ("api",))):
            essence.pop(word)
        for column in essence["columns"].values():
            if isinstance(column, dict) and not column["call"]:
                del column["call"]  # copies that began before there was such a key go on
        return hashlib.sha256(json.dumps(essence, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def integer_handle(self) -> Column | None:
        """The one integer column of the target that holds the source's key unchanged, when there is one."""
        if len(self.handle) != 1 or len(self.key) != 1:
            return None
        feed = self.feeds[self.handle[0]]
        plain = not feed.constant and not feed.changed and feed.source == self.key[0]
        return feed.target if plain and feed.target.sort is feed.source.sort is Sort.INTEGER else None  # type: ignore[union-attr] # plain says so


@dataclass(eq=False)
class MigrationRefused(Setback):
    """The tables do not fit together; nothing has been written."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "nothing was copied: " + "; ".join(self.problems)

    @property
    def hint(self) -> str:
        return "correct the mapping in the runbook or the schema of the target, then try the step again"


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a migration: a database, its adapter, and an open connection."""

    database: Database
    dialect: Dialect
    connection: sa.Connection


def plan_tables(mapped: Mapped, source: Side, target: Side) -> tuple[TablePlan, ...]:
    """Match every table's columns, in the order in which they are copied.

    Raises:
        TableMissing: a table is not there.
        ReferenceNotFound, ModuleBroken: a function of `call` cannot be had.
        MigrationRefused: something does not fit; every problem of every table is named.
    """
    problems: list[str] = []
    shapes = {}
    for wanted in mapped.tables:
        mapping = without_buried(wanted, source.connection.dialect)
        found = (
            shape(source.connection, TableName.parse(mapping.source), source.database.name),
            _with_missing_parents(target, shape(target.connection, TableName.parse(mapping.into), target.database.name)),
        )
        if mapping.into in shapes:
            problems.append(f"table {mapping.into} is filled twice")
        if _is_one(source, found[0].name, target, found[1].name):
            problems.append(f"table {mapping.into} would be copied into itself: `from` and `to` mean the same table")
        shapes[mapping.into] = (mapping, *found)
    order = _order([entry[2] for entry in shapes.values()], mapped.order, problems)
    plans = []
    for number, into in enumerate(order, start=1):
        mapping, from_shape, to_shape = shapes[into]
        matcher = _Matcher(mapping, from_shape, to_shape, mapping.text or mapped.text, source, target, mapped.project, problems)
        plans.append(matcher.plan(number, mapping.chunk_rows or mapped.chunk_rows))
        problems += catching_up_problems(plans[-1])
    if problems:
        raise MigrationRefused(tuple(problems))
    return tuple(plans)


def _is_one(source: Side, near: TableName, target: Side, far: TableName) -> bool:
    """Whether both ends are the same table of the same database."""
    urls = [side.database.engine.url for side in (source, target)]
    places = {(url.get_backend_name(), url.host, url.port, url.database) for url in urls}
    schemas = {name.schema or side.connection.dialect.default_schema_name for side, name in ((source, near), (target, far))}
    return len(places) == len(schemas) == 1 and near.name == far.name and urls[0].database not in {None, "", ":memory:"}


def _with_missing_parents(target: Side, table: Shape) -> Shape:
    """The order of tables is the same while foreign keys are away that are made after the load."""
    away = missing_parents(target.connection, table.name)
    return replace(table, references=(*table.references, *away)) if away else table


@dataclass(frozen=True, slots=True)
class _Matcher:
    """Matches the columns of one table and collects what does not fit."""

    mapping: TableMapping
    source: Shape
    target: Shape
    text: TextPolicy
    near: Side  # the source's
    far: Side  # the target's
    project: Path | None
    problems: list[str]

    def plan(self, number: int, chunk_rows: int) -> TablePlan:
        for name in self.mapping.filled:
            if self.target.column(name) is None:
                self._problem(f"has no column {name}{_similar(name, self.target)}")
        feeds = tuple(feed for column in self.target.columns if (feed := self._feed(column)) is not None)
        if not feeds:
            self._problem("has no column that anything fills")
        if why := self.far.dialect.repeatable(self.far.connection, self.target.name):
            self._problem(f"cannot be filled safely: {why}")
        key = self._key()
        read = {feed.source.name for feed in feeds if feed.source is not None}
        used = " ".join(mapping.sql for mapping in self.mapping.filled.values())
        left_out = tuple(column.name for column in self.source.columns if column.name not in read and column.name not in used)
        expressions = tuple(self._reads(column) for column in key)
        return TablePlan(
            number,
            self.mapping,
            self.source,
            self.target,
            key,
            expressions,
            feeds,
            chunk_rows,
            self._handle(feeds, key),
            left_out,
        )

    def _problem(self, what: str) -> None:
        self.problems.append(f"table {self.mapping.into} {what}")

    def _reads(self, column: Column) -> str:
        return self.near.dialect.transport(column, quoted(column.name, self.near.connection.dialect))

    def _feed(self, column: Column) -> Feed | None:
        mapping = next((m for name, m in self.mapping.filled.items() if self.target.column(name) is column), None)
        if column.computed:
            if mapping is not None:
                self._problem(f"computes column {column.name} by itself: nothing may fill it")
            return None
        if mapping is not None and (mapping.sql or mapping.value is not None) and not mapping.source:
            return self._computed(column, mapping)
        wanted = (mapping.source if mapping is not None else "") or column.name
        source = self.source.column(wanted)
        if source is None:
            self._nothing_fills(column, mapping, wanted)
            return None
        if not _convertible(source, column, mapping):
            self._problem(f"cannot take {source.name} ({source.declared}) into {column.name} ({column.declared})")
            return None
        return self._made(column, source, self._reads(source), None, mapping)

    def _nothing_fills(self, column: Column, mapping: ColumnMapping | None, wanted: str) -> None:
        if mapping is not None:
            self._problem(f"column {column.name}: the source has no column {wanted}{_similar(wanted, self.source)}")
        elif not column.nullable and not column.fills_itself:
            self._problem(f"column {column.name} must not be empty, has no default, and nothing fills it")

    def _computed(self, column: Column, mapping: ColumnMapping) -> Feed:
        if mapping.sql:
            return self._made(column, None, f"({mapping.sql}\n)", None, mapping)
        feed = self._made(column, None, "", mapping.value, mapping)
        try:
            converted(feed, [mapping.value])
        except Unfit as unfit:
            self._problem(f"column {column.name}: `value` fits no row: {unfit}")
        return feed

    def _made(self, column: Column, source: Column | None, expression: str, constant: Any, mapping: ColumnMapping | None) -> Feed:
        target = Target(self.far.dialect.name, self.text.nul)
        steps = changes_of(mapping) if mapping is not None else []
        if mapping is not None and mapping.call:
            steps.append(called(mapping.call, self.project))
        last = fit(None if steps else source, column, target, source_dialect=self.near.dialect.name)
        may_be_empty = bool(steps) or source is None or source.nullable or self.near.dialect.name == "sqlite"
        convert = in_order([*steps, last] if last is not None else steps)
        accepts = accepts_of(column, target) if not steps else None
        return Feed(column, source, expression, constant, convert, may_be_empty and not column.nullable, mapping, accepts, last)

    def _key(self) -> tuple[Column, ...]:
        names = self.mapping.key_columns or self.source.primary_key
        if not names:
            self._problem(
                f"has no key in the source ({self.mapping.source}): "
                "say `key: [column]` with columns that are unique and never empty, or give it a primary key"
            )
        found = [self.source.column(name) for name in names]
        for name, column in zip(names, found, strict=True):
            if column is None:
                self._problem(f"key column {name} is not in the source{_similar(name, self.source)}")
            elif column.sort is Sort.FLOAT or column.sort is Sort.JSON:
                self._problem(f"key column {name} is a {column.declared}, which cannot be compared exactly: choose another key")
        return tuple(column for column in found if column is not None)

    def _handle(self, feeds: Sequence[Feed], key: Sequence[Column]) -> tuple[int, ...]:
        """What tells the target's new rows apart: its primary key when the source feeds all of it, else the source's key."""
        places = {feed.target.name: place for place, feed in enumerate(feeds) if feed.expression}
        if self.target.primary_key and all(name in places for name in self.target.primary_key):
            return tuple(places[name] for name in self.target.primary_key)
        by_source = {feed.source.name: place for place, feed in enumerate(feeds) if feed.source is not None}
        return tuple(by_source[column.name] for column in key) if key and all(c.name in by_source for c in key) else ()


def _similar(name: str, table: Shape) -> str:
    near = difflib.get_close_matches(name, [column.name for column in table.columns], n=1)
    return f" (did you mean {near[0]}?)" if near else ""


#: An interval of certain fields, such as DAY TO HOUR, drops all others in silence.
_FIELDS: Final = re.compile(r"interval [a-z]")
_CALENDAR_OR_TEXT = TEMPORAL | {Sort.TEXT, Sort.OTHER}


def _convertible(source: Column, target: Column, mapping: ColumnMapping | None) -> bool:
    """Whether values of one sort can mean something in the other at all; single values are checked on the way."""
    if target.sort is Sort.INTERVAL and _FIELDS.match(target.declared) and target.declared != source.declared:
        return False
    if (
        (mapping is not None and (mapping.map or mapping.call))
        or source.sort is target.sort
        or Sort.OTHER in {source.sort, target.sort}
    ):
        return True
    if Sort.TEXT in {source.sort, target.sort}:
        return True
    if source.sort is Sort.BIT and source.declared != "bit":
        return False
    pairs = {source.sort, target.sort}
    return pairs <= NUMERIC or pairs <= _CALENDAR_OR_TEXT or pairs <= CLOCKS or pairs <= {Sort.UUID, Sort.BINARY}


def _order(targets: Sequence[Shape], wanted: Sequence[str], problems: list[str]) -> list[str]:
    """Parents before children, otherwise as written."""
    names = [str(table.name) for table in targets]
    if wanted:
        problems += [f"`order` names {name}, which no table fills" for name in wanted if name not in names]
        problems += [f"`order` does not name {name}" for name in names if name not in wanted]
        return [name for name in wanted if name in names] + [name for name in names if name not in wanted]
    parents = {
        str(table.name): {
            name for name in names for parent in table.references if _same(parent, name, table) and name != str(table.name)
        }
        for table in targets
    }
    order: list[str] = []
    while len(order) < len(names):
        free = next((name for name in names if name not in order and parents[name] <= set(order)), None)
        if free is None:
            cycle = " -> ".join(_cycle(parents, [name for name in names if name not in order]))
            problems.append(
                f"tables refer to each other in a circle: {cycle}; "
                "write `order:`, and let one of these foreign keys be made after the copy"
            )
            return names
        order.append(free)
    return order


def _same(parent: TableName, name: str, child: Shape) -> bool:
    other = TableName.parse(name)
    return parent.name == other.name and (parent.schema or child.name.schema) == (other.schema or child.name.schema)


def _cycle(parents: dict[str, set[str]], left: Sequence[str]) -> list[str]:
    walked = [left[0]]
    while True:
        onward = min(parents[walked[-1]] & set(left))
        if onward in walked:
            return [*walked[walked.index(onward) :], onward]
        walked.append(onward)
