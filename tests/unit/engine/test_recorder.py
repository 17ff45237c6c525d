"""Group commit: order, durability, and a journal that cannot be written for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import RunState, StepState
from changeover.engine.attempts import Attempts
from changeover.engine.drive import load_run
from changeover.engine.projection import Projection
from changeover.engine.recorder import Recorder
from changeover.engine.transitions import MoveNotAllowed
from changeover.journal.events import Draft, Event, EventKind
from changeover.journal.fold import RunRecordState
from changeover.journal.records import Owner
from changeover.journal.store import Journal, JournalUnavailable
from changeover.testing import Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]


def test_many_outcomes_share_few_transactions(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    append = Journal.append

    def count(self: Journal, lease: Any, drafts: Sequence[Draft]) -> list[Event]:
        batches.append(len(drafts))
        return append(self, lease, drafts)

    monkeypatch.setattr(Journal, "append", count)
    run = trial("\n".join(f"- {{id: s{n}, look: passed, needs: []}}" for n in range(200)))
    batches.clear()
    assert run.drive().state is RunState.SUCCEEDED
    assert sum(batches) >= 400
    assert len(batches) < 200


def test_what_was_decided_together_stands_in_one_transaction_however_much_is_to_be_written(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[EventKind]] = []
    append = Journal.append

    def note(self: Journal, lease: Any, drafts: Sequence[Draft]) -> list[Event]:
        batches.append([draft.kind for draft in drafts])
        return append(self, lease, drafts)

    monkeypatch.setattr(Journal, "append", note)
    monkeypatch.setattr("changeover.engine.recorder._BATCH", 1)
    run = trial(
        "- {id: a, act: {fails: 1, unknown: rerun}, retry: {times: 1, every: 0s}}\n- {id: b, act: {fails: 1}, on_failure: hold}"
    )
    assert run.drive(wait=False).held
    together = {kind: batch for batch in batches for kind in batch}
    assert EventKind.STEP_FAILED in together[EventKind.STEP_RETRYING]
    assert EventKind.STEP_FAILED in together[EventKind.RUN_HELD]


def test_a_chain_costs_one_transaction_a_step(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    append = Journal.append

    def count(self: Journal, lease: Any, drafts: Sequence[Draft]) -> list[Event]:
        batches.append(len(drafts))
        return append(self, lease, drafts)

    monkeypatch.setattr(Journal, "append", count)
    run = trial("\n".join(f"- {{id: s{n}, look: passed}}" for n in range(50)))
    batches.clear()
    run.drive()
    assert len(batches) <= 56


def test_while_the_journal_cannot_be_written_no_step_begins_and_afterwards_the_run_goes_on(
    trial: TrialOf, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[bool] = []
    append = Journal.append

    def sometimes(self: Journal, lease: Any, drafts: Sequence[Draft]) -> list[Event]:
        if broken and any(draft.step == "b" for draft in drafts):
            raise JournalUnavailable("the file", "the disk is full", "free some space")
        return append(self, lease, drafts)

    monkeypatch.setattr(Journal, "append", sometimes)
    monkeypatch.setattr("changeover.engine.recorder._PAUSES", (0.02,))
    run = trial("- {id: a, act: {takes: 0.2}}\n- {id: b, act: two}")
    broken.append(True)
    run.start()
    run.until(lambda _: run.told, "the engine's complaint")
    assert ledger(run) == ["a 1"]
    assert "the disk is full" in run.told[0]
    broken.clear()
    assert run.wait().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "b 1 two"]
    assert run.told[1:] == ["the journal can be written again"]


def test_the_lease_is_renewed_while_there_is_always_more_to_write(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[float] = []
    renew = Journal.renew_lease

    def note(self: Journal, lease: Any, *, seconds: float) -> None:
        renewed.append(seconds)
        renew(self, lease, seconds=seconds)

    monkeypatch.setattr(Journal, "renew_lease", note)
    run = trial("\n".join(f"- {{id: s{n}, look: passed}}" for n in range(100)))
    assert run.drive(lease_seconds=0.03).state is RunState.SUCCEEDED
    assert len(renewed) >= 5


def test_a_lease_is_renewed_at_once_for_nobody_knows_how_old_it_is(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[float] = []
    monkeypatch.setattr(Journal, "renew_lease", lambda _self, _lease, *, seconds: renewed.append(seconds))
    assert trial("- {id: a, act: one}").drive(lease_seconds=900).state is RunState.SUCCEEDED
    assert renewed == [900]


def test_an_engine_told_to_stop_while_the_journal_is_gone_ends_with_the_reason(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_self: Journal, _lease: Any, _drafts: Sequence[Draft]) -> list[Event]:
        raise JournalUnavailable("the file", "the disk is full")

    run = trial("- {id: a, act: one}")
    run.create()
    monkeypatch.setattr(Journal, "append", never)
    flush = Recorder.flush

    async def soon(self: Recorder, *, seconds: float | None = None) -> None:
        await flush(self, seconds=0.1 if seconds is not None else None)

    monkeypatch.setattr(Recorder, "flush", soon)
    run.start(quiesce_grace=0.01, stop_grace=0.01)
    run.until(lambda _: run.told, "the engine's complaint")
    with pytest.raises(JournalUnavailable, match="the disk is full"):
        run.interrupt()


def test_a_fault_of_the_engine_ends_it_and_the_run_can_be_resumed(
    trial: TrialOf, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    run = trial("- {id: a, act: {unknown: rerun}}")
    with monkeypatch.context() as patched:
        patched.setattr(Attempts, "_record", broken)
        with pytest.raises(ZeroDivisionError):
            run.drive()
    assert run.state().step("a").state is StepState.RUNNING
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a 1", "a 2"]


def test_a_draft_that_the_rules_refuse_is_never_queued(trial: TrialOf, tmp_path: Path) -> None:

    run = trial("- {id: a, act: one}")
    run.create()

    async def attempt() -> None:
        with run.journal() as journal:
            lease = journal.take_lease(run.run_id, Owner("anna", "here", 1), seconds=30)
            assert run.kinds is not None
            _, plan = load_run(journal.run(run.run_id), run.kinds, tmp_path)
            projection = Projection(plan, RunRecordState(run.run_id))
            recorder = Recorder(journal, lease, 30, projection, run.clock, str, run.told.append)
            refused = Draft(EventKind.STEP_PASSED, "a", 1)
            with pytest.raises(MoveNotAllowed, match="'a' is pending; step_passed"):
                recorder.put(refused)
            recorder.put(Draft(EventKind.RUN_STARTED), Draft(EventKind.WARNED, data={"text": "x"}))
            writer = asyncio.create_task(recorder.run())
            await recorder.flush(seconds=5)
            with pytest.raises(MoveNotAllowed):  # half of it was admitted: the engine must not go on with that
                recorder.put(Draft(EventKind.WARNED, data={"text": "y"}), refused)
            failure: BaseException | None = recorder.failure
            assert isinstance(failure, MoveNotAllowed)
            writer.cancel()
            recorder.close()
            kinds = [event.kind for event in journal.events(run.run_id)]
            assert kinds == [EventKind.RUN_PLANNED, EventKind.RUN_STARTED, EventKind.WARNED]

    asyncio.run(attempt())
