"""Every difference between two tables, down to the row and the column, in every direction between three systems."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from changeover.transfer.databases import OpenDatabase
from changeover.transfer.reconcile import areas, drilling
from changeover.transfer.reconcile.differences import Compared, Gap
from changeover.transfer.reconcile.drilling import compare, expected_keys
from changeover.transfer.reconcile.pairs import pair_of
from changeover.transfer.reconcile.words import TablePair

Opener = Callable[[str, str], OpenDatabase]

SYSTEMS = ("mariadb", "postgresql", "sqlite")
TYPES = {
    "mariadb": {"moment": "datetime(6)", "flag": "tinyint(1)", "raw": "varbinary(20)", "doc": "json", "rate": "double"},
    "postgresql": {"moment": "timestamp", "flag": "boolean", "raw": "bytea", "doc": "jsonb", "rate": "double precision"},
    "sqlite": {"moment": "datetime", "flag": "boolean", "raw": "blob", "doc": "json", "rate": "double precision"},
}
TABLE = """create table {table} (id {key} not null primary key, name varchar(40), money decimal(12,2), day date, made {moment},
    flag {flag}, raw {raw}, doc {doc}, rate {rate}){options}"""


def filled(database: OpenDatabase, table_name: str, system: str, rows: int, *, text_key: bool) -> None:
    words = {**TYPES[system], "key": "varchar(20)" if text_key else "bigint"}
    options = " character set utf8mb4 collate utf8mb4_general_ci" if system == "mariadb" else ""
    database.execute(TABLE.format(table=table_name, options=options, **words))
    with database.engine.begin() as connection:
        table = sa.Table(table_name, sa.MetaData(), autoload_with=connection)
        made = [_row(number, text_key=text_key) for number in range(1, rows + 1)]
        if system == "mariadb":  # its JSON is a text
            made = [{**row, "doc": json.dumps(row["doc"], ensure_ascii=False) if row["name"] else None} for row in made]
        connection.execute(table.insert(), made)


def _row(number: int, *, text_key: bool) -> dict[str, object]:
    from datetime import date, datetime, timedelta  # noqa: PLC0415 - of this function alone
    from decimal import Decimal  # noqa: PLC0415

    full = number % 3 > 0
    return {
        "id": f"{'Ő' if number % 2 else 'o'}-{number}" if text_key else number * 3,
        "name": f"Ügyfél; {number}" if full else None,
        "money": Decimal(number * 10) / 4 if full else None,
        "day": date(2024, 2, 29) + timedelta(days=number) if full else None,
        "made": datetime(2024, 3, 31, 2, 30) + timedelta(microseconds=number * 100) if full else None,  # noqa: DTZ001 - as it is stored
        "flag": number % 2 == 0 if full else None,
        "raw": bytes([0, number % 256, 255]) if full else None,
        "doc": {"ő": number, "list": [1, 2.5]} if full else sa.null(),  # not JSON's own null
        "rate": number / 7 if full else None,
    }


PLANTED = (
    ("update u set name = null where id = {7}", "name"),
    ("update u set name = 'Ügyfél; 10 ' where id = {10}", "name"),
    ("update u set money = 0 where id = {9}", "money"),
    ("update u set made = '2024-03-31 02:30:00.001301' where id = {13}", "made"),
    ("update u set day = '2024-03-01' where id = {16}", "day"),
    ("update u set rate = 0.5 where id = {19}", "rate"),
    ("update u set doc = '{{}}' where id = {22}", "doc"),
    ("delete from u where id = {25}", ""),
)


def planted(database: OpenDatabase, *, text_key: bool) -> None:
    for statement, _ in PLANTED:
        for number in range(7, 26):
            mark = "{" + str(number) + "}"
            if mark in statement:
                key = _row(number, text_key=text_key)["id"]
                text = f"'{key}'" if text_key else str(key)
                assert (
                    database.execute(
                        statement.replace(mark, text).replace("{{}}", "{}").replace(":30", "\\:30").replace(":00", "\\:00")
                    )
                    == 1
                )
    database.execute("insert into u (id) values (:key)", key="extra" if text_key else 100)


def found(compared: Compared) -> dict[object, tuple[Gap, tuple[str, ...]]]:
    return {
        difference.key[0]: (
            difference.gap,
            tuple(field.column for field in difference.fields) if difference.gap is Gap.DIFFERS else (),
        )
        for difference in compared.differences
    }


@pytest.mark.parametrize("text_key", [False, True], ids=["integer key", "text key"])
@pytest.mark.parametrize(("one", "two"), list(itertools.product(SYSTEMS, SYSTEMS)))
def test_every_planted_difference_is_named(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, one: str, two: str, *, text_key: bool
) -> None:
    monkeypatch.setattr(areas, "AREA_ROWS", 40)
    monkeypatch.setattr(drilling, "AREA_ROWS", 5)  # so that an area that differs is cut in two as well
    source, target = opened(one, "legacy"), opened(two, "crm")
    filled(source, "t", one, 200, text_key=text_key)
    filled(target, "u", two, 200, text_key=text_key)
    pair = pair_of(TablePair("t", "u"), source, target)
    told: list[tuple[int, int]] = []
    equal = compare(pair, lambda done, total: told.append((done, total)))
    assert (equal.source_rows, equal.target_rows, equal.differences, equal.complete) == (200, 200, (), True)
    assert told
    planted(target, text_key=text_key)
    expected: dict[object, tuple[Gap, tuple[str, ...]]] = {
        _row(number, text_key=text_key)["id"]: (Gap.DIFFERS, (column,))
        for number, (_, column) in zip((7, 10, 9, 13, 16, 19, 22), PLANTED, strict=False)
    }
    expected[_row(25, text_key=text_key)["id"]] = (Gap.MISSING, ())
    expected["extra" if text_key else 100] = (Gap.EXTRA, ())
    assert found(compare(pair, lambda *_: None)) == expected
    letters = expected_keys(pair, [(_row(25, text_key=text_key)["id"],)])
    explained = compare(pair, lambda *_: None, expected_missing=letters)
    assert explained.explained == 1
    assert explained.number(Gap.MISSING) == 0


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_more_differences_are_looked_for_than_anybody_wants_to_read(opened: Opener, system: str) -> None:
    source, target = opened(system, "legacy"), opened("sqlite", "crm")
    filled(source, "t", system, 30, text_key=False)
    filled(target, "u", "sqlite", 30, text_key=False)
    target.execute("update u set name = 'x'")
    compared = compare(pair_of(TablePair("t", "u"), source, target), lambda *_: None, limit=10)
    assert (len(compared.differences), compared.complete) == (10, False)
