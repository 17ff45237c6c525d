"""Somebody else holds a lock: the copy waits for it, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping

Opener = Callable[[str, str], OpenDatabase]


@dataclass(slots=True)
class Patient(FakeContext):
    """Somebody takes the lock when the first line is said, and lets go when the copy waits."""

    holder: sa.Connection | None = None
    waited: list[float] = field(default_factory=list)

    def say(self, line: str) -> None:
        if self.holder is not None:
            self.holder.exec_driver_sql("begin immediate")

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        if self.holder is not None:
            self.holder.rollback()


def test_a_locked_database_is_waited_for(opened: Opener) -> None:
    legacy, crm = opened("sqlite", "legacy"), opened("sqlite", "crm")
    legacy.execute("create table t (id integer primary key, unused text)")
    crm.execute("create table t (id integer primary key)")
    legacy.execute("insert into t values (1, ''), (2, '')")
    with crm.engine.connect() as holder:
        context = Patient(holder=holder)
        plan = Mapped((TableMapping(source="t"),), chunk_rows=1)
        assert Migration("run/copy", plan, legacy, crm, context).run().rows == 2
        assert context.waited
