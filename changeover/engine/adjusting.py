"""Adjusting a step while it runs: what people may set, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

from changeover.contracts import Adjustable, StepState, Value
from changeover.engine.decisions import Reply, noted, refused
from changeover.engine.runtime import Runtime
from changeover.errors import Mistake
from changeover.journal.adjustments import HOLD, NotAnAdjustment, changes_of, words_of
from changeover.journal.events import CommandRecord, Draft, EventKind
from changeover.plan.model import PlannedStep

_OVER = frozenset({StepState.PASSED, StepState.SKIPPED, StepState.WAIVED, StepState.FAILED_DIRTY, StepState.ASKS_HUMAN})


def adjust(runtime: Runtime, planned: PlannedStep, record: CommandRecord, who: str) -> Reply:
    """Set what the command says for the attempt that runs, and for every later one."""
    key, step = planned.key, runtime.step(planned.key)
    if key in runtime.plan.skipped or step.state in _OVER:
        state = "skipped" if key in runtime.plan.skipped else step.state.value.replace("_", " ")
        return refused(f"{key} is {state}; there is nothing to adjust")
    try:
        changes = changes_of(record.command.data)
        known = _adjustable(runtime, planned)
    except Mistake as mistake:
        hint = f" ({mistake.hint})" if isinstance(mistake, NotAnAdjustment) else ""
        return refused(f"{mistake}{hint}")
    unknown = [name for name in changes if name not in known]
    if unknown:
        can = f"; what can be: {', '.join(sorted(known))}" if known else ""
        return refused(f"{key} is a step of kind `{planned.step.kind}`, of which `{unknown[0]}` cannot be adjusted{can}")
    if not record.command.why:
        return refused(f"say why {key} is adjusted")
    news = _news(changes, {name: entry.value for name, entry in step.adjusted.items()})
    if not news:
        return noted(f"{key} is so already: {words_of(changes)}")
    data: dict[str, Value] = {"changes": news, "why": record.command.why}
    text = f"{key}: {words_of(news)}{_when(step.state, news)}"
    return noted(text, Draft(EventKind.STEP_ADJUSTED, key, step.attempt, who, data))


def _adjustable(runtime: Runtime, planned: PlannedStep) -> frozenset[str]:
    """Raises a Mistake when the step's values are not known yet."""
    if not hasattr(runtime.kind_of(planned.step).python, "adjustable"):
        return frozenset()
    instance = runtime.instance(planned)
    return instance.adjustable if isinstance(instance, Adjustable) else frozenset()


def _news(changes: Mapping[str, Value], known: Mapping[str, Value]) -> dict[str, Value]:
    """What is not so already; nobody has to release what is not held."""
    return {name: value for name, value in changes.items() if known.get(name, False if name == HOLD else None) != value}


def _when(state: StepState, changes: Mapping[str, Value]) -> str:
    if state is not StepState.RUNNING:
        return "; that holds from its next attempt on"
    return "; no row moves once the block in the air has landed" if changes.get(HOLD) is True else ""
