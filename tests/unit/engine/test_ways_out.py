"""Rollback and abort: quiesce, look, undo in reverse, and never end with a lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.contracts import RunState, StepState
from changeover.engine.conformance import deviations
from changeover.engine.drive import load_run
from changeover.engine.projection import Projection
from changeover.engine.transitions import MoveNotAllowed
from changeover.journal.events import Draft, EventKind, Verb
from changeover.journal.fold import RunRecordState
from changeover.journal.records import Owner
from changeover.testing import FakeClock, Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]

STAGES = """  freeze:
    owner: lead
    steps:
      - {id: close, act: closed, undo: {act: reopened}}
      - {id: drain, act: drained, undo: {act: filled}}
    rollback:
      - {id: say-so, act: said}
      - {id: tidy, act: tidied}
  move:
    owner: lead
    steps:
      - {id: copy, act: copied, undo: {act: deleted}}
      - {id: stop, act: {fails: 9}, undo: {act: unstopped}}
    rollback: {none: the undos are enough}
"""


def conforms(run: Trial) -> bool:
    with run.journal() as journal:
        record = journal.run(run.run_id)
        assert run.kinds is not None
        _, plan = load_run(record, run.kinds, run.root)
        found = deviations(plan, record.id, journal.events(record.id))
    assert found == []
    return True


def until_failed(run: Trial, step: str) -> Trial:
    run.start()
    run.until(lambda state: state.step(step).state is StepState.FAILED, f"the failure of {step}")
    return run


def test_what_has_started_is_undone_in_reverse_stage_after_stage(trial: TrialOf, ledger: Ledger) -> None:
    run = until_failed(trial(stages=STAGES), "stop")
    answer = run.command(Verb.ROLLBACK, who="anna", why="we cannot go on")
    assert answer.answer == "rolling back: what runs is stopped first"
    assert run.wait().state is RunState.ROLLED_BACK
    back = [line for line in ledger(run) if not line.startswith("probe")][4:]
    assert back == [
        "stop.undo 1 unstopped",
        "copy.undo 1 deleted",
        "drain.undo 1 filled",
        "close.undo 1 reopened",
        "say-so 1 said",
        "tidy 1 tidied",
    ]
    assert conforms(run)
    (started,) = run.events(EventKind.ROLLBACK_STARTED)
    assert started.data["steps"] == 6


def test_what_never_started_is_not_undone(trial: TrialOf, ledger: Ledger) -> None:
    run = until_failed(trial(stages=STAGES.replace("act: drained", "act: {fails: 9, changes: false}")), "drain")
    run.command(Verb.ROLLBACK)
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[2:] == ["close.undo 1 reopened", "say-so 1 said", "tidy 1 tidied"]
    assert run.events(step="copy.undo") == []
    assert conforms(run)


def test_a_policy_rolls_back_by_itself(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, undo: {act: undone}}\n- {id: b, act: {fails: 1}, on_failure: roll-back}")
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 undone"
    assert run.state().rollback_why == "b failed, and its policy is to roll back"
    assert conforms(run)


@pytest.mark.parametrize(("found", "undone"), [("clean", False), ("partial", True), ("done", True), ("cannot tell", True)])
def test_a_failed_step_is_probed_before_it_is_undone(
    trial: TrialOf,
    ledger: Ledger,
    found: str,
    undone: bool,  # noqa: FBT001 - a case
) -> None:
    steps = f"- {{id: a, act: {{fails: 1, unknown: probe, found: {found}}}, undo: {{act: x}}, on_failure: roll-back}}"
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run)[:2] == ["a 1", "probe a 1"]
    assert ("a.undo 1 x" in ledger(run)) is undone
    assert run.state().step("a").state is (StepState.FAILED_DIRTY if undone else StepState.PENDING)
    assert conforms(run)


@pytest.mark.parametrize(("found", "undone"), [("clean", False), ("partial", True)])
def test_so_is_one_that_was_skipped_after_it_had_failed(
    trial: TrialOf,
    ledger: Ledger,
    found: str,
    undone: bool,  # noqa: FBT001 - a case
) -> None:
    steps = (
        f"- {{id: a, act: {{fails: 1, unknown: probe, found: {found}}}, undo: {{act: x}}, optional: true, on_failure: warn}}\n"
        "- {id: b, act: {fails: 1, changes: false}, on_failure: roll-back}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run)[:3] == ["a 1", "b 1", "probe a 1"]
    assert ("a.undo 1 x" in ledger(run)) is undone
    assert conforms(run)


def test_an_undo_gets_the_values_its_step_captured(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: {output: {id: 7}}, capture: {id: $.id}, undo: {act: 'forget ${captured.id}'}}\n"
        "- {id: b, act: {fails: 1}, on_failure: roll-back}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 forget 7"


def test_an_undo_without_its_value_refuses_rather_than_guesses_and_two_people_may_waive_it(
    trial: TrialOf, ledger: Ledger
) -> None:
    steps = (
        "- {id: a, act: {fails: 1, output: {id: 7}}, capture: {id: $.id}, undo: {act: 'forget ${captured.a.id}'}, "
        "on_failure: roll-back}"
    )
    run = until_failed(trial(steps), "a.undo")
    undo = run.state().step("a.undo")
    assert "refused, nothing was guessed" in undo.reason
    assert "nothing was captured from `a`" in undo.reason
    assert undo.attempt == 0
    assert run.command(Verb.SKIP, "a.undo").answer == "a.undo is an undo: it is not skipped; two people can waive it"
    assert run.command(Verb.WAIVE, "a.undo", who="anna", why="nothing there").answer == "noted; it needs a second person"
    assert run.command(Verb.WAIVE, "a.undo", who="bela", why="I looked too").answer == "a.undo is given up"
    assert run.wait().state is RunState.ROLLED_BACK
    assert run.state().step("a.undo").reason == "anna and bela: I looked too"
    assert not any("forget" in line for line in ledger(run))
    assert conforms(run)


def test_an_undo_that_fails_is_tried_again_and_the_run_says_that_its_rollback_failed(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, undo: {act: {fails: 1}}}\n- {id: b, act: {fails: 1}, on_failure: roll-back}")
    ended = run.drive(wait=False)
    assert (ended.state, ended.rollback_failed) == (RunState.ROLLING_BACK, True)
    assert ended.waiting == ("a.undo failed: it broke",)
    run.start()
    assert run.command(Verb.RETRY, "a.undo").accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 2"
    assert conforms(run)


def test_what_runs_may_end_within_its_grace_before_the_way_back(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 0.2}, undo: {act: x}}\n- {id: b, act: two}").start(quiesce_grace=5)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    run.command(Verb.ROLLBACK)
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a 1", "a.undo 1 x"]
    assert run.state().step("a").state is StepState.PASSED


def test_what_does_not_end_is_stopped_background_steps_too(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: {takes: 60}, background: true, undo: {act: x}}\n- {id: b, act: {takes: 60}, undo: {act: y}}"
    run = trial(steps).start(quiesce_grace=0.05)
    run.until(lambda state: {state.step(key).state for key in "ab"} == {StepState.RUNNING})
    run.command(Verb.ROLLBACK)
    assert run.wait().state is RunState.ROLLED_BACK
    assert sorted(ledger(run)[-2:]) == ["a.undo 1 x", "b.undo 1 y"]
    assert run.events(EventKind.STEP_FAILED, step="a")[0].data["reason"] == "stopped: rollback: the run is being rolled back"


@pytest.mark.parametrize(
    ("undo", "rollback", "back"),
    [
        (", undo: {act: plugged}", "rollback: {none: the undo is enough}", ["cable.undo 1 plugged"]),
        ("", "rollback: [{id: plug, act: plugged}]", ["plug 1 plugged"]),
        ("", "rollback: {none: a cable does no harm}", []),
    ],
)
def test_a_task_in_somebodys_hands_counts_as_begun_and_nobody_is_asked(
    trial: TrialOf, ledger: Ledger, undo: str, rollback: str, back: list[str]
) -> None:
    run = trial(f"- {{id: cable, task: {{ask: pull it, form: task}}{undo}}}", rollback=rollback).start()
    run.until(lambda state: "cable" in state.decisions)
    run.command(Verb.ROLLBACK)
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run) == back
    step = run.state().step("cable")
    assert step.state is StepState.FAILED_DIRTY
    assert step.reason == "it was open when a rollback was asked for; somebody may have begun it"
    assert conforms(run)


def test_a_task_that_was_said_to_be_done_is_undone_without_a_question_after_a_crash(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: cable, task: {ask: pull it, form: task}, undo: {act: plugged}}").start()
    run.until(lambda state: "cable" in state.decisions)
    run.interrupt()
    with run.journal() as journal:
        lease = journal.take_lease(run.run_id, Owner("gone", "elsewhere", 1), seconds=30)
        done = Draft(EventKind.DECISION_GIVEN, "cable", 1, "anna", {"answer": "done", "why": "pulled"})
        journal.append(lease, [done, Draft(EventKind.ROLLBACK_REQUESTED, who="anna")])
        journal.release_lease(lease)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run) == ["cable.undo 1 plugged"]
    assert conforms(run)


def test_an_open_task_keeps_no_abort_waiting(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: cable, task: {ask: pull it, form: task}, undo: {act: plugged}}").start()
    run.until(lambda state: "cable" in state.decisions)
    run.command(Verb.ABORT, who="anna")
    assert run.wait().state is RunState.ABORTED
    assert ledger(run) == []
    step = run.state().step("cable")
    assert step.state is StepState.FAILED
    assert step.reason == "it was open when the run was aborted; what was done by hand stands"
    assert conforms(run)


def test_a_policy_turns_the_run_back_in_the_moment_it_speaks(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: {output: {n: 3}, fails: 1}, capture: {n: $.n}, optional: true, on_failure: warn}\n"
        "- parallel:\n"
        "    - {id: b, act: 'got ${captured.a.n}', on_failure: roll-back}\n"
        "    - {id: c, act: three}\n    - {id: d, act: four}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a 1", "probe a 1"]
    assert run.state().step("b").reason == "nothing of it can be out there: it was never sent"
    assert conforms(run)


def test_a_policy_that_rolls_back_leaves_a_persons_hold_alone(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: one, undo: {act: x}}\n- {id: b, act: {takes: 0.3, fails: 1, changes: false}, on_failure: roll-back}"
    run = trial(steps).start()
    run.until(lambda state: state.step("b").state is StepState.RUNNING)
    run.command(Verb.HOLD, who="anna", why="let me look first")
    run.until(lambda state: state.state is RunState.ROLLING_BACK)
    assert run.state().held_by == "anna"
    assert run.state().step("a.undo").attempt == 0
    run.command(Verb.RELEASE, who="anna")
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 x"
    assert conforms(run)


def test_a_step_in_doubt_is_answered_before_the_way_back(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: {unclear: true}, on_unknown: ask, undo: {act: x}}"
    run = trial(steps).start()
    run.until(lambda state: state.step("a").state is StepState.ASKS_HUMAN)
    run.command(Verb.ROLLBACK)
    run.until(lambda state: state.state is RunState.STOPPING)
    assert "say `done a` if it happened" in run.command(Verb.RETRY, "a").answer
    assert run.command(Verb.DONE, "a", who="anna", evidence="it is there").accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a 1", "a.undo 1 x"]


@pytest.mark.parametrize(("answer", "undone"), [("refuse", False), ("partly", True)])
def test_what_people_say_did_not_happen_is_not_undone(
    trial: TrialOf,
    ledger: Ledger,
    answer: str,
    undone: bool,  # noqa: FBT001 - a case
) -> None:
    run = trial("- {id: a, act: {unclear: true}, on_unknown: ask, undo: {act: x}}").start()
    run.until(lambda state: state.step("a").state is StepState.ASKS_HUMAN)
    run.command(Verb.ROLLBACK)
    run.until(lambda state: state.state is RunState.STOPPING)
    if answer == "refuse":
        run.command(Verb.REFUSE, "a", who="anna", why="looked")
    else:
        run.command(Verb.DONE, "a", who="anna", answer=answer, evidence="half of it")
    assert run.wait().state is RunState.ROLLED_BACK
    assert ("a.undo 1 x" in ledger(run)) is undone


# the point of no return


POINT = "- {id: a, act: one, undo: {act: x}}\n- {id: cut, act: two, point_of_no_return: true}\n- {id: b, act: {fails: FAILS}}"


def test_from_its_intent_on_a_rollback_is_refused(trial: TrialOf) -> None:
    run = trial(POINT.replace("act: two", "act: {takes: 60}")).start()
    run.until(lambda state: state.step("cut").state is StepState.RUNNING)
    answer = run.command(Verb.ROLLBACK, who="anna")
    assert not answer.accepted
    assert "cut was the point of no return" in answer.answer
    run.interrupt()
    assert run.events(EventKind.ROLLBACK_REQUESTED) == []


def test_a_policy_that_would_roll_back_holds_instead(trial: TrialOf) -> None:
    run = trial(POINT.replace("FAILS}", "1}, on_failure: roll-back"))
    ended = run.drive(wait=False)
    assert (ended.state, ended.held) == (RunState.RUNNING, True)
    assert "b failed, and cut was the point of no return: rolling back is no longer offered" in ended.why


def test_two_people_can_break_the_glass(trial: TrialOf, ledger: Ledger) -> None:
    run = until_failed(trial(POINT.replace("FAILS", "9")), "b")
    assert run.command(Verb.ROLLBACK, who="anna", break_glass=True).answer == "noted; it needs a second person"
    assert run.command(Verb.ROLLBACK, who="bela", break_glass=True).accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 x"
    (asked,) = run.events(EventKind.ROLLBACK_REQUESTED)
    assert (asked.who, asked.data["second"]) == ("bela", "anna")


def test_a_gate_that_is_the_point_of_no_return_is_not_passed_by_being_asked(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, undo: {act: x}}\n- {id: go, ask: {ask: cut?}, point_of_no_return: true}").start()
    run.until(lambda state: "go" in state.decisions)
    assert run.command(Verb.ROLLBACK).accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a 1 one", "a.undo 1 x"]


# suspensions


OFF = (
    "- {id: off, act: silenced, suspend: {what: alerts, resume_by: on}, undo: {act: unsilenced}}\n"
    "- {id: b, act: {fails: FAILS}}\n"
)


def test_a_suspension_opens_with_its_step_and_closes_with_the_one_that_resumes(trial: TrialOf) -> None:
    run = trial(OFF.replace("FAILS", "0") + "- {id: on, act: back}")
    assert run.drive().state is RunState.SUCCEEDED
    kinds = [event.kind for event in run.events() if event.kind.value.startswith("suspension")]
    assert kinds == [EventKind.SUSPENSION_OPENED, EventKind.SUSPENSION_CLOSED]
    assert run.state().suspensions == {}


def test_its_undo_closes_it_too(trial: TrialOf) -> None:
    run = trial(OFF.replace("FAILS}", "1}, on_failure: roll-back") + "- {id: on, act: back}")
    assert run.drive().state is RunState.ROLLED_BACK
    assert run.state().suspensions == {}


def test_a_run_does_not_end_with_one_open_without_a_named_persons_word(trial: TrialOf) -> None:
    steps = OFF.replace("FAILS", "0, takes: 0.3") + "- {id: on, act: back}"
    run = trial(steps).start()
    run.command(Verb.SKIP, "on", why="tomorrow")
    run.until(lambda state: state.step("on").state is StepState.SKIPPED and state.step("b").state is StepState.PASSED)
    run.until(lambda _: run.events(EventKind.WARNED))
    assert "still off: alerts" in str(run.events(EventKind.WARNED)[0].data["text"])
    assert run.state().state is RunState.RUNNING
    assert run.command(Verb.LEAVE_OFF, "alarms").answer == "nothing called 'alarms' is switched off; did you mean alerts?"
    assert not run.command(Verb.LEAVE_OFF, "alerts", who="anna", why="").accepted
    assert run.command(Verb.LEAVE_OFF, "alerts", who="anna", why="the vendor needs them off").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().suspensions["alerts"].left_by == "anna"
    assert conforms(run)


def test_what_may_have_been_switched_off_by_a_step_that_was_given_up_is_seen_to(trial: TrialOf) -> None:
    run = trial("- {id: off, act: {fails: 9}, suspend: {what: alerts, expires: 30h}}").start()
    run.until(lambda state: state.step("off").state is StepState.FAILED)
    run.command(Verb.SKIP, "off", who="anna", why="they are silent")
    run.until(lambda _: run.events(EventKind.WARNED))
    assert list(run.state().suspensions) == ["alerts"]
    assert run.command(Verb.LEAVE_OFF, "alerts", who="anna", why="until tomorrow").accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert conforms(run)


def test_one_that_expires_switches_itself_on_again(trial: TrialOf) -> None:
    clock = FakeClock()
    run = trial("- {id: off, act: x, suspend: {what: alerts, expires: 30h}}", clock=clock).start()
    run.until(lambda _: run.events(EventKind.WARNED))
    assert run.state().state is RunState.RUNNING
    clock.advance(30 * 3600 + 1)
    assert run.wait().state is RunState.SUCCEEDED
    assert run.events(EventKind.SUSPENSION_CLOSED)[0].data["why"] == "it has expired"


# abort


def test_an_abort_stops_everything_at_once_and_undoes_nothing(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, undo: {act: x}}\n- {id: b, act: {takes: 60}}\n- {id: c, act: three}").start()
    run.until(lambda state: state.step("b").state is StepState.RUNNING)
    assert run.command(Verb.ABORT, who="anna", why="fire in the building").accepted
    assert run.wait().state is RunState.ABORTED
    assert ledger(run) == ["a 1 one", "b 1"]
    assert run.state().step("b").reason == "stopped: abort: the run was aborted"
    assert conforms(run)


def test_an_abort_waits_for_proof_of_what_does_not_stop(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {deaf: 1}, on_unknown: ask}").start(stop_grace=0.05)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    run.command(Verb.ABORT)
    run.until(lambda state: state.step("a").state is StepState.ASKS_HUMAN)
    assert run.state().state is RunState.ABORTING
    assert run.command(Verb.DONE, "a", who="anna", evidence="it is there").accepted
    assert run.wait().state is RunState.ABORTED


def test_nothing_is_asked_of_a_run_that_is_over(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 60}}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    run.command(Verb.ABORT)
    run.wait()
    with run.journal() as journal:
        lease = journal.take_lease(run.run_id, Owner("anna", "here", 1), seconds=5)
        journal.release_lease(lease)
    assert run.drive().state is RunState.ABORTED
    kinds = {event.kind for event in run.events()}
    assert EventKind.RUN_SUCCEEDED not in kinds


def test_a_journal_with_a_forbidden_event_does_not_conform(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one}\n- {id: b, act: two}")
    run.drive()
    with run.journal() as journal:
        record, events = journal.run(run.run_id), journal.events(run.run_id)
    assert run.kinds is not None
    _, plan = load_run(record, run.kinds, run.root)
    swapped = [*events]
    first, second = (
        next(i for i, event in enumerate(events) if event.kind is EventKind.STEP_STARTED and event.step == key) for key in "ab"
    )
    swapped[first], swapped[second] = swapped[second], swapped[first]
    assert "it waits for a" in deviations(plan, record.id, swapped)[0].why
    projection = Projection(plan, RunRecordState(record.id))
    with pytest.raises(MoveNotAllowed, match="the run is planned"):
        projection.take(Draft(EventKind.STEP_STARTED, "a", 1), at=events[0].at, epoch=1)


# back to a stage

FOUR = """  freeze:
    owner: lead
    steps: [{id: close, act: closed, undo: {act: reopened}}]
    rollback: {none: the undo is enough}
  deploy:
    owner: lead
    needs: [freeze]
    steps: [{id: install, act: installed, undo: {act: removed}}]
    rollback: [{id: tidy, act: tidied}]
  phones:
    owner: lead
    needs: [freeze]
    steps: [{id: forward-calls, act: forwarded, undo: {act: calls-back}}]
    rollback: {none: the undo is enough}
  move:
    owner: lead
    needs: [deploy]
    steps:
      - {id: copy, act: copied, undo: {act: deleted}}
      - {id: stop, act: {fails: 9, changes: false}}
    rollback: {none: the undo is enough}
"""


def undone(ledger: Ledger, run: Trial) -> list[str]:
    return [line.split()[-1] for line in ledger(run) if "undo" in line or "tidy" in line]


def back_to(run: Trial, stage: str) -> None:
    answer = run.command(Verb.ROLLBACK, who="anna", to=stage)
    assert answer.accepted, answer.answer
    run.until(lambda state: state.held, f"the hold at {stage}")


def test_back_to_a_stage_it_and_what_it_rests_on_stay_and_the_run_is_held_there(trial: TrialOf, ledger: Ledger) -> None:
    run = until_failed(trial(stages=FOUR), "stop")
    back_to(run, "deploy")
    assert undone(ledger, run) == ["deleted", "calls-back"] or undone(ledger, run) == ["calls-back", "deleted"]
    state = run.state()
    assert (state.state, state.rollback_to) == (RunState.ROLLING_BACK, "deploy")
    assert state.held_why == "it is rolled back to deploy: `rollback` goes on from here, `abort` ends here"
    refused = run.command(Verb.RELEASE, who="anna")
    assert not refused.accepted
    assert "no step goes forward any more" in refused.answer
    assert run.command(Verb.ABORT, who="anna").accepted
    assert run.wait().state is RunState.ABORTED
    assert conforms(run)


def test_from_a_stage_it_goes_on_back_step_by_step_and_never_forward(trial: TrialOf, ledger: Ledger) -> None:
    run = until_failed(trial(stages=FOUR), "stop")
    back_to(run, "deploy")
    again = run.command(Verb.ROLLBACK, who="anna", to="move")
    assert not again.accepted, "what has been undone cannot stay"
    assert "it is being rolled back to deploy already" in again.answer
    back_to(run, "freeze")
    assert undone(ledger, run)[2:] == ["removed", "tidied"]
    assert run.command(Verb.ROLLBACK, who="anna").accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert undone(ledger, run)[4:] == ["reopened"]
    assert run.state().rollback_to == ""
    assert conforms(run)


def test_a_rollback_to_a_stage_goes_on_after_a_crash_and_days_later_by_another_engine(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    run = until_failed(trial(stages=FOUR, clock=clock), "stop")
    back_to(run, "freeze")
    run.interrupt()
    clock.advance(5 * 24 * 3600)
    run.start(wait=False)
    assert run.wait().held
    assert run.state().state is RunState.ROLLING_BACK
    run.start()
    assert run.command(Verb.ROLLBACK, who="anna", why="we give it up").accepted
    assert run.wait().state is RunState.ROLLED_BACK
    assert sorted(undone(ledger, run)) == ["calls-back", "deleted", "removed", "reopened", "tidied"]
    assert conforms(run)


def test_there_is_no_way_back_to_a_stage_that_does_not_exist_or_past_the_point_of_no_return(trial: TrialOf) -> None:
    run = until_failed(trial(stages=FOUR.replace("{id: install, act", "{id: install, point_of_no_return: true, act")), "stop")
    assert "did you mean deploy" in run.command(Verb.ROLLBACK, who="anna", to="deply").answer
    assert "point of no return" in run.command(Verb.ROLLBACK, who="anna", to="freeze").answer
    assert run.state().state is RunState.RUNNING


def test_an_undo_that_fails_on_the_way_to_a_stage_is_waived_by_two_and_the_run_arrives(trial: TrialOf) -> None:
    run = until_failed(trial(stages=FOUR.replace("{act: deleted}", "{act: {fails: 9}}")), "stop")
    assert run.command(Verb.ROLLBACK, who="anna", to="deploy").accepted
    run.until(lambda state: state.step("copy.undo").state is StepState.FAILED)
    assert not run.state().held
    run.command(Verb.WAIVE, "copy.undo", who="anna")
    run.command(Verb.WAIVE, "copy.undo", who="bela")
    run.until(lambda state: state.held)
    assert conforms(run)


# the rollback window

UNTIL = "way_back: {until: 2027-03-13 20:00, kept_by: reverse replication}\n"
TWO_STEPS = "- {id: a, act: one, undo: {act: back}}\n- {id: b, act: {fails: 1}, undo: {act: x}}"


def test_after_the_end_of_the_rollback_window_two_people_have_to_break_the_glass(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    run = until_failed(trial(TWO_STEPS, head=UNTIL, clock=clock), "b")
    clock.advance(3 * 3600)
    refused = run.command(Verb.ROLLBACK, who="anna")
    assert not refused.accepted
    assert "the way back was kept alive until 2027-03-13 20:00" in refused.answer
    assert "reverse replication" in refused.answer
    run.command(Verb.ROLLBACK, who="anna", break_glass="yes")
    run.command(Verb.ROLLBACK, who="bela", break_glass="yes")
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 back"
    assert conforms(run)


def test_within_the_rollback_window_one_person_is_enough(trial: TrialOf) -> None:
    run = until_failed(trial(TWO_STEPS, head=UNTIL, clock=FakeClock()), "b")
    assert run.command(Verb.ROLLBACK, who="anna").accepted
    assert run.wait().state is RunState.ROLLED_BACK


def test_a_policy_does_not_roll_back_after_the_end_of_the_rollback_window(trial: TrialOf) -> None:
    clock = FakeClock()
    steps = "- {id: a, act: {takes: 10800}, timeout: 9h}\n- {id: b, act: {fails: 1}, on_failure: roll-back}"
    run = trial(steps, head=UNTIL, clock=clock)
    ended = run.drive(wait=False)
    assert (ended.state, ended.held) == (RunState.RUNNING, True)
    assert "b failed, and the way back was kept alive until 2027-03-13 20:00" in ended.why


def test_an_abort_during_the_look_at_a_failed_step_leaves_it_as_it_failed(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.engine.recovery._PROBE_AGAIN", 0.05)
    run = trial("- {id: a, act: {fails: 1, unknown: probe, found: soon}, undo: {act: x}}").start()
    run.until(lambda state: state.step("a").state is StepState.FAILED)
    assert run.command(Verb.ROLLBACK, why="it failed").accepted
    run.until(lambda _: run.events(EventKind.STEP_SAID), "the probe")
    assert run.command(Verb.ABORT, why="it burns").accepted
    (run.root / "arrived").touch()
    assert run.wait().state is RunState.ABORTED
    assert run.events(EventKind.STEP_DIRTY, EventKind.STEP_RESET) == []
    assert run.state().step("a").state is StepState.FAILED
