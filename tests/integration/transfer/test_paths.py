"""The fast ways write what the slow way writes, whatever stands in the source: byte for byte, and the same dead letters."""

# ruff: noqa: S608 - the names stand in this file

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from changeover.testing import FakeContext
from changeover.transfer import sharing
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping, TextPolicy
from changeover.transfer.paths import Path

Opener = Callable[[str, str], OpenDatabase]

MARIADB: Final = """create table odd (
    id bigint unsigned not null primary key, flag tinyint(1), big bigint unsigned, money decimal(38,10), cents decimal(12,4),
    bits bit(5), kind enum('a','b','ő'), several set('x','y','z'), doc json, raw blob, span time(3), y year, padded char(8),
    shift time(6), f float, d double, narrow double, filled int(6) zerofill, born date,
    made datetime(3), stamp timestamp(6) null, u uuid,
    name varchar(20), latin varchar(20) character set latin2, old text character set utf8mb3, note longtext not null,
    digits varchar(20), clock varchar(20)) character set utf8mb4"""
POSTGRESQL: Final = """create table {name} (
    id numeric(20) primary key, flag boolean, big numeric(20), money numeric(38,10), cents numeric(10,2), bits bit(5),
    kind text, several varchar(3), doc jsonb, raw bytea, span interval, y smallint, padded char(8), f real, d double precision,
    shift time(3), narrow real, filled text, born date, made timestamp(1), stamp timestamptz, u uuid,
    name varchar(12), latin text, old varchar(30), note text not null, digits integer, clock time(0))"""
#: Letters that somebody stumbles over somewhere: marks of blocks, COPY's own signs, several cases of one letter.
LETTERS: Final = "a Nő😀\\\t\n\r'\"%;ẞßǅéZ\u03a3\u03c3\u03c2\u0130\u0131\u00a0\u2028\u0301"
MARKS: Final = "\x1d\x1e\x1f\x00"

Row = dict[str, Any]


def text(dice: random.Random, most: int, *, marks: float = 0.02, letters: str = LETTERS) -> str:
    found = "".join(dice.choices(letters, k=dice.randrange(most + 1)))
    return found + dice.choice(MARKS) if dice.random() < marks and len(found) < most else found


def odd_row(dice: random.Random, number: int, mess: float) -> Row:
    """One row; *mess*: how often a value is one that the target cannot hold."""

    def some(value: Any, *worse: Any) -> Any:
        if dice.random() < 0.1:
            return None
        return dice.choice(worse) if worse and dice.random() < mess else value

    return {
        "id": number * 3 if number < 40 else 2**64 - 100 + number,
        "flag": some(dice.randrange(2), 2, -1),
        "big": some(dice.choice([0, 1, 2**63, 2**64 - 1])),
        "money": some(dice.choice(["0.0000000001", "-1234567890123456789012345678.0123456789", "5"])),
        "cents": some(f"{dice.randrange(10**6)}.{dice.randrange(100):02d}", "1.2345", "12345678.00", "99999999.999"),
        "bits": some(dice.randrange(32)),
        "kind": some(dice.choice(["a", "b", "ő", ""])),
        "several": some(dice.choice(["", "x", "x,z"]), "x,y,z"),
        "doc": some(dice.choice(['{"ő": [1, 2.50]}', "null", '{"a": "\\\\n\\"\\u0151"}']), '{"a": "\\u0000"}'),
        "raw": some(dice.randbytes(dice.randrange(9))),
        "span": some(dice.choice(["-838:59:59.123", "00:00:00", "25:00:00.5"])),
        "shift": some(dice.choice(["23:59:59.999", "00:00:00.5"]), "12:00:00.123456"),
        "y": some(dice.choice([0, 1901, 2155])),
        "padded": some(text(dice, 8)),
        "f": some(dice.uniform(-1e30, 1e30)),
        "d": some(dice.choice([0.1, 1e-7, -1.5e300, 123456789.123456789, 5e-324, dice.random()])),
        "narrow": some(dice.choice([0.1, 0.5, -1e30]), 1 / 3, 1e300, 5e-324, 123456789.1),
        "filled": some(dice.randrange(10**6)),
        "born": some(f"{dice.randrange(1, 9999):04d}-02-{dice.randrange(1, 29):02d}", "0000-00-00", "2000-00-10", "2001-02-31"),
        "made": some(f"2024-03-31 02:30:00.{dice.randrange(10)}00", "0000-00-00 00:00:00", "2024-01-01 00:00:00.123"),
        "stamp": some(f"2024-10-27 00:30:00.{dice.randrange(10**6):06d}"),
        "u": some("00112233-4455-6677-8899-aabbccddeeff"),
        "name": some(text(dice, 12), "x" * 13, "x" + " " * 15),
        "latin": some(text(dice, 20, letters="aőű\\\t\n ßł")),
        "old": some(text(dice, 25, letters="aő€\\\t\r Σ")),
        "note": text(dice, 40),
        "digits": some(dice.choice(["5", " 7 ", "1e3", "+8"]), "five", "1.5"),
        "clock": some(dice.choice(["07:00:00", "7:00"]), "07:00:00.5"),
    }


def fill(legacy: OpenDatabase, rows: list[Row]) -> None:
    with legacy.engine.begin() as connection:
        connection.exec_driver_sql("set sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        connection.exec_driver_sql("delete from odd")
        marks = ", ".join(f"%({name})s" for name in rows[0])
        connection.exec_driver_sql(f"insert into odd ({', '.join(rows[0])}) values ({marks})", rows)


def copied(legacy: OpenDatabase, crm: OpenDatabase, table: TableMapping, policy: TextPolicy) -> tuple[list[Any], list[Any], str]:
    context = FakeContext()
    plan = Mapped((table,), max_rejects=10**6, text=policy)
    crm.execute(f"delete from {table.into}")
    for control in ("changeover_migration", "changeover_chunk", "changeover_rejects"):
        if crm.scalar("select to_regclass(:name)", name=control):
            crm.execute(f"delete from {control}")
    Migration("run/copy", plan, legacy, crm, context).run()
    with crm.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"select md5(t::text), t::text from {table.into} t order by id").all()
        letters = connection.exec_driver_sql(
            "select row_key, column_name, code, reason, raw_row from changeover_rejects order by chunk_no, row_key"
        ).all()
    return [tuple(row) for row in rows], [tuple(row) for row in letters], " ".join(context.said)


CHANGED: Final[Mapping[str, ColumnMapping]] = {
    "name": ColumnMapping(do=("trim", "lower")),
    "note": ColumnMapping(do=("upper",)),
    "old": ColumnMapping(do=("trim", "empty_to_null")),
    "kind": ColumnMapping(map={"a": "A", "b": "much", "": "empty"}, unmapped="keep"),
    "several": ColumnMapping(map={"x": "1", "x,z": "2"}),
    "flag": ColumnMapping(map={"0": False, "1": True}, unmapped="null"),
    "born": ColumnMapping(do=("zero_date_to_null",)),
    "made": ColumnMapping(do=("zero_date_to_null",)),
    "latin": ColumnMapping(sql="concat_ws(' ', latin, old)"),
    "y": ColumnMapping(value=7),
}


@pytest.mark.parametrize("policy", [TextPolicy("reject"), TextPolicy("strip")], ids=["nul rejected", "nul stripped"])
@pytest.mark.parametrize("columns", [{}, CHANGED], ids=["as they are", "changed"])
@pytest.mark.parametrize(("mess", "chunk_rows"), [(0.02, 1), (0.002, 20)], ids=["alone", "in company"])
def test_blocks_write_what_rows_write_and_refuse_what_rows_refuse(
    opened: Opener, *, mess: float, chunk_rows: int, columns: Mapping[str, ColumnMapping], policy: TextPolicy
) -> None:
    seed = random.randrange(10**9)  # noqa: S311 - data
    dice = random.Random(seed)  # noqa: S311
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    legacy.execute(MARIADB.replace(":", "\\:"))
    crm.execute(POSTGRESQL.format(name="odd"))
    table = TableMapping(source="odd", columns=columns, chunk_rows=chunk_rows)
    fill(legacy, [odd_row(dice, number, mess) for number in range(1, 80)])
    fast = copied(legacy, crm, table, policy)
    assert "in blocks" in fast[2], seed
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sharing, "path_of", lambda *_, **__: Path(""))
        slow = copied(legacy, crm, table, policy)
    assert fast[0] == slow[0], seed
    assert fast[1] == slow[1], seed


PAIRS: Final = {
    "binary": "id bigint primary key, name varchar(9), money numeric(20,5), made timestamp(3), doc jsonb, raw bytea, f real,"
    " flag boolean, span interval, u uuid, padded char(5), born date, zoned timestamptz",
    "text": "id bigint primary key, name text, money numeric(30,9), made timestamp(3), doc jsonb, raw bytea, f real,"
    " flag boolean, span interval, u uuid, padded char(9), born date, zoned timestamptz",
}

#: Ninety-nine rows; every fifth is a bad one, and the 77th has the money of the fifth.
MANY: Final = r"""
insert into odd select n, (array[E'ő\t', null, E'a\\b', 'bad', E'x\n'])[1 + n % 5], case n when 77 then 5 else n end * 1.5,
  timestamp '2024-03-31 02:30' + n * interval '1.001 s', jsonb_build_object('ű', n), decode(lpad(to_hex(n), 4, '0'), 'hex'),
  n / 7.0, n % 2 = 0, n * interval '1 day 1 s', md5(n::text)::uuid, 'p' || n % 9,
  case n when 3 then 'infinity' else date '2024-01-01' + n end, timestamptz '2024-10-27 00:30+00' + n * interval '1 s'
from generate_series(1, 99) n""".replace("%", "%%")


@pytest.mark.parametrize("format_", PAIRS)
def test_what_is_passed_on_is_what_rows_write_and_what_the_target_refuses_is_named(opened: Opener, format_: str) -> None:
    legacy = crm = opened("postgresql", "both")
    with legacy.engine.begin() as connection:
        connection.exec_driver_sql(f"create table odd ({PAIRS['binary']})")
        connection.exec_driver_sql(f"create table fresh ({PAIRS[format_]}, check (name <> 'bad'), unique (money))")
        connection.exec_driver_sql(MANY)
    table = TableMapping(source="odd", target="fresh", chunk_rows=20)
    fast = copied(legacy, crm, table, TextPolicy())
    assert f"passed on as it comes ({format_})" in fast[2]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sharing, "path_of", lambda *_, **__: Path(""))
        slow = copied(legacy, crm, table, TextPolicy())
    assert fast[:2] == slow[:2]
    assert len(fast[1]) == 21  # the bad ones, and the second 7.5


def test_rows_larger_than_a_block_arrive_all_the_same(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    legacy.execute("create table t (id integer primary key, body longtext not null)")
    crm.execute("create table t (id integer primary key, body text not null)")
    legacy.execute("insert into t select seq, repeat('ő', if(seq % 3 = 0, 5000000, 9)) from seq_1_to_7")
    report = Migration("run/copy", Mapped((TableMapping("t"),)), legacy, crm, FakeContext()).run()
    assert report.rows == 7
    assert crm.scalar("select sum(octet_length(body)) from t") == 2 * 10_000_000 + 5 * 18


def test_rows_that_the_source_does_not_give_to_copy_are_read_one_by_one(opened: Opener) -> None:
    legacy = crm = opened("postgresql", "both")
    with legacy.engine.begin() as connection:
        connection.exec_driver_sql("create table odd (id integer primary key, name text)")
        connection.exec_driver_sql("create table fresh (id integer primary key, name text)")
        connection.exec_driver_sql("insert into odd select n, repeat('ő', 900) from generate_series(1, 990) n")
        connection.exec_driver_sql(
            "create function touchy(id integer) returns boolean language plpgsql as $$ begin"
            " if current_query() like 'COPY%%' and id = 700 then raise 'not for copy'; end if; return true; end $$"
        )
    table = TableMapping(source="odd", target="fresh", chunk_rows=500, where="touchy(id)")
    rows, letters, said = copied(legacy, crm, table, TextPolicy())
    assert "passed on as it comes (binary)" in said
    assert (len(rows), letters) == (990, [])
