"""40,000 rows with every defect that old systems have: each arrives exactly, or is named; and nothing is lost on the way.

pgloader's result on the same rows stands beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from changeover.contracts import Answer
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.failing import TooManyRejects
from changeover.transfer.mapping import TableMapping
from changeover.transfer.planning import MigrationRefused

Opener = Callable[[str, str], OpenDatabase]

ROWS: Final = 40_000
OLD: Final = """create table dirty (
    id bigint unsigned not null primary key, name varchar(40), short varchar(40), latin varchar(20) character set latin2,
    old3 varchar(20) character set utf8mb3, flag tinyint(1), big bigint unsigned, money decimal(38,10), bits bit(5),
    kind enum('a','b'), several set('x','y','z'), doc json, raw blob, span time(3), y year, padded char(8), f float, d double,
    born date, made datetime(3), stamp timestamp(6) null, small int) character set utf8mb4"""
NEW: Final = """create table dirty (
    id numeric(20) primary key, name varchar(40), short varchar(10), latin varchar(20), old3 varchar(20), flag boolean,
    big numeric(20), money numeric(38,10), bits bit(5), kind text, several text, doc jsonb, raw bytea, span interval,
    y smallint, padded char(8), f real, d double precision, born date, made timestamp(3), stamp timestamptz,
    small smallint)"""
FILL: Final = """insert into dirty select seq, concat('Ügyfél ', seq), concat('s', seq % 1000), 'Őrült', 'Tűz', seq % 2,
    seq * 1000, seq / 8, seq % 32, if(seq % 2, 'a', 'b'), if(seq % 3, 'x,z', ''), concat('{"n": ', seq, '}'),
    unhex(lpad(hex(seq), 8, '0')),
    '12:34:56.789', 2000 + seq % 100, 'pad', seq / 2, seq / 3, date_add('1950-01-01', interval seq % 20000 day),
    date_add('2001-01-01', interval seq minute), date_add('2002-01-01', interval seq minute), seq % 30000
    from seq_1_to_40000"""
#: What arrives although others stumble over it: how it is stored, and how PostgreSQL shows it.
HARMLESS: Final[dict[int, tuple[str, str, str, Any]]] = {
    11: ("name", "concat('a', char(9), 'b', char(92), 'c', char(10), 'd')", "name", "a\tb\\c\nd"),
    12: ("name", "concat('x', char(31), 'y', char(30), 'z', char(29))", "name", "x\x1fy\x1ez\x1d"),
    13: ("name", "concat('one', char(13), char(10), 'two')", "name", "one\r\ntwo"),
    14: ("name", "'\\\\N'", "name", "\\N"),
    15: ("name", "''", "name", ""),
    16: ("name", "null", "name", None),
    17: ("name", "'😀 🇭🇺'", "name", "😀 🇭🇺"),
    18: ("latin", "'árvíztűrő'", "latin", "árvíztűrő"),
    19: ("span", "'838:59:59.999'", "cast(span as text)", "838:59:59.999"),
    20: ("span", "'-100:00:00.5'", "cast(span as text)", "-100:00:00.5"),
    21: ("padded", "'ab      '", "cast(padded as text)", "ab"),
    22: ("y", "0", "y", 0),
    23: ("money", "-9999999999999999999999999999.9999999999", "cast(money as text)", "-9999999999999999999999999999.9999999999"),
    24: ("raw", "unhex('00ff5c0a0d09')", "encode(raw, 'hex')", "00ff5c0a0d09"),
    25: ("bits", "b'10101'", "cast(bits as text)", "10101"),
    26: ("several", "'x,y,z'", "several", "x,y,z"),
    27: ("big", "18446744073709551615", "cast(big as text)", "18446744073709551615"),
    28: ("made", "'9999-12-31 23:59:59.999'", "cast(made as text)", "9999-12-31 23:59:59.999"),
    29: ("name", "'`; drop table dirty; --'", "name", "`; drop table dirty; --"),
}
#: What PostgreSQL cannot hold: column, how it is stored, part of the reason.
REFUSED: Final[dict[int, tuple[str, str, str]]] = {
    101: ("born", "'0000-00-00'", "zero date 0000-00-00"),
    102: ("born", "'2024-00-00'", "there is no day 2024-00-00"),
    103: ("born", "'2024-02-00'", "there is no day 2024-02-00"),
    104: ("born", "'2023-02-31'", "there is no day 2023-02-31"),
    105: ("made", "'0000-00-00 00:00:00'", "zero date 0000-00-00"),
    106: ("name", "concat('nul', char(0), 'inside')", "NUL"),
    107: ("short", "'longer than ten'", "10"),
    108: ("small", "70000", "smallint"),
    109: ("flag", "2", ""),
    110: ("short", "'ééééééééééé'", "10"),
}


def spoilt(database: OpenDatabase) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("set sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        connection.exec_driver_sql(FILL.replace("%", "%%"))
        for number, (column, stored, *_) in {**HARMLESS, **REFUSED}.items():
            statement = f"update dirty set {column} = {stored} where id = {number}"  # noqa: S608 - of this file
            assert connection.exec_driver_sql(statement.replace("%", "%%")).rowcount == 1, statement


@pytest.fixture
def context(opened: Opener, tmp_path: Path) -> FakeContext:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    legacy.execute(OLD)
    spoilt(legacy)
    crm.execute(NEW)
    return FakeContext(run_id="r", step="copy", databases={"legacy": legacy, "crm": crm}, folder=tmp_path)


@pytest.mark.timeout(300)
def test_each_defect_arrives_exactly_or_is_named_and_the_counts_add_up(context: FakeContext) -> None:
    crm = context.databases["crm"]
    copy = Migrate(
        source="legacy", target="crm", tables=(TableMapping(source="dirty"),), chunk_rows=5_000, max_rejects=len(REFUSED)
    )
    with pytest.raises(TooManyRejects):
        Migrate(source="legacy", target="crm", tables=copy.tables, chunk_rows=5_000, max_rejects=len(REFUSED) - 1).run(context)
    copy.run(context)
    for number, (_, _, shown, expected) in HARMLESS.items():
        assert crm.scalar(f"select {shown} from dirty where id = {number}") == expected, number  # noqa: S608 - of this file

    context.step, context.steps = "compare", {"copy": copy}
    result = Reconcile(of="copy", differences=20).run(context)
    assert isinstance(result.output, dict)
    assert result.verdict is not None
    assert result.verdict.answer is Answer.PASSED, result.summary
    count, checksum = result.output["findings"]
    assert count["figures"] == {"source": ROWS, "target": ROWS - len(REFUSED), "dead letters": len(REFUSED)}
    assert checksum["figures"]["dead letters"] == len(REFUSED)
    assert checksum["summary"] == "22 columns of 39,990 rows are the same"
    told = {int(row[0]): (row[1], row[2], row[3]) for row in letters(context)}
    assert {number: column for number, (column, _, _) in told.items()} == {
        number: column for number, (column, _, _) in REFUSED.items()
    }
    for number, (_, _, why) in REFUSED.items():
        assert why in told[number][2], told[number]
        assert told[number][1], told[number]


def letters(context: FakeContext) -> list[tuple[Any, ...]]:
    """What the report's JSON lists."""
    import json  # noqa: PLC0415 - of this function alone

    file = next((context.folder / ".changeover").rglob("compare.json"))
    found = json.loads(file.read_text(encoding="utf-8"))["findings"][0]["evidence"][0]["rows"]
    return [tuple(row.values()) for row in found]


def test_a_table_without_a_key_is_refused_with_the_cure(opened: Opener, tmp_path: Path) -> None:
    legacy, crm = opened("mariadb", "legacy"), opened("postgresql", "crm")
    for database in (legacy, crm):
        database.execute("create table keyless (name varchar(10))")
    context = FakeContext(databases={"legacy": legacy, "crm": crm}, folder=tmp_path)
    with pytest.raises(MigrationRefused, match=r"has no key in the source .*say `key: \[column\]`"):
        Migrate(source="legacy", target="crm", tables=("keyless",)).run(context)


@pytest.mark.timeout(300)
def test_pgloader_loses_rows_of_the_same_data_and_says_that_all_is_well(context: FakeContext) -> None:
    program = shutil.which("pgloader")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("pgloader is not installed; `make test` installs it")
        pytest.skip("pgloader is not installed; `make test` installs it")
    legacy, crm = (context.databases[name].engine.url for name in ("legacy", "crm"))
    script = context.folder / "dirty.load"
    script.write_text(
        f"load database from {_address(legacy, 'mysql')} into {_address(crm, 'postgresql')}\n"
        f"with data only, no truncate, batch rows = 5000\n"
        f"cast type time to interval drop typemod\n"
        f"alter schema '{legacy.database}' rename to 'public';\n",
        encoding="utf-8",
    )
    done = subprocess.run([program, str(script)], capture_output=True, text=True, check=False, timeout=200, cwd=context.folder)
    arrived = context.databases["crm"].scalar("select count(*) from dirty")
    assert done.returncode == 0, done.stderr  # it says that all is well
    assert arrived < ROWS - len(REFUSED), done.stdout


def _address(url: sa.URL, scheme: str) -> str:
    return f"{scheme}://{url.username}:{url.password}@{url.host}:{url.port}/{url.database}"
