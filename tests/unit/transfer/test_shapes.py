from __future__ import annotations

import pytest

from changeover.transfer.databases import OpenDatabase
from changeover.transfer.shapes import Shape, Sort, TableName, shape


def looked_at(database: OpenDatabase, table: str) -> Shape:
    with database.engine.connect() as connection:
        return shape(connection, TableName.parse(table), database.name)


def test_sqlite_words_for_types_become_sorts(source: OpenDatabase) -> None:
    source.execute(
        "create table t (i integer primary key, s smallint, d decimal(12,2), r real, v varchar(60), c char(5), x text, b boolean,"
        " y blob, j json, u uuid, a date, m datetime, h time, anything)"
    )
    found = {column.name: (column.sort, column.length) for column in looked_at(source, "t").columns}
    assert found == {
        "i": (Sort.INTEGER, None),
        "s": (Sort.INTEGER, None),
        "d": (Sort.DECIMAL, None),
        "r": (Sort.FLOAT, None),
        "v": (Sort.TEXT, 60),
        "c": (Sort.TEXT, 5),
        "x": (Sort.TEXT, None),
        "b": (Sort.BOOLEAN, None),
        "y": (Sort.BINARY, None),
        "j": (Sort.JSON, None),
        "u": (Sort.OTHER, None),
        "a": (Sort.DATE, None),
        "m": (Sort.DATETIME, None),
        "h": (Sort.TIME, None),
        "anything": (Sort.OTHER, None),
    }


def test_keys_unique_columns_and_references_are_seen(source: OpenDatabase) -> None:
    source.execute("create table p (id integer primary key)")
    source.execute("create table t (a integer, b integer, c integer unique, p integer references p (id), primary key (a, b))")
    found = looked_at(source, "t")
    assert found.primary_key == ("a", "b")
    assert ("c",) in found.unique
    assert found.references == (TableName(None, "p"),)


def test_a_view_has_columns_and_no_key(source: OpenDatabase) -> None:
    source.execute("create table t (a integer primary key)")
    source.execute("create view v as select a from t")
    found = looked_at(source, "v")
    assert [column.name for column in found.columns] == ["a"]
    assert found.primary_key == ()


@pytest.mark.parametrize(
    ("text", "name"), [("a", TableName(None, "a")), ("s.a", TableName("s", "a")), ("x.s.a", TableName("x.s", "a"))]
)
def test_a_table_name_may_have_a_schema(text: str, name: TableName) -> None:
    assert TableName.parse(text) == name
    assert str(name) == text


def test_a_column_is_found_whatever_its_case_unless_two_differ_by_it(source: OpenDatabase) -> None:
    source.execute("create table t (Name text, other text)")
    found = looked_at(source, "t")
    assert found.column("NAME") is found.columns[0]
    assert found.column("missing") is None
