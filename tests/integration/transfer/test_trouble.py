"""What goes wrong around a copy: one clear message, and a state from which the next run goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.contracts import Value
from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, StatementFailed, open_database
from changeover.transfer.failing import CopyFailed
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.planning import MigrationRefused
from changeover.transfer.probing import Standing, standing
from changeover.transfer.questions import count_rows
from changeover.transfer.reconcile.drilling import compare
from changeover.transfer.reconcile.pairs import NotComparable, pair_of
from changeover.transfer.reconcile.words import ColumnPair, TablePair
from changeover.transfer.reports import Report

Opener = Callable[[str, str], OpenDatabase]

MAPPED = Mapped((TableMapping(source="t"),), chunk_rows=100)
NAME = "run/copy"
#: Ends every other connection to the same database of PostgreSQL.
OTHERS = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid <> pg_backend_pid() and datname = current_database() and backend_type = 'client backend'"
)


@dataclass(slots=True)
class Acting(FakeContext):
    """Does something once, when the copy has come so far."""

    act: Callable[[], object] = field(default=lambda: None)
    at: int = 300  # type: ignore[assignment]

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        if self.at and done >= self.at:
            self.at = 0
            self.act()


def filled(database: OpenDatabase, rows: int = 1000) -> None:
    database.execute("create table t (id bigint not null primary key, name varchar(200))")
    with database.engine.begin() as connection:
        table = sa.table("t", sa.column("id"), sa.column("name"))
        connection.execute(table.insert(), [{"id": number, "name": "x" * 150} for number in range(1, rows + 1)])


def copied(source: OpenDatabase, target: OpenDatabase, context: FakeContext | None = None) -> Report:
    return Migration(NAME, MAPPED, source, target, context or FakeContext()).run()


def assert_goes_on(source: OpenDatabase, target: OpenDatabase) -> None:
    report = copied(source, target)
    assert (report.rows, count_rows(target, "t")) == (1000, 1000)
    assert compare(pair_of(TablePair("t"), source, target), lambda *_: None).differences == ()


def cut_and_gone_on(source: OpenDatabase, target: OpenDatabase, cut: Callable[[], object]) -> None:
    """Cut the connections in the middle: either the copy helps itself, or it says what happened and the next run goes on."""
    cuts: list[int] = []

    def act() -> None:
        cuts.append(count_rows(target, "t"))
        cut()

    try:
        copied(source, target, Acting(act=act))
        said = ""
    except CopyFailed as failed:
        said = f"{failed}; {failed.hint}"
    if said:
        assert re.match(r"copying .+ failed: .+; .*try the step again and it goes on from there", said)
        assert standing(NAME, target).state is Standing.PARTIAL
    assert cuts
    assert_goes_on(source, target)


@pytest.fixture
def pair(opened: Opener, request: pytest.FixtureRequest) -> tuple[OpenDatabase, OpenDatabase]:
    source, target = (opened(system, name) for system, name in zip(request.param, ("legacy", "crm"), strict=True))
    filled(source)
    target.execute("create table t (id bigint not null primary key, name varchar(200))")
    return source, target


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], ids="-".join, indirect=True)
def test_a_target_in_which_nothing_may_be_written_says_so_and_goes_on_once_it_may(
    pair: tuple[OpenDatabase, OpenDatabase],
) -> None:
    source, target = pair
    role = f"loader_{abs(hash(str(target.engine.url))) % 10**6}"
    target.execute(f"create role {role} login password 'x'")
    address = target.engine.url
    entry = DatabaseEntry(url=address.set(username=role, password=None).render_as_string())
    limited = open_database("crm", entry, "x")
    try:
        target.execute(f"grant create, usage on schema public to {role}")
        with pytest.raises((CopyFailed, MigrationRefused), match=r"permission denied for table t"):
            copied(source, limited)
        assert count_rows(target, "t") == 0
        target.execute(f"grant select, insert, update, delete on t to {role}")
        assert_goes_on(source, limited)
    finally:
        limited.close()
        target.execute(f"drop owned by {role}")
        target.execute(f"drop role {role}")


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], ids="-".join, indirect=True)
def test_a_connection_that_is_cut_is_named_and_the_next_run_goes_on(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    source, target = pair
    cutter = sa.create_engine(target.engine.url, poolclass=sa.NullPool)

    def cut() -> None:
        with cutter.begin() as connection:
            connection.exec_driver_sql(OTHERS).all()

    cut_and_gone_on(source, target, cut)


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], ids="-".join, indirect=True)
def test_a_source_that_cuts_its_connections_is_named_and_the_next_run_goes_on(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    source, target = pair
    cutter = sa.create_engine(source.engine.url, poolclass=sa.NullPool)

    def cut() -> None:
        with cutter.connect() as connection:
            others = connection.exec_driver_sql(
                "select id from information_schema.processlist where db = database() and id <> connection_id()"
            ).all()
            for (number,) in others:
                connection.exec_driver_sql(f"kill {number:d}")

    cut_and_gone_on(source, target, cut)


@pytest.mark.parametrize("pair", [("postgresql", "sqlite"), ("mariadb", "sqlite")], ids="-".join, indirect=True)
def test_a_full_disk_is_named_and_the_next_run_goes_on_when_there_is_room(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    source, target = pair
    pages: list[int] = [30]  # of 4 kB; SQLite refuses to grow beyond just as it does on a full disk

    @sa.event.listens_for(target.engine, "checkout")
    def small(connection: Any, *_: object) -> None:
        connection.execute(f"pragma max_page_count = {pages[0]}")

    with pytest.raises(CopyFailed, match=r"copying .* failed: database or disk is full"):
        copied(source, target)
    assert standing(NAME, target).state is Standing.PARTIAL
    assert count_rows(target, "t") < 1000
    pages[0] = 100_000
    assert_goes_on(source, target)


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], ids="-".join, indirect=True)
def test_what_cannot_be_compared_is_said_before_anything_is(pair: tuple[OpenDatabase, OpenDatabase]) -> None:
    source, target = pair
    with pytest.raises(NotComparable, match="table t cannot be compared: legacy has no column title in t"):
        pair_of(TablePair("t", columns={"name": "title"}), source, target)
    target.execute("create table keyless (name varchar(10))")
    source.execute("create table keyless (name varchar(10))")
    with pytest.raises(NotComparable, match=r"nothing tells its rows apart; say `key: \[column\]`"):
        pair_of(TablePair("keyless"), source, target)
    wrong = pair_of(TablePair("t", where="no such thing"), source, target)
    with pytest.raises(StatementFailed, match=r"database legacy: .*SQL syntax"):
        compare(wrong, lambda *_: None)
    expression = pair_of(TablePair("t", columns={"name": ColumnPair(sql="upper(name)")}), source, target)
    assert len(compare(expression, lambda *_: None, limit=5).differences) == 5


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], ids="-".join, indirect=True)
def test_types_that_cannot_become_each_other_and_missing_columns_are_all_named_at_once(
    pair: tuple[OpenDatabase, OpenDatabase],
) -> None:
    source, target = pair
    source.execute("create table odd (id bigint primary key, doc blob, day date)")
    target.execute("create table odd (id bigint primary key, doc date, day boolean, more integer not null)")
    with pytest.raises(MigrationRefused) as refused:
        Migration(NAME, Mapped((TableMapping(source="odd", columns={"extra": "id"}),)), source, target, FakeContext()).run()
    said = str(refused.value)
    for part in (
        "cannot take doc (blob) into doc (date)",
        "cannot take day (date) into day (boolean)",
        "column more must not be empty, has no default, and nothing fills it",
        "has no column extra",
    ):
        assert part in said
