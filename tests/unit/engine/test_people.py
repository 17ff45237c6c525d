"""What people ask of a run: hold and release, decisions, skipping, retrying, four eyes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from changeover.contracts import RunState, StepState
from changeover.journal.events import Command, Draft, Event, EventKind, Verb
from changeover.journal.store import Journal
from changeover.testing import EVENING, FakeClock, Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]

GATE = "- {id: a, act: one}\n- {id: go, ask: {ask: go on?, deciders: [lead], quorum: QUORUM, not: [NOT]}}\n- {id: b, act: two}"


def gate(quorum: int = 1, excluded: str = "runner") -> str:
    return GATE.replace("QUORUM", str(quorum)).replace("NOT", excluded)


def waiting(run: Trial, step: str = "go") -> Trial:
    run.start()
    run.until(lambda state: step in state.decisions, f"the question of {step}")
    return run


# hold and release


def test_a_hold_lets_running_steps_end_and_nothing_begin_until_it_is_released(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 0.3}}\n- {id: b, act: two}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    held = run.command(Verb.HOLD, who="anna", why="the phones are down")
    assert (held.accepted, held.answer) == (True, "held; still running: a")
    run.until(lambda state: state.step("a").state is StepState.PASSED)
    time.sleep(0.1)
    state = run.state()
    assert (state.held, state.held_by, state.held_why) == (True, "anna", "the phones are down")
    assert state.step("b").state is StepState.PENDING
    assert run.command(Verb.HOLD, who="bela").answer == "the run is held already: the phones are down"
    assert run.command(Verb.RELEASE, who="bela").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "b 1 two"]


def test_a_command_has_its_effect_within_a_moment(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 30}}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    began = time.monotonic()
    run.command(Verb.HOLD)
    assert time.monotonic() - began < 1.0  # 0.2 s on a quiet machine
    run.interrupt()


def test_many_identical_commands_have_one_effect_and_each_is_answered(trial: TrialOf) -> None:
    run = waiting(trial(gate()))
    run.command(Verb.HOLD)
    with run.journal() as journal:
        threads = [
            threading.Thread(target=lambda n=n: journal.request(Command(run.run_id, Verb.APPROVE, "anna", "yes", f"k{n}", "go")))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run.command(Verb.RELEASE)
    assert run.wait().state is RunState.SUCCEEDED
    assert len(run.events(EventKind.DECISION_GIVEN)) == 1
    with run.journal() as journal:
        assert all(record.accepted for record in journal.commands(run.run_id))


def test_a_person_nobody_knows_is_refused_with_near_names(trial: TrialOf) -> None:
    run = waiting(trial(gate()))
    answer = run.command(Verb.APPROVE, "go", who="ana")
    assert (answer.accepted, answer.answer) == (False, "nobody called 'ana' takes part in this run; did you mean anna?")
    run.interrupt()


def test_a_step_nobody_knows_is_refused_with_near_names(trial: TrialOf) -> None:
    run = waiting(trial(gate()))
    assert run.command(Verb.APPROVE, "goo", who="anna").answer == "there is no step called 'goo'; did you mean go?"
    run.interrupt()


# decisions


def test_a_gate_lets_nothing_past_until_its_decider_approves(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(gate()))
    assert run.state().step("go").state is StepState.PENDING
    assert ledger(run) == ["a 1 one"]
    assert run.command(Verb.APPROVE, "go", who="anna").answer == "approve: go"
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1 one", "go 1", "b 1 two"]


def test_the_deputy_of_a_role_may_decide_and_others_may_not(trial: TrialOf) -> None:
    run = waiting(trial(gate()))
    assert run.command(Verb.APPROVE, "go", who="csilla").answer == "csilla may not decide this; anna, bela may"
    assert run.command(Verb.APPROVE, "go", who="bela").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_a_quorum_counts_persons_not_answers(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(gate(quorum=2)))
    assert run.command(Verb.APPROVE, "go", who="anna").answer == "approve: go, 1 of 2"
    assert run.command(Verb.APPROVE, "go", who="anna").answer == "anna has said so already; 1 of 2"
    assert len(ledger(run)) == 1
    assert run.command(Verb.APPROVE, "go", who="bela").answer == "approve: go, 2 of 2"
    assert run.wait().state is RunState.SUCCEEDED


@pytest.mark.parametrize("excluded", ["runner", "anna"])
def test_who_started_the_run_and_who_is_excluded_may_not_decide(trial: TrialOf, excluded: str) -> None:
    run = waiting(trial(gate(excluded=excluded), runner="anna"))
    assert not run.command(Verb.APPROVE, "go", who="anna").accepted
    assert run.command(Verb.APPROVE, "go", who="bela").accepted
    run.wait()


def test_a_refusal_is_no_failure_it_holds_and_voids_what_was_approved(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(gate(quorum=2)))
    run.command(Verb.APPROVE, "go", who="anna")
    assert not run.command(Verb.REFUSE, "go", who="bela", why="").accepted
    assert run.command(Verb.REFUSE, "go", who="bela", why="12 rows are missing").accepted
    state = run.state()
    assert (state.state, state.held, state.step("go").state) == (RunState.RUNNING, True, StepState.PENDING)
    assert state.held_why == "bela refused go: 12 rows are missing"
    assert "go" in state.decisions
    assert run.command(Verb.RELEASE, who="anna").accepted
    assert run.command(Verb.APPROVE, "go", who="bela").answer == "approve: go, 1 of 2"
    assert ledger(run) == ["a 1 one"]
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_an_approval_while_the_run_is_held_is_used_when_it_is_released(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(gate()))
    run.command(Verb.HOLD)
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    time.sleep(0.1)
    assert ledger(run) == ["a 1 one"]
    run.command(Verb.RELEASE)
    assert run.wait().state is RunState.SUCCEEDED


def test_an_approval_survives_a_restart_and_the_question_is_not_asked_twice(trial: TrialOf) -> None:
    run = waiting(trial(gate(quorum=2)))
    run.command(Verb.APPROVE, "go", who="anna")
    run.interrupt()
    run.start()
    run.until(lambda state: "go" in state.decisions)
    assert run.command(Verb.APPROVE, "go", who="bela").answer == "approve: go, 2 of 2"
    assert run.wait().state is RunState.SUCCEEDED
    assert len(run.events(EventKind.DECISION_ASKED)) == 1


def test_a_deadline_holds_and_never_approves(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    steps = "- {id: go, ask: {ask: go on?, deciders: [lead], by: 2027-03-13 19:00}}\n- {id: b, act: two}"
    run = waiting(trial(steps, clock=clock))
    clock.advance(3599)
    time.sleep(0.15)
    assert run.events(EventKind.DECISION_LAPSED) == []
    clock.advance(2)
    run.until(lambda state: state.held)
    assert run.state().held_why == "nobody decided go in time"
    assert ledger(run) == []
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    assert run.command(Verb.RELEASE, who="anna").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_a_deadline_that_passes_while_no_engine_runs_is_noticed_by_the_next(trial: TrialOf) -> None:
    clock = FakeClock(EVENING)
    steps = "- {id: go, ask: {ask: go on?, deciders: [lead], by: 2027-03-13 19:00}}"
    run = waiting(trial(steps, clock=clock))
    run.interrupt()
    clock.advance(7200)
    run.start()
    run.until(lambda state: state.held)
    run.interrupt()
    assert len(run.events(EventKind.DECISION_LAPSED)) == 1


def test_a_gate_waits_for_hours_without_a_thread(trial: TrialOf) -> None:
    clock, before = FakeClock(), set(threading.enumerate())
    run = waiting(trial(gate(), clock=clock))
    clock.advance(30 * 3600)
    time.sleep(0.2)
    begun = set(threading.enumerate()) - before  # a deaf step of another test may go on for a while
    assert not [thread for thread in begun if thread.name.startswith(("step-", "question-"))]
    assert run.state().step("go").state is StepState.PENDING
    run.command(Verb.APPROVE, "go", who="anna")
    assert run.wait().state is RunState.SUCCEEDED


def test_a_word_to_type_has_to_match(trial: TrialOf) -> None:
    run = waiting(trial("- {id: go, ask: {ask: wipe it?, form: typed, typed: crm-live}}"))
    assert run.command(Verb.APPROVE, "go", typed="crm-test").answer == "the word to type for go is 'crm-live'"
    assert run.command(Verb.APPROVE, "go", typed="crm-live").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_a_task_is_begun_when_it_is_asked_and_needs_its_evidence(trial: TrialOf) -> None:
    run = waiting(trial("- {id: cable, ask: {ask: pull the cable, form: task, evidence: a photo}}"), "cable")
    assert run.state().step("cable").state is StepState.RUNNING
    assert run.command(Verb.APPROVE, "cable").answer == "cable is a task: say `done` when it is, `refuse` when it cannot be done"
    assert run.command(Verb.DONE, "cable").answer == "cable needs evidence: a photo"
    assert run.command(Verb.DONE, "cable", evidence="photo 17").accepted
    assert run.wait().state is RunState.SUCCEEDED
    (given,) = run.events(EventKind.DECISION_GIVEN)
    assert (given.data["answer"], given.data["evidence"]) == ("done", "photo 17")


def test_a_task_that_cannot_be_done_has_failed(trial: TrialOf) -> None:
    run = waiting(trial("- {id: cable, ask: {ask: pull the cable, form: task}, on_failure: hold}"), "cable")
    assert run.command(Verb.REFUSE, "cable", who="anna", why="it is soldered").accepted
    run.until(lambda state: state.held)
    assert run.state().step("cable").reason == "anna: it is soldered"
    run.command(Verb.RELEASE)
    run.command(Verb.RETRY, "cable")
    run.until(lambda state: state.step("cable").attempt == 2)
    run.command(Verb.DONE, "cable", evidence="cut")
    assert run.wait().state is RunState.SUCCEEDED


def test_a_task_survives_a_restart_as_a_task(trial: TrialOf) -> None:
    run = waiting(trial("- {id: cable, ask: {ask: pull the cable, form: task}}"), "cable")
    run.interrupt()
    run.start()
    run.command(Verb.DONE, "cable", evidence="pulled")
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("cable").attempt == 1
    assert len(run.events(EventKind.DECISION_ASKED)) == 1


def test_not_waiting_ends_with_what_is_waited_for(trial: TrialOf) -> None:
    ended = trial(gate()).drive(wait=False)
    assert ended.waiting == ("go waits for anna, bela: go on?",)
    assert ended.state is RunState.RUNNING


# skip, retry, done


def failed(trial: TrialOf, more: str = "", **other: object) -> Trial:
    run = trial(f"- {{id: a, act: {{fails: 1}}{more}}}\n- {{id: b, act: two}}", **other).start()
    run.until(lambda state: state.step("a").state is StepState.FAILED)
    return run


def test_a_failed_step_is_skipped_with_a_reason(trial: TrialOf, ledger: Ledger) -> None:
    run = failed(trial)
    assert run.command(Verb.SKIP, "a", why="").answer == "say why a is skipped"
    assert run.command(Verb.SKIP, "a", who="anna", why="not needed tonight").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("a").reason == "anna: not needed tonight"
    assert ledger(run) == ["a 1", "b 1 two"]


def test_an_optional_step_is_skipped_without_a_reason_and_a_mandatory_one_never(trial: TrialOf) -> None:
    run = failed(trial, ", optional: true")
    assert run.command(Verb.SKIP, "a", why="").accepted
    run.wait()
    run = failed(trial, ", mandatory: true")
    assert run.command(Verb.SKIP, "a", why="please").answer == "a is mandatory: it can never be skipped"
    run.interrupt()


def test_a_step_of_later_can_be_skipped_beforehand_but_a_decision_cannot(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: {takes: 0.3}}\n- {id: go, ask: {ask: go on?}}\n- {id: b, act: two}\n- {id: c, act: three}"
    run = trial(steps).start()
    assert run.command(Verb.SKIP, "b", why="no time").accepted
    assert "asks people" in run.command(Verb.SKIP, "go", why="no time").answer
    run.until(lambda state: "go" in state.decisions)
    assert run.command(Verb.SKIP, "go", why="no time").answer == "go is a decision: it is approved or refused, not skipped"
    run.command(Verb.APPROVE, "go")
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "go 1", "c 1 three"]


def test_what_runs_or_has_passed_is_not_skipped(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one}\n- {id: b, act: {takes: 30}}").start()
    run.until(lambda state: state.step("b").state is StepState.RUNNING)
    assert run.command(Verb.SKIP, "a").answer == "a is passed; it cannot be skipped"
    assert run.command(Verb.SKIP, "b").answer == "b is running; it cannot be skipped"
    run.interrupt()


def test_retry_without_a_step_tries_all_failed_ones_again(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 1}}\n- {id: b, act: {fails: 1}, needs: []}").start()
    run.until(lambda state: {state.step(key).state for key in "ab"} == {StepState.FAILED})
    assert run.command(Verb.RETRY, who="anna").answer == "2 steps are tried again"
    assert run.wait().state is RunState.SUCCEEDED
    assert sorted(ledger(run)) == ["a 1", "a 2", "b 1", "b 2"]


def test_a_failed_step_is_finished_by_hand_with_evidence(trial: TrialOf, ledger: Ledger) -> None:
    run = failed(trial)
    assert not run.command(Verb.DONE, "a", why="").accepted
    assert run.command(Verb.DONE, "a", who="anna", evidence="row count 17").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("a").summary == "by hand, anna: row count 17"
    assert ledger(run) == ["a 1", "b 1 two"]


def test_a_step_in_doubt_is_answered_by_people(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {unclear: true}, on_unknown: ask}\n- {id: b, act: two}").start()
    run.until(lambda now: now.step("a").state is StepState.ASKS_HUMAN)
    assert run.command(Verb.DONE, "a", who="anna", why="looked").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("a").state is StepState.PASSED
    assert ledger(run) == ["a 1", "b 1 two"]


def test_a_step_in_doubt_is_not_given_up_before_somebody_has_said_what_became_of_it(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {unclear: true}, on_unknown: ask}").start()
    run.until(lambda now: now.step("a").state is StepState.ASKS_HUMAN)
    answer = run.command(Verb.SKIP, "a", who="anna", why="nobody needs it")
    assert not answer.accepted
    assert "first say what became of it: `done a` if it happened" in answer.answer
    assert run.command(Verb.DONE, "a", who="anna", answer="partly", evidence="half of it").accepted
    assert run.command(Verb.SKIP, "a", who="anna", why="nobody needs it").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("a").state is StepState.SKIPPED


def test_an_undo_in_doubt_is_not_waived_before_somebody_has_said_what_became_of_it(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one, undo: {act: {unclear: true}, on_unknown: ask}}\n- {id: b, act: {fails: 9}}").start()
    run.until(lambda now: now.step("b").state is StepState.FAILED)
    run.command(Verb.ROLLBACK)
    run.until(lambda now: now.step("a.undo").state is StepState.ASKS_HUMAN)
    assert "first say what became of it" in run.command(Verb.WAIVE, "a.undo", who="anna", why="it stays").answer
    assert run.command(Verb.DONE, "a.undo", who="anna", answer="partly", evidence="half of it").accepted
    run.command(Verb.WAIVE, "a.undo", who="anna", why="it stays")
    assert run.command(Verb.WAIVE, "a.undo", who="bela", why="it stays").accepted
    assert run.wait().state is RunState.ROLLED_BACK


@pytest.mark.parametrize("verb", [Verb.RETRY, Verb.REFUSE])
def test_a_step_in_doubt_that_did_not_happen_is_done_again(trial: TrialOf, ledger: Ledger, verb: Verb) -> None:
    run = trial("- {id: a, act: {unclear: true}, on_unknown: ask}").start()
    run.until(lambda now: now.step("a").state is StepState.ASKS_HUMAN)
    assert run.command(verb, "a", who="anna", why="nothing there").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "a 2"]


# four eyes


PAST = "- {id: cut, act: one, point_of_no_return: true}\n- {id: a, act: {fails: 1}}\n- {id: b, act: two}"


def past_the_point(trial: TrialOf) -> Trial:
    run = trial(PAST).start()
    run.until(lambda state: state.step("a").state is StepState.FAILED)
    return run


@pytest.mark.parametrize(("verb", "state"), [(Verb.SKIP, StepState.SKIPPED), (Verb.DONE, StepState.PASSED)])
def test_after_the_point_of_no_return_it_takes_two_people(trial: TrialOf, verb: Verb, state: StepState) -> None:
    run = past_the_point(trial)
    assert run.command(verb, "a", who="anna").answer == "noted; it needs a second person"
    assert run.command(verb, "a", who="anna").answer == "noted already, anna; a different person has to say so too"
    assert run.state().step("a").state is StepState.FAILED
    assert run.command(verb, "a", who="bela").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("a").state is state
    (event,) = [event for event in run.events(step="a") if event.data.get("second")]
    assert (event.who, event.data["second"]) == ("bela", "anna")


@pytest.mark.parametrize(
    ("verb", "data", "state"),
    [
        (Verb.REFUSE, {}, StepState.PASSED),
        (Verb.RETRY, {}, StepState.PASSED),
        (Verb.DONE, {"answer": "partly"}, StepState.FAILED_DIRTY),
    ],
)
def test_after_the_point_of_no_return_two_people_say_what_became_of_a_step_in_doubt(
    trial: TrialOf, verb: Verb, data: dict[str, str], state: StepState
) -> None:
    run = trial(PAST.replace("{fails: 1}", "{unclear: true}, on_unknown: ask")).start()
    run.until(lambda now: now.step("a").state is StepState.ASKS_HUMAN)
    assert run.command(verb, "a", who="anna", **data).answer == "noted; it needs a second person"
    assert run.state().step("a").state is StepState.ASKS_HUMAN
    assert run.command(verb, "a", who="bela", **data).accepted
    run.until(lambda now: now.step("a").state is state)
    run.interrupt()


def test_two_people_have_to_say_the_same(trial: TrialOf) -> None:
    run = trial(PAST.replace("{fails: 1}", "{unclear: true}, on_unknown: ask")).start()
    run.until(lambda now: now.step("a").state is StepState.ASKS_HUMAN)
    run.command(Verb.DONE, "a", who="anna")
    assert run.command(Verb.DONE, "a", who="bela", answer="partly").answer == "noted; it needs a second person"
    assert run.state().step("a").state is StepState.ASKS_HUMAN
    run.interrupt()


def test_the_first_persons_word_survives_a_restart(trial: TrialOf) -> None:
    run = past_the_point(trial)
    run.command(Verb.SKIP, "a", who="anna")
    run.interrupt()
    run.start()
    assert run.command(Verb.SKIP, "a", who="bela").answer == "a is skipped"
    assert run.wait().state is RunState.SUCCEEDED


def test_a_word_for_one_attempt_does_not_count_for_the_next(trial: TrialOf) -> None:
    run = trial(PAST.replace("fails: 1", "fails: 9")).start()
    run.until(lambda state: state.step("a").state is StepState.FAILED)
    run.command(Verb.SKIP, "a", who="anna")
    run.command(Verb.RETRY, "a", who="anna")
    run.until(lambda state: state.step("a").attempt == 2 and state.step("a").state is StepState.FAILED)
    assert run.command(Verb.SKIP, "a", who="bela").answer == "noted; it needs a second person"
    run.interrupt()


def test_a_command_that_comes_too_late_is_answered_by_whoever_looks_next(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one}")
    run.drive()
    with run.journal() as journal:
        record = journal.request(Command(run.run_id, Verb.HOLD, "anna", "late", "late"))
    assert run.drive().state is RunState.SUCCEEDED
    with run.journal() as journal:
        answered = journal.command(record.id)
        assert journal.ownership(run.run_id).owner is None
    assert (answered.accepted, answered.answer) == (False, "the run is over; nothing can be changed any more")


def test_a_command_that_comes_while_the_run_ends_is_answered(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.engine.conductor.POLL", 5.0)  # the loop itself does not look in time
    run = trial("- {id: a, act: {takes: 0.2}}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    with run.journal() as journal:
        record = journal.request(Command(run.run_id, Verb.ABORT, "anna", "late", "late"))
    assert run.wait().state is RunState.SUCCEEDED
    with run.journal() as journal:
        assert journal.command(record.id).accepted is False


# while no engine runs


def asked(run: Trial, verb: Verb, step: str = "", who: str = "anna") -> None:
    with run.journal() as journal:
        journal.request(Command(run.run_id, verb, who, "before it runs", f"{verb}-{step}-{who}", step))


def test_a_hold_that_was_asked_for_while_no_engine_ran_holds_before_anything_begins(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one}")
    run.create()
    asked(run, Verb.HOLD)
    ended = run.drive(wait=False)
    assert (ended.held, ended.why) == (True, "before it runs")
    assert ledger(run) == []


def test_an_approval_that_was_given_while_no_engine_ran_counts_for_one_that_does_not_wait(trial: TrialOf, ledger: Ledger) -> None:
    run = trial(gate())
    run.drive(wait=False)
    asked(run, Verb.APPROVE, "go")
    assert run.drive(wait=False).state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1 one", "go 1", "b 1 two"]


# what is under way


def test_what_has_been_answered_and_is_being_carried_out_is_not_refused_any_more(trial: TrialOf) -> None:
    run = waiting(trial("- {id: cable, task: {ask: pull it, form: task}, verify: {act: {takes: 0.4}}}"), "cable")
    assert run.command(Verb.DONE, "cable", who="anna", evidence="pulled").accepted
    answer = run.command(Verb.REFUSE, "cable", who="bela", why="it is not")
    assert (answer.accepted, answer.answer) == (False, "cable has been answered, and is being carried out")
    assert run.wait().state is RunState.SUCCEEDED


def test_an_item_whose_question_is_skipped_gives_its_place_to_the_next(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: call, for_each: {in: [p, q], max_parallel: 1}, task: {ask: 'call ${item}', form: task}}").start()
    for item in "pq":
        run.until(lambda state, item=item: f"call[{item}]" in state.decisions, f"the question of {item}")  # type: ignore[misc]
        assert run.command(Verb.SKIP, f"call[{item}]", who="anna", why="nobody answers").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_the_window_moves_with_a_rehearsal_and_so_does_a_deadline(trial: TrialOf) -> None:
    head = "window: {opens: 2027-05-01 19:00, closes: 2027-05-02 21:00}\n"
    steps = "- {id: go, ask: {ask: go on?, by: 2027-05-01 20:00}}"
    run = waiting(trial(steps, head=head, clock=FakeClock(datetime(2027, 3, 13, 18, 0, tzinfo=UTC))))
    assert run.state().decisions["go"].data["by"] == "2027-03-13T19:00:00+00:00"
    run.interrupt()


@pytest.mark.parametrize(
    ("verb", "step", "answer"),
    [
        (Verb.RELEASE, "", "the run is not held"),
        (Verb.APPROVE, "", "name the step"),
        (Verb.APPROVE, "a", "a asks nothing now"),
        (Verb.REFUSE, "nobody", "there is no step called 'nobody'"),
        (Verb.DONE, "a", "a is passed; only what failed or is in doubt can be finished by hand"),
        (Verb.DONE, "zzz", "there is no step called 'zzz'"),
        (Verb.SKIP, "zzz", "there is no step called 'zzz'"),
        (Verb.RETRY, "a", "a is passed; only what failed or is in doubt is tried again"),
        (Verb.RETRY, "zzz", "there is no step called 'zzz'"),
        (Verb.RETRY, "", "nothing has failed"),
        (Verb.WAIVE, "a", "a is no undo; only steps of the rollback are waived (a step forward is skipped)"),
        (Verb.WAIVE, "a.undo", "the run is running: it is not the turn of a.undo"),
        (Verb.WAIVE, "zzz", "there is no step called 'zzz'"),
        (Verb.RETRY, "a.undo", "the run is running: it is not the turn of a.undo"),
        (Verb.DONE, "a.undo", "a.undo is pending; only what failed or is in doubt can be finished by hand"),
        (Verb.LEAVE_OFF, "alerts", "nothing called 'alerts' is switched off"),
        (Verb.APPROVE, "cable", "cable is a task: say `done` when it is, `refuse` when it cannot be done"),
        (Verb.DONE, "go", "go asks for a decision: say `approve` or `refuse`"),
    ],
)
def test_a_command_that_fits_nothing_is_answered_and_changes_nothing(trial: TrialOf, verb: Verb, step: str, answer: str) -> None:
    steps = (
        "- {id: a, act: one, undo: {act: x}}\n- {id: go, ask: {ask: on?}}\n"
        "- {id: cable, needs: [a], ask: {ask: pull it, form: task}}"
    )
    run = waiting(trial(steps))
    run.until(lambda state: "cable" in state.decisions)
    before = run.state()
    assert run.command(verb, step).answer == answer
    after = run.state()
    assert (after.state, after.held, {k: v.state for k, v in after.steps.items()}) == (
        before.state,
        before.held,
        {k: v.state for k, v in before.steps.items()},
    )
    run.interrupt()


def test_a_task_that_nobody_needs_is_skipped_with_a_reason(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial("- {id: cable, ask: {ask: pull it, form: task}}\n- {id: b, act: two}"), "cable")
    assert run.command(Verb.SKIP, "cable", who="anna", why="it was never there").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["b 1 two"]


def test_commands_are_answered_while_the_run_goes_out(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 60}, undo: {act: {fails: 9}}}").start(quiesce_grace=0.05)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    run.command(Verb.ROLLBACK)
    run.until(lambda state: state.step("a.undo").state is StepState.FAILED)
    assert run.command(Verb.ROLLBACK).answer == "the run is rolling back already"
    assert run.command(Verb.SKIP, "a").answer == "the run is rolling back; a cannot be skipped now"
    assert run.command(Verb.DONE, "a.undo", who="anna", evidence="undone by hand").accepted
    assert run.wait().state is RunState.ROLLED_BACK


def test_what_follows_from_a_refused_task_stands_in_the_transaction_that_refuses_it(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[list[EventKind]] = []
    answer = Journal.answer

    def note(self: Journal, *words: Any, drafts: Sequence[Draft], **more: Any) -> list[Event]:
        answered.append([draft.kind for draft in drafts])
        return answer(self, *words, drafts=drafts, **more)

    monkeypatch.setattr(Journal, "answer", note)
    run = trial(
        "- {id: a, act: one, undo: {act: x}}\n- {id: call, task: {ask: call them, form: task}, on_failure: roll-back}"
    ).start()
    run.until(lambda state: "call" in state.decisions)
    assert run.command(Verb.REFUSE, "call", who="anna").accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert answered[0][1:3] == [EventKind.STEP_FAILED, EventKind.ROLLBACK_REQUESTED]


def test_what_was_approved_before_a_change_was_accepted_is_asked_anew(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(gate(quorum=2)))
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    run.interrupt()
    runbook = run.root / "runbooks" / "trial.yaml"
    runbook.write_text(f"{runbook.read_text()}# edited\n")
    run.start(accept_change="anna")
    run.until(lambda state: not state.decisions["go"].approvals, "the void approval")
    assert run.command(Verb.APPROVE, "go", who="bela").accepted
    assert ledger(run) == ["a 1 one"]
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    assert run.wait().state is RunState.SUCCEEDED
