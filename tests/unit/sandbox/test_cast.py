from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from changeover.contracts import registered_kinds
from changeover.journal.events import Event, EventKind
from changeover.project import Project
from changeover.runbook.load import load
from changeover.sandbox import cast
from changeover.sandbox.faults import Fault

ROOT = Path(__file__).resolve().parents[3]


def event(kind: EventKind, step: str) -> Event:
    return Event("run-1", 1, datetime(2027, 3, 13, 18, tzinfo=UTC), 1, kind, step, 1, "", {})


def test_every_question_of_the_shipped_runbook_has_somebody_who_answers() -> None:
    Project(ROOT).load_kinds()
    loaded = load(ROOT / "runbooks/telecom-crm.yaml", environment=None, kinds=registered_kinds(), root=ROOT)
    assert loaded.bundle is not None
    questions = [
        step.id
        for stage in loaded.bundle.runbook.stages.values()
        for step in stage.all_steps
        if step.kind in {"manual", "gate", "confirm"}
    ]
    assert questions
    people = loaded.bundle.people.persons
    for step in questions:
        acts = cast.reactions(event(EventKind.DECISION_ASKED, step), None)
        assert acts, f"nobody answers {step}"
        assert {act.who for act in acts} <= set(people)


def test_the_run_is_named_only_where_it_has_to_be() -> None:
    act = cast.reactions(event(EventKind.DECISION_ASKED, "tell-the-shops"), None)[0]
    assert cast.command_line(act, "run-1")[:3] == ["done", "run-1", "tell-the-shops"]
    assert cast.command_line(act, "")[:2] == ["done", "tell-the-shops"]


def test_a_failure_is_repaired_only_in_its_own_fault() -> None:
    failed = event(EventKind.STEP_FAILED, "open-web-shop")
    assert cast.reactions(failed, None) == ()
    assert cast.reactions(failed, Fault.CHAT) == ()
    assert [act.words[0] for act in cast.reactions(failed, Fault.CHANNEL)] == ["sandbox", "retry"]
