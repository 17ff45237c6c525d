"""The rules, each with a name, so that each can be taken away to see what it prevents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """True: the rule holds. The real program keeps all of them; see :mod:`tests.model.mutations` for why."""

    # one unit of durability
    intent_first: bool = True  # an intent is durable before anything is sent
    lease_in_every_write: bool = True  # a write whose epoch is not the run's is refused
    state_with_the_intent: bool = True  # the run's state is looked at in the transaction that writes the intent
    way_back_is_durable: bool = True  # that the run rolls back outlives the engine
    # targets
    fence_at_the_target: bool = True  # the target refuses an attempt that is not above its fence
    fence_of_each_attempt: bool = True  # the fence counts attempts, not incarnations of the engine
    fence_then_probe: bool = True  # first the fence is raised, then the target is asked
    fence_what_is_repeatable: bool = True  # what may be done twice is fenced as well before it is done again
    start_marker: bool = True  # the target begins each attempt at most once
    answer_of_this_attempt: bool = True  # an answer counts for the attempt that it answers
    # what nobody knows
    running_becomes_unknown: bool = True  # after a crash what was running is in doubt; it is not simply begun again
    people_answer_when_quiet: bool = True  # a person says "it did not happen" only when nothing of it is in the air
    people_answer_when_dead: bool = True  # and only when no old engine can still send it
    retry_only_what_may_repeat: bool = True  # another try needs a repeatable step, or a probe that says clean
    retry_keeps_taint: bool = True  # a retry does not forget that something may be out there
    skip_keeps_taint: bool = True  # a skip of what had begun does not forget it either
    # order
    needs_are_settled: bool = True  # a join never begins with a parent failed or unknown
    # the way back
    quiet_before_undo: bool = True  # nothing is undone while something forward is in the air
    resolve_before_undo: bool = True  # what is unknown is found out before anything is undone
    failed_is_probed: bool = True  # what failed is looked at before it is undone
    undo_what_started: bool = True  # not only what passed: all that began and is not proven clean
    undo_in_reverse: bool = True  # an undo waits for those of all that came after
    no_return_from_intent: bool = True  # the point of no return counts from its intent, not from its end
    # people
    hold_stops_intents: bool = True
    gate_waits_for_its_quorum: bool = True  # different people, as many as it says
    approval_is_used_once: bool = True
    approval_is_of_this_plan: bool = True  # a changed plan asks again
    refusal_takes_approvals_back: bool = True
    lapse_holds: bool = True  # a deadline that passes holds the run, and approves nothing
    waiver_by_two: bool = True
    glass_by_two: bool = True  # past the point of no return only two people turn the run back
    by_hand_by_two: bool = True  # past it, two people say what became of a step
    mandatory_is_not_skipped: bool = True
    # the end
    abort_waits_for_proof: bool = True  # aborted only when nothing runs and nothing is in doubt
    success_means_all: bool = True  # succeeded only when every step is settled
    back_means_all: bool = True  # rolled back only when nothing stays; a run that is back at a stage is not over


#: The rules of the real program.
ALL = Rules()
