"""Values that other tools change in silence, or stumble over: exact, by declared policy, or a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.examining import examine
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping, TextPolicy
from changeover.transfer.reports import Report

Opener = Callable[[str, str], OpenDatabase]

MARIADB = """create table odd (
    id bigint unsigned not null primary key, flag tinyint(1), big bigint unsigned, money decimal(38,10), bits bit(5),
    kind enum('a','b'), several set('x','y','z'), doc json, raw blob, span time(3), y year, padded char(8), f float,
    born date, made datetime(3), stamp timestamp(6) null, u uuid) character set utf8mb4"""
POSTGRESQL = """create table odd (
    id numeric(20) primary key, flag boolean, big numeric(20), money numeric(38,10), bits bit(5),
    kind text, several text, doc jsonb, raw bytea, span interval, y smallint, padded char(8), f real,
    born date, made timestamp(3), stamp timestamptz, u uuid)"""
SQLITE = """create table odd (
    id integer primary key, flag boolean, big integer, money decimal(38,10), bits integer,
    kind text, several text, doc text, raw blob, span text, y integer, padded char(8), f real,
    born date, made datetime, stamp datetime, u uuid)"""
INSERT = """insert into odd values (:id, 1, :big, :money, 5, 'b', 'x,z', '{"ő": [1, 2.50]}', :raw, '-838:59:59.123',
    2027, 'pad  ', 0.1, '1899-12-31', '2024-03-31 02:30:00.999', '2024-10-27 00:30:00.000001',
    '00112233-4455-6677-8899-aabbccddeeff')"""


def execute(database: OpenDatabase, statement: str, **values: Any) -> None:
    """With zero dates allowed, as old systems have them."""
    import sqlalchemy as sa  # noqa: PLC0415 - only here

    with database.engine.begin() as connection:
        if database.engine.dialect.name == "mysql":
            connection.exec_driver_sql("set sql_mode = '', time_zone = '+00:00'")
        connection.execute(
            sa.text(statement.replace('"ő":', '"ő"\\:').replace(":59", "\\:59").replace(":30", "\\:30").replace(":00", "\\:00")),
            values,
        )


def copied(source: OpenDatabase, target: OpenDatabase, table: TableMapping, **more: Any) -> Report:
    return Migration("run/copy", Mapped((table,), **{"max_rejects": 99, **more}), source, target, FakeContext()).run()


def letters(target: OpenDatabase) -> dict[str, tuple[str, str]]:
    rows = target.rows("select row_key, column_name, reason from changeover_rejects")
    return {row["row_key"]: (row["column_name"], row["reason"]) for row in rows}


def test_every_odd_type_of_mariadb_arrives_exactly_in_postgresql(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    execute(legacy, MARIADB)
    crm.execute(POSTGRESQL)
    big = 2**64 - 1
    execute(legacy, INSERT, id=big, big=big, money="1234567890123456789012345678.0123456789", raw=b"\x00\x1f\\\xff")
    assert copied(legacy, crm, TableMapping(source="odd")).rows == 1
    (row,) = crm.rows(
        "select id, flag, big, money, cast(bits as text) as bits, kind, several, cast(doc as text) as doc, raw,"
        " cast(span as text) as span, y, padded, f, cast(born as text) as born, cast(made as text) as made,"
        " cast(stamp at time zone 'UTC' as text) as stamp, cast(u as text) as u from odd"
    )
    assert row == {
        "id": Decimal(big),
        "flag": True,
        "big": Decimal(big),
        "money": Decimal("1234567890123456789012345678.0123456789"),
        "bits": "00101",
        "kind": "b",
        "several": "x,z",
        "doc": '{"ő": [1, 2.50]}',
        "raw": b"\x00\x1f\\\xff",
        "span": "-838:59:59.123",
        "y": 2027,
        "padded": "pad     ",
        "f": pytest.approx(0.1, abs=1e-8),
        "born": "1899-12-31",
        "made": "2024-03-31 02:30:00.999",
        "stamp": "2024-10-27 00:30:00.000001",
        "u": "00112233-4455-6677-8899-aabbccddeeff",
    }


def test_what_sqlite_would_round_is_a_dead_letter_there(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("sqlite", "crm")
    execute(legacy, MARIADB)
    crm.execute(SQLITE)
    execute(legacy, INSERT, id=1, big=2**64 - 1, money="1", raw=b"")
    execute(legacy, INSERT, id=2, big=1, money="1234567890123456789012345678.0123456789", raw=b"")
    execute(legacy, INSERT, id=3, big=2**63 - 1, money="12.50", raw=b"\x00")
    report = copied(legacy, crm, TableMapping(source="odd"))
    assert (report.rows, report.rejected) == (1, 2)
    found = letters(crm)
    assert found["[1]"] == ("big", f"{2**64 - 1} is outside integer")
    assert found["[2]"][0] == "money"
    assert crm.rows("select id, money, bits, span, made, padded, u from odd") == [
        {
            "id": 3,
            "money": 12.5,
            "bits": 5,
            "span": "-838:59:59.123",
            "made": "2024-03-31 02:30:00.999",
            "padded": "pad",
            "u": "00112233-4455-6677-8899-aabbccddeeff",
        }
    ]


def dates(legacy: OpenDatabase, crm: OpenDatabase) -> None:
    execute(legacy, "create table t (id integer primary key, born date, made datetime)")
    for number, (born, made) in enumerate(
        [
            ("2000-01-01", "2000-01-01 10:00:00"),
            ("0000-00-00", "2000-01-01 10:00:00"),
            ("2000-00-10", "2000-01-01 10:00:00"),
            ("2000-01-01", "0000-00-00 00:00:00"),
        ],
        start=1,
    ):
        execute(legacy, "insert into t values (:id, :born, :made)", id=number, born=born, made=made)
    moment = "timestamp" if crm.engine.dialect.name == "postgresql" else "datetime"
    crm.execute(f"create table t (id integer primary key, born date, made {moment})")


@pytest.mark.parametrize("target", ["postgresql", "sqlite"])
def test_zero_and_partial_dates_are_dead_letters_unless_declared(opened: Opener, target: str) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened(target, "crm")
    dates(legacy, crm)
    plan = Mapped((TableMapping(source="t"),))
    assert dict(examine(plan, legacy, crm)["t"].rejects) == {
        "born: zero or partial date": 2,
        "made: zero or partial date": 1,
    }
    assert copied(legacy, crm, TableMapping(source="t")).rows == 1
    assert letters(crm) == {
        "[2]": ("born", "zero date 0000-00-00"),
        "[3]": ("born", "there is no day 2000-00-10"),
        "[4]": ("made", "zero date 0000-00-00"),
    }


def test_zero_dates_become_empty_where_declared(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    dates(legacy, crm)
    to_null = ColumnMapping(do=("zero_date_to_null",))
    table = TableMapping(source="t", columns={"born": to_null, "made": to_null})
    assert (copied(legacy, crm, table).rows, list(letters(crm))) == (3, ["[3]"])
    assert crm.scalar("select count(*) from t where born is null") == 1


def test_zero_dates_stay_zero_dates_from_mariadb_to_mariadb(opened: Opener) -> None:
    legacy = opened("mariadb", "legacy")
    execute(legacy, "create table t (id integer primary key, born date)")
    execute(legacy, "create table t2 like t")
    execute(legacy, "insert into t values (1, '0000-00-00'), (2, '2000-00-10')")
    assert copied(legacy, legacy, TableMapping(source="t", target="t2")).rows == 2
    assert legacy.rows("select cast(born as char) as b from t2 order by id") == [{"b": "0000-00-00"}, {"b": "2000-00-10"}]


@pytest.mark.parametrize(("nul", "rows", "rejected"), [("reject", 1, 1), ("strip", 2, 0)])
def test_nul_in_text_follows_the_policy(opened: Opener, nul: Any, rows: int, rejected: int) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    for database in (legacy, crm):
        database.execute("create table t (id integer primary key, note text)")
    execute(legacy, "insert into t values (1, 'fine'), (2, :note)", note="a\0b")
    report = copied(legacy, crm, TableMapping(source="t"), text=TextPolicy(nul=nul))
    assert (report.rows, report.rejected) == (rows, rejected)
    if nul == "strip":
        assert crm.scalar("select note from t where id = 2") == "ab"


@pytest.mark.parametrize("target", ["postgresql", "mariadb", "sqlite"])
def test_over_long_text_and_rounded_money_are_dead_letters_and_never_cut(opened: Opener, target: str) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened(target, "crm")
    legacy.execute("create table t (id integer primary key, name text, money numeric)")
    crm.execute("create table t (id integer primary key, name varchar(5), money decimal(8,2))")
    legacy.execute(
        "insert into t values (1, 'tűrő', 1.25), (2, 'longer', 1), (3, 'x     ', 1), (4, 'x', 1.255), (5, 'x', 1234567)"
    )
    assert copied(legacy, crm, TableMapping(source="t")).rows == 1
    assert {key: column for key, (column, _) in letters(crm).items()} == {
        "[2]": "name",
        "[3]": "name",
        "[4]": "money",
        "[5]": "money",
    }


def test_a_character_that_utf8mb3_cannot_hold_is_a_dead_letter(opened: Opener) -> None:
    legacy, crm = opened("postgresql", "legacy"), opened("mariadb", "crm")
    legacy.execute("create table t (id integer primary key, name varchar(9))")
    crm.execute("create table t (id integer primary key, name varchar(9) character set utf8mb3)")
    legacy.execute("insert into t values (1, 'őrült'), (2, 'a😀b'), (3, 'c')")
    assert copied(legacy, crm, TableMapping(source="t")).rows == 2
    assert letters(crm)["[2]"][0] == "name"


@pytest.mark.parametrize("target", ["postgresql", "mariadb"])
def test_what_the_target_s_rules_refuse_is_named_with_key_and_rule(opened: Opener, target: str) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened(target, "crm")
    legacy.execute("create table t (id integer primary key, code text, parent integer, amount integer)")
    crm.execute("create table parents (id integer primary key)")
    crm.execute("insert into parents values (1)")
    crm.execute(
        "create table t (id integer primary key, code varchar(9) unique, parent integer, amount integer check (amount > 0),"
        " foreign key (parent) references parents (id))"
    )
    legacy.execute("insert into t values (1, 'a', 1, 1), (2, 'a', 1, 1), (3, 'c', 9, 1), (4, 'd', 1, 0), (5, 'e', 1, 5)")
    assert copied(legacy, crm, TableMapping(source="t")).rows == 2
    found = {key: reason.lower() for key, (_, reason) in letters(crm).items()}
    assert "duplicate" in found["[2]"]
    assert "foreign key" in found["[3]"]
    assert "constraint" in found["[4]"]


@pytest.mark.parametrize(("source", "target"), [("mariadb", "postgresql"), ("postgresql", "mariadb")])
def test_text_keys_of_another_collation_arrive_once_each_and_go_again(opened: Opener, source: str, target: str) -> None:
    from changeover.transfer.undoing import Undo  # noqa: PLC0415 - only here

    legacy, crm = opened(source, "legacy"), opened(target, "crm")
    keys = ["a", "p", "b", "B2", "ö", "o", "é", "Z", "z9", "ж", "Є", "_", "~", "10", "9", "ab", "a b"]
    for database, system in ((legacy, source), (crm, target)):
        collation = " collate utf8mb4_bin" if system == "mariadb" and database is crm else ""
        collation = " collate utf8mb4_hungarian_ci" if system == "mariadb" and database is legacy else collation
        database.execute(f"create table t (code varchar(9){collation} primary key, n integer)")
    for number, code in enumerate(keys):
        legacy.execute("insert into t values (:code, :n)", code=code, n=number)
    crm.execute("insert into t values ('mm', 0)")
    plan = Mapped((TableMapping(source="t"),), chunk_rows=3)
    assert Migration("run/copy", plan, legacy, crm, FakeContext()).run().rows == len(keys)
    assert {row["code"] for row in crm.rows("select code from t")} == {*keys, "mm"}
    Undo("run/copy", plan, legacy, crm, FakeContext()).run()
    assert crm.rows("select code from t") == [{"code": "mm"}]


def test_a_table_without_transactions_is_refused(opened: Opener) -> None:
    from changeover.transfer.planning import MigrationRefused  # noqa: PLC0415 - only here

    legacy, crm = opened("sqlite", "legacy"), opened("mariadb", "crm")
    legacy.execute("create table t (id integer primary key)")
    crm.execute("create table t (id integer primary key) engine=MyISAM")
    with pytest.raises(MigrationRefused, match=r"storage engine MyISAM has no transactions: ALTER TABLE"):
        copied(legacy, crm, TableMapping(source="t"))
