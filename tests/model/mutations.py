"""What each rule prevents: without it, a few turns from the start, an invariant is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tests.model.graph import Graph
from tests.model.rules import ALL
from tests.model.state import Left, Suite, runbook, step
from tests.model.words import APPROVAL


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule that is taken away, where it can be seen that it is missing, and the invariants that are broken then."""

    sentence: str
    rule: str
    graph: Callable[[], Graph]
    left: Left
    breaks: str  # one name; of several, the first that is found
    engines: int = 1

    def suite(self) -> Suite:
        """The suite without the rule."""
        return Suite(self.sentence, self.graph(), self.left, self.engines, replace(ALL, **{self.rule: False}))

    def sound(self) -> Suite:
        """The same suite with the rule."""
        return Suite(self.sentence, self.graph(), self.left, self.engines)


def _chain() -> Graph:
    return runbook(step("copy"), step("verify", 0))


def _one() -> Graph:
    return runbook(step("copy"))


def _repeatable() -> Graph:
    return runbook(step("copy", repeatable=True), step("verify", 0))


def _opaque() -> Graph:
    return runbook(step("call", fenced=False), step("verify", 0))


def _no_return() -> Graph:
    return runbook(step("copy"), step("cut", 0, no_return=True))


def _no_return_first() -> Graph:
    return runbook(step("cut", no_return=True), step("open", 0))


def _gate(quorum: int = 2) -> Graph:
    return runbook(step("go", form=APPROVAL, quorum=quorum), step("cut", 0))


def _gate_of_one() -> Graph:
    return _gate(1)


def _mandatory() -> Graph:
    return runbook(step("freeze", mandatory=True), step("copy", 0))


MUTATIONS: Final = (
    Mutation(
        "without an intent first a crash forgets what is in the air, and it lands in the middle of a rollback",
        "intent_first",
        _one,
        Left(crashes=1, rollbacks=1),
        "I9",
    ),
    Mutation(
        "without the lease in every write two engines write one run", "lease_in_every_write", _chain, Left(takeovers=1), "I7", 2
    ),
    Mutation(
        "without the run's state in the intent's transaction a step begins in the middle of a rollback",
        "state_with_the_intent",
        lambda: runbook(step("copy"), step("count")),
        Left(rollbacks=1),
        "I9",
    ),
    Mutation(
        "without a durable way back a crash sends the run forward in the middle of an undo",
        "way_back_is_durable",
        _chain,
        Left(crashes=1, rollbacks=1),
        "I4",
    ),
    Mutation(
        "without a fence at the target a late request lands twice, even with one engine",
        "fence_at_the_target",
        _one,
        Left(timeouts=1),
        "I7",
    ),
    Mutation(
        "without a fence of each attempt a late request of the same engine lands twice",
        "fence_of_each_attempt",
        _one,
        Left(timeouts=1),
        "I7",
    ),
    Mutation("without fence first then probe a late request lands twice", "fence_then_probe", _one, Left(timeouts=1), "I7"),
    Mutation(
        "without a fence for what may be repeated two attempts of it act at once",
        "fence_what_is_repeatable",
        _repeatable,
        Left(timeouts=1),
        "I7",
    ),
    Mutation("without an exclusive start marker a doubled request acts twice", "start_marker", _one, Left(doubles=1), "I7"),
    Mutation(
        "without matching answers to attempts an old answer ends a new attempt that is still on its way",
        "answer_of_this_attempt",
        _repeatable,
        Left(faults=1, timeouts=1, late=1),
        "I1",
    ),
    Mutation(
        "without unknown as a state what was running is begun again", "running_becomes_unknown", _one, Left(crashes=1), "I7"
    ),
    Mutation(
        "without waiting for quiet a person's honest no lets a request in the air land twice",
        "people_answer_when_quiet",
        _opaque,
        Left(timeouts=1),
        "I7",
    ),
    Mutation(
        "without proof that the old engine is dead a person's honest no lets it send all the same",
        "people_answer_when_dead",
        _opaque,
        Left(takeovers=1),
        "I7",
        2,
    ),
    Mutation(
        "without a limit on retries what must not happen twice is done again on top of its half",
        "retry_only_what_may_repeat",
        _one,
        Left(faults=1),
        "I1",
    ),
    Mutation(
        "without a taint that outlives a retry half a step stays behind after a rollback",
        "retry_keeps_taint",
        _repeatable,
        Left(faults=1, rollbacks=1),
        "I5",
    ),
    Mutation(
        "without a taint that outlives a skip half a step stays behind after a rollback",
        "skip_keeps_taint",
        _chain,
        Left(faults=1, rollbacks=1, skips=1),
        "I5",
    ),
    Mutation("without waiting for its needs a join begins on half of them", "needs_are_settled", _chain, Left(), "I3"),
    Mutation(
        "without quiet before the first undo a step begins in the middle of the way back",
        "quiet_before_undo",
        _chain,
        Left(rollbacks=1),
        "I9",
    ),
    Mutation(
        "without resolving what is unknown a late request of the way forward meets the way back",
        "resolve_before_undo",
        _chain,
        Left(timeouts=1, rollbacks=1),
        "I9",
    ),
    Mutation(
        "without a look at what failed something is undone that was never done",
        "failed_is_probed",
        _chain,
        Left(faults=1, rollbacks=1),
        "I5",
    ),
    Mutation(
        "without undoing all that started half a step stays behind",
        "undo_what_started",
        _chain,
        Left(faults=1, rollbacks=1),
        "I5",
    ),
    Mutation("without undoing in reverse a step loses its ground", "undo_in_reverse", _chain, Left(rollbacks=1), "I4"),
    Mutation(
        "without a point of no return from its intent on a rollback undoes what led up to it",
        "no_return_from_intent",
        _no_return,
        Left(rollbacks=1),
        "I8",
    ),
    Mutation("without the hold in the intent's transaction a held run goes on", "hold_stops_intents", _one, Left(holds=1), "H"),
    Mutation(
        "without a quorum of different people one person opens a gate of two", "gate_waits_for_its_quorum", _gate, Left(), "G"
    ),
    Mutation(
        "without using an approval up a gate opens twice on one decision",
        "approval_is_used_once",
        _gate_of_one,
        Left(faults=1),
        "G",
    ),
    Mutation(
        "without binding approvals to the plan a gate opens on a plan that nobody approved",
        "approval_is_of_this_plan",
        _gate_of_one,
        Left(crashes=1, changes=1),
        "G",
    ),
    Mutation(
        "without a refusal that takes approvals back a gate opens over a no",
        "refusal_takes_approvals_back",
        _gate,
        Left(refusals=1),
        "G",
    ),
    Mutation("without a hold at the deadline silence approves", "lapse_holds", _gate, Left(lapses=1), "G"),
    Mutation("without two people one gives up an undo alone", "waiver_by_two", _one, Left(rollbacks=1, waivers=1), "W"),
    Mutation(
        "without two people one turns the run back past its point of no return",
        "glass_by_two",
        _no_return_first,
        Left(glasses=1),
        "I8",
    ),
    Mutation(
        "without two people one finishes a step alone past the point of no return",
        "by_hand_by_two",
        _no_return_first,
        Left(faults=1),
        "W",
    ),
    Mutation("without mandatory steps a freeze can be skipped", "mandatory_is_not_skipped", _mandatory, Left(skips=1), "M"),
    Mutation(
        "without proof at the target something begins after the abort", "abort_waits_for_proof", _chain, Left(aborts=1), "I6"
    ),
    Mutation(
        "without the stages that stay a run that is back at a stage says that it is rolled back",
        "back_means_all",
        _chain,
        Left(stages=1),
        "I5",
    ),
    Mutation("without the last step a run succeeds", "success_means_all", _chain, Left(), "I2"),
)
