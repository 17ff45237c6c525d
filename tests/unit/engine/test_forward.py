"""A run towards the new system: order, failures, retries, time-outs, what is captured and what is verified."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from changeover.contracts import Mode, RunState, StepState
from changeover.engine.changed import RunChanged
from changeover.engine.conformance import deviations
from changeover.engine.drive import drive, load_run
from changeover.journal.events import EventKind, Verb
from changeover.journal.store import RunOwned
from changeover.testing import FakeClock, Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]


def kinds_of(run: Trial, step: str) -> list[str]:
    return [event.kind.value for event in run.events(step=step)]


def conforms(run: Trial) -> bool:
    with run.journal() as journal:
        record = journal.run(run.run_id)
        assert run.kinds is not None
        _, plan = load_run(record, run.kinds, run.root)
        return deviations(plan, record.id, journal.events(record.id)) == []


def test_steps_run_in_the_order_written_and_the_run_succeeds(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one}\n- {id: b, act: two}\n- {id: c, act: three}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1 one", "b 1 two", "c 1 three"]
    assert conforms(run)


def test_the_intent_stands_in_the_journal_before_the_outcome(trial: TrialOf) -> None:
    run = trial("- {id: a, title: The first, act: one}")
    run.drive()
    started, passed = run.events(step="a")
    assert (started.kind, passed.kind) == (EventKind.STEP_STARTED, EventKind.STEP_PASSED)
    assert started.data == {"title": "The first", "stage": "work", "phase": "forward"}
    assert passed.data["summary"] == "wrote one"


def test_the_outcome_and_the_intent_it_allows_share_a_transaction(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one}\n- {id: b, act: two}")
    run.drive()
    kinds = [event.kind for event in run.events()]
    assert kinds.index(EventKind.STEP_PASSED) + 1 == [i for i, kind in enumerate(kinds) if kind is EventKind.STEP_STARTED][1]


def test_a_run_that_is_over_is_not_driven_again(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one}")
    run.drive()
    before = len(run.events())
    ended = run.drive()
    assert (ended.state, ended.why) == (RunState.SUCCEEDED, "the run is over")
    assert len(run.events()) == before
    assert ledger(run) == ["a 1 one"]


def test_what_does_not_depend_on_a_failed_step_goes_on_and_people_decide(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 9}}\n- {id: b, act: two, needs: []}\n- {id: c, act: three, needs: [a]}")
    ended = run.drive(wait=False)
    assert ended.state is RunState.RUNNING
    assert ended.waiting == ("a failed: it broke",)
    assert sorted(ledger(run)) == ["a 1", "b 1 two"]
    assert run.state().step("c").state is StepState.PENDING


def test_a_failed_step_is_tried_again_by_its_policy_and_its_taint_stays(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 2}, repeatable: true, retry: {times: 2, every: 0s}}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "a 2", "a 3"]
    retrying = run.events(EventKind.STEP_RETRYING)
    assert [event.data["reason"] for event in retrying] == ["it broke", "it broke"]
    assert conforms(run)


def test_what_could_happen_twice_is_not_tried_again_by_a_policy_but_by_a_persons_word(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 1}, retry: {times: 2, every: 0s}}").start()
    run.until(lambda _: run.events(EventKind.WARNED))
    assert "a is not tried again by itself: the probe: found cannot tell" in str(run.events(EventKind.WARNED)[0].data["text"])
    assert run.state().step("a").state is StepState.FAILED
    run.command(Verb.RETRY, "a", who="anna", why="I looked: nothing is there")
    assert run.wait().state is RunState.SUCCEEDED
    (retrying,) = run.events(EventKind.STEP_RETRYING)
    assert (retrying.who, retrying.data["reason"]) == ("anna", "anna: I looked: nothing is there")
    assert ledger(run) == ["a 1", "probe a 1", "a 2"]
    assert conforms(run)


def test_what_can_neither_be_repeated_nor_probed_is_for_people(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, blind: {fails: 1}, retry: 1}")
    assert run.drive(wait=False).waiting == ("a failed: it broke",)
    assert ledger(run) == ["a 1"]
    assert "nobody can say what the failed attempt left" in str(run.events(EventKind.WARNED)[0].data["text"])


def test_what_a_probe_finds_clean_is_tried_again_by_its_policy(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 1, unknown: probe, found: clean}, retry: {times: 1, every: 0s}}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "probe a 1", "a 2"]
    assert conforms(run)


def test_what_a_probe_does_not_find_clean_goes_the_way_its_author_wrote(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: {fails: 1, unknown: probe, found: partial}, undo: {act: x}, "
        "retry: {times: 1, every: 0s}, on_failure: roll-back}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a 1", "probe a 1", "probe a 1", "a.undo 1 x"]


def test_retries_come_to_an_end(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 9}, repeatable: true, retry: {times: 1, every: 0s}}")
    assert run.drive(wait=False).waiting == ("a failed: it broke",)
    assert ledger(run) == ["a 1", "a 2"]


def test_the_pause_between_tries_grows_as_its_author_wrote(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {fails: 2, changes: false}, retry: {times: 2, every: 1s, backoff: 2}}")
    run.start()
    run.until(lambda state: state.step("a").state is StepState.RETRYING)
    assert [event.data["pause"] for event in run.events(EventKind.STEP_RETRYING)] == [1.0]
    assert run.interrupt().interrupted


def test_best_effort_goes_on_and_says_so(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 9}, on_failure: warn}\n- {id: b, act: two}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "b 1 two"]
    assert kinds_of(run, "a") == ["step_started", "step_failed", "step_skipped"]
    assert "best effort" in str(run.events(EventKind.WARNED)[0].data["text"])


def test_on_failure_hold_holds_the_run(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {fails: 1}, on_failure: hold}\n- {id: b, act: {takes: 0.4}, needs: []}\n- {id: c, act: three}")
    ended = run.drive(wait=False)
    assert (ended.held, ended.why) == (True, "a failed")
    assert "c 1 three" not in ledger(run)


def test_a_check_that_fails_fails_its_step_with_its_figures(trial: TrialOf) -> None:
    run = trial("- {id: a, look: failed}")
    run.drive(wait=False)
    (failed,) = run.events(EventKind.STEP_FAILED)
    assert failed.data["reason"] == "it is failed"
    assert failed.data["verdict"] == {
        "answer": "failed",
        "summary": "it is failed",
        "expected": 1,
        "found": 2,
        "figures": {},
    }


def test_what_cannot_be_verified_has_not_passed(trial: TrialOf) -> None:
    run = trial("- {id: a, look: not verifiable}")
    run.drive(wait=False)
    assert run.state().step("a").state is StepState.FAILED


@pytest.mark.parametrize("answer", ["failed", "not verifiable"])
def test_a_no_that_only_warns_lets_the_step_pass_and_stays_in_the_journal(trial: TrialOf, answer: str) -> None:
    look = f"look: {{answer: {answer}, warns: true}}"
    run = trial(f"- {{id: a, {look}}}\n- {{id: b, act: x, verify: {{{look}}}}}")
    assert run.drive().state is RunState.SUCCEEDED
    passed, _ = run.events(EventKind.STEP_PASSED)
    verdict = passed.data["verdict"]
    assert isinstance(verdict, dict)
    assert verdict["answer"] == answer


def test_a_warning_is_not_verifiable_in_a_dry_run(trial: TrialOf) -> None:
    run = trial("- {id: a, look: {answer: not verifiable, warns: true}}", mode=Mode.DRY_RUN)
    run.drive()
    assert run.state().step("a").state is StepState.SKIPPED


def test_a_bug_in_a_steps_code_fails_the_step_and_its_traceback_is_in_the_log(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {crash: true}}")
    run.drive(wait=False)
    assert run.state().step("a").reason == "KeyError: 'text'"
    logs = list((run.root / ".changeover").rglob("a.log"))
    assert "Traceback" in logs[0].read_text(encoding="utf-8")


def test_captured_values_feed_later_steps(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {output: {id: 7}}, capture: {id: $.id}}\n- {id: b, act: 'got ${captured.a.id}'}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run)[-1] == "b 1 got 7"
    assert run.state().step("a").captured == {"id": 7}


def test_a_capture_that_finds_nothing_fails_the_step(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {output: {id: 7}}, capture: {id: $.name}}")
    run.drive(wait=False)
    assert "no `$.name`" in run.state().step("a").reason


def test_a_value_that_is_not_there_refuses_the_step_before_its_intent(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: {output: {id: 7}}, capture: {id: $.id}, optional: true}\n- {id: b, act: '${captured.a.id}'}"
    run = trial(steps)
    run.start()
    run.until(lambda state: state.step("a").state is StepState.PASSED)
    run.wait()
    again = trial(
        "- {id: a, act: {fails: 9, output: {id: 7}}, capture: {id: $.id}, on_failure: warn}\n- {id: b, act: '${captured.a.id}'}"
    )
    again.drive(wait=False)
    step = again.state().step("b")
    assert (step.state, step.attempt, step.tainted) == (StepState.FAILED, 0, False)
    assert "nothing was captured from `a`" in step.reason
    assert ledger(again) == ["a 1"]


def test_a_step_is_verified_as_part_of_itself(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, verify: {look: passed}}\n- {id: b, act: two}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1 one", "a 1", "b 1 two"]


def test_a_step_that_is_not_verified_has_failed(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one, verify: {look: failed}}")
    run.drive(wait=False)
    assert run.state().step("a").reason == "done, but not verified: it is failed"


def test_a_condition_on_a_captured_value_is_answered_when_its_turn_comes(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: {output: {n: 3}}, capture: {n: $.n}}\n"
        "- {id: b, act: two, when: '${captured.a.n} > 5'}\n- {id: c, act: three, when: '${captured.a.n} < 5'}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "c 1 three"]
    assert "does not hold" in run.state().step("b").reason


def test_a_reading_step_that_takes_too_long_has_failed(trial: TrialOf) -> None:
    run = trial("- {id: a, brief: {takes: 30, changes: false}}")
    run.drive(wait=False)
    step = run.state().step("a")
    assert (step.state, step.reason) == (StepState.FAILED, "time-out: it did not end within 0.1 s")


def test_a_changing_step_that_takes_too_long_is_unknown_and_people_are_asked(trial: TrialOf) -> None:
    run = trial("- {id: a, brief: {takes: 30}, on_unknown: ask}")
    ended = run.drive(wait=False)
    assert kinds_of(run, "a") == ["step_started", "step_unknown", "step_asked"]
    assert "did it happen?" in ended.waiting[0]


def test_a_step_that_does_not_hear_is_given_up_and_never_counted_as_done(trial: TrialOf) -> None:
    run = trial("- {id: a, brief: {deaf: 0.5, unknown: rerun}}")
    run.drive(wait=False, stop_grace=0.05)
    assert "and it does not stop" in str(run.events(EventKind.STEP_UNKNOWN)[0].data["reason"])
    assert run.state().step("a").state is StepState.FAILED


@pytest.mark.parametrize(
    ("found", "state"), [("done", StepState.PASSED), ("partial", StepState.ASKS_HUMAN), ("cannot tell", StepState.ASKS_HUMAN)]
)
def test_an_unclear_end_is_settled_by_a_probe(trial: TrialOf, ledger: Ledger, found: str, state: StepState) -> None:
    run = trial(f"- {{id: a, act: {{unclear: true, unknown: probe, found: {found}}}}}")
    run.drive(wait=False)
    assert run.state().step("a").state is state
    assert ledger(run)[:2] == ["a 1", "probe a 1"]
    assert conforms(run)


def test_what_a_probe_proves_never_to_have_happened_is_done_again(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {unclear: true, unknown: probe, found: clean}}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "probe a 1", "a 2"]


def test_wide_steps_run_side_by_side_within_the_limit(trial: TrialOf) -> None:
    run = trial("\n".join(f"- {{id: s{i}, act: {{takes: 0.1}}, needs: []}}" for i in range(6)))
    run.drive(parallel=2)
    going = most = 0
    for event in run.events(EventKind.STEP_STARTED, EventKind.STEP_PASSED):
        going += 1 if event.kind is EventKind.STEP_STARTED else -1
        most = max(most, going)
    assert most == 2


def test_what_is_said_stands_in_the_journal_and_secrets_do_not(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_TOKEN", "hush-hush-42")
    files = {"checks/__init__.py": "", "checks/telling.py": TELLING}
    run = trial("- {id: a, python: checks.telling:tell}", kinds=None, files=files)
    assert run.drive().state is RunState.SUCCEEDED
    (said,) = run.events(EventKind.STEP_SAID)
    assert said.data["line"] == "the token is ••••••"
    assert "hush-hush-42" not in (run.root / "journal.db").read_bytes().decode("latin1")


TELLING = """
def tell(context):
    context.say("the token is " + context.secret("env:TRIAL_TOKEN"))
"""


def test_progress_is_thinned_and_its_last_word_is_kept(trial: TrialOf) -> None:
    files = {"checks/__init__.py": "", "checks/going.py": GOING}
    run = trial("- {id: a, python: checks.going:go}", kinds=None, files=files)
    assert run.drive().state is RunState.SUCCEEDED
    progressed = run.events(EventKind.STEP_PROGRESSED)
    assert [event.data["done"] for event in progressed] == [0, 499]


GOING = """
def go(context):
    for number in range(500):
        context.progress(number, 500, "rows")
"""


def test_nothing_has_an_effect_in_a_dry_run(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: one, suspend: {what: alerts, resume_by: c}, capture: {id: $.id}}\n"
        "- {id: go, ask: {ask: go on?, deciders: [lead], quorum: 2}}\n"
        "- {id: b, act: '${captured.a.id}'}\n- {id: l, look: not verifiable}\n- {id: c, act: three}"
    )
    run = trial(steps, mode=Mode.DRY_RUN)
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == []
    assert run.state().suspensions == {}
    assert run.events(EventKind.DECISION_ASKED) == []
    said = [str(event.data["line"]) for event in run.events(EventKind.STEP_SAID, step="go")]
    assert said == ["would ask lead, 2 of them: go on?"]
    assert run.state().step("l").state is StepState.SKIPPED
    assert conforms(run)


def test_a_runbook_that_has_changed_is_refused_until_a_person_accepts_it(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one}\n- {id: b, act: {fails: 1}}")
    run.drive(wait=False)
    file = run.root / "runbooks" / "trial.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("one", "other"), encoding="utf-8")
    with pytest.raises(RunChanged, match=r"runbooks/trial\.yaml was changed") as refused:
        run.drive(wait=False)
    assert refused.value.changes.steps == ("a: `act` one became other",)
    ((name, diff),) = refused.value.changes.diffs
    assert name == "runbooks/trial.yaml"
    assert {"-      - {id: a, act: one}", "+      - {id: a, act: other}"} <= set(diff)
    run.start(accept_change="anna")
    run.until(lambda state: state.step("b").state is StepState.FAILED)
    run.command(Verb.RETRY, "b")
    assert run.wait().state is RunState.SUCCEEDED
    (accepted,) = run.events(EventKind.CHANGE_ACCEPTED)
    assert (accepted.who, accepted.data["what"]) == ("anna", "runbooks/trial.yaml was changed")
    assert accepted.data["steps"] == "a: `act` one became other"
    assert ledger(run) == ["a 1 one", "b 1", "b 2"]


def test_code_of_the_project_that_has_changed_is_refused_by_its_name(trial: TrialOf) -> None:
    files = {"checks/counts.py": "LIMIT = 1\n", "checks/sums.py": "", "rollback/restore.py": "", "kinds/cable.py": ""}
    run = trial("- {id: a, act: {fails: 1}}", files=files)
    run.drive(wait=False)
    (run.root / "checks" / "counts.py").write_text("LIMIT = 2\n", encoding="utf-8")
    (run.root / "rollback" / "restore.py").unlink()
    (run.root / "kinds" / "tube.py").touch()
    (run.root / "checks" / "other.py").touch()  # nothing of the run names it
    with pytest.raises(RunChanged) as refused:
        run.drive(wait=False)
    assert refused.value.what == ("checks/counts.py was changed", "rollback/restore.py is gone", "kinds/tube.py is new")
    assert run.drive(wait=False, accept_change="anna").state is RunState.RUNNING


def test_a_project_with_much_code_is_compared_folder_by_folder(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {fails: 1}}", files={f"checks/check_number_{n}.py": "" for n in range(40)})
    run.drive(wait=False)
    (run.root / "checks" / "check_number_7.py").write_text("LIMIT = 2\n", encoding="utf-8")
    with pytest.raises(RunChanged, match="checks/ was changed"):
        run.drive(wait=False)


def test_an_interrupted_run_ends_what_runs_and_can_be_resumed(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 0.2}}\n- {id: b, act: two}")
    run.start(quiesce_grace=5)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    ended = run.interrupt()
    assert (ended.interrupted, ended.state) == (True, RunState.RUNNING)
    assert run.state().step("a").state is StepState.PASSED
    assert run.start().wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "b 1 two"]


def test_an_interrupted_step_that_has_to_be_stopped_is_in_doubt(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 30, unknown: rerun}}")
    run.start(quiesce_grace=0.05)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    assert run.interrupt().interrupted
    assert run.state().step("a").state is StepState.UNKNOWN
    run.start()
    run.until(lambda state: state.step("a").attempt == 2)
    run.interrupt()
    assert ledger(run) == ["a 1", "a 2"]


def test_a_second_engine_is_refused_by_the_owners_name(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 30}}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    other = trial("- {id: a, act: {takes: 30}}")
    other.root, other.run_id = run.root, run.run_id
    with pytest.raises(RunOwned, match="runner"):
        other.drive()
    run.interrupt()


def test_the_pause_before_another_try_outlives_the_engine(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    run = trial("- {id: a, act: {fails: 1}, on_unknown: rerun, retry: {times: 1, every: 30m}}", clock=clock).start()
    run.until(lambda state: state.step("a").state is StepState.RETRYING)
    assert run.interrupt().interrupted
    clock.advance(1700)
    run.start()
    time.sleep(0.15)
    assert ledger(run) == ["a 1"]
    clock.advance(101)
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "a 2"]


def test_another_try_waits_for_the_end_of_its_pause(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    run = trial("- {id: a, act: {fails: 1}, on_unknown: rerun, retry: {times: 1, every: 30m}}", clock=clock).start()
    run.until(lambda state: state.step("a").state is StepState.RETRYING)
    clock.advance(1799)
    time.sleep(0.15)
    assert ledger(run) == ["a 1"]
    clock.advance(2)
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "a 2"]


def test_a_proof_that_comes_late_is_waited_for_as_its_author_wrote(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: one, verify: {act: {fails: 9}, retry: {times: 2, every: 0s}}}")
    run.drive(wait=False)
    assert ledger(run) == ["a 1 one", "a 1", "a 1", "a 1"]
    assert run.state().step("a").reason == "done, but not verified: it broke"
    assert [event.data["line"] for event in run.events(EventKind.STEP_SAID)] == [
        "not verified yet: done, but not verified: it broke"
    ] * 2


def test_a_secret_is_never_captured(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_TOKEN", "hush-hush-42")
    give = "def give(context):\n    return {'token': context.secret('env:TRIAL_TOKEN')}\n"
    files = {"checks/__init__.py": "", "checks/giving.py": give}
    run = trial("- {id: a, python: checks.giving:give, capture: {token: $.token}}", kinds=None, files=files)
    run.drive(wait=False)
    assert "contains a secret" in run.state().step("a").reason
    assert b"hush-hush-42" not in (run.root / "journal.db").read_bytes()


def test_a_question_that_cannot_be_made_fails_its_step(trial: TrialOf) -> None:
    run = trial("- {id: go, ask: {ask: go?, form: vote}}")
    run.drive(wait=False)
    step = run.state().step("go")
    assert (step.state, step.attempt) == (StepState.FAILED, 0)
    assert "the question could not be made" in step.reason


def test_a_question_that_never_comes_fails_its_step(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.engine.beginning._QUESTION_SECONDS", 0.05)
    monkeypatch.setattr("changeover.engine.bounded._GRACE", 0.05)
    over = threading.Event()
    run = trial("- {id: go, ask: go on?}")
    assert run.kinds is not None
    monkeypatch.setattr(run.kinds["ask"].python, "question", lambda *_: over.wait(30))
    run.drive(wait=False)
    over.set()
    assert "the question of go did not end within 0.05 s" in run.state().step("go").reason


def test_a_dry_run_says_what_it_cannot_show(trial: TrialOf) -> None:
    steps = (
        "- {id: a, act: {output: {n: 3}}, capture: {n: $.n}}\n"
        "- {id: b, act: {fails: '${captured.a.n}'}}\n- {id: c, act: x, when: '${captured.a.n} > 2'}"
    )
    run = trial(steps, mode=Mode.DRY_RUN)
    assert run.drive().state is RunState.SUCCEEDED
    assert run.state().step("b").state is StepState.SKIPPED
    assert "needs a captured value" in run.state().step("b").reason


def test_what_is_announced_has_its_values(trial: TrialOf) -> None:
    run = trial("- {id: a, act: one, says: 'run ${run.id} begins'}")
    run.drive()
    assert run.events(EventKind.STEP_STARTED)[0].data["says"] == f"run {run.run_id} begins"


def test_two_engines_that_are_started_at_once_do_everything_once(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 0.2}}\n- {id: b, act: two}")
    run.create()
    ends: list[str] = []

    def race() -> None:
        try:
            ends.append(drive(run.journal_url, run.run_id, run.options()).state.value)
        except RunOwned:
            ends.append("refused")

    racers = [threading.Thread(target=race) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(ends) == ["refused", "refused", "refused", "succeeded"]
    assert ledger(run) == ["a 1", "b 1 two"]
