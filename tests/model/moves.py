"""Which event leads a step, or the run, from which state to which, and who may cause it.

One move a line: states it starts from, the event, the state it leads to, who. This table was written from the rules,
not from the program's own (:mod:`changeover.engine.transitions`); ``test_table.py`` compares the two.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.model.words import FORWARD, ROLLBACK


class Move(NamedTuple):
    """Where an event leads, and who may cause it: the engine, a person, either, or two people."""

    to: str
    who: str


_STEP: Final = """
pending retrying    | step_started     | running      | engine      the intent: durable before anything is sent
pending retrying    | step_failed      | failed       | engine      it could not even be sent
running             | step_passed      | passed       | engine      the outcome of the attempt that was sent
running             | step_failed      | failed       | either      a person: the task cannot be done
running             | step_unknown     | unknown      | engine      a time-out, or a new engine finds it running
unknown             | step_passed      | passed       | engine      the probe: it is done
unknown             | step_reset       | pending      | engine      the probe: nothing of it is there
unknown             | step_retrying    | retrying     | engine      the probe: a part is there; the step may be repeated
unknown             | step_failed      | failed       | engine      repeatable, and its tries are counted
unknown             | step_dirty       | failed_dirty | engine      on the way out: something of it is there
unknown             | step_asked       | asks_human   | engine      nobody but a person can find out
asks_human          | step_passed      | passed       | person
asks_human          | step_failed      | failed       | person
asks_human          | step_reset       | pending      | person
asks_human          | step_retrying    | retrying     | person
asks_human          | step_dirty       | failed_dirty | person
failed              | step_retrying    | retrying     | either
failed_dirty        | step_retrying    | retrying     | person
failed failed_dirty | step_passed      | passed       | person      finished by hand
"""

_NOTES: Final = """
pending retrying running        | decision_asked   | =  | engine
pending retrying running        | decision_given   | =  | person
pending retrying running        | decision_lapsed  | =  | engine
running unknown failed retrying | step_said        | =  | engine
running                         | step_progressed  | =  | engine
pending running unknown failed retrying | step_adjusted | = | either   for the attempt that runs, and the next
"""

_FORWARD: Final = """
pending running failed           | step_skipped | skipped      | either   its `when`, best effort; or a person's reason
retrying failed_dirty            | step_skipped | skipped      | person
failed retrying skipped          | step_reset   | pending      | engine   before the way back: nothing of it is there
failed retrying skipped          | step_dirty   | failed_dirty | engine   before the way back: something of it is there
failed retrying skipped          | step_asked   | asks_human   | engine   before the way back: only a person can say
"""

_ROLLBACK: Final = """
pending running failed                          | step_skipped | skipped | engine
pending failed failed_dirty retrying            | step_waived  | waived  | two people
"""

_RUN: Final = """
planned                                          | run_planned        | planned      | either
planned                                          | run_started        | running      | either
running                                          | run_succeeded      | succeeded    | engine
running                                          | rollback_requested | stopping     | either
stopping rolling_back                            | rollback_requested | =            | person
stopping                                         | rollback_started   | rolling_back | engine
rolling_back                                     | run_rolled_back    | rolled_back  | engine
planned running stopping rolling_back            | abort_requested    | aborting     | person
aborting                                         | run_aborted        | aborted      | engine
planned running stopping rolling_back aborting   | run_taken_over     | =            | person
planned running stopping rolling_back aborting   | run_held           | =            | either
planned running stopping rolling_back aborting   | run_released       | =            | either
planned running stopping rolling_back aborting   | change_accepted    | =            | person
planned running stopping rolling_back aborting   | suspension_opened  | =            | either
planned running stopping rolling_back aborting   | suspension_closed  | =            | either
planned running stopping rolling_back aborting   | suspension_left    | =            | person
planned running stopping rolling_back aborting succeeded rolled_back aborted | engine_started   | = | engine
planned running stopping rolling_back aborting succeeded rolled_back aborted | engine_stopped   | = | engine
planned running stopping rolling_back aborting succeeded rolled_back aborted | warned           | = | either
planned running stopping rolling_back aborting succeeded rolled_back aborted | command_answered | = | either
"""


def _read(*texts: str) -> dict[tuple[str, str], Move]:
    found: dict[tuple[str, str], Move] = {}
    for line in "\n".join(texts).split("\n"):
        if not line.strip():
            continue
        starts, event, to, who = (part.strip() for part in line.split("|"))
        actor = "two people" if who.startswith("two people") else who.split()[0]
        for state in starts.split():
            found[state, event] = Move(state if to == "=" else to, actor)
    return found


#: By state and event.
STEPS: Final = {FORWARD: _read(_STEP, _NOTES, _FORWARD), ROLLBACK: _read(_STEP, _NOTES, _ROLLBACK)}
RUN: Final = _read(_RUN)
