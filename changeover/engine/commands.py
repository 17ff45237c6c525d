"""What people ask of a run, and what becomes of it. Answer and effect share a transaction."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Phase, QuestionForm, RunState, StepState, Value
from changeover.engine.adjusting import adjust
from changeover.engine.closing import why_closed
from changeover.engine.decisions import Decisions, Reply, form_of, noted, quorum_reached, refused
from changeover.engine.endings import Ending, Outcome, maybe_suspended, passed
from changeover.engine.people import PersonUnknown, person
from changeover.engine.runtime import Runtime
from changeover.engine.seconds import Seconds
from changeover.engine.transitions import BEGINS_IN, MoveNotAllowed
from changeover.journal.events import CommandRecord, Draft, EventKind, Verb
from changeover.plan.model import PlannedStep

#: The answer to what is asked too late.
RUN_OVER: Final = "the run is over; nothing can be changed any more"

#: Steps that an answer names; the rest is counted.
_NAMED: Final = 5

_RETRIABLE: Final = (StepState.FAILED, StepState.FAILED_DIRTY, StepState.ASKS_HUMAN)
_BY_HAND: Final = frozenset({StepState.FAILED, StepState.FAILED_DIRTY, StepState.ASKS_HUMAN})
#: What is in doubt may still land later: only once somebody has said what became of it can it be given up.
_GIVEN_UP: Final = frozenset({StepState.PENDING, StepState.RETRYING, StepState.FAILED, StepState.FAILED_DIRTY})


@dataclass(slots=True)
class Commands:
    """The desk at which commands are answered, one after the other."""

    runtime: Runtime
    decisions: Decisions
    seconds: Seconds
    _verbs: Mapping[Verb, Callable[[CommandRecord, str], Reply]] = field(init=False)

    def __post_init__(self) -> None:
        self._verbs = {
            Verb.APPROVE: self._answer,
            Verb.REFUSE: self._refuse,
            Verb.DONE: self._done,
            Verb.HOLD: self._hold,
            Verb.RELEASE: self._release,
            Verb.SKIP: self._skip,
            Verb.RETRY: self._retry,
            Verb.ADJUST: self._adjust,
            Verb.WAIVE: self._waive,
            Verb.ROLLBACK: self._rollback,
            Verb.ABORT: self._abort,
            Verb.LEAVE_OFF: self._leave_off,
        }

    def act_on(self, record: CommandRecord) -> Reply:
        """Answer *record*, and record what it leads to. The reply, for whoever wants to follow up."""
        reply = self._reply(record)
        try:
            self.runtime.recorder.answer(record, accepted=reply.accepted, text=reply.text, drafts=reply.drafts)
        except MoveNotAllowed as refusal:  # only the first draft can be refused: nothing has been recorded
            reply = refused(str(refusal))
            self.runtime.recorder.answer(record, accepted=False, text=reply.text)
        self.runtime.remember(reply.drafts)
        self.runtime.wake.set()
        return reply

    def _reply(self, record: CommandRecord) -> Reply:
        command = record.command
        if self.runtime.state.final:
            return refused(RUN_OVER)
        try:
            who = person(self.runtime.bundle.people, command.who)
        except PersonUnknown as unknown:
            return refused(str(unknown))
        return self._verbs[command.verb](record, who)

    # the run

    def _hold(self, record: CommandRecord, who: str) -> Reply:
        if self.runtime.held:
            return noted(f"the run is held already: {self.runtime.projection.record.held_why}")
        running = self.runtime.projection.keys(self.runtime.projection.phase, StepState.RUNNING)
        more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
        text = f"held; still running: {', '.join(running[:_NAMED])}{more}" if running else "held; nothing runs"
        return noted(text, Draft(EventKind.RUN_HELD, who=who, data={"why": record.command.why}))

    def _release(self, record: CommandRecord, who: str) -> Reply:
        if not self.runtime.held:
            return noted("the run is not held")
        if self.runtime.projection.arrived:
            return refused(f"{self.runtime.projection.record.held_why}; no step goes forward any more")
        return noted("released", Draft(EventKind.RUN_RELEASED, who=who, data={"why": record.command.why}))

    def _rollback(self, record: CommandRecord, who: str) -> Reply:
        state, projection = self.runtime.state, self.runtime.projection
        stage = str(record.command.data.get("to") or "")
        if stage and stage not in self.runtime.plan.stages:
            return refused(f"there is no stage called {stage!r}{_near(stage, list(self.runtime.plan.stages))}")
        if state in {RunState.STOPPING, RunState.ROLLING_BACK}:
            if stage == projection.record.rollback_to:
                return noted(f"the run is {_words(state)} already")
        elif state is not RunState.RUNNING:
            return refused(f"the run is {_words(state)}; there is nothing to roll back")
        closed = why_closed(self.runtime)
        data: dict[str, Value] = {"why": record.command.why, **({"to": stage} if stage else {})}
        if closed:
            if not record.command.data.get("break_glass"):
                return refused(f"{closed}: rolling back is no longer offered (two people can break the glass together)")
            first, reply = self.seconds.second(record, who, "rollback past the point of no return")
            if reply is not None:
                return reply
            data = {**data, "break_glass": "yes", "second": first}
        drafts = [Draft(EventKind.RUN_RELEASED, who=who, data={"why": "to roll back"})] if self.runtime.held else []
        asked = Draft(EventKind.ROLLBACK_REQUESTED, who=who, data=data)
        back = f"rolling back to {stage}" if stage else "rolling back"
        first = "what runs is stopped first" if state is RunState.RUNNING else "further than was asked for before"
        return noted(f"{back}: {first}", asked, *drafts)

    def _abort(self, record: CommandRecord, who: str) -> Reply:
        if self.runtime.state is RunState.ABORTING:
            return noted("the run is being aborted already")
        asked = Draft(EventKind.ABORT_REQUESTED, who=who, data={"why": record.command.why})
        return noted("aborting: everything is stopped, nothing is undone", asked)

    def _leave_off(self, record: CommandRecord, who: str) -> Reply:
        wanted = str(record.command.data.get("what") or record.command.step)
        open_now = self.runtime.projection.record.suspensions
        found = [suspension for suspension in open_now.values() if wanted in {suspension.what, suspension.step}]
        if not found:
            return refused(f"nothing called {wanted!r} is switched off{_near(wanted, list(open_now))}")
        if not record.command.why:
            return refused("say why it may stay off")
        drafts = [
            Draft(EventKind.SUSPENSION_LEFT, suspension.step, 0, who, {"what": suspension.what, "why": record.command.why})
            for suspension in found
        ]
        return noted(f"{found[0].what} stays off, by {who}'s word", *drafts)

    # a step

    def _find(self, record: CommandRecord) -> PlannedStep | Reply:
        key = record.command.step
        planned = self.runtime.projection.planned(key)
        if planned is not None:
            return planned
        keys = [*self.runtime.plan.forward, *self.runtime.plan.rollback]
        return refused(f"there is no step called {key!r}{_near(key, keys)}" if key else "name the step")

    def _wrong_time(self, planned: PlannedStep) -> Reply | None:
        """Refuse what concerns a step of the other direction."""
        state = self.runtime.state
        if state is BEGINS_IN[planned.phase]:
            return None
        return refused(f"the run is {_words(state)}: it is not the turn of {planned.key}")

    def _answer(self, record: CommandRecord, who: str) -> Reply:
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        return self._wrong_time(planned) or self.decisions.answer(record, who, planned.key)

    def _refuse(self, record: CommandRecord, who: str) -> Reply:
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        step = self.runtime.step(planned.key)
        if step.state is StepState.ASKS_HUMAN:
            second, reply = self._four_eyes(record, who, planned, "did not happen")
            if reply is not None:
                return reply
            data = {"reason": f"{who}: it did not happen: {record.command.why}", **second}
            return noted(f"{planned.key} did not happen", Draft(EventKind.STEP_RESET, planned.key, step.attempt, who, data))
        return self._wrong_time(planned) or self.decisions.answer(record, who, planned.key)

    def _done(self, record: CommandRecord, who: str) -> Reply:
        """A task is done, or a step that failed or is in doubt has been finished (or has happened) all the same."""
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        key, step, command = planned.key, self.runtime.step(planned.key), record.command
        if step.state not in _BY_HAND:
            if self.decisions.open(key) is not None:
                return self._wrong_time(planned) or self.decisions.answer(record, who, key)
            return refused(f"{key} is {_words(step.state)}; only what failed or is in doubt can be finished by hand")
        in_doubt = step.state is StepState.ASKS_HUMAN
        if not in_doubt and (wrong := self._wrong_time(planned)) is not None:
            return wrong
        evidence = str(command.data.get("evidence") or command.why)
        if not evidence:
            return refused(f"say by what it can be seen that {key} is done")
        partly = in_doubt and command.data.get("answer") == "partly"
        second, reply = self._four_eyes(record, who, planned, "happened in part" if partly else "is done")
        if reply is not None:
            return reply
        if partly:
            data = {"reason": f"{who}: it happened in part: {evidence}", **second}
            return noted(f"{key} happened in part", Draft(EventKind.STEP_DIRTY, key, step.attempt, who, data))
        return noted(f"{key} is done", *self._by_hand(record, who, planned, evidence, second.get("second", "")))

    def _by_hand(self, record: CommandRecord, who: str, planned: PlannedStep, evidence: str, second: str) -> list[Draft]:
        captured = record.command.data.get("captured")
        outcome = Outcome(Ending.PASSED, f"by hand, {who}: {evidence}", captured if isinstance(captured, dict) else {})
        attempt = self.runtime.step(planned.key).attempt
        return passed(self.runtime, planned.key, attempt, outcome, by="person", who=who, second=second)

    def _four_eyes(self, record: CommandRecord, who: str, planned: PlannedStep, what: str) -> tuple[dict[str, str], Reply | None]:
        """From the point of no return on, two people say the same of a step: who said it first, or the reply to the first."""
        if planned.phase is not Phase.FORWARD or not self.runtime.projection.crossed():
            return {}, None
        first, reply = self.seconds.second(record, who, f"say that {planned.key} {what}, after the point of no return", what)
        return {"second": first}, reply

    def _skip(self, record: CommandRecord, who: str) -> Reply:
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        key, step, why = planned.key, self.runtime.step(planned.key), record.command.why
        no = self._why_not_skip(planned, why)
        if no:
            return refused(no)
        second, reply = self._four_eyes(record, who, planned, "is skipped")
        if reply is not None:
            return reply
        data = {"reason": f"{who}: {why}" if why else f"{who} skipped it", **second}
        skipped = Draft(EventKind.STEP_SKIPPED, key, step.attempt, who, data)
        return noted(f"{key} is skipped", skipped, *maybe_suspended(self.runtime, planned, who))

    def _why_not_skip(self, planned: PlannedStep, why: str) -> str:
        key, state = planned.key, self.runtime.step(planned.key).state
        if planned.phase is Phase.ROLLBACK:
            return f"{key} is an undo: it is not skipped; two people can waive it"
        if self.runtime.state is not RunState.RUNNING:
            return f"the run is {_words(self.runtime.state)}; {key} cannot be skipped now"
        decision = self.decisions.open(key)
        waits = state is StepState.RUNNING and decision is not None and key not in self.runtime.busy
        if state not in _GIVEN_UP and not waits:
            return f"{key} is {_words(state)}; it cannot be skipped{_first_say(key, state)}"
        if planned.step.mandatory:
            return f"{key} is mandatory: it can never be skipped"
        asks_people = hasattr(self.runtime.kind_of(planned.step).python, "question")
        if not planned.step.optional and asks_people and state is StepState.PENDING:
            if decision is None:
                return f"{key} asks people; it can be skipped only when its turn has come, and only if it is a task"
            if form_of(decision) is not QuestionForm.TASK:
                return f"{key} is a decision: it is approved or refused, not skipped"
        if not why and not planned.step.optional:
            return f"say why {key} is skipped"
        return ""

    def _retry(self, record: CommandRecord, who: str) -> Reply:
        phase, why = self.runtime.projection.phase, record.command.why
        if not record.command.step:
            keys = self.runtime.projection.keys(phase, StepState.FAILED, StepState.FAILED_DIRTY)
            if not keys:
                return noted("nothing has failed")
            return noted(f"{len(keys)} steps are tried again", *[self._again(key, who, why) for key in keys])
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        state = self.runtime.step(planned.key).state
        wrong = self._wrong_time(planned)
        if wrong is not None:
            answer = f"; say `done {planned.key}` if it happened, `refuse {planned.key}` if it did not"
            return refused(wrong.text + answer) if state is StepState.ASKS_HUMAN else wrong
        if state is StepState.RETRYING:
            return noted(f"{planned.key} is tried again already")
        if state not in _RETRIABLE:
            return refused(f"{planned.key} is {_words(state)}; only what failed or is in doubt is tried again")
        second: dict[str, str] = {}
        if state is StepState.ASKS_HUMAN:
            second, reply = self._four_eyes(record, who, planned, "is to be done again")
            if reply is not None:
                return reply
        return noted(f"{planned.key} is tried again", self._again(planned.key, who, why, second))

    def _again(self, key: str, who: str, why: str, second: Mapping[str, str] | None = None) -> Draft:
        """Another try by a person's word, which stands in the journal: also of what could happen twice."""
        reason = f"{who}: {why}" if why else f"{who} asked for another try"
        data: dict[str, Value] = {"reason": reason, "pause": 0, **(second or {})}
        return Draft(EventKind.STEP_RETRYING, key, self.runtime.step(key).attempt, who, data)

    def _adjust(self, record: CommandRecord, who: str) -> Reply:
        planned = self._find(record)
        return planned if isinstance(planned, Reply) else adjust(self.runtime, planned, record, who)

    def _waive(self, record: CommandRecord, who: str) -> Reply:
        planned = self._find(record)
        if isinstance(planned, Reply):
            return planned
        key, step = planned.key, self.runtime.step(planned.key)
        if planned.phase is not Phase.ROLLBACK:
            return refused(f"{key} is no undo; only steps of the rollback are waived (a step forward is skipped)")
        wrong = self._wrong_time(planned)
        if wrong is not None:
            return wrong
        if step.state not in _GIVEN_UP or key in self.runtime.busy:
            return refused(f"{key} is {_words(step.state)}; it cannot be waived now{_first_say(key, step.state)}")
        if not record.command.why:
            return refused(f"say why {key} is given up, and what stays behind")
        first, reply = self.seconds.second(record, who, f"waive {key}")
        if reply is not None:
            return reply
        data = {"reason": f"{first} and {who}: {record.command.why}", "second": first}
        return noted(f"{key} is given up", Draft(EventKind.STEP_WAIVED, key, step.attempt, who, data))

    def answered(self, record: CommandRecord) -> str:
        """The step whose question the command may have brought to its quorum; empty when there is none."""
        key = record.command.step
        decision = self.decisions.open(key)
        return key if decision is not None and quorum_reached(decision) else ""


def _words(state: StepState | RunState) -> str:
    return state.value.replace("_", " ")


def _first_say(key: str, state: StepState) -> str:
    """What comes before giving up a step of which nobody knows whether it happened, or still will."""
    if state is not StepState.ASKS_HUMAN:
        return ""
    return (
        f": first say what became of it: `done {key}` if it happened, `done {key} --partly` if in part; "
        f"`refuse {key}` if it did not and no longer can (hold the run before, or it begins again)"
    )


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
