"""What is particular to SQLite, or needs no server; the suite for every database stands in tests/integration/journal."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.journal.chain import verify
from changeover.journal.connections import Connections
from changeover.journal.events import Command, Draft, EventKind, Verb
from changeover.journal.fold import fold
from changeover.journal.store import (
    Journal,
    JournalAddressWrong,
    JournalUnavailable,
    Lease,
    LeaseLost,
    Owner,
    RunOwned,
    RunRecord,
)


def said(line: str) -> Draft:
    return Draft(EventKind.STEP_SAID, "deploy", 1, data={"line": line})


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:s3cret@db/journal", "not a url", "://s3cret", ""])
def test_an_address_that_is_no_journals_is_refused_without_showing_it(url: str, clock: Clock) -> None:
    with pytest.raises(JournalAddressWrong) as refused:
        Journal.open(url, clock=clock)
    assert "s3cret" not in str(refused.value) + refused.value.hint
    assert "CHANGEOVER_JOURNAL" in refused.value.hint


@pytest.mark.parametrize("name", ["with blank", "percent%20", "журнал", "quote'd", "plus+and&"])
def test_a_journal_can_be_called_anything(name: str, tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / f"{name}.db"
    url = sa.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    with Journal.open(url, clock=clock) as journal:
        assert journal.where == str(path)
    assert path.exists()


def test_a_commit_is_durable_and_readers_do_not_wait(url: str) -> None:
    connections = Connections(url)
    connections.make_file(create=True)
    with connections.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    connections.close()
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_readers_see_what_is_committed_while_a_writer_is_at_work(url: str, journal: Journal, lease: Lease) -> None:
    journal.append(lease, [said("one")])
    with sqlite3.connect(Path(url.removeprefix("sqlite:///"))) as writer:
        writer.execute("begin immediate")
        assert [event.data["line"] for event in journal.events("crm-1")] == ["one"]
        writer.rollback()
    writer.close()


def test_threads_append_commands_at_once_and_none_is_lost(journal: Journal, lease: Lease) -> None:
    def ask(number: int) -> int:
        return journal.request(Command(lease.run, Verb.HOLD, "oksana", "", f"key-{number % 20}")).id

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(ask, range(100)))
    assert len(set(numbers)) == 20
    assert [record.id for record in journal.commands(lease.run)] == sorted(set(numbers))


def test_one_journal_serves_many_threads_while_it_appends(journal: Journal, lease: Lease) -> None:
    done = threading.Event()

    def watch() -> int:
        seen = 0
        while not done.is_set():
            events = journal.events(lease.run, after=seen)
            assert [event.seq for event in events] == list(range(seen + 1, seen + 1 + len(events)))
            seen += len(events)
        return seen + len(journal.events(lease.run, after=seen))

    with ThreadPoolExecutor(4) as pool:
        watchers = [pool.submit(watch) for _ in range(4)]
        for number in range(40):
            journal.append(lease, [said(f"{number}-{item}") for item in range(5)])
        done.set()
        assert [watcher.result(timeout=30) for watcher in watchers] == [200] * 4


def test_a_dead_owners_run_can_be_taken_at_once(url: str, clock: Clock, journal: Journal, lease: Lease, owner: Owner) -> None:
    """Closing the journal gives the lock back, as the death of the process does; the lease itself goes on."""
    journal.close()
    with Journal.open(url, clock=clock) as another:
        assert another.ownership(lease.run).live is False
        assert another.ownership(lease.run).owner == owner
        assert another.take_lease(lease.run, owner, seconds=60).epoch == 2


def test_a_living_owner_is_named_with_host_pid_and_since_when(url: str, clock: Clock, lease: Lease) -> None:
    with Journal.open(url, clock=clock) as another, pytest.raises(RunOwned) as refused:
        another.take_lease(lease.run, Owner("taras", "crm-ops-2", 7), seconds=60)
    assert str(refused.value) == "run crm-1 is owned by oksana (crm-ops-1, pid 4242) since 2027-03-13 19:00:00 UTC"
    assert "in 60 s" in refused.value.hint


def test_an_old_owner_that_has_no_lock_is_waited_for(url: str, clock: Clock, journal: Journal, lease: Lease) -> None:
    """An owner who took the run over from a stopped engine could not get its lock: that it is free proves nothing then."""
    with Journal.open(url, clock=clock) as second:
        taken = second.take_lease(lease.run, Owner("taras", "crm-ops-2", 7), seconds=60, takeover=True)
        journal.close()  # the stopped engine dies, and with it the lock
        with Journal.open(url, clock=clock) as third, pytest.raises(RunOwned, match="taras"):
            third.take_lease(lease.run, Owner("ivan", "crm-ops-3", 8), seconds=60)
        second.renew_lease(taken, seconds=60)  # now it gets the lock
        second.close()
        with Journal.open(url, clock=clock) as third:
            assert third.take_lease(lease.run, Owner("ivan", "crm-ops-3", 8), seconds=60).epoch == 3


@pytest.mark.parametrize("hours", [30, -2])
def test_a_jump_of_the_wall_clock_loses_no_lease(url: str, clock: Clock, journal: Journal, lease: Lease, hours: int) -> None:
    clock.move(hours=hours)  # type: ignore[attr-defined]  # the fixture's own clock
    with Journal.open(url, clock=clock) as another, pytest.raises(RunOwned):
        another.take_lease(lease.run, Owner("taras", "crm-ops-2", 7), seconds=60)
    journal.append(lease, [said("still here")])


def test_a_lease_of_before_the_machine_was_started_counts_for_nothing(
    url: str, clock: Clock, journal: Journal, lease: Lease
) -> None:
    journal.close()
    connections = Connections(url)
    with connections.write() as connection:
        connection.exec_driver_sql("update run set lease_place = 'another-boot x', lease_until = 1e12, lease_locked = 0")
    connections.close()
    with Journal.open(url, clock=clock) as after:
        assert after.ownership(lease.run).live is False
        assert after.take_lease(lease.run, lease.owner, seconds=60).epoch == 2


@contextmanager
def answer_lost(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The next commit stands, but whoever waits for it is told that the connection is gone."""
    connections = journal._connections  # noqa: SLF001 - the fault is put in below the journal
    write = type(connections).write

    @contextmanager
    def lossy(self: Connections) -> Iterator[sa.Connection]:
        with write(self) as connection:
            yield connection
        raise JournalUnavailable(self.where, "the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "write", lossy)
        yield


def test_the_same_events_again_after_a_lost_answer_are_not_written_twice(
    journal: Journal, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [said("one"), said("two")]
    with answer_lost(journal, monkeypatch), pytest.raises(JournalUnavailable):
        journal.append(lease, drafts)
    again = journal.append(lease, list(drafts))
    assert [event.seq for event in again] == [1, 2]
    assert journal.events(lease.run) == again
    assert [event.seq for event in journal.append(lease, drafts)] == [3, 4]  # asked for once more, and meant


def test_other_events_after_a_lost_answer_follow_those_that_stand(
    journal: Journal, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answer_lost(journal, monkeypatch), pytest.raises(JournalUnavailable):
        journal.append(lease, [said("one")])
    journal.append(lease, [said("two")])
    assert [event.data["line"] for event in journal.events(lease.run)] == ["one", "two"]
    assert verify(journal.events(lease.run), head=journal.head(lease.run).hash) is None


def test_an_answer_to_a_command_after_a_lost_answer_stands_once(
    journal: Journal, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = journal.request(Command(lease.run, Verb.HOLD, "oksana", "power cut", "k"))
    held = Draft(EventKind.RUN_HELD, who="oksana", data={"why": "power cut"})
    with answer_lost(journal, monkeypatch), pytest.raises(JournalUnavailable):
        journal.answer(lease, record, accepted=True, text="held", drafts=[held])
    events = journal.answer(lease, record, accepted=True, text="held", drafts=[held])
    assert [event.kind for event in journal.events(lease.run)] == [EventKind.COMMAND_ANSWERED, EventKind.RUN_HELD]
    assert journal.events(lease.run) == events


def test_a_commit_that_failed_is_written_by_the_next_try(journal: Journal, lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))

    drafts = [said("one")]
    with monkeypatch.context() as patch:
        patch.setattr("changeover.journal.leases.Leases.advance", full)
        with pytest.raises(JournalUnavailable, match="the disk is full") as refused:
            journal.append(lease, drafts)
    assert "free some space" in refused.value.hint
    assert journal.events(lease.run) == []
    assert [event.seq for event in journal.append(lease, drafts)] == [1]


def test_a_tampered_file_is_found_and_not_written_on(url: str, journal: Journal, lease: Lease) -> None:
    journal.append(lease, [said("one"), said("two"), said("three")])
    with sqlite3.connect(Path(url.removeprefix("sqlite:///"))) as tamperer:
        tamperer.execute("""update event set data = '{"line":"TWO"}' where seq = 2""")
        tamperer.execute("update run set last_seq = 2")
    tamperer.close()
    assert verify(journal.events(lease.run)) == 2
    with pytest.raises(JournalUnavailable, match="contradict each other"):
        journal.append(lease, [said("four")])


def test_appending_and_folding_cost_about_the_same_for_each_event(journal: Journal, lease: Lease) -> None:
    """Twice the events, not four times the time: the store and the fold keep nothing that grows."""

    def batch(start: int) -> list[Draft]:
        return [
            Draft(EventKind.STEP_PROGRESSED, f"step-{number % 300}", 1, data={"done": number, "total": 10_000, "unit": "rows"})
            for number in range(start, start + 500)
        ]

    def seconds(count: int) -> float:
        begun = time.process_time()
        for start in range(0, count, 500):
            journal.append(lease, batch(start))
        return time.process_time() - begun

    seconds(500)
    first, later = seconds(5_000), seconds(5_000)
    assert later < 3 * first
    assert first < 2.0
    state = fold(lease.run, journal.events(lease.run))
    assert (state.seq, len(state.steps)) == (10_500, 300)


def test_a_released_lease_can_no_longer_write(journal: Journal, lease: Lease, new_run: Callable[[str], RunRecord]) -> None:
    new_run("crm-2")
    journal.release_lease(lease)
    with pytest.raises(LeaseLost, match="is no longer this engine's"):
        journal.append(lease, [said("too late")])
