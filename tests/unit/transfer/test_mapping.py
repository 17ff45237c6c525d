"""Mistakes in a mapping are found before a byte moves."""

from __future__ import annotations

import pytest

from changeover.contracts import Validating
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.examining import examine
from changeover.transfer.mapping import ColumnMapping, Mapped, Sequences, TableMapping
from changeover.transfer.planning import MigrationRefused


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (ColumnMapping(source="a", sql="upper(a)"), "`from` and `sql` exclude each other: one thing fills a column"),
        (ColumnMapping(sql="upper(a)", value=[1]), "`sql` and `value` exclude each other: one thing fills a column"),
        (
            ColumnMapping(value=5, call="checks.transforms:to_minor_units"),
            "`call` and `value` exclude each other: write what the function would make of it as `value`",
        ),
        (ColumnMapping(source="a", unmapped="keep"), "`unmapped` belongs to `map`"),
        (TableMapping("t", chunk_rows=-5), "`chunk_rows` is at least 1"),
        (TableMapping(""), "`from` names a table of the source"),
        (Sequences(headroom=-1), "`sequences: headroom` is 0 or more"),
    ],
)
def test_what_cannot_be_meant_is_a_finding(written: Validating, says: str) -> None:
    assert list(written.problems()) == [says]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (TableMapping("t", columns={"name": ColumnMapping(sql="uper(name)")}), "column name: `sql` is not understood .*uper"),
        (TableMapping("t", where="nmae = 'x'"), "t: `where` is not understood by the source: no such column: nmae"),
        (
            TableMapping("t", columns={"id": ColumnMapping(value="hello")}),
            "column id: `value` fits no row: 'hello' is no",
        ),
    ],
)
def test_the_dry_run_and_the_run_refuse_what_no_row_could_follow(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext, table: TableMapping, says: str
) -> None:
    for database in (source, target):
        database.execute("create table t (id integer primary key, name varchar(20))")
    mapped = Mapped((table,), max_rejects=10)
    with pytest.raises(MigrationRefused, match=says):
        examine(mapped, source, target)
    with pytest.raises(MigrationRefused, match=says):
        Migration("run/copy", mapped, source, target, context).run()


def test_a_table_is_not_copied_into_itself(source: OpenDatabase, context: FakeContext) -> None:
    source.execute("create table t (id integer primary key)")
    source.execute("create table u (id integer primary key)")
    with pytest.raises(MigrationRefused, match="table t would be copied into itself"):
        Migration("run/copy", Mapped((TableMapping("t"),)), source, source, context).run()
    assert Migration("run/copy", Mapped((TableMapping("t", "u"),)), source, source, context).run().rows == 0


@pytest.mark.parametrize(
    ("rows", "ratio", "allowed"), [(1_000_000, 0.0001, 100), (100, 0.29, 29), (99, 0.01, 0), (50, None, 1000)]
)
def test_a_part_of_the_rows_is_counted_exactly(rows: int, ratio: float | None, allowed: int) -> None:
    assert Mapped((), max_rejects=1_000, max_reject_ratio=ratio).may_reject(rows) == allowed
