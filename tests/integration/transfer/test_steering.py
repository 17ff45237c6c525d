"""A copy between real servers is slowed down, held, released and given other workers while it goes on; every row arrives once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from changeover.contracts import Value
from changeover.engine.clock import SystemClock
from changeover.errors import Stopped
from changeover.testing import FakeContext
from changeover.transfer import pace
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.reports import Report
from changeover.transfer.throttle import LoadProbe, Throttle
from changeover.transfer.undoing import Undo

Opener = Callable[[str, str], OpenDatabase]

ROWS = 4_000
CHUNK = 100


@dataclass(slots=True)
class Steered(FakeContext):
    """Sleeps as long as it is told to, and keeps what the copy tells."""

    figures: list[dict[str, Value]] = field(default_factory=list)

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        self.figures.append({"done": done, "total": total, **figures})

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self.check_stopped()


class Copy:
    """A copy in a thread."""

    def __init__(self, source: OpenDatabase, target: OpenDatabase, *, workers: int, throttle: Throttle) -> None:
        self.source, self.target = source, target
        self.context = Steered(clock=SystemClock())
        mapped = Mapped((TableMapping("customers", "arrived"),), chunk_rows=CHUNK, workers=workers)
        self.migration = Migration("run/copy", mapped, source, target, self.context, throttle=throttle)
        self.ended: list[Report | BaseException] = []
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> Copy:
        self.thread.start()
        return self

    def _work(self) -> None:
        try:
            self.ended.append(self.migration.run())
        except BaseException as error:  # noqa: BLE001 - looked at where the test waits
            self.ended.append(error)

    @property
    def arrived(self) -> int:
        try:
            return int(self.target.scalar("select count(*) from arrived"))
        except Exception:  # noqa: BLE001 - a lock, once in a while
            return 0

    def until(self, condition: Callable[[], Any], what: str) -> None:
        until = time.monotonic() + 60
        while not condition():
            assert not self.ended, (what, self.ended)
            assert time.monotonic() < until, (what, self.context.figures[-3:], self.context.said)
            time.sleep(0.02)

    def report(self) -> Report:
        self.thread.join(90)
        assert self.ended, (self.context.said, self.context.figures[-3:])
        (ended,) = self.ended
        assert isinstance(ended, Report), ended
        return ended

    def stop(self) -> None:
        self.context.stopped = "the test is over"
        self.thread.join(30)
        assert all(isinstance(ended, Report | Stopped) for ended in self.ended)


Begin = Callable[..., Copy]


@pytest.fixture
def begin(opened: Opener) -> Iterator[Begin]:
    copies: list[Copy] = []

    def start(
        *, workers: int = 1, throttle: Throttle | None = None, to: str = "mariadb-postgresql", **adjustments: Value
    ) -> Copy:
        systems = to.split("-")
        source, target = opened(systems[0], "legacy"), opened(systems[1], "crm")
        for database, table in ((source, "customers"), (target, "arrived")):
            database.execute(f"create table {table} (id bigint not null primary key, name varchar(40) not null)")
        with source.engine.begin() as connection:
            rows = [(number, f"név {number}") for number in range(1, ROWS + 1)]
            connection.exec_driver_sql("insert into customers values (%s, %s)", rows)
        source.execute("create table busy (load_now integer not null)")
        source.execute("insert into busy values (1)")
        copy = Copy(source, target, workers=workers, throttle=throttle or Throttle())
        copy.context.adjustments.update(adjustments)
        copies.append(copy)
        return copy.start()

    yield start
    for copy in copies:
        copy.stop()


def assert_all_there_once(copy: Copy) -> None:
    assert copy.report().rows == ROWS
    one, other, _ = checksums_of_pair(copy.source, Selection("customers"), copy.target, Selection("arrived"))
    assert one == other
    assert copy.target.scalar("select sum(rows_written) from changeover_chunk where state = 'done'") == ROWS


def open_transactions(copy: Copy) -> int:
    return int(
        copy.target.scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and state like 'idle in transaction%'"
        )
    )


@pytest.mark.parametrize(("workers", "to"), [(1, "mariadb-postgresql"), (2, "mariadb-postgresql"), (1, "postgresql-postgresql")])
def test_a_copy_is_held_in_the_middle_moves_nothing_and_goes_on(
    begin: Begin, workers: int, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "KEPT_S", 0.3)
    copy = begin(workers=workers, to=to, rows_per_second=400)
    copy.until(lambda: 0 < copy.arrived < ROWS, "some rows")
    copy.context.adjustments["hold"] = True
    copy.until(lambda: copy.context.figures and copy.context.figures[-1].get("because") == "held", "the hold")
    if workers == 1:  # the limit of a worker process is not this process's
        copy.until(lambda: open_transactions(copy) == 0, "the chunk given back")
    time.sleep(1.0)
    before = copy.arrived
    time.sleep(1.5)
    assert copy.arrived == before
    assert 0 < before < ROWS
    copy.context.adjustments.update({"hold": False, "rows_per_second": None})
    assert_all_there_once(copy)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_copy_goes_no_faster_than_people_allow(begin: Begin, workers: int) -> None:
    began = time.monotonic()
    copy = begin(workers=workers, rows_per_second=1_000)
    assert_all_there_once(copy)
    assert time.monotonic() - began > ROWS / 1_000 * 0.7
    assert any(figures.get("because") == "at most 1,000 rows/s" for figures in copy.context.figures)


@pytest.mark.parametrize(("workers", "to"), [(1, "mariadb-postgresql"), (2, "mariadb-postgresql"), (1, "postgresql-mariadb")])
def test_a_slow_copy_makes_its_chunks_shorter_so_that_no_transaction_stays_open(begin: Begin, workers: int, to: str) -> None:
    copy = begin(workers=workers, to=to, rows_per_second=10 * workers)
    copy.until(lambda: copy.arrived > 0, "a chunk")
    copy.context.adjustments["rows_per_second"] = None
    assert_all_there_once(copy)
    assert copy.target.scalar("select count(*) from changeover_chunk where rows_written between 1 and 50") > 0
    assert copy.target.scalar("select count(*) from changeover_chunk") > ROWS // CHUNK
    Undo("run/copy", copy.migration.mapped, copy.source, copy.target, FakeContext()).run()
    assert copy.arrived == 0


def test_a_copy_gets_more_workers_and_fewer(begin: Begin) -> None:
    copy = begin(workers=1, rows_per_second=400)
    copy.until(lambda: copy.arrived > 0, "some rows")
    copy.context.adjustments["workers"] = 2
    copy.until(lambda: "2 workers side by side" in copy.context.said, "two workers")
    copy.until(lambda: copy.arrived > ROWS // 4, "more rows")
    copy.context.adjustments["workers"] = 1
    copy.until(lambda: copy.arrived > ROWS // 2, "even more rows")
    copy.context.adjustments["rows_per_second"] = None
    assert_all_there_once(copy)


def test_where_one_writes_at_a_time_more_workers_are_refused_in_words(begin: Begin) -> None:
    copy = begin(to="mariadb-sqlite", rows_per_second=500)
    copy.until(lambda: copy.arrived > 0, "some rows")
    copy.context.adjustments.update({"workers": 3, "rows_per_second": None})
    assert copy.report().rows == ROWS
    assert "3 workers were asked for; it stays at one: crm lets one write at a time" in copy.context.said


def test_a_busy_source_slows_the_copy_down_then_stops_it_and_each_change_is_said_once(begin: Begin) -> None:
    probe = LoadProbe("select load_now from busy", most=40, critical=200, every=timedelta(milliseconds=50))
    copy = begin(throttle=Throttle(rows_per_s=500, probe=probe))
    copy.until(lambda: copy.arrived > 0, "some rows")
    copy.source.execute("update busy set load_now = 55")
    copy.until(lambda: any("slowed to" in line for line in copy.context.said), "slower")
    copy.source.execute("update busy set load_now = 300")
    copy.until(lambda: any("stopped between two blocks" in line for line in copy.context.said), "the stop")
    copy.until(lambda: "stopped: " in str(copy.context.figures[-1].get("because")), "the reason")
    before = copy.arrived
    time.sleep(1.0)
    assert copy.arrived - before <= CHUNK
    copy.source.execute("update busy set load_now = 1")
    copy.until(lambda: any("as fast as allowed again" in line for line in copy.context.said), "free again")
    assert_all_there_once(copy)
    said = [line for line in copy.context.said if "the load of legacy is" in line]
    assert said[1] == "stopped between two blocks: the load of legacy is 300, critical from 200 on"
    assert len(said) == 4


def test_a_probe_that_cannot_be_read_is_said_once_and_the_copy_goes_on(begin: Begin) -> None:
    probe = LoadProbe("select nothing from nowhere", most=1, every=timedelta(milliseconds=20))
    copy = begin(throttle=Throttle(rows_per_s=2_000, probe=probe))
    assert_all_there_once(copy)
    (said,) = [line for line in copy.context.said if line.startswith("the load of legacy is not known")]
    assert "nowhere" in said
