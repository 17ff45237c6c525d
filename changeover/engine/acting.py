"""What happens on an attempt's own thread: the action, what is kept of its output, and the proof that it is complete."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from changeover.contracts import Result, StepKind, Value
from changeover.engine import failpoints
from changeover.engine.context import AttemptContext
from changeover.engine.endings import Cause, Ending, Outcome, refused
from changeover.errors import ChangeoverError, Setback, Stopped, TimedOut, Unclear
from changeover.journal.limits import check_captured
from changeover.runbook.capture_paths import extract
from changeover.runbook.model import Step

#: Characters of a summary or reason: more belongs into the log file.
_TEXT_LIMIT = 600


@dataclass(eq=False)
class CapturesSecret(Setback):
    """A captured value contains a secret, which must never stand in the journal."""

    name: str

    def __str__(self) -> str:
        return f"the captured value {self.name!r} contains a secret; it is not kept"

    @property
    def hint(self) -> str:
        return "capture an id instead, and read the secret where it is needed by its reference"


@dataclass(frozen=True, slots=True)
class Action:
    """All that an attempt's thread needs."""

    step: Step
    instance: StepKind
    context: AttemptContext
    changing: bool
    dry: bool
    proof: Callable[[Mapping[str, Value]], StepKind]  # the instance of `verify:`, once the captured values are known


def act(action: Action) -> Outcome:
    """Do it, keep what is to be kept, and verify it. Never raises."""
    context = action.context
    try:
        context.check_stopped()
    except Stopped as stopped:
        return Outcome(Ending.FAILED, f"{stopped}, before anything was sent")
    try:
        failpoints.reach("acting")
        result = action.instance.dry_run(context) if action.dry else action.instance.run(context)
        failpoints.reach("acted")
        return judged(action, result)
    except BaseException as error:  # noqa: BLE001 - a step's own code; whatever it raises is the outcome
        return outcome_of(error, action)


def judged(action: Action, result: Result) -> Outcome:
    """What *result* comes to, once its values are kept and it has been verified."""
    refusal = refused(result, dry=action.dry)
    if refusal is not None:
        return refusal
    captured = placeholders(action) if action.dry else keep(action, result.output)
    if action.step.verify is not None:
        unproven = _verify(action, action.step.verify, captured)
        if unproven is not None:
            return unproven
    return Outcome(Ending.PASSED, short(result.summary), captured, result.verdict)


def keep(action: Action, output: Value) -> dict[str, Value]:
    """The values that the step captures. Raises OutputLacks, CapturesSecret or CapturedTooLarge."""
    captured = {name: extract(path, output) for name, path in action.step.capture.items()}
    mask = action.context.resources.secrets.mask
    for name, value in captured.items():
        if isinstance(value, str | list | dict) and mask(str(value)) != str(value):
            raise CapturesSecret(name)
    if captured:
        check_captured(action.context.step, captured)
    return captured


def placeholders(action: Action) -> dict[str, Value]:
    """What stands for captured values in a dry run, where nothing answers."""
    return {name: f"{action.context.step}.{name}" for name in action.step.capture}


def outcome_of(error: BaseException, action: Action) -> Outcome:
    """What an error of the step's code means."""
    context = action.context
    stopping = context.stop.why if context.stop.requested else ""
    if not isinstance(error, ChangeoverError):
        context.log("".join(traceback.format_exception(error)))
    text = short(_said(error))
    if stopping and stopping.startswith(Cause.SHUTDOWN.value):
        return Outcome(Ending.UNKNOWN, text)
    if isinstance(error, Unclear):
        return Outcome(Ending.UNKNOWN, text)
    timed_out = isinstance(error, TimedOut) or stopping.startswith(Cause.TIMEOUT.value)
    if timed_out:
        return Outcome(Ending.UNKNOWN if action.changing else Ending.FAILED, stopping or text)
    if stopping and not isinstance(error, Stopped) and action.changing:
        return Outcome(Ending.UNKNOWN, f"{stopping}; then {text}")
    return Outcome(Ending.FAILED, text)


def short(text: str) -> str:
    """*text* on one line of a length that people read."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_LIMIT else f"{line[: _TEXT_LIMIT - 1]}…"


def _said(error: BaseException) -> str:
    if isinstance(error, ChangeoverError):
        return f"{error} ({error.hint})" if error.hint else str(error)
    return f"{type(error).__name__}: {error}"


def _verify(action: Action, step: Step, captured: Mapping[str, Value]) -> Outcome | None:
    """Whether the action is complete: None, or the failure. Its own `retry:` gives it more time."""
    instance = action.proof(captured)
    retry = step.retry
    pause = retry.every.total_seconds() if retry is not None else 0.0
    for left in range(retry.times if retry is not None else 0, -1, -1):
        failure = _proven(action, instance)
        if failure is None or left == 0:
            return failure
        action.context.say(f"not verified yet: {failure.text}")
        action.context.sleep(pause)
        pause *= retry.backoff if retry is not None else 1.0
    return None


def _proven(action: Action, instance: StepKind) -> Outcome | None:
    try:
        result = instance.dry_run(action.context) if action.dry else instance.run(action.context)
    except (Stopped, TimedOut):
        raise
    except Setback as setback:
        return Outcome(Ending.FAILED, f"done, but not verified: {short(_said(setback))}")
    refusal = refused(result, dry=action.dry)
    if refusal is None:
        return None
    text = refusal.text if refusal.ending is Ending.SKIPPED else f"done, but not verified: {refusal.text}"
    return Outcome(refusal.ending, short(text), verdict=refusal.verdict)
