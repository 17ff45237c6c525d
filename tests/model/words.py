"""The model's words: the same as the journal's, so that a journal can be read as moves of the model.

They are plain strings because hundreds of thousands of states are made of them: a string knows its hash.
"""

from __future__ import annotations

from typing import Final

# phases
FORWARD: Final = "forward"
ROLLBACK: Final = "rollback"

# states of a step
PENDING: Final = "pending"
RUNNING: Final = "running"
PASSED: Final = "passed"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"
ASKS: Final = "asks_human"
RETRYING: Final = "retrying"
DIRTY: Final = "failed_dirty"
SKIPPED: Final = "skipped"
WAIVED: Final = "waived"

# states of the run
PLANNED: Final = "planned"
STOPPING: Final = "stopping"
ROLLING_BACK: Final = "rolling_back"
ABORTING: Final = "aborting"
SUCCEEDED: Final = "succeeded"
ROLLED_BACK: Final = "rolled_back"
ABORTED: Final = "aborted"

FINAL: Final = frozenset({SUCCEEDED, ROLLED_BACK, ABORTED})
#: States of a step with which whoever needs it may begin.
SETTLED: Final = frozenset({PASSED, SKIPPED, WAIVED})
#: States of a step forward of which something has to be found out before the way back begins.
UNRESOLVED: Final = frozenset({RUNNING, UNKNOWN, ASKS, FAILED, RETRYING})
#: States of a step of which something has to be found out before an aborted run is over.
IN_DOUBT: Final = frozenset({RUNNING, UNKNOWN, ASKS})

# events of a step
STARTED: Final = "step_started"
STEP_PASSED: Final = "step_passed"
STEP_FAILED: Final = "step_failed"
STEP_UNKNOWN: Final = "step_unknown"
STEP_ASKED: Final = "step_asked"
STEP_RESET: Final = "step_reset"
STEP_RETRYING: Final = "step_retrying"
STEP_DIRTY: Final = "step_dirty"
STEP_SKIPPED: Final = "step_skipped"
STEP_WAIVED: Final = "step_waived"
STEP_SAID: Final = "step_said"
STEP_PROGRESSED: Final = "step_progressed"
STEP_ADJUSTED: Final = "step_adjusted"
QUESTION: Final = "decision_asked"
ANSWER: Final = "decision_given"
LAPSE: Final = "decision_lapsed"

# events of the run
RUN_PLANNED: Final = "run_planned"
ENGINE_STARTED: Final = "engine_started"
ENGINE_STOPPED: Final = "engine_stopped"
TAKEN_OVER: Final = "run_taken_over"
RUN_STARTED: Final = "run_started"
HELD: Final = "run_held"
RELEASED: Final = "run_released"
ROLLBACK_REQUESTED: Final = "rollback_requested"
ROLLBACK_STARTED: Final = "rollback_started"
ABORT_REQUESTED: Final = "abort_requested"
RUN_SUCCEEDED: Final = "run_succeeded"
RUN_ROLLED_BACK: Final = "run_rolled_back"
RUN_ABORTED: Final = "run_aborted"
CHANGE_ACCEPTED: Final = "change_accepted"
WARNED: Final = "warned"
COMMAND_ANSWERED: Final = "command_answered"
SUSPENSION_OPENED: Final = "suspension_opened"
SUSPENSION_CLOSED: Final = "suspension_closed"
SUSPENSION_LEFT: Final = "suspension_left"

#: Events that tell something and change nothing.
NOTES: Final = frozenset({STEP_SAID, STEP_PROGRESSED, STEP_ADJUSTED})

# who causes an event
ENGINE: Final = "engine"
PERSON: Final = "person"
EITHER: Final = "either"
TWO: Final = "two people"

# forms of a question
APPROVAL: Final = "approval"
TASK: Final = "task"
