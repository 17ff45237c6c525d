"""A journal that cannot be written: one clear sentence, nothing lost, and it goes on when the trouble is over."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.contracts import Clock, Mode
from changeover.journal import schema
from changeover.journal.chain import verify
from changeover.journal.connections import Connections
from changeover.journal.events import Draft, EventKind
from changeover.journal.store import Journal, JournalUnavailable, Owner, RunRecord
from changeover.journal.tables import schema as whole_schema
from changeover.sandbox.servers import postgresql

OWNER = Owner("oksana", "crm-ops-1", 4242)


def run_called(name: str, clock: Clock) -> RunRecord:
    return RunRecord(name, "crm", "CRM", "sandbox", Mode.REHEARSE, "oksana", clock.now(), "", "a.yaml", {}, {}, {})


def said(line: str) -> Draft:
    return Draft(EventKind.STEP_SAID, "deploy", 1, data={"line": line})


@pytest.fixture
def small_disk(disk_of: Callable[[int], Path]) -> Path:
    """A disk of 512 KiB."""
    return disk_of(512)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_disk_stops_the_journal_and_space_lets_it_go_on(small_disk: Path, clock: Clock) -> None:
    with Journal.open(f"sqlite:///{small_disk / 'journal.db'}", clock=clock) as journal:
        journal.create_run(run_called("crm-1", clock))
        lease = journal.take_lease("crm-1", OWNER, seconds=60)
        appended = 0
        with pytest.raises(JournalUnavailable, match="the disk is full") as full:  # noqa: PT012 - nobody knows which one fails
            while True:
                appended = journal.append(lease, [said("x" * 500) for _ in range(20)])[-1].seq
        assert str(small_disk / "journal.db") in str(full.value)
        assert "free some space" in full.value.hint
        assert len(journal.events("crm-1")) == appended  # what was committed can still be read
        with pytest.raises(JournalUnavailable, match="the disk is full"):
            journal.append(lease, [said("y" * 500) for _ in range(20)])
        remount(small_disk, "size=4m")
        assert journal.append(lease, [said("goes on")])[0].seq == appended + 1
        assert verify(journal.events("crm-1"), head=journal.head("crm-1").hash) is None


def test_a_journal_on_a_read_only_disk_says_so(small_disk: Path, clock: Clock) -> None:
    url = f"sqlite:///{small_disk / 'journal.db'}"
    Journal.open(url, clock=clock).close()
    remount(small_disk, "ro")
    with (
        pytest.raises(JournalUnavailable, match=r"journal\.db cannot be used") as refused,
        Journal.open(url, clock=clock) as journal,
    ):
        journal.create_run(run_called("crm-1", clock))
    assert "writable" in refused.value.hint or "permissions" in refused.value.hint
    with pytest.raises(JournalUnavailable, match="read-only file system"):
        Journal.open(f"sqlite:///{small_disk / 'new.db'}", clock=clock)


def as_ordinary_user(work: Callable[[], str]) -> str:
    """What *work* says in a child that may not write everywhere: root may."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a pipe has no path
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the child only opens a file
@pytest.mark.parametrize("at_work", [False, True])
def test_reading_a_journal_writes_nothing(open_folder: Path, clock: Clock, *, at_work: bool) -> None:
    state = open_folder / "state"
    state.mkdir()
    url = f"sqlite:///{state / 'journal.db'}"

    def read() -> str:
        with Journal.open(url, clock=clock, create=False) as journal:
            found = journal.runs()[0].id
            try:
                journal.create_run(run_called("crm-2", clock))
            except JournalUnavailable as error:
                return f"{found}; {error}"
        return "it was written to"

    with ExitStack() as engine:
        journal = engine.enter_context(Journal.open(url, clock=clock))
        journal.create_run(run_called("crm-1", clock))
        if not at_work:
            engine.close()
        names, written = {path.name for path in state.iterdir()}, (state / "journal.db").stat().st_mtime_ns
        assert at_work == ("journal.db-wal" in names)
        for path in state.iterdir():
            path.chmod(0o444)
        state.chmod(0o555)
        try:
            assert re.fullmatch(r"crm-1; the journal .*journal\.db cannot be used: it is read-only", as_ordinary_user(read))
            assert {path.name for path in state.iterdir()} == names
            assert (state / "journal.db").stat().st_mtime_ns == written
        finally:
            state.chmod(0o755)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the child only opens a file
def test_a_read_only_folder_is_said_by_its_path(open_folder: Path, tmp_path: Path, clock: Clock) -> None:
    state = open_folder / "state"
    Journal.open(f"sqlite:///{tmp_path / 'warm.db'}", clock=clock).close()  # what the child will need is imported

    def work(url: str) -> str:
        try:
            with Journal.open(url, clock=clock) as journal:
                journal.create_run(run_called("crm-1", clock))
        except JournalUnavailable as error:
            return f"{error} | {error.hint}"
        return "it was opened"

    state.mkdir(mode=0o555)
    answer = as_ordinary_user(lambda: work(f"sqlite:///{state}/journal.db"))
    assert answer.startswith(
        f"the journal {state}/journal.db cannot be used: permission denied | make the folder writable for you"
    )
    state.chmod(0o755)
    Journal.open(f"sqlite:///{state}/journal.db", clock=clock).close()
    (state / "journal.db").chmod(0o444)
    state.chmod(0o555)
    answer = as_ordinary_user(lambda: work(f"sqlite:///{state}/journal.db"))
    assert answer.startswith(f"the journal {state}/journal.db cannot be used: ")
    assert " | " in answer
    assert not answer.endswith("| ")


# PostgreSQL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda url: url.set(password="wr0ng-s3cret"), "it refuses the user or the password"),  # noqa: S106 - wrong
        (lambda url: url.set(database="no_such_database"), "the database or the user does not exist there"),
        (lambda url: url.set(port=1), "nothing answers there"),
        (lambda url: url.set(host="no-such-host.invalid"), "its host name is unknown"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_without_a_password(
    fresh_postgresql_url: str, clock: Clock, change: Callable[[sa.URL], sa.URL], message: str
) -> None:
    url = change(sa.make_url(fresh_postgresql_url)).render_as_string(hide_password=False)
    with pytest.raises(JournalUnavailable, match=message) as refused:
        Journal.open(url, clock=clock)
    assert "s3cret" not in str(refused.value) + refused.value.hint
    assert "postgresql://postgres@" in str(refused.value)


def test_a_user_without_rights_is_told_so(fresh_postgresql_url: str, clock: Clock) -> None:
    server = sa.create_engine(fresh_postgresql_url)
    with server.begin() as connection:
        connection.exec_driver_sql("drop role if exists guest")
        connection.exec_driver_sql("create role guest login password 'gu3st'")
        connection.exec_driver_sql("revoke create on schema public from public")
    url = sa.make_url(fresh_postgresql_url).set(username="guest", password="gu3st")  # noqa: S106 - a test's own
    with pytest.raises(JournalUnavailable, match="the user has no rights there"):
        Journal.open(url.render_as_string(hide_password=False), clock=clock)
    with server.begin() as connection:
        connection.exec_driver_sql("drop role guest")
    server.dispose()


def test_plain_postgresql_urls_and_options_of_ones_own_will_do(fresh_postgresql_url: str, clock: Clock) -> None:
    plain = fresh_postgresql_url.replace("postgresql+psycopg", "postgres") + "?connect_timeout=3&application_name=mine"
    with Journal.open(plain, clock=clock) as journal, journal._connections.read() as connection:  # noqa: SLF001 - to look
        assert connection.exec_driver_sql("show application_name").scalar() == "mine"
        assert connection.exec_driver_sql("show lock_timeout").scalar() == "10s"


def test_migrations_and_new_tables_are_the_same_on_postgresql(fresh_postgresql_url: str, clock: Clock) -> None:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow, and for this test alone
    from alembic.migration import MigrationContext  # noqa: PLC0415 - the same

    connections = Connections(fresh_postgresql_url)
    with connections.write() as connection:
        schema.upgrade(connection, "0001")
    with Journal.open(fresh_postgresql_url, clock=clock) as journal:
        journal.create_run(run_called("crm-1", clock))
    with connections.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "changeover_version"})
        assert compare_metadata(context, whole_schema()) == []
        assert schema.version_of(connection) == schema.NEWEST
    connections.close()


def test_a_connection_cut_by_the_server_is_noticed_and_nothing_is_written_twice(fresh_postgresql_url: str, clock: Clock) -> None:
    """The server ends every session again and again while an engine appends and tries again, as engines do."""
    done = threading.Event()
    server = sa.create_engine(fresh_postgresql_url, isolation_level="AUTOCOMMIT")

    def cut() -> None:
        with server.connect() as connection:
            while not done.wait(0.03):
                connection.exec_driver_sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'changeover' and datname = current_database()"
                )

    with Journal.open(fresh_postgresql_url, clock=clock) as journal:
        journal.create_run(run_called("crm-1", clock))
        lease = journal.take_lease("crm-1", OWNER, seconds=60)
        thread = threading.Thread(target=cut)
        thread.start()
        cuts = 0
        try:
            for number in range(150):
                cuts += patiently(lambda number=number: journal.append(lease, [said(str(number))]))  # type: ignore[misc]  # bound here
                if number % 10 == 0:
                    cuts += patiently(lambda: journal.renew_lease(lease, seconds=60))
        finally:
            done.set()
            thread.join(timeout=10)
            server.dispose()
        events = journal.events("crm-1")
        assert [event.data["line"] for event in events] == [str(number) for number in range(150)]
        assert verify(events, head=journal.head("crm-1").hash) is None
        assert cuts > 0
        journal.renew_lease(lease, seconds=60)
        assert journal.ownership("crm-1").live


def patiently(write: Callable[[], object]) -> int:
    """Try until it is done; how often the journal could not be used."""
    for attempt in range(200):
        try:
            write()
        except JournalUnavailable:
            time.sleep(0.01)
        else:
            return attempt
    pytest.fail("the journal never came back")


def test_a_restarted_server_costs_a_clear_error_and_nothing_else(server_folder: Path, clock: Clock) -> None:
    if postgresql.find() is None:
        pytest.skip("PostgreSQL is not installed; `make test` installs it")
    folder = server_folder / "restarted"
    server = postgresql.start(folder, password="pg-s3cret", fsync=False)  # noqa: S106 - a test's own
    try:
        with Journal.open(postgresql.create_database(server, "journal"), clock=clock) as journal:
            journal.create_run(run_called("crm-1", clock))
            lease = journal.take_lease("crm-1", OWNER, seconds=60)
            journal.append(lease, [said("before")])
            postgresql.stop(server.process, server.folder)
            with pytest.raises(JournalUnavailable, match=r"nothing answers there|closed the connection|is gone") as gone:
                journal.append(lease, [said("after")])
            assert "pg-s3cret" not in str(gone.value)
            with pytest.raises(JournalUnavailable):
                journal.renew_lease(lease, seconds=60)
            assert "PostgreSQL" in gone.value.hint
    finally:
        postgresql.stop(server.process, server.folder)
