"""Everything that can stand in the journal, in the past tense.

Each event kind says which keys its ``data`` carries. An event is at most 1 KiB of JSON (captured values: 16 KiB,
what people ask and answer: 8 KiB); longer texts are cut and say so, larger captured values are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from changeover.contracts import Value


class EventKind(StrEnum):
    """What happened."""

    # the run
    #: window_opens, window_closes (ISO UTC, as for this run), digest (of the sources), record (of the run's own row),
    #: version, code {file: digest}
    RUN_PLANNED = "run_planned"
    ENGINE_STARTED = "engine_started"  # engine (local|prefect), host, pid, version: one incarnation of the engine
    ENGINE_STOPPED = "engine_stopped"  # why
    RUN_TAKEN_OVER = "run_taken_over"  # from (owner), since (ISO UTC), why: a person took it from an engine that was alive
    RUN_STARTED = "run_started"
    RUN_HELD = "run_held"  # why
    RUN_RELEASED = "run_released"  # why
    #: why, to (a stage that stays, with what it rests on; left out: nothing stays); break_glass, second
    ROLLBACK_REQUESTED = "rollback_requested"
    ROLLBACK_STARTED = "rollback_started"  # steps: how many will be undone
    ABORT_REQUESTED = "abort_requested"  # why
    RUN_SUCCEEDED = "run_succeeded"
    RUN_ROLLED_BACK = "run_rolled_back"
    RUN_ABORTED = "run_aborted"
    CHANGE_ACCEPTED = "change_accepted"  # what, steps: a person resumed the run in spite of it
    WARNED = "warned"  # text
    # a step; `step` is its key, `attempt` its attempt
    STEP_STARTED = "step_started"  # the intent: durable before anything is sent. title, stage, phase
    #: summary, captured {name: value}, verdict {answer, summary, expected, found, figures}, by (probe|person|engine)
    STEP_PASSED = "step_passed"
    STEP_FAILED = "step_failed"  # reason, verdict
    STEP_UNKNOWN = "step_unknown"  # reason
    STEP_ASKED = "step_asked"  # reason: only a person can find out
    STEP_RESET = "step_reset"  # reason: proven clean, pending again
    STEP_RETRYING = "step_retrying"  # reason, pause (seconds)
    STEP_DIRTY = "step_dirty"  # reason: failed, and something of it is there
    STEP_SKIPPED = "step_skipped"  # reason
    STEP_WAIVED = "step_waived"  # reason: an undo given up
    STEP_SAID = "step_said"  # line
    STEP_PROGRESSED = "step_progressed"  # done, total, unit, figures {rate, ...}
    #: changes {hold, rows_per_second, workers}, why; by and content (digest) when a control file says so: while it runs
    STEP_ADJUSTED = "step_adjusted"
    # people
    DECISION_ASKED = "decision_asked"  # ask, form, deciders, quorum, excluded, by (ISO UTC), typed, evidence
    DECISION_GIVEN = "decision_given"  # answer (approve|refuse|done|failed|typed), why, evidence
    DECISION_LAPSED = "decision_lapsed"  # the deadline passed: the run holds
    COMMAND_ANSWERED = "command_answered"  # command (id), verb, accepted (bool), text, asked (digest)
    # suspensions
    SUSPENSION_OPENED = "suspension_opened"  # what, resume_by, expires (ISO UTC)
    SUSPENSION_CLOSED = "suspension_closed"  # what
    SUSPENSION_LEFT = "suspension_left"  # what, why: a named person accepted that it stays off


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is not in the journal yet."""

    kind: EventKind
    step: str = ""
    attempt: int = 0
    who: str = ""  # a person, or empty for the engine
    data: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the journal."""

    run: str
    seq: int  # 1, 2, 3 ... within the run, without gaps
    at: datetime  # UTC
    epoch: int  # the incarnation that wrote it
    kind: EventKind
    step: str
    attempt: int
    who: str
    data: Mapping[str, Value]
    hash: str = ""  # SHA-256 over the row before and this one


class Verb(StrEnum):
    """What people can ask of a run."""

    APPROVE = "approve"
    REFUSE = "refuse"
    DONE = "done"
    HOLD = "hold"
    RELEASE = "release"
    SKIP = "skip"
    RETRY = "retry"
    ADJUST = "adjust"  # how fast a step may go, while it runs; or that it holds
    WAIVE = "waive"
    ROLLBACK = "rollback"
    ABORT = "abort"
    LEAVE_OFF = "leave-off"  # a suspension stays open


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks; appended by anyone, acted on only by the engine."""

    run: str
    verb: Verb
    who: str
    why: str
    key: str  # idempotency: the same key is the same command
    step: str = ""
    whence: str = ""  # user@host of the terminal, chat, web
    data: Mapping[str, Value] = field(default_factory=dict)  # evidence, typed, answer


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command in the journal, and what became of it."""

    id: int
    command: Command
    at: datetime
    accepted: bool | None = None  # None: not answered yet
    answer: str = ""
