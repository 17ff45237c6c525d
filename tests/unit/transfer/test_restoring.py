from __future__ import annotations

import pytest

from changeover.transfer.checksums import checksum
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.restoring import CannotPutBack, put_back, save_rows
from changeover.transfer.shapes import TableMissing


@pytest.fixture
def prices(source: OpenDatabase) -> OpenDatabase:
    source.execute("create table prices (id integer primary key, region text, price decimal(8,2))")
    source.execute("insert into prices values (1, 'HU', 10), (2, 'UA', 20), (3, 'HU', 30)")
    return source


def test_a_saved_table_comes_back_exactly_however_often(prices: OpenDatabase) -> None:
    before = checksum(prices, "prices")
    assert save_rows(prices, table="prices", saved="prices_before") == 3
    prices.execute("update prices set price = price * 2")
    prices.execute("delete from prices where id = 3")
    prices.execute("insert into prices values (4, 'PL', 40)")
    assert put_back(prices, table="prices", saved="prices_before") == 3
    assert put_back(prices, table="prices", saved="prices_before") == 3
    assert checksum(prices, "prices") == before


def test_only_the_saved_part_comes_back(prices: OpenDatabase) -> None:
    assert save_rows(prices, table="prices", saved="hu", where="region = 'HU'") == 2
    prices.execute("update prices set price = 0")
    assert put_back(prices, table="prices", saved="hu", where="region = 'HU'") == 2
    assert [row["price"] for row in prices.rows("select price from prices order by id")] == [10, 0, 30]


def test_the_first_state_saved_is_the_one_that_is_kept(prices: OpenDatabase) -> None:
    save_rows(prices, table="prices", saved="prices_before")
    prices.execute("delete from prices")
    assert save_rows(prices, table="prices", saved="prices_before") == 3


def test_a_copy_without_some_column_is_refused_and_nothing_is_lost(prices: OpenDatabase) -> None:
    prices.execute("create table half (id integer)")
    with pytest.raises(CannotPutBack, match="the copy has no region, price"):
        put_back(prices, table="prices", saved="half")
    assert prices.scalar("select count(*) from prices") == 3


def test_a_copy_that_is_not_there_is_named(prices: OpenDatabase) -> None:
    with pytest.raises(TableMissing, match="no table prices_befor") as missing:
        put_back(prices, table="prices", saved="prices_befor")
    assert "prices" in missing.value.hint
