"""After a crash: what was running is in doubt, and the target, the policy or people settle it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from changeover.contracts import RunState, StepState, Value
from changeover.engine.changed import RunChanged
from changeover.engine.conformance import deviations
from changeover.engine.drive import load_run
from changeover.journal.events import Draft, EventKind, Verb
from changeover.journal.records import Owner
from changeover.testing import Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]


def crashed(run: Trial, *drafts: Draft) -> Trial:
    """The journal as an engine leaves it that was killed after *drafts*."""
    run.create()
    with run.journal() as journal:
        lease = journal.take_lease(run.run_id, Owner("gone", "elsewhere", os.getpid()), seconds=30)
        journal.append(lease, [Draft(EventKind.RUN_STARTED), *drafts])
        journal.release_lease(lease)
    return run


def started(step: str, attempt: int = 1) -> Draft:
    return Draft(EventKind.STEP_STARTED, step, attempt, data={"title": "", "stage": "work", "phase": "forward"})


def passed(step: str, **captured: int) -> Draft:
    return Draft(EventKind.STEP_PASSED, step, 1, data={"summary": "done", "captured": captured})


def conforms(run: Trial) -> bool:
    with run.journal() as journal:
        record = journal.run(run.run_id)
        assert run.kinds is not None
        _, plan = load_run(record, run.kinds, run.root)
        assert deviations(plan, record.id, journal.events(record.id)) == []
    return True


def test_what_has_passed_is_not_done_again(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(trial("- {id: a, act: one}\n- {id: b, act: two}"), started("a"), passed("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["b 1 two"]
    assert conforms(run)


def test_what_it_captured_before_the_crash_is_still_known(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: one, capture: {id: $.id}}\n- {id: b, act: 'got ${captured.a.id}'}"
    run = crashed(trial(steps), started("a"), passed("a", id=7))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["b 1 got 7"]


def test_a_repeatable_step_is_done_again(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(trial("- {id: a, act: {unknown: rerun}}"), started("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 2"]
    assert [event.kind.value for event in run.events(step="a")] == [
        "step_started",
        "step_unknown",
        "step_retrying",
        "step_started",
        "step_passed",
    ]


def test_its_author_may_call_any_step_repeatable(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(trial("- {id: a, act: one, repeatable: true}"), started("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 2 one"]


@pytest.mark.parametrize(("found", "done"), [("done", []), ("cannot tell", ["a 2"])])
def test_what_is_repeatable_is_done_again_only_when_its_target_does_not_know_it(
    trial: TrialOf, ledger: Ledger, found: str, done: list[str]
) -> None:
    run = crashed(trial(f"- {{id: a, act: {{unknown: probe, found: {found}}}, repeatable: true}}"), started("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert [line for line in ledger(run) if line.startswith("a 2")] == done


def test_a_probe_that_finds_it_done_passes_it_with_its_values(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, act: {unknown: probe, found: done, output: {id: 7}}, capture: {id: $.id}, verify: {look: passed}}\n"
        "- {id: b, act: 'got ${captured.a.id}'}"
    )
    run = crashed(trial(steps), started("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["probe a 1", "a 1", "b 1 got 7"]
    (found,) = run.events(EventKind.STEP_PASSED, step="a")
    assert (found.data["by"], found.data["summary"]) == ("probe", "it had happened: found done")


def test_a_probe_that_finds_it_done_but_not_its_values_asks_people_who_can_give_them(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: {unknown: probe, found: done}, capture: {id: $.id}}\n- {id: b, act: 'got ${captured.a.id}'}"
    run = crashed(trial(steps), started("a")).start()
    run.until(lambda state: state.step("a").state is StepState.ASKS_HUMAN)
    assert run.command(Verb.DONE, "a", who="anna", evidence="ticket 7", captured={"id": 7}).accepted
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run)[-1] == "b 1 got 7"


def test_a_probe_that_finds_it_clean_lets_it_begin_again_without_a_taint(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(trial("- {id: a, act: {unknown: probe, found: clean}}"), started("a"))
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["probe a 1", "a 2"]


def test_what_is_still_in_progress_is_waited_for_and_not_repeated(
    trial: TrialOf, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.engine.recovery._PROBE_AGAIN", 0.05)
    run = crashed(trial("- {id: a, act: {unknown: probe, found: soon}}"), started("a")).start()
    run.until(lambda _: run.events(EventKind.STEP_SAID))
    assert run.state().step("a").state is StepState.UNKNOWN
    (run.root / "arrived").touch()
    assert run.wait().state is RunState.SUCCEEDED
    assert set(ledger(run)) == {"probe a 1"}
    assert [event.data["line"] for event in run.events(EventKind.STEP_SAID)] == ["still in progress: on its way"]


def test_what_is_in_progress_longer_than_its_author_gave_it_is_for_people(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.engine.recovery._PROBE_AGAIN", 0.1)
    run = crashed(trial("- {id: a, brief: {unknown: probe, found: soon}}"), started("a"))
    ended = run.drive(wait=False)
    assert "still in progress after its time-out" in ended.waiting[0]


def test_a_try_that_waits_for_a_probe_is_not_lost_by_a_crash(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(
        trial("- {id: a, act: {unknown: probe, found: clean}, retry: {times: 1, every: 0s}}"),
        started("a"),
        Draft(EventKind.STEP_FAILED, "a", 1, data={"reason": "broke"}),
        Draft(EventKind.STEP_SAID, "a", 1, data={"line": "it is looked at", "before_retry": True}),
    )
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["probe a 1", "a 2"]
    assert conforms(run)


def test_a_rollback_that_is_asked_for_during_a_probe_is_no_trouble(
    trial: TrialOf, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = "- {id: a, act: {found: soon}, on_unknown: probe, repeatable: true, undo: {act: x}}"
    monkeypatch.setattr("changeover.engine.recovery._PROBE_AGAIN", 0.05)
    run = crashed(trial(steps), started("a")).start()
    run.until(lambda _: run.events(EventKind.STEP_SAID))
    run.command(Verb.ROLLBACK)
    (run.root / "arrived").touch()
    assert run.wait().state is RunState.ROLLED_BACK
    assert ledger(run)[-1] == "a.undo 1 x"
    assert conforms(run)


def test_a_target_that_cannot_be_asked_is_asked_three_times_and_then_people(
    trial: TrialOf, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.engine.recovery._PROBE_PAUSE", 0.01)
    run = crashed(trial("- {id: a, act: {unknown: probe, found: away}}"), started("a"))
    ended = run.drive(wait=False)
    assert "it broke" in ended.waiting[0]
    assert ledger(run) == ["probe a 1"] * 3


def test_what_only_people_can_find_out_is_asked(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(trial("- {id: a, act: one, on_unknown: ask}"), started("a"))
    ended = run.drive(wait=False)
    assert ended.waiting[0].startswith("a: did it happen? the engine ended before the end of this step was recorded")
    assert ledger(run) == []
    assert run.drive(wait=False).waiting == ended.waiting


def test_a_crash_between_approval_and_start_loses_no_approval(trial: TrialOf, ledger: Ledger) -> None:
    asked: dict[str, Value] = {
        "ask": "go?",
        "form": "approval",
        "deciders": [],
        "quorum": 1,
        "excluded": [],
        "by": "",
        "typed": "",
        "evidence": "",
    }
    run = crashed(
        trial("- {id: go, ask: 'go?'}\n- {id: b, act: two}"),
        Draft(EventKind.DECISION_ASKED, "go", data=asked),
        Draft(EventKind.DECISION_GIVEN, "go", who="anna", data={"answer": "approve", "why": "yes"}),
    )
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["go 1", "b 1 two"]


def test_a_crash_while_stopping_goes_on_stopping(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: one, undo: {act: x}}\n- {id: b, act: {unknown: probe, found: partial}, undo: {act: y}}"
    run = crashed(trial(steps), started("a"), passed("a"), started("b"), Draft(EventKind.ROLLBACK_REQUESTED, who="anna"))
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run) == ["probe b 1", "b.undo 1 y", "a.undo 1 x"]
    assert conforms(run)


def test_a_crash_in_the_rollback_goes_on_from_there(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, act: one, undo: {act: {unknown: rerun}}}\n- {id: b, act: two, undo: {act: y}}"
    run = crashed(
        trial(steps),
        started("a"),
        passed("a"),
        started("b"),
        passed("b"),
        Draft(EventKind.ROLLBACK_REQUESTED, who="anna"),
        Draft(EventKind.ROLLBACK_STARTED, data={"steps": 2}),
        Draft(EventKind.STEP_STARTED, "b.undo", 1),
        Draft(EventKind.STEP_PASSED, "b.undo", 1, data={"summary": "undone"}),
        Draft(EventKind.STEP_STARTED, "a.undo", 1),
    )
    assert run.drive().state is RunState.ROLLED_BACK
    assert ledger(run) == ["a.undo 2"]
    assert conforms(run)


def test_a_crash_while_aborting_ends_aborted(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(
        trial("- {id: a, act: {unknown: probe, found: done}}\n- {id: b, act: two}"),
        started("a"),
        Draft(EventKind.ABORT_REQUESTED, who="anna"),
    )
    assert run.drive().state is RunState.ABORTED
    assert ledger(run) == ["probe a 1"]
    assert conforms(run)


def test_a_retry_that_was_promised_before_the_crash_is_kept(trial: TrialOf, ledger: Ledger) -> None:
    run = crashed(
        trial("- {id: a, act: one, retry: 2}"),
        started("a"),
        Draft(EventKind.STEP_FAILED, "a", 1, data={"reason": "broke"}),
        Draft(EventKind.STEP_RETRYING, "a", 1, data={"reason": "broke", "pause": 0.1}),
    )
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 2 one"]


def test_an_engine_that_lost_its_lease_stops_at_once_and_writes_nothing_more(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, act: {takes: 60}}\n- {id: b, act: two}").start(lease_seconds=0.3)
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    engine = sa.create_engine(run.journal_url)
    with engine.begin() as connection:  # what a takeover does to the epoch
        table = next(name for name in sa.inspect(connection).get_table_names() if "lease" in name or name == "run")
        column = next(c["name"] for c in sa.inspect(connection).get_columns(table) if "epoch" in c["name"])
        connection.execute(sa.text(f"update {table} set {column} = {column} + 1"))  # noqa: S608 - names from the schema
    engine.dispose()
    ended = run.wait()
    assert ended.lost
    assert re.fullmatch(r"runner \(.+, pid \d+\) took the run over; this one stopped at once", ended.why)
    assert run.state().step("a").state is StepState.RUNNING
    assert ledger(run) == ["a 1"]


def test_a_version_that_changed_is_refused_unless_a_person_accepts_it(trial: TrialOf) -> None:
    run = crashed(trial("- {id: a, act: one}"), Draft(EventKind.ENGINE_STARTED, data={"version": "0.0.1", "engine": "local"}))
    with pytest.raises(RunChanged, match=r"changeover 0\.0\.1 became"):
        run.drive()
    assert run.drive(accept_change="anna").state is RunState.SUCCEEDED


def test_who_takes_a_run_from_a_living_engine_stands_in_the_record(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {takes: 30}}").start()
    run.until(lambda state: state.step("a").state is StepState.RUNNING)
    other = trial("- {id: a, act: {takes: 30}}")
    other.root, other.run_id = run.root, run.run_id
    other.drive(wait=False, takeover=True, takeover_why="its host is cut off", who="bela")
    assert run.wait().lost
    (taken,) = other.events(EventKind.RUN_TAKEN_OVER)
    assert (taken.who, taken.data["why"]) == ("bela", "its host is cut off")
    assert str(taken.data["from"]).startswith("runner (")
    assert [event.kind for event in other.events()][-1] is EventKind.ENGINE_STOPPED
    assert conforms(other)


def test_a_run_that_nobody_drives_is_taken_over_from_nobody(trial: TrialOf) -> None:
    run = trial("- {id: a, act: {fails: 1}}")
    run.drive(wait=False)
    run.drive(wait=False, takeover=True, takeover_why="to be safe", who="bela")
    assert run.events(EventKind.RUN_TAKEN_OVER) == []


def test_a_step_that_never_ends_in_time_fails_although_nothing_of_it_is_there(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, brief: {takes: 30, unknown: probe, found: clean}, retry: {times: 1, every: 0s}}")
    ended = run.drive(wait=False)
    assert [line for line in ledger(run) if not line.startswith("probe")] == ["a 1", "a 2", "a 3"]
    assert "failed" in ended.waiting[0]
    assert conforms(run)
