from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from changeover.errors import Setback
from changeover.testing import FakeContext
from changeover.transfer.control import ChunkRecord
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.planning import TablePlan


@dataclass
class Watching:
    """Counts what it finds in the target after each chunk; gives up at *limit*."""

    limit: int = 1_000
    found: list[tuple[str, int, int, int]] = field(default_factory=list)

    def chunk_copied(self, plan: TablePlan, chunk: ChunkRecord, reading: sa.Connection, writing: sa.Connection) -> None:
        assert not writing.in_transaction()
        with writing.begin():
            rows = writing.exec_driver_sql("select count(*) from t").scalar_one()
        self.found.append((plan.into, chunk.number, chunk.written, rows))
        if rows > self.limit:
            raise Setback


def test_an_onlooker_sees_every_chunk_once_it_is_committed(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    filled(source, target)
    onlooker = Watching()
    Migration("run/copy", mapped(), source, target, context, onlooker).run()
    assert onlooker.found == [("t", 1, 10, 10), ("t", 2, 10, 20), ("t", 3, 5, 25)]


def test_what_an_onlooker_does_not_like_stops_the_copy_and_what_is_finished_is_kept(
    source: OpenDatabase, target: OpenDatabase, context: FakeContext
) -> None:
    filled(source, target)
    with pytest.raises(Setback):
        Migration("run/copy", mapped(), source, target, context, Watching(limit=10)).run()
    assert target.scalar("select count(*) from t") == 20
    assert Migration("run/copy", mapped(), source, target, context).run().rows == 25


def mapped() -> Mapped:
    return Mapped((TableMapping(source="t"),), chunk_rows=10)


def filled(source: OpenDatabase, target: OpenDatabase) -> None:
    for database in (source, target):
        database.execute("create table t (id integer primary key, name text)")
    for number in range(1, 26):
        source.execute("insert into t values (:id, 'x')", id=number)
