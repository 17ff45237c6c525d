"""Rows that their servers join and hash as a whole: never a false "equal", whatever stands in the texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.databases import OpenDatabase
from changeover.transfer.digests import Portion
from changeover.transfer.joiners import PostgresqlJoiner
from changeover.transfer.reconcile import areas
from changeover.transfer.reconcile.differences import Compared
from changeover.transfer.reconcile.drilling import compare
from changeover.transfer.reconcile.joined import JoinedRows
from changeover.transfer.reconcile.pairs import Pair, pair_of
from changeover.transfer.reconcile.words import TablePair

Opener = Callable[[str, str], OpenDatabase]

SYSTEMS = [("mariadb", "postgresql"), ("postgresql", "mariadb"), ("postgresql", "postgresql")]
COLUMNS = "id bigint primary key, a varchar(60), b varchar(60), n bigint, c {text}, code bigint not null"


@pytest.fixture
def pair(opened: Opener, request: pytest.FixtureRequest) -> Pair:
    """60 equal rows on the systems that the test's parameter names."""
    databases = [opened(system, name) for system, name in zip(request.param, ("legacy", "crm"), strict=True)]
    for database, table in zip(databases, ("t", "u"), strict=True):
        text, options = ("longtext", " character set utf8mb4") if database.engine.dialect.name == "mysql" else ("text", "")
        database.execute(f"create table {table} ({COLUMNS.format(text=text)}){options}")
        with database.engine.begin() as connection:
            rows = [
                {"id": n * 2, "a": f"Ő{n}", "b": None if n % 3 else "", "n": n if n % 4 else None, "c": "x", "code": n}
                for n in range(1, 61)
            ]
            connection.execute(sa.Table(table, sa.MetaData(), autoload_with=connection).insert(), rows)
    return pair_of(TablePair("t", "u"), *databases)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The rows of every area that was joined; None: it could not be."""
    asked: list[int | None] = []
    digest = JoinedRows.digest

    def seen(self: JoinedRows, *arguments: Any) -> Any:
        found = digest(self, *arguments)
        asked.append(found.rows if found is not None and found.figure is not None else None)
        return found

    monkeypatch.setattr(JoinedRows, "digest", seen)
    monkeypatch.setattr(areas, "AREA_ROWS", 5)
    return asked


def change(portion: Portion, where: str, **values: str | int | None) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in values)
    assert portion.database.execute(f"update {portion.table} set {sets} where {where}", **values) > 0  # noqa: S608 - of this file


def looked(pair: Pair, table: TablePair | None = None) -> Compared:
    if table is not None:
        pair = pair_of(table, pair.source.database, pair.target.database)
    return compare(pair, lambda *_: None)


def told(compared: Compared) -> dict[object, tuple[str, ...]]:
    return {found.key[0]: tuple(field.column for field in found.fields) for found in compared.differences}


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_equal_rows_are_known_from_a_few_joined_areas(pair: Pair, joined: list[int | None]) -> None:
    equal = looked(pair)
    assert (equal.source_rows, equal.target_rows, equal.differences, equal.differing_areas) == (60, 60, (), 0)
    assert equal.areas == 3
    assert sorted(rows for rows in joined if rows) == [20] * 6


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
@pytest.mark.parametrize(
    ("here", "there", "columns"),
    [
        ({"a": "x\x1fy", "b": "z"}, {"a": "x", "b": "y\x1fz"}, ("a", "b")),
        ({"a": "", "b": "\x1f", "c": ""}, {"a": "\x1f", "b": "", "c": ""}, ("a", "b")),
        ({"a": "x\x1f\x1fy"}, {"a": "x\x1fy"}, ("a",)),
        ({"b": None}, {"b": ""}, ("b",)),
        ({"b": None}, {"b": "-"}, ("b",)),
        ({"c": None}, {"c": "\x1d"}, ("c",)),
        ({"n": None}, {"n": 0}, ("n",)),
        ({"a": "one", "b": "1"}, {"a": "on", "b": "e1"}, ("a", "b")),
        ({"c": "tail "}, {"c": "tail"}, ("c",)),
        ({"c": "É"}, {"c": "e"}, ("c",)),
    ],
)
def test_what_joins_to_the_same_text_is_told_apart(
    pair: Pair, joined: list[int | None], here: dict[str, Any], there: dict[str, Any], columns: tuple[str, ...]
) -> None:
    change(pair.source, "id = 44", **here)
    change(pair.target, "id = 44", **there)
    assert told(looked(pair)) == {44: columns}
    assert joined


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_marks_in_texts_that_are_equal_are_no_difference(pair: Pair, joined: list[int | None]) -> None:
    for portion in (pair.source, pair.target):
        change(portion, "id <= 40", a="x\x1fy\x1f", c="\x1f")
    assert looked(pair).differences == ()
    assert None in joined, "whoever sees that a text holds the mark does not trust the figure"


@pytest.mark.parametrize("pair", SYSTEMS[:2], ids="-".join, indirect=True)
def test_rows_that_are_more_than_a_server_joins_are_looked_at_in_pieces(pair: Pair, joined: list[int | None]) -> None:
    old = pair.source if pair.source.database.engine.dialect.name == "mysql" else pair.target
    for portion in (pair.source, pair.target):
        change(portion, "id > 80", c="ő" * 900_000)
    change(old, "id = 118", c="ő" * 899_999 + "o")
    assert told(looked(pair)) == {118: ("c",)}
    assert None in joined, "what was cut off is not taken for the whole"


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_rows_that_postgresql_refuses_to_join_are_looked_at_in_pieces(
    pair: Pair, joined: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = "md5(repeat('x', CASE WHEN count(*) > 5 THEN 1100000000 ELSE 1 END))"

    def select(_: PostgresqlJoiner, rows: sa.Select[Any], block: Any) -> sa.Select[Any]:
        figures: list[sa.ColumnElement[Any]] = [sa.func.count(), sa.literal_column(huge), sa.literal_column(str(block.proven))]
        return rows.with_only_columns(*figures)

    monkeypatch.setattr(PostgresqlJoiner, "select", select)
    pair.target.database.execute("update u set a = 'other' where id = 44")
    assert told(looked(pair)) == {44: ("a",)}
    assert None in joined


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_another_error_than_that_is_not_taken_for_it(pair: Pair) -> None:
    with pytest.raises(DBAPIError) as caught, pair.target.database.engine.connect() as connection:
        connection.exec_driver_sql("select 1 / 0")
    assert not PostgresqlJoiner().too_large(caught.value)


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_rows_are_not_joined_by_a_key_that_does_not_keep_them_in_order(pair: Pair, joined: list[int | None]) -> None:
    pair.target.database.execute("update u set b = 'other' where id = 44")
    assert told(looked(pair, TablePair("t", "u", key_columns=("code",)))) == {22: ("b",)}
    assert not joined


def test_another_index_does_not_change_the_order_in_which_rows_are_joined(opened: Opener, joined: list[int | None]) -> None:
    databases = opened("mariadb", "legacy2"), opened("postgresql", "crm2")
    for database in databases:
        database.execute("create table s (id bigint primary key, a varchar(60))")
        database.execute("create index s_a on s (a, id)")  # holds everything that is asked for
        with database.engine.begin() as connection:
            table = sa.Table("s", sa.MetaData(), autoload_with=connection)
            connection.execute(table.insert(), [{"id": n, "a": f"{n * 7919 % 1000}"} for n in range(1, 301)])
    assert compare(pair_of(TablePair("s"), *databases), lambda *_: None).differing_areas == 0
    assert joined


def test_per_cent_signs_and_colons_mean_nothing_to_whoever_joins(opened: Opener, joined: list[int | None]) -> None:
    databases = opened("mariadb", "legacy3"), opened("postgresql", "crm3")
    for database in databases:
        quote = "`" if database.engine.dialect.name == "mysql" else '"'
        with database.engine.begin() as connection:
            table = f"{quote}50%s{quote}"
            connection.exec_driver_sql(
                f"create table {table} (id bigint primary key, {quote}a%%(b)s {{}}{quote} text)".replace("%s", "%%s")
            )
            connection.exec_driver_sql(f"insert into {table} values (1, '%%s'), (2, ':x')".replace("50%s", "50%%s"))  # noqa: S608
    pair = pair_of(TablePair("50%s", where="id < 3 -- 10:00 %s", target_where="id < 3 -- :y %"), *databases)
    assert told(compare(pair, lambda *_: None)) == {}
    databases[1].execute('update "50%s" set "a%(b)s {}" = :x where id = 2', x="%")
    assert told(compare(pair, lambda *_: None)) == {2: ("a%(b)s {}",)}
    assert None not in joined
