"""People in other processes, and engines that die in the middle."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from changeover.contracts import RunState, StepState
from changeover.engine.clock import SystemClock
from changeover.journal.events import Event, EventKind
from changeover.project import Project as Found
from changeover.sandbox import comparison, fingerprint
from changeover.status.read import StatusReader

if TYPE_CHECKING:
    from tests.acceptance.conftest import Night, Project

pytestmark = pytest.mark.timeout(240)

REHEARSE = (
    "rehearse",
    "runbooks/telecom-crm.yaml",
    "--environment",
    "sandbox",
    "--set",
    "ticket=CHG-4711",
    "--who",
    "zsofia",
    "--lines",
)


def asked(step: str) -> Callable[[list[Event]], bool]:
    return lambda seen: any(event.kind is EventKind.DECISION_ASKED and event.step == step for event in seen)


def happened(kind: EventKind, step: str = "") -> Callable[[list[Event]], bool]:
    return lambda seen: any(event.kind is kind and event.step == step for event in seen)


def agree(project: Project, night: Night) -> bool:
    reader = StatusReader(night.journal, night.run, clock=SystemClock(), kinds=Found(project.root).load_kinds())
    return all(table.agrees for table in comparison.compare(reader.bundle, reader.plan, project.root))


def test_a_run_is_held_approved_and_released_from_other_terminals(project: Project, night: Night) -> None:
    project.start_sandbox(customers=60, installed=False)
    night.leave = frozenset({"tell-the-shops", "go"})
    engine = night.begin(*REHEARSE)

    night.until(asked("tell-the-shops"))
    assert project.run("hold", "--why", "the building is evacuated", "--who", "agnes").returncode == 0
    assert night.state.held
    assert project.run("done", "tell-the-shops", "--evidence", "Kata, 19:31", "--who", "judit").returncode == 0
    time.sleep(2)
    assert night.state.step("confirm-hosts").attempt == 0, "a step began although the run was held"
    assert project.run("release", "--why", "false alarm", "--who", "gergely").returncode == 0

    night.until(asked("go"))
    refused = project.run("approve", "go", "--why", "I want to go home", "--who", "zsofia")
    assert refused.returncode != 0, "who started the run must not decide"
    assert project.run("approve", "go", "--why", "sums agree", "--who", "dora").returncode == 0
    again = project.run("approve", "go", "--why", "still agree", "--who", "dora")
    assert night.state.step("go").state is not StepState.PASSED, f"one person is no quorum of two: {again.stdout}"
    assert project.run("approve", "go", "--why", "the desk works", "--who", "taras").returncode == 0

    assert night.to_the_end(engine) == 0, project.log
    assert night.state.state is RunState.SUCCEEDED
    held, released = (next(e.seq for e in night.seen if e.kind is kind) for kind in (EventKind.RUN_HELD, EventKind.RUN_RELEASED))
    assert not [e for e in night.seen if held < e.seq < released and e.kind is EventKind.STEP_STARTED]


def test_an_engine_killed_in_the_migration_goes_on_and_repeats_no_finished_step(project: Project, night: Night) -> None:
    project.start_sandbox(customers=4_000)
    engine = night.begin(*REHEARSE)

    def copying(seen: list[Event]) -> bool:
        return any(event.kind is EventKind.STEP_STARTED and event.step == "copy" for event in seen)

    night.until(copying, every=0.01)
    time.sleep(0.3)  # somewhere in the middle of its chunks
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    night.until(lambda _: True)
    finished = {key for key, step in night.state.steps.items() if step.state is StepState.PASSED}
    assert "switch-release[app-3]" in finished
    assert "copy" not in finished, "it was too late to be in the middle"

    again = project.begin("resume", night.run, "--lines", "--who", "gergely")
    assert night.to_the_end(again) == 0, project.log
    assert night.state.state is RunState.SUCCEEDED
    assert {step for step in finished if night.started(step) > 1} == set()
    assert night.started("copy") == 2
    assert agree(project, night)


def test_an_engine_killed_in_the_rollback_takes_it_to_its_end(project: Project, night: Night) -> None:
    state = project.start_sandbox(customers=60, installed=False)
    before = fingerprint.take(state)
    night.leave = frozenset({"go"})
    engine = night.begin(*REHEARSE)
    night.until(asked("go"))
    assert project.run("rollback", "--why", "the protocol shows wrong arrears", "--who", "dora", "--yes").returncode == 0
    night.until(happened(EventKind.STEP_STARTED, "install-release.undo"))
    engine.send_signal(signal.SIGKILL)
    engine.wait()

    again = project.begin("resume", night.run, "--lines", "--who", "gergely")
    assert night.to_the_end(again) == 4, project.log
    assert night.state.state is RunState.ROLLED_BACK
    assert fingerprint.differences(before, fingerprint.take(state)) == ()


def test_a_dry_run_of_the_story_changes_nothing(project: Project) -> None:
    state = project.start_sandbox(customers=60, installed=False)
    before = fingerprint.take(state)
    ended = project.run(
        "run", "runbooks/telecom-crm.yaml", "--environment", "sandbox", "--set", "ticket=CHG-1", "--who", "zsofia", "--lines"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert fingerprint.differences(before, fingerprint.take(state)) == ()
