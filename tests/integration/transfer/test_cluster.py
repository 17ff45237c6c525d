"""The same chunks on a Dask cluster of two worker processes: one is killed, every row is there once, and no secret passes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Value
from changeover.engine.clock import SystemClock
from changeover.errors import Stopped
from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.checksums import Selection, checksums_of_pair
from changeover.transfer.cluster import ClusterUnfit
from changeover.transfer.copying import Migration
from changeover.transfer.databases import OpenDatabase, SecretNotSent, open_database
from changeover.transfer.mapping import ColumnMapping, Mapped, TableMapping
from changeover.transfer.reports import Report

Opener = Callable[[str, str], OpenDatabase]

ROWS = 6_000
CHUNK = 50
ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Telling(FakeContext):
    """Sleeps as long as it is told to, and keeps the figures."""

    figures: list[dict[str, Value]] = field(default_factory=list)

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        self.figures.append({"done": done, **figures})

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        self.check_stopped()


@dataclass(slots=True)
class Cluster:
    """A scheduler and its workers, each a process with a log."""

    port: int
    folder: Path
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def start(self, name: str, *words: str, **secrets: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False", **secrets}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )

    def logs(self) -> str:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in self.folder.glob("*.log"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def pair(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OpenDatabase, OpenDatabase]]:
    """Both databases, with their passwords by reference."""
    found = []
    for system, name in (("mariadb", "legacy"), ("postgresql", "crm")):
        database = opened(system, name)
        url = database.engine.url
        database.execute("create table customers (id bigint not null primary key, name varchar(40) not null)")
        monkeypatch.setenv(f"{name.upper()}_PASSWORD", url.password or "")
        bare = url.render_as_string(hide_password=False).replace(f":{url.password}@", "@")
        found.append(open_database(name, DatabaseEntry(url=bare, password=f"env:{name.upper()}_PASSWORD"), url.password or ""))
    with found[0].engine.begin() as connection:
        connection.exec_driver_sql("insert into customers values (%s, %s)", [(n, f"név {n}") for n in range(1, ROWS + 1)])
    yield found[0], found[1]
    for database in found:
        database.close()


@pytest.fixture
def cluster(tmp_path: Path, pair: tuple[OpenDatabase, OpenDatabase]) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    found = Cluster(free_port(), folder)
    where = ("--host", "127.0.0.1", "--port", str(found.port), "--no-dashboard")
    found.scheduler = found.start("scheduler", "scheduler", *where)
    scheduler = f"tcp://127.0.0.1:{found.port}"
    for number in (1, 2):
        words = ("worker", scheduler, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        found.workers.append(found.start(f"worker-{number}", *words))
    try:
        end = time.monotonic() + 60
        while found.logs().count("Register worker") < 2:
            assert time.monotonic() < end, found.logs()
            time.sleep(0.1)
        yield found
    finally:
        for process in (*found.workers, found.scheduler):
            process.kill()
            process.wait(timeout=30)


def migration(pair: tuple[OpenDatabase, OpenDatabase], workers: str, **adjustments: Value) -> Migration:
    context = Telling(clock=SystemClock())
    context.adjustments.update(adjustments)
    mapped = Mapped((TableMapping("customers"),), chunk_rows=CHUNK, workers=workers)
    return Migration("run/copy", mapped, *pair, context)


def begun(copy: Migration) -> tuple[threading.Thread, list[Any]]:
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.append(copy.run())
        except BaseException as error:  # noqa: BLE001 - looked at where the test waits
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, ended


def until(condition: Callable[[], bool], ended: list[Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert not ended, ended
        assert time.monotonic() < end
        time.sleep(0.05)


def arrived(target: OpenDatabase) -> int:
    return int(target.scalar("select count(*) from customers"))


def test_a_worker_of_the_cluster_is_killed_and_every_row_is_there_once(
    pair: tuple[OpenDatabase, OpenDatabase], cluster: Cluster
) -> None:
    source, target = pair
    copy = migration(pair, cluster.address, rows_per_second=800)
    thread, ended = begun(copy)
    until(lambda: arrived(target) > 5 * CHUNK, ended)
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    copy.context.adjustments["hold"] = True  # type: ignore[attr-defined]
    time.sleep(4)
    before = arrived(target)
    time.sleep(2)
    assert arrived(target) == before
    copy.context.adjustments.update({"hold": False, "rows_per_second": None})  # type: ignore[attr-defined]
    thread.join(100)
    assert ended, cluster.logs()[-3000:]
    assert isinstance(ended[0], Report), (ended, cluster.logs()[-3000:])
    assert ended[0].rows == ROWS
    one, other, _ = checksums_of_pair(source, Selection("customers"), target, Selection("customers"))
    assert one == other
    sums = "select sum(rows_written) from changeover_chunk where state = 'done'"
    assert target.scalar(sums) == ROWS
    assert f"2 workers of the cluster {cluster.address}" in copy.context.said  # type: ignore[attr-defined]
    logs = cluster.logs()
    assert "Register worker" in logs
    for database in pair:
        assert database.engine.url.password
        assert str(database.engine.url.password) not in logs


def test_a_copy_that_is_stopped_leaves_nothing_in_the_air_and_functions_of_the_project_were_called(
    pair: tuple[OpenDatabase, OpenDatabase], cluster: Cluster, tmp_path: Path
) -> None:
    _, target = pair
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "names.py").write_text("def marked(value):\n    return f'{value}!'\n", encoding="utf-8")
    copy = migration(pair, cluster.address, rows_per_second=400)
    made = TableMapping("customers", columns={"name": ColumnMapping(call="checks.names:marked")})
    copy = replace(copy, mapped=replace(copy.mapped, tables=(made,), project=tmp_path))
    thread, ended = begun(copy)
    until(lambda: arrived(target) > 0, ended)
    copy.context.stopped = "abort"  # type: ignore[attr-defined]
    thread.join(60)
    assert isinstance(ended[0], Stopped), ended
    idle = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and state like 'idle in transaction%'"
    )
    end = time.monotonic() + 30
    while target.scalar(idle):
        assert time.monotonic() < end, cluster.logs()[-2000:]
        time.sleep(0.1)
    assert target.scalar("select sum(rows_written) from changeover_chunk where state = 'done'") == arrived(target)
    assert target.scalar("select count(*) from customers where name = 'név ' || id || '!'") == arrived(target)


def test_a_cluster_that_cannot_do_it_is_refused_before_a_row_moves(
    pair: tuple[OpenDatabase, OpenDatabase], opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.transfer.cluster._ANSWER_S", 1)
    with pytest.raises(ClusterUnfit, match="its scheduler does not answer"):
        migration(pair, f"dask://127.0.0.1:{free_port()}").run()
    assert arrived(pair[1]) == 0
    clear = open_database("legacy", DatabaseEntry(url=pair[0].engine.url.render_as_string(hide_password=False)), "")
    with pytest.raises(SecretNotSent, match="its password is no reference"):
        migration((clear, pair[1]), "dask://127.0.0.1:1").run()
    clear.close()
    files = opened("sqlite", "files")
    files.execute("create table customers (id integer primary key, name text)")
    files.execute("insert into customers values (1, 'a')")
    with pytest.raises(ClusterUnfit, match="both databases have to be servers"):
        migration((files, pair[1]), "dask://127.0.0.1:1").run()
