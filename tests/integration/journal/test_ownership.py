"""Who owns a run, among real processes that race, die and are frozen."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Protocol

import pytest

from changeover.journal.chain import verify
from changeover.journal.store import Journal, Owner, RunOwned, RunRecord

NewRun = Callable[[str], RunRecord]


class EngineProcess(Protocol):
    """A process of engine_process.py, as the fixture *engine* starts it."""

    process: subprocess.Popen[str]

    def tell(self, *words: object) -> None: ...

    def answer(self) -> str: ...

    def ask(self, *words: object) -> str: ...

    def close(self) -> None: ...


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_of_two_engines_that_start_at_once_one_owns_the_run_each_of_twenty_times(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    first, second = engine("first"), engine("second")
    for number in range(20):
        run = new_run(f"race-{number}").id
        for racer in (first, second):
            racer.tell("take", run, 60)
        answers = [first.answer(), second.answer()]
        assert sorted(answer.partition(" ")[0].rstrip(":") for answer in answers) == ["RunOwned", "epoch"], answers
        winner = first if answers[0].startswith("epoch") else second
        assert winner.ask("append", "mine") == "seq 1"
        assert journal.ownership(run).live
        assert [event.epoch for event in journal.events(run)] == [1]


def test_a_killed_owners_run_is_taken_at_once_by_an_engine_of_the_same_machine(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    run = new_run("crm-1").id
    victim = engine("victim")
    assert victim.ask("take", run, 3600) == "epoch 1"
    victim.ask("append", "before", 50)
    victim.process.send_signal(signal.SIGKILL)
    victim.process.wait(timeout=10)
    assert eventually(lambda: not journal.ownership(run).live)
    found = journal.ownership(run).owner
    assert found is not None
    assert (found.name, found.pid) == ("victim", victim.process.pid)
    lease = journal.take_lease(run, Owner("heir", "test-host", 1), seconds=60)
    assert lease.epoch == 2
    assert len(journal.events(run)) == 50
    assert verify(journal.events(run), head=journal.head(run).hash) is None


def test_an_engine_killed_while_it_appends_leaves_whole_batches_and_a_whole_chain(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    for number in range(5):
        run = new_run(f"killed-{number}").id
        victim = engine("victim")
        victim.ask("take", run, 3600)
        for batch in range(40):
            victim.tell("append", f"batch-{batch}", 7)
        time.sleep(0.02 * number)
        victim.process.send_signal(signal.SIGKILL)
        victim.process.wait(timeout=10)
        assert eventually(lambda run=run: not journal.ownership(run).live)  # type: ignore[misc]  # bound here
        events = journal.events(run)
        assert len(events) % 7 == 0
        assert verify(events, head=journal.head(run).hash) is None


def test_a_frozen_owner_is_waited_for_and_when_thawed_has_lost_the_run(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    run = new_run("crm-1").id
    frozen, heir = engine("frozen"), engine("heir")
    frozen.ask("take", run, 0.7)
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        assert heir.ask("take", run, 60).startswith("RunOwned: run crm-1 is owned by frozen")
        time.sleep(0.8)
        assert heir.ask("take", run, 60) == "epoch 2"
        frozen.tell("append", "zombie")
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    assert frozen.answer().startswith("LeaseLost: run crm-1 was taken over by heir")
    assert frozen.ask("renew", 60).startswith("LeaseLost")
    assert heir.ask("append", "mine") == "seq 1"
    assert [event.data["line"] for event in journal.events(run)] == ["mine"]


def test_a_live_owner_can_be_taken_over_by_word_and_its_death_then_proves_nothing(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    run = new_run("crm-1").id
    old, new = engine("old"), engine("new")
    old.ask("take", run, 60)
    assert new.ask("take", run, 60, "takeover") == "epoch 2"
    assert old.ask("append", "stale").startswith("LeaseLost")
    old.close()
    with pytest.raises(RunOwned, match="owned by new"):
        journal.take_lease(run, Owner("third", "test-host", 1), seconds=60)
    assert new.ask("renew", 60) == "renewed"
    new.close()
    assert eventually(lambda: not journal.ownership(run).live)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # a SQLite file is used from one machine
def test_a_lease_of_another_machine_is_waited_for(
    journal: Journal, new_run: NewRun, engine: Callable[[str], EngineProcess]
) -> None:
    """Its process cannot be looked at from here, and its connection may only be cut."""
    run = new_run("crm-1").id
    victim = engine("victim")
    victim.ask("take", run, 3600)
    with journal._connections.write() as connection:  # noqa: SLF001 - as if it had been taken elsewhere
        connection.exec_driver_sql("update run set lease_place = 'another-machine pid:[1]'")
    victim.close()
    time.sleep(0.3)
    with pytest.raises(RunOwned, match="owned by victim"):
        journal.take_lease(run, Owner("heir", "test-host", 1), seconds=60)
    assert journal.take_lease(run, Owner("heir", "test-host", 1), seconds=60, takeover=True).epoch == 2
