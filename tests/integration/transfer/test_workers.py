"""Workers die, servers are restarted under a copy: every row arrives once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord
from changeover.sandbox.servers import mariadb, postgresql
from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase
from changeover.transfer.mapping import Mapped, TableMapping

Opener = Callable[[str, str], OpenDatabase]

PROCESS = Path(__file__).with_name("copying_process.py")
ROWS = 3000


def filled(source: OpenDatabase, target: OpenDatabase) -> None:
    for database in (source, target):
        database.execute("create table parents (id bigint not null primary key, name varchar(20) not null)")
        database.execute(
            "create table children (parent bigint not null, line integer not null, name varchar(20) not null,"
            " primary key (parent, line), foreign key (parent) references parents (id))"
        )
    with source.engine.begin() as connection:
        connection.exec_driver_sql("insert into parents values (%s, %s)", [(n, f"ő{n}") for n in range(1, 1501)])
        rows = [(parent, line, "x" * line) for parent in range(1, 501) for line in range(1, 4)]
        connection.exec_driver_sql("insert into children values (%s, %s, %s)", rows)


def assert_all_there_once(source: OpenDatabase, target: OpenDatabase) -> None:
    for table in ("parents", "children"):
        one, other, _ = checksums_of_pair(source, Selection(table), target, Selection(table))
        assert one == other
    assert target.scalar("select sum(rows_written) from changeover_chunk where state = 'done'") == ROWS


@dataclass
class Copying:
    """A migration in a process of its own, with two workers."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        assert self.process.stdout is not None
        found = self.process.stdout.readline()
        assert found, self.process.communicate(timeout=30)[1]
        return found

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]

    def rest(self) -> str:
        out, err = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, err
        return out


def url(database: OpenDatabase) -> str:
    return database.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def copying() -> Iterator[Callable[[OpenDatabase, OpenDatabase], Copying]]:
    started: list[subprocess.Popen[str]] = []

    def start(source: OpenDatabase, target: OpenDatabase) -> Copying:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        command = [sys.executable, str(PROCESS), url(source), url(target), "run/copy", "2"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return Copying(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.timeout(300)
def test_workers_killed_at_twenty_moments_of_one_migration_lose_nothing_and_copy_nothing_twice(
    opened: Opener, copying: Callable[[OpenDatabase, OpenDatabase], Copying]
) -> None:
    seed = random.randrange(10**9)  # noqa: S311 - moments
    dice = random.Random(seed)  # noqa: S311
    source, target = opened("mariadb", "legacy"), opened("postgresql", "crm")
    filled(source, target)
    running = copying(source, target)
    kills = 0
    while kills < 20:
        for _ in range(dice.randrange(1, 4)):
            running.line()
        time.sleep(dice.random() * 0.02)
        victims = running.workers()
        if victims:
            os.kill(dice.choice(victims), signal.SIGKILL)
            kills += 1
    assert f"finished {ROWS} 0" in running.rest(), seed
    assert_all_there_once(source, target)


def _lives(pid: int) -> bool:
    """Whether a process is there, and no zombie: a container may have nobody who buries orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_with_the_process_that_started_them(
    opened: Opener, copying: Callable[[OpenDatabase, OpenDatabase], Copying]
) -> None:
    source, target = opened("mariadb", "legacy"), opened("postgresql", "crm")
    filled(source, target)
    running = copying(source, target)
    running.line()
    workers = running.workers()
    assert workers
    running.process.kill()
    until = time.monotonic() + 20
    while any(_lives(pid) for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.05)
    report = Migration(
        "run/copy", Mapped((TableMapping("parents"), TableMapping("children"))), source, target, FakeContext()
    ).run()
    assert report.rows == ROWS
    assert_all_there_once(source, target)


def restarted(record: ProcessRecord, folder: Path, signal_: signal.Signals, *accounts: str) -> ProcessRecord:
    """The same server again, on the same data and port."""
    command = Path(f"/proc/{record.pid}/cmdline").read_text(encoding="utf-8").rstrip("\0").split("\0")
    processes.end(record, first=signal_, seconds=20.0)
    arguments = [part for part in command if not part.startswith("--init-file")]
    real = folder.resolve()
    account = processes.ordinary_account(*accounts)
    return processes.spawn(record.name, arguments, log=real / "server.log", folder=real, account=account)


@pytest.mark.timeout(300)
def test_both_servers_restarted_under_a_copy_lose_nothing_and_copy_nothing_twice(
    opened: Opener,
    copying: Callable[[OpenDatabase, OpenDatabase], Copying],
    tmp_path: Path,
    mariadb_url: str,
    postgresql_url: str,
) -> None:
    """The shared servers are asked for only because they say what is not installed."""
    from changeover.runbook.systems import DatabaseEntry  # noqa: PLC0415 - only here
    from changeover.transfer.databases import open_database  # noqa: PLC0415

    old = mariadb.start(tmp_path / "mariadb", password="s", fsync=False)  # noqa: S106 - a test's own
    new = postgresql.start(tmp_path / "postgresql", password="s", fsync=False)  # noqa: S106
    here, there = old.process, new.process
    try:
        addresses = (mariadb.create_database(old, "crm"), postgresql.create_database(new, "crm"))
        source, target = (open_database(name, DatabaseEntry(url=url), "") for name, url in zip("ab", addresses, strict=True))
        filled(source, target)
        running = copying(source, target)
        for _ in range(2):
            for _ in range(15):
                running.line()
            there = restarted(there, new.folder, signal.SIGINT, "postgres")
            for _ in range(15):
                running.line()
            here = restarted(here, old.folder, signal.SIGKILL, "mysql")
        rest = running.rest()
        assert f"finished {ROWS} 0" in rest
        assert "a connection was lost" in rest
        assert_all_there_once(source, target)
        source.close()
        target.close()
    finally:
        mariadb.stop(here, old.folder)
        postgresql.stop(there, new.folder)
