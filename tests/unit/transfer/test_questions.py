from __future__ import annotations

from decimal import Decimal

import pytest

from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, StatementFailed
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.questions import aggregates, count_rows, duplicates, orphans, rejected_rows, sampled
from changeover.transfer.undoing import Undo


@pytest.fixture
def shop(source: OpenDatabase) -> OpenDatabase:
    source.execute("create table customers (id integer primary key, mail text)")
    source.execute("create table orders (id integer primary key, customer integer, total decimal(8,2))")
    source.execute("insert into customers values (1, 'a'), (2, 'a'), (3, null), (4, null), (5, 'b')")
    source.execute("insert into orders values (1, 1, 1.25), (2, 9, 2.5), (3, 9, 0.25), (4, null, null)")
    return source


def test_rows_are_counted_with_and_without_a_condition(shop: OpenDatabase) -> None:
    assert count_rows(shop, "orders") == 4
    assert count_rows(shop, "orders", where="total > 1 and '12:30' <> ':x'") == 2


def test_aggregates_come_exactly(shop: OpenDatabase) -> None:
    assert aggregates(shop, "orders", ["sum(total)", "count(*)", "max(customer)", "min(total)"]) == (
        Decimal("4.0"),
        Decimal(4),
        Decimal(9),
        Decimal("0.25"),
    )
    assert aggregates(shop, "orders", ["sum(total)"], where="id > 99") == (None,)


def test_orphans_are_counted_and_shown_and_empty_references_are_none(shop: OpenDatabase) -> None:
    found = orphans(shop, "orders", "customer", "customers")
    assert (found.count, found.samples) == (2, (9, 9))
    assert orphans(shop, "orders", "customer", "customers", where="child.id = 1").count == 0


def test_duplicates_are_counted_and_empty_values_are_none(shop: OpenDatabase) -> None:
    assert duplicates(shop, "customers", ["mail"]) == (("a", 2),)
    assert duplicates(shop, "customers", ["id", "mail"]) == ()


def test_rows_come_in_pages_by_key(shop: OpenDatabase) -> None:
    first = sampled(shop, "orders", "id", ["total"], limit=3)
    assert [row[0] for row in first] == [1, 2, 3]
    assert sampled(shop, "orders", "id", ["total"], after=3) == [(4, None)]
    assert [row[0] for row in sampled(shop, "orders", "customer", [])] == [1, 9, 9]


def test_a_table_that_is_not_there_is_a_clear_setback(shop: OpenDatabase) -> None:
    with pytest.raises(StatementFailed, match="database legacy: no such table: nowhere"):
        count_rows(shop, "nowhere")


def test_dead_letters_are_counted_by_run_and_forgotten_when_undone(
    shop: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    target.execute("create table customers (id integer primary key, mail text not null)")
    plan = Mapped((TableMapping(source="customers"),), max_rejects=2)
    assert rejected_rows(target, "customers", run="run_1") == 0
    Migration("run_1/copy", plan, shop, target, context).run()
    assert rejected_rows(target, "customers", run="run_1") == 2
    assert rejected_rows(target, "customers", run="runX1") == 0
    assert rejected_rows(target, "orders", run="run_1") == 0
    Undo("run_1/copy", plan, shop, target, context).run()
    assert rejected_rows(target, "customers", run="run_1") == 0
