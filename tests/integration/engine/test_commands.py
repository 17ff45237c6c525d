"""What people ask reaches the engine at once, whatever the journal lives in, and a hundred clicks are one."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import RunState, StepState
from changeover.journal.events import Command, EventKind, Verb
from changeover.testing import Trial

pytestmark = pytest.mark.timeout(120)

RUNBOOK = """changeover: 1
id: asked
title: Asked
people: people.yaml
stages:
  work:
    owner: anna
    steps:
      - {id: broken, shell: 'echo try >> ledger; test -e mended', repeatable: true}
      - {id: go, gate: {ask: Shall we?, deciders: [anna]}}
    rollback: {none: nothing to undo}
"""
PEOPLE = "persons:\n  anna: {name: Anna Kovács}\n  runner: {name: Rita Runner}\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: Any, tmp_path: Path) -> Trial:
    address = request.getfixturevalue("fresh_postgresql_url") if request.param == "postgresql" else ""
    trial = Trial(tmp_path, RUNBOOK, files={"runbooks/people.yaml": PEOPLE}, address=address)
    trial.create()
    trial.start()
    trial.until(lambda state: state.step("broken").state is StepState.FAILED, "the failure", seconds=30)
    return trial


def test_a_command_is_acted_on_within_two_tenths_of_a_second(run: Trial) -> None:
    taken: list[float] = []
    for number in range(14):
        began = time.monotonic()
        assert run.command(Verb.RELEASE if number % 2 else Verb.HOLD, who="anna").accepted
        taken.append(time.monotonic() - began)
    run.interrupt()
    assert min(taken) < 0.2, taken
    assert statistics.median(taken) < 1.0, f"far from it, even on a busy machine: {taken}"


def test_a_hundred_concurrent_identical_commands_have_one_effect_and_each_is_answered(run: Trial) -> None:
    (run.root / "mended").touch()
    barrier = threading.Barrier(100)

    def click(number: int, journal: Any) -> None:
        barrier.wait(60)
        key = "one and the same" if number < 50 else f"another {number}"  # a form sent twice, and fifty people
        journal.request(Command(run.run_id, Verb.RETRY, "anna", "again", key, "broken", "test"))

    with run.journal() as journal:
        threads = [threading.Thread(target=click, args=(number, journal)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.until(lambda state: "go" in state.decisions, "the gate", seconds=30)
        run.until(lambda _: not journal.commands(run.run_id, unanswered=True), "the answers", seconds=30)
        assert len(journal.commands(run.run_id)) == 51
    assert (run.root / "ledger").read_text().split() == ["try", "try"]
    assert len(run.events(EventKind.STEP_RETRYING)) == 1
    assert run.command(Verb.APPROVE, "go", who="anna").accepted
    assert run.wait(30).state is RunState.SUCCEEDED
