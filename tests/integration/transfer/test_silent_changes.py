"""What a database would change in silence arrives exactly or is a dead letter: type by type, value by value."""

# ruff: noqa: S608 - the types stand in this file, one a line

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Change, ColumnMapping, Mapped, TableMapping
from changeover.transfer.planning import MigrationRefused

Opener = Callable[[str, str], OpenDatabase]

#: Of each type: values that arrive, and how they are read; values that must not.
Cases = tuple[tuple[str, tuple[tuple[Any, str], ...], tuple[Any, ...]], ...]
MARIADB: Final[Cases] = (
    ("float(7,2)", ((1.25, "1.25"), ("12345.5", "12345.50"), (3, "3.00")), (1.255, "0.001", 123456.5)),
    ("double(8,2)", ((1.25, "1.25"), (123456.78, "123456.78")), (1.255, 1e-7, 1234567.5)),
    ("float", ((0.1, "0.1"),), (0.123456789, 16777217)),
    ("double", ((0.1, "0.1"), (1e300, "1e300")), ("0.12345678901234567890", 2**53 + 1)),
    ("decimal(6,2)", ((1.25, "1.25"), ("1e2", "100.00")), (1.255, 10000)),
    ("datetime(1)", (("2024-01-01 00:00:00.5", "2024-01-01 00:00:00.5"),), ("2024-01-01 00:00:00.55",)),
    ("datetime", (("2024-01-01 00:00:00", "2024-01-01 00:00:00"),), ("2024-01-01 00:00:00.5", "2024-02-30 00:00:00")),
    (
        "timestamp(6)",
        (("2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000001"),),
        ("1969-01-01 00:00:00", "2200-01-01 00:00:00"),
    ),
    ("date", (("2024-01-01", "2024-01-01"),), ("2024-01-01 10:00:00", "24-01-01", 20240101)),
    (
        "time(1)",
        (("-800:00:00.5", "-800:00:00.5"), ("10:30:00", "10:30:00.0")),
        ("10:00:00.55", "12", "10:00:00+02", "900:00:00", 12),
    ),
    ("time(6)", (("10:30:00.000001", "10:30:00.000001"),), ("10:00:00.0000001", "1 10:00:00", "10")),
    ("year", ((2027, "2027"), ("1901", "1901"), (0, "0000")), (5, "70", 99, 1900, 2156)),
    ("enum('a','b','1')", (("a", "a"), ("1", "1"), (1, "1")), ("A", "2", 3, "a ", "")),
    ("set('x','y','2')", (("x", "x"), ("x,y", "x,y"), ("", ""), ("2", "2")), ("y,x", "x,x", "X", "3", 1, "x ")),
    ("char(4)", (("ab", "ab"), ("tűrő", "tűrő")), ("ab ", "abcde", "abcd ")),
    ("varchar(4)", (("ab ", "ab "),), ("abcd ", "abcde")),
    ("tinytext", (("x" * 255, "x" * 255),), ("x" * 256,)),
    ("binary(3)", ((b"abc", "abc"),), (b"ab", b"abcd")),
    ("varbinary(3)", ((b"ab", "ab"), (b"abc", "abc")), (b"abcd",)),
    ("tinyint unsigned", ((255, "255"), ("007", "7")), (256, -1, 1.5)),
    ("varchar(9) character set latin2", (("tűrő", "tűrő"),), ("😀", "ю")),
)
POSTGRESQL: Final[Cases] = (
    ("char(4)", (("ab", "ab"), ("tűrő", "tűrő")), ("ab ", "abcde", "abcd ")),
    ("varchar(4)", (("ab ", "ab "),), ("abcd ", "abcde")),
    ("numeric(6,2)", ((1.25, "1.25"), ("1e2", "100.00")), (1.255, 10000)),
    ("real", ((0.1, "0.1"),), (0.123456789, 16777217)),
    ("timestamp(1)", (("2024-01-01 00:00:00.5", "2024-01-01 00:00:00.5"),), ("2024-01-01 00:00:00.55", "2024-01-01 00:00:00+02")),
    ("timestamp", (("2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000001"),), ("2024-01-01 00:00:00.0000001",)),
    ("date", (("2024-01-01", "2024-01-01"),), ("2024-01-01 10:00:00",)),
    ("time(1)", (("10:30:00.5", "10:30:00.5"),), ("10:00:00.55", "10:00:00+02")),
    ("time", (("10:30:00.000001", "10:30:00.000001"),), ("10:00:00.0000001", "10:00:00+02:00", "10:00:00Z")),
    ("interval(0)", (("-838:59:59", "-838:59:59"),), ("00:00:00.5",)),
    ("interval", (("1 day 00:00:00.000001", "1 day 00:00:00.000001"),), ("00:00:00.0000001",)),
    ("bit(3)", (("011", "011"),), (9,)),
    ("bit varying(8)", (("011", "011"),), ("000000011",)),
    ("boolean", ((1, "true"), ("no", "false")), (2, "maybe")),
    ("smallint", ((7, "7"), ("007", "7")), (40000, 1.5)),
)  # fmt: skip
SQLITE: Final[Cases] = (
    ("text", (("1e3", "1e3"), ("007", "007"), (7, "7")), ()),
    ("varchar(9)", (("1e3", "1e3"), ("007", "007")), ()),
    ("phone", (("06-1", "06-1"), ("7", "7")), ("007", "1e3", " 7", "+7", "1.50", "9" * 20)),
    ("string", (("abc", "abc"),), ("007", "1e3")),
    (
        "uuid",
        (("00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff"),),
        ("001122334455667788990011223344e5",),
    ),
    ("json", (('{"a": 1.50}', '{"a": 1.50}'), ("7", "7")), ("1.50", "1e3")),
    ("time", (("10:30:00", "10:30:00"),), ("010",)),
    ("integer", ((2**63 - 1, str(2**63 - 1)), ("007", "7")), (2**63, 1.5)),
    ("real", ((0.5, "0.5"),), (2**53 + 1, "0.12345678901234567890")),
    ("decimal(8,2)", ((1.25, "1.25"),), (1.255, "12345678901234567.25")),
    ("date", (("2024-01-01", "2024-01-01"),), ("2024",)),
    ("blob", ((b"007", "007"),), ()),
    ("", (("007", "007"),), ()),
)


#: What becomes of 'AB' and 'AB ' in a CHAR.
CHANGES: Final[tuple[tuple[Change, dict[int, str]], ...]] = (("lower", {1: "ab"}), ("trim", {1: "AB", 2: "AB"}))
#: A wider type of the same system, the target's type, a value that arrives, a value that must not.
ALIKE: Final[tuple[tuple[str, str, str, str, str, str], ...]] = (
    ("mariadb", "mariadb", "varchar(9)", "char(9)", "ab", "ab "),
    ("mariadb", "mariadb", "varchar(9)", "enum('a','b')", "b", "2"),
    ("mariadb", "mariadb", "enum('a','c','2')", "enum('b','2','a')", "a", "c"),
    ("mariadb", "mariadb", "set('x','y')", "set('y','x')", "x", "x,y"),
    ("mariadb", "mariadb", "varbinary(9)", "binary(2)", "ab", "a"),
    ("mariadb", "mariadb", "double", "double(8,2)", "1.25", "1.255"),
    ("mariadb", "mariadb", "tinyint", "year", "0", "70"),
    ("mariadb", "mariadb", "time(6)", "time(3)", "10:30:00.123000", "10:30:00.123456"),
    ("mariadb", "postgresql", "varchar(9)", "char(9)", "ab", "ab "),
    ("mariadb", "postgresql", "varchar(30)", "time", "10:30:00", "10:30:00.0000001"),
    ("mariadb", "postgresql", "varchar(30)", "time", "10:30:00", "10:30:00+02"),
    ("postgresql", "mariadb", "interval", "time(6)", "26:00:00", "1 day 02:00:00"),
    ("postgresql", "postgresql", "varchar(9)", "char(9)", "ab", "ab "),
    ("postgresql", "postgresql", "varchar(30)", "time", "10:30:00", "10:30:00+02"),
    ("postgresql", "sqlite", "json", "json", "7", "1.50"),
)


@pytest.mark.parametrize(
    ("system", "declared", "arrive", "refused"),
    [(name, *case) for name, cases in (("mariadb", MARIADB), ("postgresql", POSTGRESQL), ("sqlite", SQLITE)) for case in cases],
)
def test_a_value_arrives_exactly_or_is_a_dead_letter(
    opened: Opener, system: str, declared: str, arrive: Sequence[tuple[Any, str]], refused: Sequence[Any]
) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened(system, "crm")
    legacy.execute("create table t (id integer primary key, v)")
    crm.execute(f"create table t (id integer primary key, v {declared})")
    for value in (*(value for value, _ in arrive), *refused):
        large = type(value) is int and value >= 2**63
        legacy.execute("insert into t (v) values (:v)", v=str(value) if large else value)
    report = Migration("run/copy", Mapped((TableMapping(source="t"),), max_rejects=9), legacy, crm, FakeContext()).run()
    assert read(crm, "t") == dict(enumerate((text for _, text in arrive), start=1))
    assert (report.rows, report.rejected) == (len(arrive), len(refused))


@pytest.mark.parametrize("case", ALIKE, ids=" ".join)
def test_that_two_types_are_alike_is_no_promise(opened: Opener, case: tuple[str, str, str, str, str, str]) -> None:
    source, target, wide, narrow, arrives, refused = case
    legacy, crm = opened(source, "legacy"), opened(target, "crm")
    legacy.execute(f"create table wide (id integer primary key, v {wide})")
    crm.execute(f"create table narrow (id integer primary key, v {narrow})")
    value = f"cast(:v as {wide})" if source == "postgresql" else ":v"
    for number, text in enumerate((arrives, refused), start=1):
        legacy.execute(f"insert into wide values (:id, {value})", id=number, v=text)
    table = TableMapping(source="wide", target="narrow")
    report = Migration("run/copy", Mapped((table,), max_rejects=9), legacy, crm, FakeContext()).run()
    assert (report.rows, report.rejected) == (1, 1)
    (found,) = read(crm, "narrow").values()
    assert found.startswith(arrives.rstrip("0"))


def test_what_the_source_makes_for_a_char_keeps_no_blanks_either(opened: Opener) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    legacy.execute("create table t (id integer primary key, v varchar(9))")
    crm.execute("create table t (id integer primary key, v char(9))")
    legacy.execute("insert into t values (1, 'AB'), (2, 'AB ')")
    for change, arrives in CHANGES:
        table = TableMapping(source="t", columns={"v": ColumnMapping(do=(change,))})
        Migration(f"run/{change}", Mapped((table,), max_rejects=9), legacy, crm, FakeContext()).run()
        assert read(crm, "t") == arrives
        crm.execute("delete from t")


def read(database: OpenDatabase, table: str) -> dict[int, str]:
    """The values as text, in the words of their database."""
    kind = "char" if database.engine.dialect.name == "mysql" else "text"
    return {row["id"]: row["v"] for row in database.rows(f"select id, cast(v as {kind}) as v from {table}")}


def test_an_interval_that_drops_fields_is_refused_before_anything_moves(opened: Opener) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened("postgresql", "crm")
    legacy.execute("create table t (id integer primary key, v text)")
    crm.execute("create table t (id integer primary key, v interval day to hour)")
    with pytest.raises(MigrationRefused, match=r"cannot take v \(text\) into v \(interval day to hour\)"):
        Migration("run/copy", Mapped((TableMapping(source="t"),)), legacy, crm, FakeContext()).run()
