"""From each system to each other one: values arrive exactly, and an undo leaves nothing behind."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksum, checksums_of_pair
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import ColumnMapping, Mapped, Sequences, TableMapping
from changeover.transfer.probing import Standing, standing
from changeover.transfer.undoing import Undo

Opener = Callable[[str, str], OpenDatabase]

PEOPLE = """create table people (
    id {big} not null primary key, code varchar(20) not null unique, name varchar(60) not null, note text, born date,
    balance decimal(12,2) not null, vip {flag} not null, made {moment} not null, seen {moment}, photo {bytes}, ratio {double})"""
ORDERS = """create table orders (
    person {big} not null references people (id), line integer not null, item varchar(40) not null, price decimal(10,2) not null,
    primary key (person, line))"""
WORDS = {
    "mariadb": {"big": "bigint", "flag": "tinyint(1)", "moment": "datetime(6)", "bytes": "blob", "double": "double"},
    "postgresql": {"big": "bigint", "flag": "boolean", "moment": "timestamp", "bytes": "bytea", "double": "double precision"},
    "sqlite": {"big": "bigint", "flag": "boolean", "moment": "datetime", "bytes": "blob", "double": "double"},
}
NAMES = (
    "O'Brien\t\\N",
    "Kovács-Nagy Őrs",
    "Лук'яненко",
    "tab\there",
    "line\r\nbreak",
    "😀",
    "a\x1fb\x1ec\x1dd",
    "%s :x {y}",
    "NULL",
    "",
)


def made(database: OpenDatabase, system: str) -> None:
    database.execute(PEOPLE.format(**WORDS[system]))
    statement = ORDERS.format(**WORDS[system])
    if system == "mariadb":  # it reads inline references and forgets them
        statement = statement.replace(" references people (id)", "").replace(
            "primary key (person, line)", "primary key (person, line), foreign key (person) references people (id)"
        )
    database.execute(statement)


def filled(database: OpenDatabase, rows: int) -> None:
    for number in range(1, rows + 1):
        database.execute(
            "insert into people values (:id, :code, :name, :note, :born, :balance, :vip, :made, :seen, :photo, :ratio)",
            id=number * 3,
            code=f"c{number:05d}",
            name=NAMES[number % len(NAMES)],
            note=None if number % 4 == 0 else NAMES[(number * 7) % len(NAMES)] * 3,
            born=None if number % 5 == 0 else f"19{number % 90 + 10}-02-{number % 28 + 1:02d}",
            balance=f"{number * 17 % 1000}.{number % 100:02d}",
            vip=number % 2 == 0,
            made=f"2024-03-31 02:{number % 60:02d}:00.{number % 1000 * 1000:06d}",
            seen=None if number % 3 else "2024-10-27 02:30:00",
            photo=bytes([number % 256, 0, 255]) if number % 2 else None,
            ratio=number / 7,
        )
        database.execute("insert into orders values (:person, 1, 'phone', 1.50), (:person, 2, 'line', 20.05)", person=number * 3)


PLAN = Mapped((TableMapping(source="orders"), TableMapping(source="people")), chunk_rows=40)


#: One fresh database of each server: within one system, see below.
DIRECTIONS = [*itertools.permutations(WORDS, 2), ("sqlite", "sqlite")]


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_content_arrives_exactly_and_goes_again(opened: Opener, source: str, target: str) -> None:
    legacy, crm = opened(source, "legacy"), opened(target, "crm")
    made(legacy, source)
    made(crm, target)
    filled(legacy, 100)
    before = {table: checksum(crm, table) for table in ("people", "orders")}
    context = FakeContext()
    report = Migration("run/copy", PLAN, legacy, crm, context).run()
    assert {name: (table.source, table.copied) for name, table in report.tables.items()} == {
        "people": (100, 100),
        "orders": (200, 200),
    }
    for table in ("people", "orders"):
        one, other, columns = checksums_of_pair(legacy, Selection(table), crm, Selection(table))
        assert one == other, f"{table}: {columns}"
    assert standing("run/copy", crm).state is Standing.DONE
    assert Undo("run/copy", PLAN, legacy, crm, context).run() == {"orders": 200, "people": 100}
    assert {table: checksum(crm, table) for table in before} == before
    assert standing("run/copy", crm).state is Standing.UNDONE


@pytest.mark.parametrize("system", ["mariadb", "postgresql"])
def test_a_table_is_copied_within_one_database(opened: Opener, system: str) -> None:
    legacy = opened(system, "legacy")
    made(legacy, system)
    filled(legacy, 60)
    legacy.execute(
        "create table people2 (like people including all)" if system == "postgresql" else "create table people2 like people"
    )
    plan = Mapped((TableMapping(source="people", target="people2"),), chunk_rows=25)
    assert Migration("run/copy", plan, legacy, legacy, FakeContext()).run().rows == 60
    assert checksum(legacy, "people") == checksum(legacy, "people2")


@pytest.mark.parametrize("target", ["mariadb", "postgresql"])
def test_undo_leaves_customers_that_were_there_and_puts_the_counter_back(opened: Opener, target: str) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened(target, "crm")
    legacy.execute("create table customers (id integer primary key, number varchar(20), name varchar(20))")
    identity = "bigint generated by default as identity" if target == "postgresql" else "bigint auto_increment"
    crm.execute(f"create table customers (id {identity} primary key, number varchar(20) unique, name varchar(20))")
    for number in range(1, 31):
        legacy.execute("insert into customers values (:id, :n, 'fixed')", id=number, n=f"F{number}")
        if number % 3 == 0:
            crm.execute("insert into customers (number, name) values (:n, 'mobile')", n=f"M{number}")
    before = checksum(crm, "customers")
    plan = Mapped(
        (TableMapping(source="customers", columns={"id": ColumnMapping(sql="id + 7")}),),
        chunk_rows=7,
        max_rejects=3,
        sequences=Sequences(headroom=50),
    )
    report = Migration("run/copy", plan, legacy, crm, FakeContext()).run()
    assert (report.rows, report.rejected) == (27, 3)  # 8, 9 and 10 are taken
    crm.execute("insert into customers (number, name) values ('new', 'x')")
    assert crm.scalar("select id from customers where number = 'new'") == 37 + 50 + 1
    crm.execute("delete from customers where number = 'new'")
    Undo("run/copy", replace(plan, max_rejects=0), legacy, crm, FakeContext()).run()
    assert checksum(crm, "customers") == before
    crm.execute("insert into customers (number, name) values ('next', 'x')")
    assert crm.scalar("select id from customers where number = 'next'") == 11
