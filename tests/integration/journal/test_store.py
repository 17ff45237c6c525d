"""What the journal promises, on every database it runs on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.journal.chain import verify
from changeover.journal.events import Command, Draft, EventKind, Verb
from changeover.journal.store import (
    AnsweredAlready,
    Journal,
    JournalTooNew,
    JournalUnavailable,
    Lease,
    LeaseLost,
    Mark,
    NoSuchCommand,
    NoSuchRun,
    Owner,
    PassedTwice,
    RunExists,
    RunOwned,
    RunRecord,
)

NewRun = Callable[[str], RunRecord]


def said(line: str) -> Draft:
    return Draft(EventKind.STEP_SAID, "deploy", 1, data={"line": line})


def passed(step: str) -> Draft:
    return Draft(EventKind.STEP_PASSED, step, 1, data={"summary": "done"})


def hold(key: str = "k-1", run: str = "crm-1") -> Command:
    return Command(run, Verb.HOLD, "oksana", "power cut", key, step="deploy", whence="oksana@desk", data={"evidence": "photo"})


@pytest.fixture
def lease(journal: Journal, new_run: NewRun, owner: Owner) -> Lease:
    return journal.take_lease(new_run("crm-1").id, owner, seconds=60)


# runs


def test_a_run_comes_back_as_it_was_created(journal: Journal, new_run: NewRun) -> None:
    run = new_run("crm-1")
    found = journal.run("crm-1")
    assert found == run
    assert list(found.sources) == list(run.sources)
    assert journal.runs() == [replace(run, sources={})]


def test_a_run_is_created_once(journal: Journal, new_run: NewRun) -> None:
    run = new_run("crm-1")
    with pytest.raises(RunExists, match="run crm-1 exists already"):
        journal.create_run(run)
    assert len(journal.runs()) == 1


def test_a_run_is_found_by_its_beginning_or_as_the_latest(journal: Journal, new_run: NewRun) -> None:
    for name in ("fixed-line-1", "mobile-2", "fixed-line-10"):
        new_run(name)
    assert journal.run("mob").id == "mobile-2"
    assert journal.run("latest").id == "fixed-line-10"
    assert journal.run("fixed-line-1").id == "fixed-line-1"
    assert [run.id for run in journal.runs()] == ["fixed-line-10", "mobile-2", "fixed-line-1"]


def test_an_ambiguous_or_misspelt_name_shows_what_may_be_meant(journal: Journal, new_run: NewRun) -> None:
    for name in ("fixed-line-1", "fixed-line-2"):
        new_run(name)
    with pytest.raises(NoSuchRun, match="beginning of fixed-line-2, fixed-line-1"):
        journal.run("fixed")
    with pytest.raises(NoSuchRun, match="there is no run 'fixde-line-2'") as missing:
        journal.run("fixde-line-2")
    assert missing.value.hint == "did you mean fixed-line-2 or fixed-line-1?"
    with pytest.raises(NoSuchRun):
        journal.run("%")
    with pytest.raises(NoSuchRun):
        journal.run("")


def test_in_an_empty_journal_there_is_no_latest_run(journal: Journal) -> None:
    with pytest.raises(NoSuchRun, match="there is no run yet"):
        journal.run("latest")


def test_an_unknown_run_is_named_whatever_is_asked_of_it(journal: Journal, owner: Owner) -> None:
    asked: list[Callable[[], object]] = [
        lambda: journal.take_lease("nope", owner, seconds=5),
        lambda: journal.ownership("nope"),
        lambda: journal.changed("nope"),
        lambda: journal.head("nope"),
        lambda: journal.request(hold(run="nope")),
        lambda: journal.move_cursor("nope", "chat", {}),
    ]
    for ask in asked:
        with pytest.raises(NoSuchRun, match="'nope'"):
            ask()
    assert journal.events("nope") == []


# events


def test_events_are_numbered_without_gaps_and_read_back_as_appended(journal: Journal, lease: Lease) -> None:
    pair: Any = ("a", "b")
    first = journal.append(lease, [said("одна"), said("két")])
    second = journal.append(lease, [Draft(EventKind.RUN_HELD, who="oksana", data={"why": pair, "rate": 0.1})])
    assert [event.seq for event in (*first, *second)] == [1, 2, 3]
    assert journal.events(lease.run) == [*first, *second]
    assert second[0].data == {"why": ["a", "b"], "rate": 0.1}
    assert second[0].at.tzinfo is UTC
    assert second[0].epoch == lease.epoch


def test_events_are_read_from_a_number_on_and_in_portions(journal: Journal, lease: Lease) -> None:
    journal.append(lease, [said(str(number)) for number in range(10)])
    assert [event.seq for event in journal.events(lease.run, after=7)] == [8, 9, 10]
    assert [event.seq for event in journal.events(lease.run, after=2, limit=3)] == [3, 4, 5]
    assert journal.events(lease.run, after=10) == []


def test_each_run_has_its_own_numbers_and_chain(journal: Journal, lease: Lease, new_run: NewRun, owner: Owner) -> None:
    other = journal.take_lease(new_run("crm-2").id, owner, seconds=60)
    for number in range(3):
        journal.append(lease, [said(f"a{number}")])
        journal.append(other, [said(f"b{number}")])
    for run in ("crm-1", "crm-2"):
        events = journal.events(run)
        assert [event.seq for event in events] == [1, 2, 3]
        assert verify(events, head=journal.head(run).hash) is None


def test_a_step_passes_once_whatever_the_engine_believes(journal: Journal, lease: Lease) -> None:
    journal.append(lease, [passed("deploy")])
    with pytest.raises(PassedTwice, match="deploy has passed already"):
        journal.append(lease, [said("again"), passed("deploy"), passed("verify")])
    assert len(journal.events(lease.run)) == 1
    with pytest.raises(PassedTwice, match="verify"):
        journal.append(lease, [passed("verify"), passed("verify")])
    assert [event.seq for event in journal.append(lease, [passed("verify")])] == [2]


def test_nul_and_broken_surrogates_do_not_stop_the_journal(journal: Journal, lease: Lease) -> None:
    journal.append(lease, [Draft(EventKind.STEP_SAID, "de\0ploy", 1, who="o\ud800", data={"line": "a\0b\udfff"})])
    (event,) = journal.events(lease.run)
    assert (event.step, event.data["line"]) == ("de\N{REPLACEMENT CHARACTER}ploy", "a\0b?")
    assert verify([event], head=journal.head(lease.run).hash) is None


def test_nothing_to_append_is_nothing_written(journal: Journal, lease: Lease) -> None:
    assert journal.append(lease, []) == []
    assert journal.changed(lease.run) == Mark(0, 0)


@pytest.mark.parametrize(
    "tampering",
    [
        """update event set data = '{"line":"2!"}' where seq = 2""",
        "update event set who = 'somebody' where seq = 2",
        "delete from event where seq = 2",
        "update event set seq = -seq where seq in (2, 3); update event set seq = 5 + seq where seq < 0",
    ],
)
def test_a_flipped_dropped_or_reordered_row_is_found(url: str, journal: Journal, lease: Lease, tampering: str) -> None:
    journal.append(lease, [said(str(number)) for number in range(1, 5)])
    database = sa.create_engine(url)
    with database.begin() as connection:
        for statement in tampering.split(";"):
            connection.exec_driver_sql(statement)
    database.dispose()
    assert verify(journal.events(lease.run), head=journal.head(lease.run).hash) == 2


def test_a_row_cut_off_at_the_end_is_found_by_the_head(url: str, journal: Journal, lease: Lease) -> None:
    journal.append(lease, [said("1"), said("2")])
    database = sa.create_engine(url)
    with database.begin() as connection:
        connection.exec_driver_sql("delete from event where seq = 2")
    database.dispose()
    assert verify(journal.events(lease.run), head=journal.head(lease.run).hash) == 2


# ownership


def test_an_owner_is_known_to_everybody(url: str, clock: Clock, lease: Lease, owner: Owner) -> None:
    with Journal.open(url, clock=clock, create=False) as reader:
        ownership = reader.ownership(lease.run)
    assert (ownership.owner, ownership.epoch, ownership.live) == (owner, 1, True)
    assert ownership.since is not None
    assert ownership.until is not None
    assert timedelta(seconds=50) < ownership.until - ownership.since < timedelta(seconds=62)


def test_a_run_nobody_has_taken_has_no_owner(journal: Journal, new_run: NewRun) -> None:
    ownership = journal.ownership(new_run("crm-1").id)
    assert (ownership.owner, ownership.epoch, ownership.live, ownership.until) == (None, 0, False, None)


def test_a_live_lease_is_refused_even_to_the_same_owner(journal: Journal, lease: Lease, owner: Owner) -> None:
    with pytest.raises(RunOwned, match=r"owned by oksana \(crm-ops-1, pid 4242\) since") as refused:
        journal.take_lease(lease.run, owner, seconds=60)
    assert refused.value.seconds_left > 50
    journal.append(lease, [said("still mine")])


def test_a_released_run_can_be_taken_and_the_old_lease_is_void(journal: Journal, lease: Lease, owner: Owner) -> None:
    journal.release_lease(lease)
    assert journal.ownership(lease.run).owner is None
    with pytest.raises(LeaseLost):
        journal.append(lease, [said("stale")])
    new = journal.take_lease(lease.run, owner, seconds=60)
    assert new.epoch == 2
    journal.release_lease(lease)  # the old one again: nothing happens
    journal.append(new, [said("mine")])


def test_who_was_taken_over_writes_nothing_any_more(url: str, clock: Clock, journal: Journal, lease: Lease) -> None:
    record = journal.request(hold())
    with Journal.open(url, clock=clock) as other:
        new = other.take_lease(lease.run, Owner("taras", "crm-ops-2", 7), seconds=60, takeover=True)
        for write in (
            lambda: journal.append(lease, [said("stale")]),
            lambda: journal.renew_lease(lease, seconds=60),
            lambda: journal.answer(lease, record, accepted=True, text="held"),
        ):
            with pytest.raises(LeaseLost, match=r"was taken over by taras \(crm-ops-2, pid 7\)"):
                write()
        journal.release_lease(lease)
        assert other.ownership(lease.run).live
        other.append(new, [said("mine")])
    assert [event.data["line"] for event in journal.events(lease.run)] == ["mine"]
    assert journal.command(record.id).accepted is None


def test_an_expired_lease_still_writes_until_somebody_takes_the_run(
    url: str, clock: Clock, journal: Journal, new_run: NewRun, owner: Owner
) -> None:
    lease = journal.take_lease(new_run("crm-1").id, owner, seconds=-1)
    assert not journal.ownership("crm-1").live
    journal.append(lease, [said("late, but alone")])
    with Journal.open(url, clock=clock) as other:
        assert other.take_lease("crm-1", Owner("taras", "crm-ops-2", 7), seconds=60).epoch == 2
        with pytest.raises(LeaseLost):
            journal.append(lease, [said("too late")])


def test_a_renewed_lease_goes_on(journal: Journal, new_run: NewRun, owner: Owner) -> None:
    lease = journal.take_lease(new_run("crm-1").id, owner, seconds=-1)
    journal.renew_lease(lease, seconds=60)
    assert journal.ownership("crm-1").live


# commands


def test_a_command_is_there_for_everybody_until_it_is_answered(journal: Journal, lease: Lease) -> None:
    record = journal.request(hold())
    assert record.command == hold()
    assert (record.accepted, record.answer) == (None, "")
    assert journal.commands(lease.run, unanswered=True) == [record]
    held = Draft(EventKind.RUN_HELD, who="oksana", data={"why": "power cut"})
    events = journal.answer(lease, record, accepted=True, text="the run is held", drafts=[held])
    assert [event.kind for event in events] == [EventKind.COMMAND_ANSWERED, EventKind.RUN_HELD]
    said = {"command": record.id, "verb": "hold", "accepted": True, "text": "the run is held"}
    assert events[0].data.items() >= said.items()
    assert events[0].data["asked"], "the command itself is bound into the chain"
    assert events[0].who == "oksana"
    assert journal.commands(lease.run, unanswered=True) == []
    assert journal.command(record.id) == replace(record, accepted=True, answer="the run is held")
    assert journal.events(lease.run) == events


def test_a_refused_command_is_answered_too(journal: Journal, lease: Lease) -> None:
    record = journal.request(hold())
    journal.answer(lease, record, accepted=False, text="it is held already")
    assert journal.command(record.id).accepted is False


def test_a_command_is_answered_once(journal: Journal, lease: Lease) -> None:
    record = journal.request(hold())
    journal.answer(lease, record, accepted=True, text="held")
    with pytest.raises(AnsweredAlready):
        journal.answer(lease, record, accepted=False, text="not held", drafts=[said("x")])
    assert len(journal.events(lease.run)) == 1
    assert journal.command(record.id).answer == "held"


def test_an_answer_that_cannot_be_written_leaves_the_command_waiting(journal: Journal, lease: Lease) -> None:
    record = journal.request(hold())
    journal.append(lease, [passed("deploy")])
    with pytest.raises(PassedTwice):
        journal.answer(lease, record, accepted=True, text="done", drafts=[passed("deploy")])
    assert journal.commands(lease.run, unanswered=True) == [record]
    assert len(journal.events(lease.run)) == 1


def test_the_same_key_is_the_same_command(journal: Journal, lease: Lease) -> None:
    record = journal.request(hold("click"))
    assert journal.request(replace(hold("click"), why="clicked twice")) == record
    assert journal.request(hold("another")).id != record.id
    assert len(journal.commands(lease.run)) == 2


def test_the_same_key_in_another_run_is_another_command(journal: Journal, lease: Lease, new_run: NewRun) -> None:
    new_run("crm-2")
    assert journal.request(hold()).id != journal.request(hold(run="crm-2")).id
    assert [record.command.run for record in journal.commands("crm-2")] == ["crm-2"]
    assert [record.command.run for record in journal.commands(lease.run)] == ["crm-1"]


def test_an_unknown_command_is_named(journal: Journal) -> None:
    with pytest.raises(NoSuchCommand, match="there is no command 99"):
        journal.command(99)


def test_a_hundred_identical_commands_at_once_are_one(url: str, clock: Clock, journal: Journal, lease: Lease) -> None:
    with Journal.open(url, clock=clock) as other, ThreadPoolExecutor(20) as pool:
        journals = [journal, other] * 50
        found = list(pool.map(lambda one: one.request(hold("one click")), journals))
    assert len({record.id for record in found}) == 1
    assert journal.commands(lease.run) == [found[0]]
    assert journal.changed(lease.run) == Mark(0, found[0].id)


def test_a_hundred_commands_while_the_engine_appends_are_all_there_in_order(journal: Journal, lease: Lease) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(journal.request, hold(f"k-{number}")) for number in range(100)]
        for number in range(30):
            journal.append(lease, [said(str(number))])
        numbers = sorted(one.result(timeout=60).id for one in asked)
    assert [record.id for record in journal.commands(lease.run)] == numbers
    assert journal.changed(lease.run) == Mark(30, numbers[-1])
    assert verify(journal.events(lease.run), head=journal.head(lease.run).hash) is None


# pollers and readers


def test_a_poller_sees_that_something_was_added(journal: Journal, lease: Lease) -> None:
    marks = [journal.changed(lease.run)]
    journal.append(lease, [said("1")])
    marks.append(journal.changed(lease.run))
    record = journal.request(hold())
    marks.append(journal.changed(lease.run))
    journal.answer(lease, record, accepted=True, text="held")
    marks.append(journal.changed(lease.run))
    assert marks == [Mark(0, 0), Mark(1, 0), Mark(1, record.id), Mark(2, record.id)]
    journal.request(hold())
    assert journal.changed(lease.run) == marks[-1]


def test_what_a_reader_remembers_is_there_for_its_next_start(url: str, clock: Clock, journal: Journal, lease: Lease) -> None:
    assert journal.cursor(lease.run, "chat") == {}
    journal.move_cursor(lease.run, "chat", {"seq": 3, "card": "1700.1"})
    journal.move_cursor(lease.run, "chat", {"seq": 4, "card": "1700.1"})
    journal.move_cursor(lease.run, "report", {"seq": 1})
    with Journal.open(url, clock=clock) as later:
        assert later.cursor(lease.run, "chat") == {"seq": 4, "card": "1700.1"}
        assert later.cursor(lease.run, "report") == {"seq": 1}


def test_two_programs_that_open_a_new_journal_at_once_both_can(url: str, clock: Clock) -> None:
    def open_it(_: int) -> list[RunRecord]:
        with Journal.open(url, clock=clock) as journal:
            return journal.runs()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(open_it, range(6))) == [[]] * 6


def test_a_closed_journal_holds_no_run(url: str, clock: Clock, journal: Journal, new_run: NewRun, owner: Owner) -> None:
    new_run("crm-1")
    with Journal.open(url, clock=clock) as first:
        first.release_lease(first.take_lease("crm-1", owner, seconds=60))
    assert journal.take_lease("crm-1", owner, seconds=60).epoch == 2


def test_an_unknown_schema_is_refused_on_every_database(url: str, journal: Journal, clock: Clock) -> None:
    assert journal.runs() == []
    database = sa.create_engine(url)
    with database.begin() as connection:
        connection.exec_driver_sql("update changeover_version set version_num = '0042'")
    database.dispose()
    with pytest.raises(JournalTooNew, match="schema 0042"):
        Journal.open(url, clock=clock)


def test_tables_of_another_program_are_left_alone(fresh_postgresql_url: str, clock: Clock) -> None:
    database = sa.create_engine(fresh_postgresql_url)
    with database.begin() as connection:
        connection.exec_driver_sql("create table command (id integer)")
    database.dispose()
    with pytest.raises(JournalUnavailable, match=r"another program \(command\)"):
        Journal.open(fresh_postgresql_url, clock=clock)
