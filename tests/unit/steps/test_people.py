"""manual, gate, confirm, notify and runbook: what people are asked and told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from changeover.contracts import Asking, OnUnknown, QuestionForm, Result
from changeover.runbook.values import ParametersRefused
from changeover.testing import FakeContext

KINDS = {
    "manual": "{do: Call the bank}",
    "gate": "{ask: 'Reopen?', deciders: [boss]}",
    "confirm": "{type: production}",
    "notify": "We start",
}


def test_a_manual_task_asks_its_assignee_for_evidence(bound: Any, context: FakeContext) -> None:
    question = bound("manual", "{do: Call the bank, assignee: data-lead, evidence: the ticket}").question(context)
    assert (question.ask, question.form, question.deciders) == ("Call the bank", QuestionForm.TASK, ("data-lead",))
    assert question.evidence == "the ticket"


def test_a_gate_asks_for_a_quorum_without_the_runner_until_its_deadline(bound: Any, context: FakeContext) -> None:
    gate = bound("gate", "{ask: 'Go?', deciders: [a, b], quorum: 2, not: [runner], by: 2027-03-14 20:00, otherwise: hold}")
    question = gate.question(context)
    assert (question.form, question.deciders, question.quorum, question.excluded) == (
        QuestionForm.APPROVAL,
        ("a", "b"),
        2,
        ("runner",),
    )
    assert question.by == datetime(2027, 3, 14, 20, tzinfo=UTC)


def test_silence_can_never_approve(bound: Any) -> None:
    with pytest.raises(ParametersRefused, match="hold"):
        bound("gate", "{ask: 'Go?', deciders: [a], otherwise: approve}")


@pytest.mark.parametrize(
    "yaml", ["{ask: 'Go?', deciders: []}", "{ask: ' ', deciders: [a]}", "{ask: 'Go?', deciders: [a], quorum: 0}"]
)
def test_a_gate_that_nobody_can_pass_is_refused(bound: Any, yaml: str) -> None:
    with pytest.raises(ParametersRefused):
        bound("gate", yaml)


def test_a_confirmation_wants_the_word_typed(bound: Any, context: FakeContext) -> None:
    question = bound("confirm", "{type: production, ask: This deletes the old CRM, deciders: [boss]}").question(context)
    assert (question.form, question.typed, question.ask) == (QuestionForm.TYPED, "production", "This deletes the old CRM")


@pytest.mark.parametrize(("word", "yaml"), KINDS.items())
def test_asking_and_telling_again_is_harmless_and_a_dry_run_only_shows(
    bound: Any, context: FakeContext, word: str, yaml: str
) -> None:
    kind = bound(word, yaml)
    assert kind.on_unknown is OnUnknown.RERUN
    assert kind.dry_run(context).summary.startswith("would ")
    assert context.said == []
    assert isinstance(kind, Asking) == (word != "notify")
    assert isinstance(kind.run(context), Result)


def test_a_notification_is_said_to_its_audience(bound: Any, context: FakeContext) -> None:
    bound("notify", "{text: We start in ten minutes, audience: shops}").run(context)
    assert context.said == ["shops: We start in ten minutes"]


@pytest.mark.parametrize(("word", "yaml"), [("manual", "' '"), ("notify", "' '"), ("confirm", "{type: ''}")])
def test_empty_words_are_refused(bound: Any, word: str, yaml: str) -> None:
    with pytest.raises(ParametersRefused, match="empty"):
        bound(word, yaml)


@pytest.mark.parametrize("verb", ["run", "dry_run"])
def test_an_included_runbook_is_run_by_the_engine_in_this_mode(
    bound: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch, verb: Any
) -> None:
    asked: list[tuple[str, Any]] = []

    def include(_self: Any, file: str, inputs: Any) -> Result:
        asked.append((file, inputs))
        return Result("included")

    monkeypatch.setattr(type(context), "include", include)
    kind = bound("runbook", "{file: runbooks/dns.yaml, inputs: {zone: '${inputs.zone}'}}", {"inputs.zone": "hu"})
    assert getattr(kind, verb)(context).summary == "included"
    assert asked == [("runbooks/dns.yaml", {"zone": "hu"})]
    assert kind.on_unknown is OnUnknown.RERUN
