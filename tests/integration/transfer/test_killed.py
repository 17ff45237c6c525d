"""kill -9 in the middle of a copy: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksum, checksums_of_pair
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping
from changeover.transfer.probing import Standing, standing
from changeover.transfer.undoing import Undo

Opener = Callable[[str, str], OpenDatabase]

PROCESS = Path(__file__).with_name("copying_process.py")
PLAN = Mapped((TableMapping(source="parents"), TableMapping(source="children")), chunk_rows=50, max_rejects=2)
NAME = "run/copy"


@dataclass(frozen=True, slots=True)
class Pair:
    source: OpenDatabase
    target: OpenDatabase

    def start(self) -> subprocess.Popen[str]:
        urls = [database.engine.url.render_as_string(hide_password=False) for database in (self.source, self.target)]
        root = Path(__file__).parents[3]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.Popen(
            [sys.executable, str(PROCESS), *urls, NAME],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def finish(self) -> list[str]:
        process = self.start()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out.splitlines()


@pytest.fixture(params=[("mariadb", "postgresql"), ("postgresql", "mariadb"), ("postgresql", "sqlite")], ids="-".join)
def pair(opened: Opener, request: pytest.FixtureRequest) -> Pair:
    source, target = (opened(system, name) for system, name in zip(request.param, ("legacy", "crm"), strict=True))
    for database in (source, target):
        database.execute("create table parents (id bigint not null primary key, name varchar(20) not null)")
        database.execute(
            "create table children (parent bigint not null, line integer not null, name varchar(20) not null,"
            " primary key (parent, line), foreign key (parent) references parents (id))"
        )
    with source.engine.begin() as connection:
        connection.exec_driver_sql("insert into parents values (%s, %s)", [(n, f"p{n}") for n in range(1, 1501)])
        rows = [(parent, line, "x" * line) for parent in range(1, 501) for line in range(1, 4)]
        connection.exec_driver_sql("insert into children values (%s, %s, %s)", rows)
    return Pair(source, target)


def assert_equal(pair: Pair) -> None:
    for table in ("parents", "children"):
        one, other, _ = checksums_of_pair(pair.source, Selection(table), pair.target, Selection(table))
        assert one == other


def test_a_copy_that_is_killed_again_and_again_ends_with_every_row_once(pair: Pair) -> None:
    moments = random.Random(20270313)  # noqa: S311 - moments to kill at
    kills, seen = 0, 0
    while kills < 4:
        process = pair.start()
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(moments.randrange(1, 9)):
            process.stdout.readline()
        time.sleep(moments.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()
        kills += 1
        arrived = int(pair.target.scalar("select count(*) from parents")) + int(
            pair.target.scalar("select count(*) from children")
        )
        assert arrived >= seen
        assert standing(NAME, pair.target).state in {Standing.PARTIAL, Standing.DONE}
        seen = arrived
    lines = pair.finish()
    assert lines[-1] == "finished 3000 0"
    assert_equal(pair)
    assert pair.target.scalar("select sum(rows_written) from changeover_chunk where state = 'done'") == 3000


def test_two_workers_share_the_chunks_and_do_none_twice(pair: Pair) -> None:
    workers = [pair.start(), pair.start()]
    ends = [worker.communicate(timeout=90) for worker in workers]
    assert [out.splitlines()[-1] for out, _ in ends] == ["finished 3000 0"] * 2, ends
    assert_equal(pair)
    assert pair.target.scalar("select sum(rows_written) from changeover_chunk where state = 'done'") == 3000


def test_undo_after_a_kill_leaves_the_target_as_it_was(pair: Pair) -> None:
    before = {table: checksum(pair.target, table) for table in ("parents", "children")}
    process = pair.start()
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(12):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    process.stderr.close()
    assert checksum(pair.target, "parents") != before["parents"]
    Undo(NAME, PLAN, pair.source, pair.target, FakeContext()).run()
    assert {table: checksum(pair.target, table) for table in before} == before
