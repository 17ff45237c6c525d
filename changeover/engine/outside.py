"""Checks that are asked outside a run: nothing of what they say stands in its journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from changeover.contracts import Answer, Result, StepKind, Value, Verdict
from changeover.engine.context import AttemptContext
from changeover.engine.options import Options
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal
from changeover.errors import Setback, Stopped
from changeover.journal.events import Draft
from changeover.journal.fold import StepRecord
from changeover.journal.records import RunRecord
from changeover.runbook.bundle import Bundle


class _Alone:
    """The surroundings of checks outside a run: nothing is noted, nothing can be included."""

    def note(self, draft: Draft) -> None:
        """Drop it: the run is over, and nothing is added to its journal."""

    def since(self, step: str) -> float | None:  # noqa: ARG002 - the protocol's
        """Nothing has passed here."""
        return None

    def parameters_of(self, step: str) -> StepKind:
        """Refuse: there is no step."""
        raise Setback(f"an exit check cannot ask for the step {step!r}")

    def adjusted(self, step: str) -> StepRecord:
        """Nobody adjusts a check."""
        return StepRecord(step)

    def rehearsed(self, step: str) -> Mapping[str, Value]:  # noqa: ARG002 - the protocol's
        """Nothing of a check."""
        return {}

    def include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext) -> Result:  # noqa: ARG002 - the protocol's
        """Refuse: there is no run."""
        raise Setback(f"an exit check cannot run {file}")


def context_of(
    run: RunRecord, bundle: Bundle, resources: Resources, signal: StopSignal, options: Options, *, step: str
) -> AttemptContext:
    """The context of checks of *run* that stand for *step*."""
    return AttemptContext(
        run=run,
        step=step,
        attempt=1,
        clock=options.clock,
        folder=options.root,
        resources=resources,
        surroundings=_Alone(),
        stop=signal,
        zone=bundle.runbook.zone,
        shift=timedelta(),
    )


def verdict_of(context: AttemptContext, reference: str) -> Verdict:
    """What the function *reference* says; one that breaks has not passed."""
    try:
        verdict = context.function(reference)(context)
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001 - a project's own code: a check that breaks has not passed
        return Verdict(Answer.FAILED, f"{reference}: {type(error).__name__}: {error}")
    if isinstance(verdict, Verdict):
        return verdict
    return Verdict(Answer.FAILED, f"{reference} answered with {type(verdict).__name__} instead of a verdict")
