from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import RunState, StepState
from changeover.journal.events import Event, EventKind
from changeover.journal.fold import RunRecordState, apply, fold

START = datetime(2027, 3, 13, 19, 0, tzinfo=UTC)


def events(*drafts: tuple[EventKind, str, dict[str, Any]], who: str = "") -> list[Event]:
    """One event a minute from 19:01 on."""
    return [
        Event("crm-1", seq, START + timedelta(minutes=seq), 1, kind, step, 1 if step else 0, who, data)
        for seq, (kind, step, data) in enumerate(drafts, start=1)
    ]


def after(*drafts: tuple[EventKind, str, dict[str, Any]], who: str = "") -> RunRecordState:
    return fold("crm-1", events(*drafts, who=who))


started = (EventKind.STEP_STARTED, "deploy", {"title": "Deploy", "stage": "deploy", "phase": "forward"})

ANY_DATA = st.fixed_dictionaries(
    {},
    optional={
        "why": st.text(max_size=5),
        "reason": st.text(max_size=5),
        "summary": st.text(max_size=5),
        "captured": st.dictionaries(st.sampled_from("abc"), st.integers()),
        "verdict": st.dictionaries(st.sampled_from("abc"), st.integers()),
        "answer": st.sampled_from(["approve", "refuse", "done", "failed", "typed"]),
        "what": st.sampled_from(["alerts", "nightly jobs"]),
        "done": st.integers(),
        "window_opens": st.just("2027-03-13T19:00:00+00:00"),
        "expires": st.just("2027-03-14T19:00:00+00:00"),
    },
)
ANY_DRAFTS = st.lists(
    st.tuples(st.sampled_from(EventKind), st.sampled_from(["freeze", "deploy", "migrate", "verify"]), ANY_DATA), max_size=40
)


@given(ANY_DRAFTS, st.integers(0, 40))
def test_going_on_from_any_point_gives_what_folding_all_gives(
    drafts: list[tuple[EventKind, str, dict[str, Any]]], point: int
) -> None:
    every = events(*drafts, who="oksana")
    state = copy.deepcopy(fold("crm-1", every[:point]))
    for event in every[point:]:
        apply(state, event)
    assert state == fold("crm-1", every)


@given(ANY_DRAFTS)
def test_the_fold_changes_no_event(drafts: list[tuple[EventKind, str, dict[str, Any]]]) -> None:
    every = events(*drafts)
    before = copy.deepcopy(every)
    fold("crm-1", every)
    assert every == before


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_is_taken_in_even_with_nothing_in_it(kind: EventKind) -> None:
    assert after((kind, "deploy", {})).seq == 1


def test_the_window_is_that_of_the_plan() -> None:
    window = {"window_opens": "2027-03-13T19:00:00+00:00", "window_closes": "2027-03-14T20:00:00+00:00"}
    state = after((EventKind.RUN_PLANNED, "", window))
    assert (state.state, state.window_opens) == (RunState.PLANNED, START)
    assert state.window_closes == START + timedelta(hours=25)


def test_a_run_starts_once_whatever_is_resumed_later() -> None:
    state = after(
        (EventKind.RUN_STARTED, "", {}), (EventKind.ENGINE_STOPPED, "", {"why": "Ctrl-C"}), (EventKind.RUN_STARTED, "", {})
    )
    assert state.started_at == START + timedelta(minutes=1)
    assert state.state is RunState.RUNNING


def test_the_engine_is_the_last_incarnation() -> None:
    first = (EventKind.ENGINE_STARTED, "", {"engine": "local", "host": "crm-ops-1", "pid": 1, "version": "0.1"})
    second = (EventKind.ENGINE_STARTED, "", {"engine": "prefect", "host": "crm-ops-2", "pid": 2, "version": "0.1"})
    state = after(first, (EventKind.ENGINE_STOPPED, "", {"why": "Ctrl-C"}), second)
    assert state.engine["host"] == "crm-ops-2"
    assert "stopped" not in state.engine
    assert after(first, (EventKind.ENGINE_STOPPED, "", {"why": "Ctrl-C"})).engine["why"] == "Ctrl-C"


def test_a_hold_names_who_and_why_until_it_is_released() -> None:
    hold = (EventKind.RUN_HELD, "", {"why": "power cut in the shop"})
    held = after((EventKind.RUN_STARTED, "", {}), hold, who="oksana")
    assert (held.held, held.held_by, held.held_why, held.state) == (True, "oksana", "power cut in the shop", RunState.RUNNING)
    released = after((EventKind.RUN_STARTED, "", {}), hold, (EventKind.RUN_RELEASED, "", {"why": "it is back"}), who="oksana")
    assert (released.held, released.held_by, released.held_why) == (False, "", "")


def test_a_rollback_stops_first_and_then_rolls_back() -> None:
    asked = (EventKind.ROLLBACK_REQUESTED, "", {"why": "smoke test fails"})
    assert after((EventKind.RUN_STARTED, "", {}), asked).state is RunState.STOPPING
    begun = after((EventKind.RUN_STARTED, "", {}), asked, (EventKind.ROLLBACK_STARTED, "", {"steps": 3}))
    assert (begun.state, begun.rollback_why) == (RunState.ROLLING_BACK, "smoke test fails")


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        (EventKind.RUN_SUCCEEDED, RunState.SUCCEEDED),
        (EventKind.RUN_ROLLED_BACK, RunState.ROLLED_BACK),
        (EventKind.RUN_ABORTED, RunState.ABORTED),
    ],
)
def test_a_run_that_has_ended_waits_for_nobody(kind: EventKind, end: RunState) -> None:
    state = after(
        (EventKind.RUN_STARTED, "", {}), (EventKind.DECISION_ASKED, "gate", {}), (EventKind.RUN_HELD, "", {}), (kind, "", {})
    )
    assert (state.state, state.held, state.decisions) == (end, False, {})
    assert state.ended_at == START + timedelta(minutes=4)


def test_an_intent_alone_is_a_running_and_tainted_step() -> None:
    step = after(started).step("deploy")
    assert (step.state, step.attempt, step.tainted, step.ended_at) == (StepState.RUNNING, 1, True, None)


def test_a_step_nothing_happened_to_is_pending_and_not_stored() -> None:
    state = after(started)
    assert state.step("verify").state is StepState.PENDING
    assert list(state.steps) == ["deploy"]


def test_a_passed_step_keeps_its_values_and_still_has_something_to_undo() -> None:
    passed = (
        EventKind.STEP_PASSED,
        "deploy",
        {"summary": "3 of 3", "captured": {"build": "77"}, "verdict": {"answer": "passed"}},
    )
    step = after(started, passed).step("deploy")
    assert (step.state, step.summary, step.captured, step.tainted) == (StepState.PASSED, "3 of 3", {"build": "77"}, True)
    assert step.verdict == {"answer": "passed"}
    assert step.ended_at == START + timedelta(minutes=2)


def test_a_retry_keeps_the_taint_and_counts_the_failures() -> None:
    failed = (EventKind.STEP_FAILED, "deploy", {"reason": "exit 1"})
    step = after(
        started, failed, (EventKind.STEP_RETRYING, "deploy", {"reason": "retry 1 of 3", "pause": 10}), started, failed
    ).step("deploy")
    assert (step.state, step.failures, step.tainted, step.reason) == (StepState.FAILED, 2, True, "exit 1")
    assert step.first_started_at == START + timedelta(minutes=1)
    assert step.started_at == START + timedelta(minutes=4)


def test_a_step_proven_clean_is_pending_again_with_nothing_to_undo() -> None:
    step = after(
        started,
        (EventKind.STEP_UNKNOWN, "deploy", {"reason": "time-out"}),
        (EventKind.STEP_RESET, "deploy", {"reason": "not there"}),
    )
    record = step.step("deploy")
    assert (record.state, record.tainted, record.attempt) == (StepState.PENDING, False, 1)


@pytest.mark.parametrize(
    ("kind", "state", "tainted"),
    [
        (EventKind.STEP_UNKNOWN, StepState.UNKNOWN, True),
        (EventKind.STEP_ASKED, StepState.ASKS_HUMAN, True),
        (EventKind.STEP_DIRTY, StepState.FAILED_DIRTY, True),
        (EventKind.STEP_SKIPPED, StepState.SKIPPED, True),
        (EventKind.STEP_WAIVED, StepState.WAIVED, True),
    ],
)
def test_whatever_became_of_it_the_reason_is_kept(kind: EventKind, state: StepState, tainted: bool) -> None:  # noqa: FBT001
    record = after(started, (kind, "deploy", {"reason": "because"})).step("deploy")
    assert (record.state, record.reason, record.tainted) == (state, "because", tainted)


def test_a_skipped_step_that_never_started_has_nothing_to_undo() -> None:
    assert not after((EventKind.STEP_SKIPPED, "deploy", {"reason": "not this wave"})).step("deploy").tainted


def test_progress_is_the_last_that_was_said_with_its_time() -> None:
    progress = [(EventKind.STEP_PROGRESSED, "deploy", {"done": done, "total": 10, "unit": "rows"}) for done in (3, 7)]
    record = after(started, *progress).step("deploy")
    assert record.progress == {"done": 7, "total": 10, "unit": "rows", "at": (START + timedelta(minutes=3)).isoformat()}
    assert after(started, *progress, started).step("deploy").progress is None


def test_an_approval_survives_until_its_step_is_over() -> None:
    asked = (EventKind.DECISION_ASKED, "gate", {"ask": "Go?", "quorum": 1})
    approved = (EventKind.DECISION_GIVEN, "gate", {"answer": "approve", "why": "all green"})
    running: tuple[EventKind, str, dict[str, Any]] = (EventKind.STEP_STARTED, "gate", {})
    assert after(asked, approved, running, who="oksana").decisions["gate"].approvals == {"oksana": "all green"}
    assert after(asked, approved, running, (EventKind.STEP_PASSED, "gate", {}), who="oksana").decisions == {}


def test_of_one_person_the_last_word_counts() -> None:
    asked = (EventKind.DECISION_ASKED, "gate", {"ask": "Go?"})
    refused = (EventKind.DECISION_GIVEN, "gate", {"answer": "refuse", "why": "not yet"})
    approved = (EventKind.DECISION_GIVEN, "gate", {"answer": "approve", "why": "now"})
    decision = after(asked, refused, approved, who="oksana").decisions["gate"]
    assert (decision.approvals, decision.refusals) == ({"oksana": "now"}, {})
    decision = after(asked, approved, refused, who="oksana").decisions["gate"]
    assert (decision.approvals, decision.refusals) == ({}, {"oksana": "not yet"})


def test_a_question_asked_again_forgets_the_old_answers() -> None:
    asked = (EventKind.DECISION_ASKED, "gate", {"ask": "Go?"})
    approved = (EventKind.DECISION_GIVEN, "gate", {"answer": "approve", "why": "now"})
    assert after(asked, approved, asked, who="oksana").decisions["gate"].approvals == {}


def test_what_people_approved_before_a_change_they_are_asked_again_and_what_was_done_stays_done() -> None:
    said = {"answer": "approve", "why": "now"}
    state = after(
        (EventKind.DECISION_ASKED, "gate", {"form": "approval"}),
        (EventKind.DECISION_GIVEN, "gate", said),
        (EventKind.DECISION_ASKED, "cable", {"form": "task"}),
        (EventKind.DECISION_GIVEN, "cable", {"answer": "done", "why": "pulled"}),
        (EventKind.CHANGE_ACCEPTED, "", {"what": "the runbook was changed"}),
        who="anna",
    )
    assert state.decisions["gate"].approvals == {}
    assert state.decisions["cable"].approvals == {"anna": "pulled"}


def test_a_lapsed_deadline_leaves_the_question_open() -> None:
    state = after((EventKind.DECISION_ASKED, "gate", {}), (EventKind.DECISION_LAPSED, "gate", {}))
    assert state.decisions["gate"].lapsed


def test_a_suspension_is_open_until_it_is_closed() -> None:
    opened = (
        EventKind.SUSPENSION_OPENED,
        "mute",
        {"what": "alerts", "resume_by": "unmute", "expires": "2027-03-14T20:00:00+00:00"},
    )
    suspension = after(opened).suspensions["alerts"]
    assert (suspension.step, suspension.resume_by) == ("mute", "unmute")
    assert suspension.expires == START + timedelta(hours=25)
    assert after(opened, (EventKind.SUSPENSION_CLOSED, "unmute", {"what": "alerts"})).suspensions == {}


def test_a_suspension_left_off_stays_on_the_list_under_a_name() -> None:
    opened = (EventKind.SUSPENSION_OPENED, "mute", {"what": "alerts"})
    state = after(opened, (EventKind.SUSPENSION_LEFT, "", {"what": "alerts", "why": "until Monday"}), who="oksana")
    assert state.suspensions["alerts"].left_by == "oksana"


def test_what_is_only_for_people_changes_nothing_but_the_number() -> None:
    quiet = [EventKind.WARNED, EventKind.STEP_SAID, EventKind.COMMAND_ANSWERED, EventKind.CHANGE_ACCEPTED]
    state = after(*((kind, "deploy", {"text": "x", "line": "y"}) for kind in quiet))
    assert state == RunRecordState("crm-1", seq=len(quiet))
