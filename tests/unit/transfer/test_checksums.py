from __future__ import annotations

import time
from decimal import Decimal

import pytest

from changeover.transfer.checksums import Selection, checksum, checksum_of_rows, checksums_of_pair
from changeover.transfer.databases import OpenDatabase, StatementFailed
from changeover.transfer.digests import Portion, Term, digest_of_both
from changeover.transfer.shapes import TableMissing, TableName, shape


def test_the_order_of_rows_does_not_matter(source: OpenDatabase, target: OpenDatabase) -> None:
    for database in (source, target):
        database.execute("create table t (a text, b text)")
    source.execute("insert into t values ('1', 'x'), ('2', 'y')")
    target.execute("insert into t values ('2', 'y'), ('1', 'x')")
    assert checksum(source, "t") == checksum(target, "t")


@pytest.mark.parametrize(
    "change",
    [
        "update t set a = '3' where a = '2'",
        "update t set a = null where a = ''",
        "update t set a = 'xy', b = '' where a = 'x'",
        "insert into t values ('2', 'z')",
        "delete from t where a = '2'",
        "update t set a = b, b = a where a = '2'",
    ],
)
def test_every_difference_changes_the_checksum(source: OpenDatabase, change: str) -> None:
    source.execute("create table t (a text, b text)")
    source.execute("insert into t values ('2', 'z'), ('', 'q'), ('x', 'y')")
    before = checksum(source, "t")
    source.execute(change)
    assert checksum(source, "t") != before


def test_a_row_that_is_there_twice_counts_twice(source: OpenDatabase) -> None:
    source.execute("create table t (a text)")
    source.execute("insert into t values ('x'), ('x')")
    twice = checksum(source, "t")
    source.execute("delete from t")
    assert checksum(source, "t") != twice
    assert checksum(source, "t").rows == 0


def test_numbers_flags_and_moments_are_compared_by_what_they_mean(source: OpenDatabase, target: OpenDatabase) -> None:
    source.execute("create table t (id integer primary key, money decimal(8,2), flag tinyint, made text)")
    target.execute("create table t (id integer primary key, money real, flag boolean, made datetime, more text)")
    source.execute("insert into t values (1, '12.50', 1, '2024-01-02T03:04:05.500+00:00'), (2, 0, 0, '2024-01-02')")
    target.execute("insert into t values (1, 12.5, 1, '2024-01-02 03:04:05.5', 'x'), (2, -0.0, 0, '2024-01-02 00:00:00', null)")
    one, other, columns = checksums_of_pair(source, Selection("t"), target, Selection("t"))
    assert one == other
    assert columns == ("id", "money", "flag", "made")


def test_columns_of_other_names_and_some_rows_only(source: OpenDatabase, target: OpenDatabase) -> None:
    source.execute("create table t (id integer, a text)")
    target.execute("create table u (id integer, b text)")
    source.execute("insert into t values (1, 'x'), (2, 'y')")
    target.execute("insert into u values (1, 'x'), (9, 'z')")
    one, other, _ = checksums_of_pair(
        source, Selection("t", ("a",), "id = 1"), target, Selection("u", ("b",), "b = 'x' -- :not a value")
    )
    assert one == other
    assert one.rows == 1


def test_rows_somebody_else_has_read_have_the_same_checksum(source: OpenDatabase) -> None:
    source.execute("create table t (a text, b integer)")
    source.execute("insert into t values ('x', 5), (null, 7)")
    assert checksum_of_rows([("x", Decimal("5.0")), (None, 7)]) == checksum(source, "t")


def test_a_missing_table_and_a_missing_column_are_named(source: OpenDatabase) -> None:
    source.execute("create table t (a text)")
    with pytest.raises(TableMissing, match="has no table u"):
        checksum(source, "u")
    with pytest.raises(StatementFailed, match="there is no column b"):
        checksum(source, "t", columns=["b"])


def test_a_condition_that_is_no_sql_is_a_clear_setback(source: OpenDatabase) -> None:
    source.execute("create table t (a text)")
    with pytest.raises(StatementFailed, match=r"database legacy: .*syntax error"):
        checksum(source, "t", where="this is no sql")


def test_a_table_of_18_columns_takes_seconds_not_minutes(source: OpenDatabase) -> None:
    names = [f"c{number}" for number in range(18)]
    source.execute(f"create table t ({', '.join(f'{name} varchar(40)' for name in names)})")
    with source.engine.begin() as connection:
        connection.exec_driver_sql(
            f"insert into t values ({', '.join('?' * 18)})",  # noqa: S608 - place marks
            [tuple(f"value {row} {name}" for name in names) for row in range(5_000)],
        )
    started = time.monotonic()
    assert checksum(source, "t").rows == 5_000
    assert time.monotonic() - started < 5


def test_a_system_without_a_hash_of_its_own_has_its_rows_read(source: OpenDatabase, target: OpenDatabase) -> None:
    portions = []
    for database in (source, target):
        database.execute("create table t (a text)")
        database.execute("insert into t values ('x')")
        with database.engine.connect() as connection:
            table = shape(connection, TableName.parse("t"), database.name)
        portions.append(Portion(database, table.name, tuple(Term.of(database, column) for column in table.columns)))
    assert digest_of_both(portions[0], portions[1]) is None
    one, two, _ = checksums_of_pair(source, Selection("t"), target, Selection("t"))
    assert (one, one.rows) == (two, 1)
