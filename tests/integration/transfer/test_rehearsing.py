"""A rehearsal on real servers: it tells what the night would meet, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, StatementFailed
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.rehearsing import SCRATCH, ScratchTaken, rehearse

Opener = Callable[[str, str], OpenDatabase]

MAPPED = Mapped((TableMapping(source="parents", where="name <> 'test: 10:00'"), TableMapping(source="children")))


@pytest.fixture(params=[("mariadb", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "sqlite")], ids="-".join)
def pair(opened: Opener, request: pytest.FixtureRequest) -> tuple[OpenDatabase, OpenDatabase]:
    source, target = (opened(system, name) for system, name in zip(request.param, ("legacy", "crm"), strict=True))
    source.execute("create table parents (id bigint primary key, name varchar(40))")
    source.execute("create table children (id bigint primary key, parent bigint)")
    target.execute("create table parents (id bigint primary key, name varchar(8))")
    target.execute("create table children (id bigint primary key, parent bigint, foreign key (parent) references parents (id))")
    target.execute("insert into parents values (5, 'is here')")
    with source.engine.begin() as connection:
        names = [(number, "much too long" if number % 50 == 0 else f"n{number}") for number in range(1, 1001)]
        connection.exec_driver_sql("insert into parents values (%s, %s)", [*names, (2000, "test: 10:00")])
        children = [(number, 2000 if number <= 7 else number) for number in range(1, 1001)]
        connection.exec_driver_sql("insert into children values (%s, %s)", children)
    return source, target


def test_refusals_orphans_and_the_duration_are_told_and_the_target_is_as_before(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    whole = rehearse(MAPPED, *pair, FakeContext(), one_in=1)
    parents, children = whole.tables["parents"], whole.tables["children"]
    assert (parents.rows, parents.sampled, parents.expected_rejects) == (1000, 1000, 20)
    assert [(each.column, each.rows) for each in parents.refused] == [("name", 20)]
    assert [(each.column, each.parent, each.rows) for each in children.orphans] == [("parent", "parents", 7)]
    share = rehearse(MAPPED, *pair, FakeContext(), one_in=10)
    assert 50 <= share.tables["parents"].sampled <= 200
    assert share.tables["parents"].sampled == rehearse(MAPPED, *pair, FakeContext(), one_in=10).tables["parents"].sampled
    assert pair[1].rows("select id, name from parents") == [{"id": 5, "name": "is here"}]
    assert pair[1].scalar("select count(*) from children") == 0
    if pair[1].engine.dialect.name != "sqlite":
        left = "select count(*) from information_schema.schemata where schema_name = :name"
        assert pair[1].scalar(left, name=SCRATCH) == 0
    with pytest.raises(StatementFailed):
        pair[1].scalar("select count(*) from changeover_chunk")


def test_a_target_that_knows_a_real_migration_is_rehearsed_like_any_other(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    pair[1].execute("create table u (id bigint primary key, name varchar(40))")
    real = Mapped((TableMapping(source="parents", target="u"),))
    Migration("real/copy", real, *pair, FakeContext()).run()
    figures = "select count(*) from changeover_migration union all select count(*) from changeover_chunk order by 1"
    before = pair[1].rows(figures)
    for one_in, sampled in ((1, 1000), (10, 200), (1, 1000)):
        found = rehearse(MAPPED, *pair, FakeContext(), one_in=one_in).tables["parents"]
        assert found.sampled <= sampled
        assert found.refused
    assert pair[1].rows(figures) == before
    assert pair[1].scalar("select count(*) from changeover_rejects") == 0


def test_a_schema_that_somebody_else_made_is_not_touched(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    if pair[1].engine.dialect.name == "sqlite":
        return  # its scratch is a file of its own
    pair[1].execute(f"create schema {SCRATCH}")
    try:
        with pytest.raises(ScratchTaken, match=f"has a schema {SCRATCH} already"):
            rehearse(MAPPED, *pair, FakeContext(), one_in=10)
        assert pair[1].scalar("select count(*) from information_schema.schemata where schema_name = :name", name=SCRATCH) == 1
    finally:
        pair[1].execute(f"drop schema {SCRATCH}")
