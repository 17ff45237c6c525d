"""Where a run stands, from its events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from changeover.contracts import Expected, Mode, RunState, StepState
from changeover.journal.events import EventKind
from changeover.status import as_json, read
from changeover.status.model import ClockState, StageState
from changeover.status.read import LAST_EVENTS, RunUnreadable
from changeover.testing import EVENING

Told = Any  # of conftest.py, which no module can import


def after(**time: float) -> datetime:
    return EVENING + timedelta(**time)


def test_before_the_start_everything_is_planned(told: Told) -> None:
    told.plan()
    status = told.status()
    assert status.state is RunState.PLANNED
    assert status.mode is Mode.REHEARSE
    assert status.title == "Customers move"
    assert status.window_closes == after(hours=6)
    assert status.started is None
    assert status.elapsed is None
    assert [stage.state for stage in status.stages] == [StageState.PENDING] * 4
    assert status.planned_end == status.outcome.ends_likely == after(minutes=2 + 10 + 120 + 10 + 5 + 1)
    assert status.stages[0].planned_start == after()
    assert status.step("elsewhere").state is StepState.SKIPPED
    assert status.step("elsewhere").reason == "only in production"
    assert status.rollback == ()
    assert status.outcome.next == "silence"
    assert not status.outcome.point_passed
    assert status.outcome.point_step == "go"


def test_what_runs_has_its_elapsed_time_its_progress_and_its_owner(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.does("close", 10)
    told.begins("load")
    told.begins("watch")
    told.clock.advance(600)
    told.say(EventKind.STEP_PROGRESSED, "load", attempt=1, done=500, total=2000, unit="rows", figures={"rate": 1.0, "table": "x"})
    status = told.status()
    assert [step.key for step in status.running] == ["load", "watch"]
    load = status.step("load")
    assert load.elapsed == timedelta(minutes=10)
    assert load.owner == "Nagy Béla"
    assert load.progress is not None
    assert load.progress.part == 0.25
    assert load.progress.rate == 1.0
    assert load.progress.unit == "rows"
    assert load.ends == told.clock.now() + timedelta(seconds=1500)
    assert load.critical
    assert not status.step("watch").critical
    freeze, copy, *_ = status.stages
    assert (freeze.state, freeze.done, freeze.total) == (StageState.PASSED, 2, 2)
    assert freeze.ended == after(minutes=12)
    assert freeze.ends is None
    assert (copy.state, copy.done, copy.total) == (StageState.RUNNING, 1, 3)
    assert copy.started == after(minutes=12)
    assert status.outcome.next == "go"


def test_a_step_is_overdue_from_its_worst_case_on(told: Told) -> None:
    told.start()
    told.begins("silence")
    told.clock.advance(179)
    assert not told.status().step("silence").overdue
    told.clock.advance(2)
    assert told.status().step("silence").overdue


def test_the_way_back_is_what_has_started_what_it_takes_and_loses_and_until_when(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.does("close", 10)
    told.begins("load")
    outcome = told.status().outcome
    assert outcome.rollback == Expected(timedelta(minutes=36), timedelta(minutes=45 + 10, seconds=90))
    assert outcome.loses == ("copy: orders since the freeze",), "the stage by its title, or its id"
    assert outcome.latest_safe_rollback == after(hours=6) - timedelta(minutes=30 + 56, seconds=30)
    assert outcome.countdown == outcome.latest_safe_rollback - told.clock.now()
    assert outcome.until_closes == timedelta(hours=6) - timedelta(minutes=12)
    assert [step.key for step in told.status().rollback] == ["empty", "close.undo", "silence.undo"]


def test_a_gate_waits_for_the_persons_behind_its_roles(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.say(
        EventKind.DECISION_ASKED,
        "go",
        ask="Reopen?",
        form="approval",
        deciders=["release-manager", "data-lead"],
        quorum=2,
        by="2027-03-13T22:00:00+00:00",
    )
    told.clock.advance(60)
    (waiting,) = told.status().waiting
    assert waiting.step == "go"
    assert waiting.deciders == ("Kovács Anna", "Nagy Béla")
    assert waiting.quorum == 2
    assert waiting.got == ()
    assert waiting.by == after(hours=4)
    assert told.status().stages[2].state is StageState.WAITING
    assert not told.status().outcome.point_passed, "a question is no intent"
    told.say(EventKind.DECISION_GIVEN, "go", who="anna", answer="approve")
    assert told.status().waiting[0].got == ("Kovács Anna",)
    told.say(EventKind.DECISION_GIVEN, "go", who="bela", answer="approve")
    assert told.status().waiting == ()


def test_a_refusal_keeps_the_question_open(told: Told) -> None:
    told.start()
    told.say(EventKind.DECISION_ASKED, "go", ask="Reopen?", form="approval", deciders=["anna"], quorum=1)
    told.say(EventKind.DECISION_GIVEN, "go", who="anna", answer="refuse", why="rows are missing")
    (waiting,) = told.status().waiting
    assert waiting.refused == ("Kovács Anna",)


def test_a_failure_waits_for_a_decision_and_says_why(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.begins("close")
    told.clock.advance(30)
    told.say(EventKind.STEP_FAILED, "close", attempt=1, reason="port 8080 is closed")
    status = told.status()
    (failed,) = status.failed
    assert (failed.key, failed.reason, failed.attempt) == ("close", "port 8080 is closed", 1)
    assert failed.elapsed == timedelta(seconds=30)
    assert status.stages[0].state is StageState.FAILED
    assert status.stages[0].failed == 1


def test_a_stage_with_a_step_in_doubt_has_not_failed(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.begins("close")
    told.say(EventKind.STEP_UNKNOWN, "close", attempt=1, reason="the line was cut")
    assert told.status().stages[0].state is StageState.UNKNOWN
    told.say(EventKind.STEP_ASKED, "close", attempt=1, reason="no probe")
    assert told.status().stages[0].state is StageState.UNKNOWN
    told.say(EventKind.STEP_FAILED, "close", attempt=1, reason="anna looked")
    assert told.status().stages[0].state is StageState.FAILED


def test_a_held_run_says_by_whom_and_why(told: Told) -> None:
    told.start()
    told.say(EventKind.RUN_HELD, who="anna", why="storm")
    status = told.status()
    assert (status.held, status.held_by, status.held_why) == (True, "Kovács Anna", "storm")


def test_a_rollback_is_followed_stage_by_stage(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.does("close", 10)
    told.begins("load")
    told.say(EventKind.STEP_FAILED, "load", attempt=1, reason="disk full")
    told.say(EventKind.ROLLBACK_REQUESTED, who="anna", why="no disk")
    told.say(EventKind.STEP_DIRTY, "load", attempt=1, reason="rows are there")
    told.say(EventKind.ROLLBACK_STARTED, steps=3)
    told.begins("empty")
    status = told.status()
    assert status.state is RunState.ROLLING_BACK
    assert status.rollback_why == "no disk"
    assert status.failed == (), "nobody has to decide about what is undone anyway"
    assert [step.key for step in status.running] == ["empty"]
    assert [stage.state for stage in status.stages[:2]] == [StageState.PASSED, StageState.UNDOING]
    assert status.outcome.latest_safe_rollback is None, "it has begun"
    assert status.outcome.ends_likely == told.clock.now() + timedelta(minutes=36)
    told.clock.advance(60)
    told.say(EventKind.STEP_PASSED, "empty", attempt=1)
    told.does("close.undo", 5)
    told.begins("silence.undo")
    told.say(EventKind.STEP_FAILED, "silence.undo", attempt=1, reason="no answer")
    status = told.status()
    assert [step.key for step in status.failed] == ["silence.undo"]
    assert [stage.state for stage in status.stages[:2]] == [StageState.FAILED, StageState.UNDONE]
    assert (status.stages[0].undone, status.stages[0].to_undo) == (1, 2)


@pytest.mark.parametrize("end", [EventKind.RUN_ROLLED_BACK, EventKind.RUN_ABORTED])
def test_in_a_run_that_ended_early_no_stage_is_running(told: Told, end: EventKind) -> None:
    told.start()
    told.does("silence", 2)
    told.say(EventKind.ROLLBACK_STARTED, steps=0)
    told.say(end)
    assert [stage.state for stage in told.status().stages] == [StageState.STOPPED, *[StageState.PENDING] * 3]


def test_who_has_to_decide_may_be_a_deputy_too(told: Told) -> None:
    told.start()
    told.say(EventKind.DECISION_ASKED, "go", ask="Reopen?", form="approval", deciders=["release-manager"], quorum=1)
    assert told.status().waiting[0].deciders == ("Kovács Anna", "Nagy Béla")


def test_who_left_something_switched_off_is_called_by_name(told: Told) -> None:
    told.start()
    told.say(EventKind.SUSPENSION_OPENED, "silence", what="alerts")
    assert told.status().suspensions[0].left_by == ""
    told.say(EventKind.SUSPENSION_LEFT, who="anna", what="alerts", why="hypercare")
    assert told.status().suspensions[0].left_by == "Kovács Anna"


def test_an_impact_clock_runs_from_its_first_step_to_the_end_of_its_last(told: Told) -> None:
    told.start()
    assert told.status().clocks[0].state is ClockState.PLANNED
    told.does("silence", 2)
    told.does("close", 10)
    (clock,) = told.status().clocks
    assert (clock.state, clock.lasts, clock.started) == (ClockState.RUNNING, timedelta(minutes=10), after(minutes=2))
    assert clock.likely == timedelta(minutes=10 + 120 + 10 + 5)
    assert not clock.over
    told.clock.advance(3 * 3600)
    assert told.status().clocks[0].over
    told.does("load", 0)
    told.does("watch", 0)
    told.does("go", 0)
    told.does("open", 5)
    (clock,) = told.status().clocks
    assert (clock.state, clock.lasts) == (ClockState.STOPPED, timedelta(hours=3, minutes=15))
    told.clock.advance(600)
    assert told.status().clocks[0].lasts == timedelta(hours=3, minutes=15)


def test_what_customers_felt_is_over_when_everything_is_undone(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.does("close", 10)
    told.say(EventKind.ROLLBACK_STARTED, steps=2)
    told.does("close.undo", 5)
    assert told.status().clocks[0].state is ClockState.RUNNING
    told.say(EventKind.RUN_ROLLED_BACK)
    told.clock.advance(600)
    (clock,) = told.status().clocks
    assert (clock.state, clock.lasts) == (ClockState.STOPPED, timedelta(minutes=15))


def test_what_is_switched_off_is_shown_until_it_is_on_again(told: Told) -> None:
    told.start()
    told.say(EventKind.SUSPENSION_OPENED, "silence", what="alerts", resume_by="unsilence", expires="2027-03-14T18:00:00+00:00")
    (suspension,) = told.status().suspensions
    assert (suspension.what, suspension.step, suspension.resume_by) == ("alerts", "silence", "unsilence")
    assert suspension.expires == after(days=1)
    told.say(EventKind.SUSPENSION_CLOSED, "unsilence", what="alerts")
    assert told.status().suspensions == ()


def test_after_the_point_of_no_return_no_way_back_is_offered(told: Told) -> None:
    told.start()
    told.begins("go")
    outcome = told.status().outcome
    assert outcome.point_passed
    assert outcome.latest_safe_rollback is None
    assert outcome.countdown is None


def test_a_run_that_is_over_does_not_go_on_aging(told: Told) -> None:
    told.start()
    for step in ("silence", "close", "load", "watch", "go", "open", "unsilence"):
        told.does(step, 1)
    told.say(EventKind.RUN_SUCCEEDED)
    told.clock.advance(86_400)
    status = told.status()
    assert status.state is RunState.SUCCEEDED
    assert status.elapsed == timedelta(minutes=7)
    assert status.ended == status.outcome.ends_likely == after(minutes=7)
    assert status.outcome.until_closes is None
    assert status.age == timedelta(days=1)
    assert {stage.state for stage in status.stages} == {StageState.PASSED}
    assert status.counts == {StepState.PASSED: 7, StepState.SKIPPED: 1}


def test_who_drives_the_run_and_whether_the_process_lives(told: Told) -> None:
    told.start()
    engine = told.status().engine
    assert engine is not None
    assert (engine.kind, engine.host, engine.pid, engine.live) == ("local", "ops-1", 7, True)
    told.live = False
    engine = told.status().engine
    assert engine is not None
    assert not engine.live


def test_a_reader_asks_for_new_events_only_and_sees_the_same_as_one_that_starts_afresh(told: Told) -> None:
    told.start()
    reader = told.reader()
    reader.refresh()
    told.does("silence", 2)
    reader.refresh()
    told.begins("close")
    assert reader.refresh() == told.status()
    assert told.asked_for == [0, 3, 5, 0]


def test_the_last_events_are_told_in_words_without_every_progress(told: Told) -> None:
    told.start()
    told.begins("load")
    for done in range(LAST_EVENTS + 5):
        told.say(EventKind.STEP_PROGRESSED, "load", attempt=1, done=done, total=100, unit="rows")
    events = told.status().events
    assert [said.kind for said in events] == ["run_planned", "engine_started", "run_started", "step_started"]
    assert events[-1].sentence == "`load` started"
    assert told.status().seq == LAST_EVENTS + 9
    for _ in range(LAST_EVENTS):
        told.say(EventKind.WARNED, text="the disk fills up")
    assert len(told.status().events) == LAST_EVENTS


def test_a_moved_window_moves_the_plan(told: Told) -> None:
    told.clock.jump(-86_400 * 10)
    told.say(
        EventKind.RUN_PLANNED, window_opens="2027-03-03T18:00:00+00:00", window_closes="2027-03-04T00:00:00+00:00", digest="d"
    )
    status = told.status()
    assert status.window_closes == after(hours=6) - timedelta(days=10)
    assert status.stages[0].planned_start == after() - timedelta(days=10)


def test_a_runbook_that_cannot_be_loaded_any_more_is_a_clear_mistake(told: Told) -> None:
    told.record = replace(told.record, sources={})
    with pytest.raises(RunUnreadable, match="run run cannot be read"):
        told.reader()


def test_everything_is_there_for_other_programs(told: Told) -> None:
    told.start()
    told.does("silence", 2)
    told.begins("close")
    told.clock.advance(30)
    document = as_json(read(told, "run", clock=told.clock, kinds=told.kinds))
    assert json.loads(json.dumps(document)) == document
    assert document["state"] == "running"
    assert document["started"] == "2027-03-13T19:00:00+01:00"
    assert document["running"] == ["close"]
    assert document["failed"] == []
    assert document["counts"]["passed"] == 1
    assert document["steps"][1]["elapsed"] == 30
    assert document["outcome"]["rollback"] == {"likely": 360.0, "worst": 690.0}
    assert document["clocks"][0]["over"] is False
