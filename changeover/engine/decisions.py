"""Questions to people: asked once, answered by commands, waited for without a thread, as long as it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from changeover.contracts import Question, QuestionForm, Value
from changeover.engine.endings import Ending, Outcome
from changeover.engine.failing import after_failure
from changeover.engine.people import why_not
from changeover.engine.runtime import Runtime
from changeover.engine.timers import Timer
from changeover.journal.events import CommandRecord, Draft, EventKind, Verb
from changeover.journal.fold import OpenDecision


@dataclass(frozen=True, slots=True)
class Reply:
    """What becomes of a command: said to whoever gave it, with the events it leads to."""

    accepted: bool
    text: str
    drafts: tuple[Draft, ...] = ()


def refused(text: str) -> Reply:
    """A command that has no effect."""
    return Reply(accepted=False, text=text)


def noted(text: str, *drafts: Draft) -> Reply:
    """A command that has, or already had, its effect."""
    return Reply(accepted=True, text=text, drafts=drafts)


def data_of(question: Question) -> dict[str, Value]:
    """A question as the journal keeps it."""
    return {
        "ask": question.ask,
        "form": question.form.value,
        "deciders": list(question.deciders),
        "quorum": question.quorum,
        "excluded": list(question.excluded),
        "by": question.by.isoformat() if question.by is not None else "",
        "typed": question.typed,
        "evidence": question.evidence,
    }


def in_words(question: Question) -> str:
    """What a dry run says in the question's place."""
    who = ", ".join(question.deciders) or "anybody"
    number = f", {question.quorum} of them" if question.quorum > 1 else ""
    return f"would ask {who}{number}: {question.ask}"


def quorum_reached(decision: OpenDecision) -> bool:
    """Whether enough people have said yes."""
    quorum: Any = decision.data.get("quorum", 1)
    return len(decision.approvals) >= max(1, int(quorum))


def form_of(decision: OpenDecision) -> QuestionForm:
    """How it is answered."""
    return QuestionForm(str(decision.data.get("form", QuestionForm.APPROVAL)))


@dataclass(slots=True)
class Decisions:
    """The open questions of a run."""

    runtime: Runtime
    _deadlines: dict[str, Timer] = field(default_factory=dict)

    def open(self, key: str) -> OpenDecision | None:
        """The question of *key* that waits for people, or whose answer has not been used yet."""
        return self.runtime.projection.record.decisions.get(key)

    def waiting(self) -> list[OpenDecision]:
        """The questions that still need an answer."""
        return [decision for decision in self.runtime.projection.record.decisions.values() if not quorum_reached(decision)]

    def asked(self, key: str, question: Question, attempt: int) -> Draft:
        """The draft that asks it."""
        data = data_of(question)
        if question.evidence == "" and self.runtime.planned(key).step.evidence:
            data["evidence"] = self.runtime.planned(key).step.evidence
        return Draft(EventKind.DECISION_ASKED, key, attempt, data=data)

    def watch(self, key: str) -> None:
        """See to it that the deadline of *key*'s question is noticed: its lapse holds the run, and never approves."""
        decision = self.open(key)
        text = str(decision.data.get("by") or "") if decision is not None else ""
        if decision is None or decision.lapsed or not text:
            return
        left = (datetime.fromisoformat(text) - self.runtime.options.clock.now()).total_seconds()
        self._deadlines[key] = self.runtime.timers.after(max(0.0, left), lambda: self._look(key))

    def _look(self, key: str) -> None:
        decision = self.open(key)
        if decision is None or decision.lapsed or quorum_reached(decision) or self.runtime.state.final:
            return
        by = datetime.fromisoformat(str(decision.data["by"]))
        if self.runtime.options.clock.now() < by:  # the wall clock was set back meanwhile
            self.watch(key)
            return
        attempt = self.runtime.step(key).attempt
        drafts = [Draft(EventKind.DECISION_LAPSED, key, attempt)]
        if not self.runtime.held:  # in one transaction: after a crash between the two nobody would look at it again
            drafts.append(Draft(EventKind.RUN_HELD, data={"why": f"nobody decided {key} in time"}))
        self.runtime.put(*drafts)

    def answer(self, record: CommandRecord, who: str, key: str) -> Reply:
        """What an approve, refuse or done for an open question comes to."""
        command, decision = record.command, self.open(key)
        if decision is None:
            return refused(f"{key} asks nothing now")
        if quorum_reached(decision) and key in self.runtime.busy:
            return refused(f"{key} has been answered, and is being carried out")
        why = why_not(self.runtime.bundle.people, self.runtime.run.runner, decision.data, who)
        if why:
            return refused(why)
        if command.verb is Verb.REFUSE:
            return self._refuse(decision, who, command.why)
        form = form_of(decision)
        if form is QuestionForm.TASK and command.verb is not Verb.DONE:
            return refused(f"{key} is a task: say `done` when it is, `refuse` when it cannot be done")
        if form is QuestionForm.APPROVAL and command.verb is not Verb.APPROVE:
            return refused(f"{key} asks for a decision: say `approve` or `refuse`")
        return self._agree(decision, who, command.why, command.data)

    def _agree(self, decision: OpenDecision, who: str, why: str, given: Mapping[str, Value]) -> Reply:
        form, key = form_of(decision), decision.step
        quorum: Any = decision.data.get("quorum", 1)
        if who in decision.approvals:
            return noted(f"{who} has said so already; {len(decision.approvals)} of {quorum}")
        evidence = str(given.get("evidence") or "")
        word = str(decision.data.get("typed") or "")
        if form is QuestionForm.TYPED and str(given.get("typed") or "").strip() != word:
            return refused(f"the word to type for {key} is {word!r}")
        if decision.data.get("evidence") and not evidence:
            return refused(f"{key} needs evidence: {decision.data['evidence']}")
        answer = {QuestionForm.TASK: "done", QuestionForm.TYPED: "typed", QuestionForm.APPROVAL: "approve"}[form]
        data: dict[str, Value] = {"answer": answer, "why": why, "evidence": evidence}
        number = len(decision.approvals) + 1
        text = f"{answer}: {key}" + (f", {number} of {quorum}" if int(quorum) > 1 else "")
        return noted(text, Draft(EventKind.DECISION_GIVEN, key, self.runtime.step(key).attempt, who, data))

    def _refuse(self, decision: OpenDecision, who: str, why: str) -> Reply:
        """A refused question stays open and holds the run; a task that cannot be done has failed."""
        key, attempt = decision.step, self.runtime.step(decision.step).attempt
        if not why:
            return refused("say why: people have to know what to change")
        if form_of(decision) is QuestionForm.TASK:
            given = Draft(EventKind.DECISION_GIVEN, key, attempt, who, {"answer": "failed", "why": why})
            failed = Draft(EventKind.STEP_FAILED, key, attempt, who, {"reason": f"{who}: {why}"})
            return noted(f"{key} has failed", given, failed)
        given = Draft(EventKind.DECISION_GIVEN, key, attempt, who, {"answer": "refuse", "why": why})
        text = f"refused: {key}; the run holds and the question stays open"
        if self.runtime.held:
            return noted(text, given)
        return noted(text, given, Draft(EventKind.RUN_HELD, who=who, data={"why": f"{who} refused {key}: {why}"}))

    def task_failed(self, key: str) -> None:
        """A person said that a task cannot be done: its author's policy says what follows."""
        planned, reason = self.runtime.planned(key), self.runtime.step(key).reason
        after_failure(self.runtime, planned, Outcome(Ending.FAILED, reason, final=True))
