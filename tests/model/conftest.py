"""Real journals, written by the real engine: to be replayed, and to be damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.contracts import RunState, StepState
from changeover.engine.drive import load_run
from changeover.journal.events import Event, Verb
from changeover.plan.model import Plan
from changeover.project import Project
from changeover.testing import Trial

RUNBOOK = """changeover: 1
id: model
people: people.yaml
stages:
  move:
    owner: lead
    steps:
      - {id: close, shell: 'true', undo: {shell: 'true'}, suspend: {what: alerts, resume_by: open}}
      - {id: go, gate: {ask: go on?, deciders: [anna, bela], quorum: 2}}
      - {id: cable, manual: pull it, undo: {shell: 'true'}}
      - parallel:
          - {id: copy, shell: 'true', undo: {shell: UNDO}}
          - {id: count, shell: COUNT, retry: {times: 1, every: 0s}, repeatable: true, undo: {shell: 'true'}}
      - {id: cut, shell: CUT, point_of_no_return: true, undo: {shell: 'true'}}
      - {id: open, shell: 'true'}
    rollback: [{id: tidy, shell: 'true'}]
"""
PEOPLE = """persons:
  anna: {name: Anna}
  bela: {name: Bela}
  runner: {name: Rita}
roles:
  lead: {person: anna, deputy: bela}
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A journal, and the plan of the run that it is of."""

    plan: Plan
    events: tuple[Event, ...]


def _trial(folder: Path, **shells: str) -> Trial:
    text = RUNBOOK
    for word, command in {"COUNT": "'true'", "CUT": "'true'", "UNDO": "'true'", **shells}.items():
        text = text.replace(word, command)
    return Trial(folder, text, files={"runbooks/people.yaml": PEOPLE})


def _written(run: Trial) -> Written:
    with run.journal() as journal:
        record, events = journal.run(run.run_id), journal.events(run.run_id)
    _, plan = load_run(record, Project(run.root).load_kinds(), run.root)
    return Written(plan, tuple(events))


def _to_the_cable(run: Trial) -> None:
    """A hold, a refusal, a decision by two people, and a task."""
    run.start()
    run.until(lambda state: "go" in state.decisions)
    run.command(Verb.HOLD, who="anna", why="look first")
    run.command(Verb.RELEASE, who="bela")
    run.command(Verb.REFUSE, "go", who="bela", why="not yet")
    run.command(Verb.APPROVE, "go", who="anna")
    run.command(Verb.RELEASE, who="bela")
    run.command(Verb.APPROVE, "go", who="bela")
    run.until(lambda state: "cable" in state.decisions)


@pytest.fixture(scope="session")
def forward(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A run that succeeds: with a hold, a gate, a task, a crash-like interruption, a retry, and a step finished by two."""
    run = _trial(tmp_path_factory.mktemp("forward"), COUNT="'test -e counted || { touch counted; false; }'", CUT="'false'")
    _to_the_cable(run)
    run.interrupt()
    run.start()
    run.command(Verb.DONE, "cable", who="anna")
    run.until(lambda state: state.step("cut").state is StepState.FAILED)
    run.command(Verb.DONE, "cut", who="anna", evidence="I looked")
    run.command(Verb.DONE, "cut", who="bela", evidence="I looked too")
    assert run.wait().state is RunState.SUCCEEDED
    return _written(run)


@pytest.fixture(scope="session")
def backward(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A run that is rolled back, with an undo that fails and is tried again, and one that two people give up."""
    run = _trial(tmp_path_factory.mktemp("backward"), COUNT="'false'", UNDO="'test -e tried || { touch tried; false; }'")
    _to_the_cable(run)
    run.command(Verb.DONE, "cable", who="anna")
    run.until(lambda state: state.step("count").state is StepState.FAILED and state.step("count").attempt == 2)
    run.command(Verb.ROLLBACK, who="bela", why="it does not count")
    run.until(lambda state: state.step("copy.undo").state is StepState.FAILED)
    run.command(Verb.WAIVE, "tidy", who="anna", why="nothing to tidy")
    run.command(Verb.WAIVE, "tidy", who="bela", why="I agree")
    run.command(Verb.RETRY, "copy.undo", who="anna")
    assert run.wait().state is RunState.ROLLED_BACK
    return _written(run)
