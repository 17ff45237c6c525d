"""Servers that compare contents by themselves: never a false "equal", and the rows are looked at when they differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from changeover.transfer import checksums
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.databases import OpenDatabase

Opener = Callable[[str, str], OpenDatabase]

OLD = """create table {table} (id bigint primary key, money decimal(10,2), whole decimal(8,0), any_money decimal(20,6),
    flag tinyint(1), day date, moment datetime(6), made datetime, kept timestamp null, name varchar(40) collate utf8mb4_bin,
    country char(2) character set latin2, note text) character set utf8mb4 collate utf8mb4_general_ci"""
NEW = """create table {table} (id bigint primary key, money numeric(10,2), whole numeric, any_money numeric, flag boolean,
    day date, moment timestamp, made timestamp, kept timestamptz, name text, country char(2), note text)"""
ROWS = """insert into {table} values
    (1, 12.50, 100, 0.000001, {yes}, '2024-02-29', '2024-03-31 02:30:00.120000', '2024-01-02 00:00:00',
     '2024-01-02 03:04:05{utc}', 'Ügyfél Ő; 3;abc', 'hu', ''),
    (2, -0.00, 0, -1000000.500000, {no}, null, '2024-03-31 00:00:00', '2024-01-02 10:00:00', null, 'Олена', 'uk', null),
    (3, null, null, null, null, '1999-12-31', null, null, null, null, null, '-'),
    (-4, 99999999.99, -7, 100, {yes}, '2024-12-31', '2024-10-27 01:00:00.000001', '1970-01-01 00:00:01', null,
     ' blank before', 'a', 'two\nlines')"""


Side = tuple[OpenDatabase, str]  # a database and its table
Pair = tuple[Side, Side]


@pytest.fixture
def pair(opened: Opener, request: pytest.FixtureRequest) -> Pair:
    """The same content in two tables, on the systems that the test's parameter names."""
    sides = []
    for system, table in zip(request.param, ("t", "u"), strict=True):
        database = opened(system, f"{system}-{table}")
        database.execute((OLD if system == "mariadb" else NEW).format(table=table))
        fill((database, table))
        sides.append((database, table))
    return sides[0], sides[1]


def fill(side: Side) -> None:
    database, table = side
    old = database.engine.dialect.name == "mysql"
    with database.engine.begin() as connection:
        if old:
            connection.exec_driver_sql("set time_zone = '+00:00'")
        connection.execute(sa.delete(sa.table(table)))
        connection.exec_driver_sql(ROWS.format(table=table, yes="true", no="false", utc="" if old else "+00"))


def both(pair: Pair, monkeypatch: pytest.MonkeyPatch, where: str = "") -> tuple[bool, bool]:
    """Whether the contents are equal, and whether rows had to be read to know it."""
    read = []
    summed = checksums._summed  # noqa: SLF001 - to see whether rows are read

    def seen(*arguments: object) -> object:
        read.append(arguments)
        return summed(*arguments)  # type: ignore[arg-type]

    (source, first), (target, second) = pair
    with monkeypatch.context() as patched:
        patched.setattr(checksums, "_summed", seen)
        one, two, columns = checksums_of_pair(source, Selection(first, (), where), target, Selection(second, (), where))
    assert len(columns) == 12
    return one == two, bool(read)


SYSTEMS = [("mariadb", "postgresql"), ("postgresql", "postgresql"), ("mariadb", "mariadb")]


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_equal_contents_are_known_without_reading_a_row(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    assert both(pair, monkeypatch) == (True, False)
    assert both(pair, monkeypatch, "id > 1 -- two of them: 10:00:00 %s") == (True, False)
    assert both(pair, monkeypatch, "id > 100") == (True, False)


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_text_that_is_kept_in_another_way_is_compared_by_its_characters(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    legacy, crm = pair[0][0], pair[1][0]
    legacy.execute("alter table t modify note text character set latin2, modify country char(2) character set utf8mb4")
    legacy.execute("update t set note = 'árvíztűrő', country = 'ő'")
    crm.execute("update u set note = 'árvíztűrő', country = 'ő'")
    assert both(pair, monkeypatch) == (True, False)
    crm.execute("update u set note = 'árvízturo' where id = 1")
    assert both(pair, monkeypatch) == (False, True)


CHANGES = (
    "update table set money = 12.51 where id = 1",
    "update table set money = null where id = 2",
    "update table set whole = 1000 where id = 1",
    "update table set any_money = 0.00001 where id = 1",
    "update table set flag = false where id = 1",
    "update table set day = '2024-02-28' where id = 1",
    "update table set moment = '2024-03-31 02:30:00.12001' where id = 1",
    "update table set made = '2024-01-02 00:00:01' where id = 1",
    "update table set name = 'Ügyfél Ő; 3;abc ' where id = 1",
    "update table set name = 'олена' where id = 2",
    "update table set country = 'HU' where id = 1",
    "update table set note = null where id = 1",
    "update table set note = '' where id = 2",
    "update table set name = 'uk', country = 'Ol' where id = 2",
    "update table set id = 5 where id = 3",
    "delete from table where id = 3",
)


@pytest.mark.parametrize("pair", SYSTEMS, ids="-".join, indirect=True)
def test_every_difference_is_found_and_told_from_the_rows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    database, table = pair[1]
    for change in CHANGES:
        fill(pair[1])
        assert both(pair, monkeypatch) == (True, False), change
        assert database.execute(change.replace("table", table)) == 1
        assert both(pair, monkeypatch) == (False, True), change


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_what_one_server_writes_differently_is_settled_by_the_rows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair[0][0].execute("alter table t modify money double")
    assert both(pair, monkeypatch) == (True, True)


@pytest.mark.parametrize("pair", SYSTEMS[:1], ids="-".join, indirect=True)
def test_a_server_that_cannot_hash_has_its_rows_read(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from changeover.transfer.postgresql import Postgresql  # noqa: PLC0415 - of this test alone

    monkeypatch.setattr(Postgresql, "digest", lambda *_: "no_such_function(f0)")
    assert both(pair, monkeypatch) == (True, True)
