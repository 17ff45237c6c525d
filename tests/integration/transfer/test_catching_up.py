"""A source that goes on changing: after the last delta the target holds what it holds, and its undo leaves nothing behind."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa

from changeover.contracts import Answer, Result
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile
from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksum, checksums_of_pair
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.delta_words import Buried, Delta, Tombstones, Until
from changeover.transfer.failing import TooManyRejects
from changeover.transfer.mapping import ColumnMapping, TableMapping
from changeover.transfer.passes import NotCaughtUp, NotFollowed, SourceStillWritten
from changeover.transfer.planning import MigrationRefused

Opener = Callable[[str, str], OpenDatabase]

DELTA = Delta("updated_at")
PARENTS = """create table customers (
    id bigint not null primary key, email varchar(60) unique, name varchar(20), updated_at {moment})"""
CHILDREN = """create table orders (customer bigint not null, line integer not null, item varchar(20) not null, {gone}
    updated_at {moment}, primary key (customer, line), foreign key (customer) references customers (id))"""
MOMENTS = {"mariadb": "timestamp(6) null", "postgresql": "timestamptz", "sqlite": "datetime"}
NOW = {"mariadb": "now(6)", "postgresql": "clock_timestamp()", "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')"}
HOSTILE = "na`me \"'; drop table t; --"
ROWS = 1200  # more than one batch


@dataclass
class Pair:
    system: str
    source: OpenDatabase
    target: OpenDatabase
    plan: Migrate = field(
        default_factory=lambda: Migrate("legacy", "crm", ("customers", "orders"), chunk_rows=500, max_rejects=3, delta=DELTA)
    )

    def __post_init__(self) -> None:
        self.context = FakeContext(
            run_id="run", step="copy", databases={"legacy": self.source, "crm": self.target}, steps={"copy": self.plan}
        )

    def fill(self) -> None:
        with self.source.engine.begin() as connection:
            rows = [{"id": n, "email": f"{n}@x", "name": f"n{n}"} for n in range(1, ROWS + 1)]
            connection.execute(
                sa.text("insert into customers values (:id, :email, :name, NOW)".replace("NOW", NOW[self.system])),
                rows,
            )
            rows = [{"id": n, "line": line, "item": "x" * line} for n in range(1, 601) for line in (1, 2)]
            connection.execute(
                sa.text(
                    "insert into orders (customer, line, item, updated_at) values (:id, :line, :item, NOW)".replace(
                        "NOW", NOW[self.system]
                    )
                ),
                rows,
            )

    def change(self, statement: str, **values: object) -> int:
        return self.source.execute(statement.replace("NOW", NOW[self.system]), **values)

    def with_plan(self, **changes: Any) -> None:
        self.plan = replace(self.plan, **changes)
        self.context.steps = {"copy": self.plan}

    def copy(self) -> Result:
        return self.plan.run(self.context)

    def catch_up(self, *, final: bool = True) -> Result:
        return Migrate(catch_up="copy", final=final).run(self.context)

    def undo(self) -> Result:
        return Migrate(undo="copy").run(self.context)

    def tally(self) -> tuple[int, int, int]:
        row = self.target.rows("select sum(rows_read) r, sum(rows_written) w, sum(rows_rejected) j from changeover_chunk")[0]
        return int(row["r"]), int(row["w"]), int(row["j"])


@pytest.fixture
def pair(opened: Opener, request: pytest.FixtureRequest) -> Pair:
    systems: tuple[str, str] = request.param
    found = Pair(systems[0], opened(systems[0], "legacy"), opened(systems[1], "crm"))
    for system, database in zip(systems, (found.source, found.target), strict=True):
        database.execute(PARENTS.format(moment=MOMENTS[system]))
        database.execute(CHILDREN.format(moment=MOMENTS[system], gone=""))
    found.fill()
    return found


@pytest.fixture
def to_postgresql(opened: Opener) -> Pair:
    found = Pair("mariadb", opened("mariadb", "legacy"), opened("postgresql", "crm"))
    for system, database in (("mariadb", found.source), ("postgresql", found.target)):
        database.execute(PARENTS.format(moment=MOMENTS[system]))
        database.execute(CHILDREN.format(moment=MOMENTS[system], gone="deleted_at timestamp null,"))
    found.fill()
    return found


def changed_in_every_way(pair: Pair) -> None:
    pair.change("update customers set name = 'new', updated_at = NOW where id between 100 and 1150")
    pair.change("insert into customers values (:id, 'late@x', 'late', NOW)", id=ROWS + 10)
    pair.change("insert into orders (customer, line, item, updated_at) values (:id, 1, 'late', NOW)", id=ROWS + 10)
    pair.change("insert into customers values (0, 'restored@x', 'old', :then)", then="2001-01-01 00:00:00")
    pair.change("insert into customers values (:id, null, 'never', null)", id=ROWS + 20)
    pair.change("delete from orders where customer between 20 and 30")
    pair.change("delete from customers where id between 20 and 30")
    pair.change("delete from orders where customer = 500 and line = 2")


@pytest.mark.parametrize(
    ("pair", "others"),
    [
        (("mariadb", "postgresql"), 0),
        (("mariadb", "postgresql"), 40),
        (("postgresql", "mariadb"), 40),
        (("sqlite", "postgresql"), 0),
        (("postgresql", "sqlite"), 0),
    ],
    indirect=["pair"],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "beside-others" if value else "alone",
)
def test_after_the_last_delta_both_sides_say_the_same_and_an_undo_leaves_what_was_there(pair: Pair, others: int) -> None:
    with pair.target.engine.begin() as connection:
        for number in range(others):
            connection.execute(sa.text("insert into customers (id, name) values (:id, 'mobile')"), {"id": 900_000 + number})
    before = checksum(pair.target, "customers")
    first = pair.copy()
    assert first.output["delta"]["passes"] == 1  # type: ignore[index,call-overload]
    assert "caught up: last pass 0 rows in" in first.summary
    changed_in_every_way(pair)
    last = pair.catch_up()
    assert "caught up for good" in last.summary
    for table, ours in (("customers", "id < 900000"), ("orders", "")):
        mine, theirs, _ = checksums_of_pair(pair.source, Selection(table), pair.target, Selection(table, where=ours))
        assert mine == theirs
    source = int(pair.source.scalar("select (select count(*) from customers) + (select count(*) from orders)"))
    assert pair.tally() == (source, source, 0)
    pair.change("update customers set name = 'again', updated_at = NOW where id = 7")
    pair.catch_up()
    assert pair.target.scalar("select name from customers where id = 7") == "again"
    pair.undo()
    assert checksum(pair.target, "customers") == before
    assert checksum(pair.target, "orders").rows == 0


def test_a_row_that_turns_bad_becomes_a_dead_letter_and_a_mended_one_arrives(to_postgresql: Pair) -> None:
    pair = to_postgresql
    pair.change("alter table customers modify name varchar(60)")
    pair.change("update customers set name = repeat('x', 30), updated_at = NOW where id in (700, 701)")
    pair.copy()
    assert pair.tally()[2] == 2
    pair.change("update customers set name = 'short', updated_at = NOW where id = 700")
    pair.change("update customers set name = repeat('y', 30), updated_at = NOW where id = 702")
    # two rows exchange what only one may have
    pair.change("update customers set email = null where id = 801")
    pair.change("update customers set email = '801@x', updated_at = NOW where id = 800")
    pair.change("update customers set email = '800@x', updated_at = NOW where id = 801")
    # one goes and another one takes its address
    pair.change("delete from customers where id = 900")
    pair.change("insert into customers values (:id, '900@x', 'heir', NOW)", id=ROWS + 1)
    pair.catch_up()
    letters = pair.target.rows("select row_key, column_name, raw_row from changeover_rejects order by row_key")
    assert [row["row_key"] for row in letters] == ["[701]", "[702]"]
    assert "yyy" in letters[1]["raw_row"]
    assert pair.target.rows("select id from customers where id in (700, 701, 702, 900) order by id") == [{"id": 700}]
    assert pair.target.rows("select email from customers where id in (800, 801) order by id") == [
        {"email": "801@x"},
        {"email": "800@x"},
    ]
    source = int(pair.source.scalar("select (select count(*) from customers) + (select count(*) from orders)"))
    assert pair.tally() == (source, source - 2, 2)
    pair.change("update customers set name = repeat('y', 30), updated_at = NOW where id between 710 and 712")
    with pytest.raises(TooManyRejects, match="5 rows were rejected, 3 allowed"):
        pair.catch_up()


@dataclass
class Writer:
    """Somebody who works with the old system all the time, in transactions that take a while."""

    source: OpenDatabase
    seed: int
    changes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        moves, new = random.Random(self.seed), ROWS + 1000  # noqa: S311 - what to change
        while not self._stop.is_set():
            with self.source.engine.begin() as connection:
                for _ in range(moves.randrange(1, 6)):
                    customer, name = moves.randrange(1, ROWS), f"w{self.changes}"
                    match moves.randrange(4):
                        case 0:
                            new += 1
                            email = moves.choice([None, f"w{new}@x"])
                            connection.execute(
                                sa.text("insert into customers values (:id, :email, :name, now(6))"),
                                {"id": new, "email": email, "name": name},
                            )
                            connection.execute(
                                sa.text("insert into orders (customer, line, item, updated_at) values (:id, 1, 'w', now(6))"),
                                {"id": new},
                            )
                        case 1:
                            values = {"id": moves.randrange(ROWS + 1000, new + 1) if moves.random() < 0.5 else customer}
                            connection.execute(sa.text("delete from orders where customer = :id"), values)
                            connection.execute(sa.text("delete from customers where id = :id"), values)
                        case _:
                            connection.execute(
                                sa.text("update customers set name = :name, updated_at = now(6) where id = :id"),
                                {"id": customer, "name": name},
                            )
                    self.changes += 1
                    self._stop.wait(0.002)


def test_copy_delta_freeze_last_delta_and_reconcile_finds_no_difference(to_postgresql: Pair) -> None:
    pair = to_postgresql
    pair.with_plan(chunk_rows=200, max_rejects=0)
    pair.change("update customers set updated_at = '2020-01-01 00:00:00' where id = :id", id=ROWS)  # nobody touches it
    seed = random.randrange(1_000_000)  # noqa: S311 - what to change
    sys.stdout.write(f"seed {seed}\n")
    with Writer(pair.source, seed) as writer:
        first = pair.copy()
        second = pair.catch_up(final=False)
    last = pair.catch_up()
    assert writer.changes > 20
    delta: Any = [first.output, second.output, last.output]
    assert sum(each["delta"]["changed"] for each in delta) > 20
    verdict = Reconcile(of="copy").run(pair.context).verdict
    assert verdict is not None
    assert verdict.answer is Answer.PASSED, verdict
    assert pair.target.scalar("select count(*) from changeover_rejects") == 0
    # a change that leaves its watermark alone is seen by nobody but the checksums
    pair.change("update customers set name = 'by hand', updated_at = updated_at where id = :id", id=ROWS)
    assert pair.catch_up().output["delta"]["changed"] == 0  # type: ignore[index,call-overload]
    found = Reconcile(of="copy").run(pair.context)
    assert found.verdict is not None
    assert found.verdict.answer is Answer.FAILED
    assert "by hand" in str(found.output)
    pair.undo()
    assert pair.target.scalar("select (select count(*) from customers) + (select count(*) from orders)") == 0


def test_rows_that_say_that_they_are_deleted_go_and_are_never_copied(to_postgresql: Pair) -> None:
    pair = to_postgresql
    pair.with_plan(
        delta=None,
        tables=(
            TableMapping("customers", delta="ignore"),
            TableMapping("orders", where="item <> 'test'", delta=replace(DELTA, deletes=Buried(Tombstones(column="deleted_at")))),
        ),
    )
    pair.change("update orders set deleted_at = NOW where customer = 5")
    pair.copy()
    assert pair.target.scalar("select count(*) from orders where customer = 5") == 0
    pair.change("update orders set deleted_at = NOW, updated_at = NOW where customer = 6 and line = 1")
    pair.change("update orders set deleted_at = null, updated_at = NOW where customer = 5 and line = 2")
    last = pair.catch_up()
    assert last.output["delta"]["gone"] == 1  # type: ignore[index,call-overload]
    assert pair.target.rows("select customer, line from orders where customer in (5, 6) order by 1, 2") == [
        {"customer": 5, "line": 2},
        {"customer": 6, "line": 2},
    ]
    assert Reconcile(of="copy").run(pair.context).verdict.answer is Answer.PASSED  # type: ignore[union-attr]
    pair.change("delete from orders where customer = 7")  # without a tombstone
    with pytest.raises(NotFollowed, match="the source has 1,196 rows, 1,198 were read") as trouble:
        pair.catch_up()
    assert "only `deletes: compare_keys` finds those" in trouble.value.hint


def test_a_source_that_is_still_written_is_not_called_frozen_and_a_fast_one_not_caught_up(to_postgresql: Pair) -> None:
    pair = to_postgresql
    pair.copy()

    def meddle(line: str) -> None:
        if line.startswith("pass "):
            pair.change("update customers set name = 'busy', updated_at = NOW where id < 50")

    pair.with_plan(delta=replace(DELTA, until=Until(rows=10, passes=2)))
    pair.context.said = Meddling(meddle)
    meddle("pass 0 would have found nothing")
    with pytest.raises(NotCaughtUp, match="after 2 passes: the last one brought 49 rows"):
        pair.catch_up(final=False)
    with pytest.raises(SourceStillWritten, match="the source is not frozen: customers changed while pass 2 ran"):
        pair.catch_up()


class Meddling(list[str]):
    """Does something whenever a line is said."""

    def __init__(self, act: Callable[[str], None]) -> None:
        super().__init__()
        self._act = act
        self._busy = False

    def append(self, line: str) -> None:
        super().append(line)
        if not self._busy:
            self._busy = True
            self._act(line)
            self._busy = False


def test_a_date_in_the_future_hides_no_later_change(to_postgresql: Pair) -> None:
    pair = to_postgresql
    pair.change("update customers set updated_at = '2037-01-01 00:00:00' where id = 3")
    pair.plan.dry_run(pair.context)
    said = "\n".join(pair.context.said)
    assert "customers: then passes bring rows whose updated_at says that they changed since 20" in said
    assert "rows that are gone are found by comparing keys" in said
    assert "customers: updated_at has no index" in said
    pair.context.said.clear()
    pair.copy()
    pair.change("update customers set name = 'seen', updated_at = NOW where id = 4")
    pair.change("update customers set name = 'seen too' where id = 3")
    assert Migrate(catch_up="copy").dry_run(pair.context).output == {"behind": {"customers": 2, "orders": 0}}
    pair.catch_up()
    assert pair.target.rows("select name from customers where id in (3, 4) order by id") == [
        {"name": "seen too"},
        {"name": "seen"},
    ]
    said = "\n".join(pair.context.said)
    assert "customers: updated_at has no index, so every pass reads the whole table" in said
    assert "customers: 1 row with a updated_at that the source's clock has not reached" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"delta": Delta("changed_at")}, "the source has no column changed_at"),
        ({"delta": Delta("name")}, "name is varchar.*; it takes a column with date and time, which says when a row changed"),
        ({"delta": replace(DELTA, deletes=Buried(Tombstones(column="gone")))}, "the source has no column gone"),
        (
            {"tables": (TableMapping("customers", columns={"id": ColumnMapping(sql="id + 1000000")}),)},
            "the target's key must be the source's",
        ),
    ],
)
def test_what_cannot_catch_up_is_refused_before_a_byte_moves(to_postgresql: Pair, changes: dict[str, Any], says: str) -> None:
    pair = to_postgresql
    pair.with_plan(**{"tables": ("customers",), **changes})
    with pytest.raises(MigrationRefused, match=says):
        pair.copy()
    assert pair.target.scalar("select count(*) from customers") == 0


@pytest.mark.parametrize("pair", [("mariadb", "postgresql")], indirect=True, ids="-".join)
def test_a_delta_that_is_killed_again_and_again_ends_exactly(pair: Pair) -> None:
    """Beside rows of others, so that the keys which it keeps have to be right too."""
    pair.target.execute("insert into customers (id, name) values (900000, 'mobile')")
    before = checksum(pair.target, "customers")
    pair.with_plan(chunk_rows=500)
    pair.copy()
    changed_in_every_way(pair)
    seed = random.randrange(1_000_000)  # noqa: S311 - moments to kill at
    sys.stdout.write(f"seed {seed}\n")
    moments = random.Random(seed)  # noqa: S311 - as above
    for _ in range(3):
        process = catching(pair)
        assert process.stdout is not None
        for _ in range(moments.randrange(1, 9)):
            process.stdout.readline()
        time.sleep(moments.random() * 0.05)
        process.kill()
        process.communicate(timeout=30)
    out, err = catching(pair).communicate(timeout=90)
    assert "caught up for good" in out, err
    for table in ("customers", "orders"):
        mine, theirs, _ = checksums_of_pair(
            pair.source, Selection(table), pair.target, Selection(table, where="id < 900000" if table == "customers" else "")
        )
        assert mine == theirs
    source = int(pair.source.scalar("select (select count(*) from customers) + (select count(*) from orders)"))
    assert pair.tally() == (source, source, 0)
    pair.undo()
    assert checksum(pair.target, "customers") == before


def catching(pair: Pair) -> subprocess.Popen[str]:
    urls = [database.engine.url.render_as_string(hide_password=False) for database in (pair.source, pair.target)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.transfer.catching_process", *urls],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "systems", [("mariadb", "postgresql"), ("postgresql", "mariadb"), ("sqlite", "postgresql")], ids="-".join
)
def test_hostile_names_and_values_that_are_equal_and_not_the_same_are_brought(opened: Opener, systems: tuple[str, str]) -> None:
    source, target = (opened(system, name) for system, name in zip(systems, ("legacy", "crm"), strict=True))
    for system, database in zip(systems, (source, target), strict=True):
        quote = database.engine.dialect.identifier_preparer.quote
        name = quote(HOSTILE)
        types = {"mariadb": "json", "postgresql": "json", "sqlite": "text"}
        database.execute(
            f"create table t (id integer primary key, {name} varchar(20), doc {types[system]}, number decimal(10,2),"
            f" updated_at {MOMENTS[system]})"
        )
        if database is source:
            database.execute("insert into t values (1, 'A', '{}', 1, :then), (2, 'B', '[]', 1, :then)", then="2027-01-01")
    plan = Migrate("legacy", "crm", ("t",), delta=DELTA)
    context = FakeContext(run_id="run", step="copy", databases={"legacy": source, "crm": target}, steps={"copy": plan})
    plan.run(context)
    quote = source.engine.dialect.identifier_preparer.quote
    name = quote(HOSTILE)
    changed = "update t set {} = 'a', doc = '{{\"a\": 2}}', number = 2, updated_at = :now where id = 1"
    source.execute(changed.format(name), now="2027-01-02")
    Migrate(catch_up="copy", final=True).run(context)
    one, other, _ = checksums_of_pair(source, Selection("t"), target, Selection("t"))
    assert one == other
