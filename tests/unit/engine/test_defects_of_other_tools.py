"""What other tools get wrong, and this one must not: one test for each defect, named by it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from changeover.contracts import RunState, StepState
from changeover.journal.events import EventKind, Verb
from changeover.testing import FakeClock, Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]

_HOUR = 3600.0
GATE = "- {id: go, ask: {ask: go on?, deciders: [lead]}}\n- {id: after, act: on}"


def waiting(run: Trial, step: str = "go") -> Trial:
    run.start()
    run.until(lambda state: step in state.decisions, f"the question of {step}")
    return run


def settle() -> None:
    """Let the engine look several times at a clock that has moved."""
    time.sleep(0.1)


def test_an_approval_step_approves_itself_after_thirty_seconds(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock()
    run = waiting(trial(GATE, clock=clock))
    for seconds in (30, 31, 24 * _HOUR, 6 * 24 * _HOUR):
        clock.advance(seconds)
        settle()
    assert "go" in run.state().decisions
    assert run.events(EventKind.DECISION_GIVEN) == []
    assert ledger(run) == []
    assert run.command(Verb.APPROVE, "go", who="anna").accepted, "after a week it is still a question"
    assert run.wait().state is RunState.SUCCEEDED


def test_an_approval_step_approves_itself_at_its_deadline(trial: TrialOf, ledger: Ledger) -> None:
    clock = FakeClock(datetime(2027, 3, 13, 18, 0, tzinfo=UTC))
    run = waiting(trial(GATE.replace("[lead]", "[lead], by: 2027-03-13 20:00"), clock=clock))
    clock.advance(3 * _HOUR)
    run.until(lambda state: state.held, "the hold at the deadline")
    assert ledger(run) == []
    run.interrupt()


def test_a_refused_approval_triggers_the_rollback_steps(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial("- {id: before, act: x, undo: {act: y}}\n" + GATE))
    run.command(Verb.REFUSE, "go", who="anna", why="not yet")
    state = run.state()
    assert (state.state, state.held) == (RunState.RUNNING, True)
    assert run.events(EventKind.ROLLBACK_REQUESTED) == []
    assert ledger(run) == ["before 1 x"]
    run.interrupt()


def test_abort_does_not_stop_the_process_and_a_killed_job_goes_on(tmp_path: Path) -> None:
    runbook = """changeover: 1
id: x
title: X
stages:
  work:
    owner: anna
    steps: [{id: job, shell: 'sleep 300 & echo $! > child; echo $$ > parent; wait; echo late > late'}]
    rollback: {none: nothing}
"""
    run = Trial(tmp_path, runbook).start()
    run.until(lambda _: all((tmp_path / name).exists() and (tmp_path / name).read_text().strip() for name in ("child", "parent")))
    pids = [int((tmp_path / name).read_text()) for name in ("child", "parent")]
    run.command(Verb.ABORT)
    run.until(lambda state: state.step("job").state is not StepState.RUNNING, "the end of the job")
    assert not [pid for pid in pids if alive(pid)], "it is said to have stopped, and it has not"
    if run.state().step("job").state is StepState.ASKS_HUMAN:  # what it did before stays for a person to say
        run.command(Verb.REFUSE, "job", who="anna")
    assert run.wait().state is RunState.ABORTED
    assert not (tmp_path / "late").exists()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_long_step_after_an_approval_is_declared_failed_after_ninety_seconds(trial: TrialOf) -> None:
    run = waiting(
        trial("- {id: go, ask: {deciders: [lead]}}\n- {id: long, act: {takes: 43200}, timeout: 20h}", clock=FakeClock())
    )
    run.command(Verb.APPROVE, "go", who="anna")
    assert run.wait().state is RunState.SUCCEEDED
    assert run.state().step("long").attempt == 1


def test_a_manual_step_dies_after_thirty_idle_minutes(trial: TrialOf) -> None:
    clock = FakeClock()
    run = waiting(trial("- {id: call, task: {form: task, ask: call the shops}}", clock=clock), "call")
    for _ in range(16):
        clock.advance(_HOUR / 2)
        settle()
    assert run.state().step("call").state is StepState.RUNNING
    assert run.command(Verb.DONE, "call", who="anna", evidence="all called").accepted
    assert run.wait().state is RunState.SUCCEEDED


def test_an_answer_is_consumed_while_the_workflow_stays_stopped(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(GATE))
    run.command(Verb.HOLD)
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    run.interrupt()
    run.start()
    assert ledger(run) == [], "it is held: the answer is not used yet"
    assert run.command(Verb.RELEASE).accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert len(run.events(EventKind.DECISION_ASKED)) == 1, "nobody is asked twice"
    assert ledger(run) == ["go 1", "after 1 on"]


def test_a_join_runs_although_one_parent_is_in_error(trial: TrialOf, ledger: Ledger) -> None:
    steps = """
- {id: good, needs: [], act: x}
- {id: bad, needs: [], act: {fails: 1}}
- {id: doubtful, needs: [], blind: {}, timeout: 1m}
- {id: join, needs: [good, bad, doubtful], act: y}
"""
    run = trial(steps)
    run.drive(wait=False)
    assert run.state().step("join").attempt == 0
    assert "join 1 y" not in ledger(run)
    run.start()
    run.command(Verb.RETRY, "bad")
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run)[-1] == "join 1 y"


def test_a_cancelled_approval_lets_downstream_run(trial: TrialOf, ledger: Ledger) -> None:
    run = waiting(trial(GATE))
    assert not run.command(Verb.SKIP, "go", who="anna").accepted, "a decision is not skipped"
    run.command(Verb.REFUSE, "go", who="anna")
    run.command(Verb.RELEASE)
    settle()
    assert ledger(run) == []
    run.command(Verb.ROLLBACK)
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run) == []


def test_pre_and_post_actions_do_not_run_on_the_way_back(trial: TrialOf, ledger: Ledger) -> None:
    steps = """
- id: close
  act: closed
  suspend: {what: the shop, resume_by: open}
  undo:
    act: {text: reopened, fails: 1, output: {n: 7}}
    repeatable: true
    retry: {times: 2, every: 0s}
    verify: {look: {}}
    capture: {n: $.n}
- {id: open, act: {fails: 1}, on_failure: roll-back}
"""
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run)[:3] == ["close 1 closed", "open 1", "probe open 1"]
    assert ledger(run)[3:] == ["close.undo 1 reopened", "close.undo 2 reopened", "close.undo 2"], "retried, and proven after it"
    assert run.state().step("close.undo").captured == {"n": 7}
    assert run.state().suspensions == {}


def test_two_bars_in_a_command_become_one(tmp_path: Path) -> None:
    written = 'a || b | c && d; $x `y` \\\\ "q" *'
    runbook = f"""changeover: 1
id: x
title: X
stages:
  work:
    owner: anna
    steps:
      - id: say
        shell: |
          false || printf '%s' '{written}' > out
    rollback: {{none: nothing}}
"""
    assert Trial(tmp_path, runbook).drive().state is RunState.SUCCEEDED
    assert (tmp_path / "out").read_text() == written


def test_after_a_node_dies_the_run_shows_running_for_ever_and_cannot_be_resumed(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: first, act: one}\n- {id: stuck, act: {deaf: 30, unknown: rerun}}").start(lease_seconds=0.5)
    run.until(lambda state: state.step("stuck").state is StepState.RUNNING)
    other = trial("- {id: first, act: one}\n- {id: stuck, act: {deaf: 30, unknown: rerun}}")
    other.root, other.run_id = run.root, run.run_id
    with run.journal() as journal:
        assert journal.ownership(run.run_id).live
    run.interrupt()  # this engine is gone; the step's thread hangs
    with run.journal() as journal:
        assert not journal.ownership(run.run_id).live, "and everybody can see that"
    other.start()
    other.until(lambda state: state.step("stuck").attempt == 2, "the second engine")
    assert ledger(other)[0] == "first 1 one"
    assert ledger(other).count("first 1 one") == 1, "what is finished is not started twice"
    other.command(Verb.ABORT)


def test_commands_time_out_at_a_hard_coded_sixty_seconds(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 7000}, timeout: 2h}", clock=FakeClock())
    assert run.drive().state is RunState.SUCCEEDED
    short = trial("- {id: a, act: {takes: 60, changes: false}, timeout: 1s}")
    short.drive(wait=False)
    assert short.state().step("a").state is StepState.FAILED
    assert "within 1 s" in short.state().step("a").reason, "the limit is the author's"


def test_resuming_hundreds_of_failed_items_floods_the_fragile_service(trial: TrialOf) -> None:
    items = ", ".join(f"i{n}" for n in range(120))
    steps = f"- {{id: call, for_each: {{in: [{items}], max_parallel: 3, max_failures: 200}}, act: {{fails: 1, takes: 0.01}}}}"
    run = trial(steps)
    run.drive(wait=False)
    assert len([step for step in run.state().steps.values() if step.state is StepState.FAILED]) == 120
    run.start()
    assert run.command(Verb.RETRY).answer == "120 steps are tried again"
    assert run.wait(60).state is RunState.SUCCEEDED
    under_way = most = 0
    for event in run.events():
        under_way += event.kind is EventKind.STEP_STARTED
        under_way -= event.kind in {EventKind.STEP_PASSED, EventKind.STEP_FAILED}
        most = max(most, under_way)
    assert most == 3


def test_a_hold_does_not_stop_later_tasks(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("\n".join(f"- {{id: s{n}, act: {{takes: 0.05}}}}" for n in range(40))).start()
    run.until(lambda state: state.step("s2").state is StepState.PASSED)
    answer = run.command(Verb.HOLD, who="anna").answer
    assert answer.startswith("held; ")
    (held,) = run.events(EventKind.RUN_HELD)
    time.sleep(0.5)
    later = [event for event in run.events(EventKind.STEP_STARTED) if event.seq > held.seq]
    assert later == []
    assert run.driven, "to hold ends nothing"
    run.command(Verb.RELEASE)
    assert run.wait().state is RunState.SUCCEEDED
