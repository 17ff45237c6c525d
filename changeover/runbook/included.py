"""Runbooks inside a runbook: which files its steps include."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from changeover.contracts import Kind, Names
from changeover.runbook.dataclass_reader import FieldPlan, field_plans
from changeover.runbook.model import Runbook, Step
from changeover.runbook.tree import Mapping_, Scalar

#: The sort of names (``contracts.Names``) that are files of other runbooks.
SORT = "runbooks"


def included_files(runbook: Runbook, kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The files that steps of *runbook* include, each once; those that only the run will know are left out."""
    including = {word: plan for word, kind in kinds.items() if (plan := _file_plan(kind.python)) is not None}
    if not including:
        return ()
    found: dict[str, None] = {}
    for step in _steps(runbook):
        plan = including.get(step.kind)
        if plan is not None:
            file = _file(step, kinds[step.kind], plan)
            found |= dict.fromkeys([file] if file and "${" not in file else [])
    return tuple(found)


def _file_plan(python: type[Any]) -> FieldPlan | None:
    return next((plan for plan in field_plans(python) if _names_runbook(plan.hint)), None)


def _names_runbook(hint: Any) -> bool:
    return get_origin(hint) is Annotated and any(isinstance(mark, Names) and mark.sort == SORT for mark in get_args(hint)[1:])


def _file(step: Step, kind: Kind, plan: FieldPlan) -> str:
    node = step.parameters
    if isinstance(node, Mapping_):
        inside = node.entries.get(plan.word)
        return inside.text if isinstance(inside, Scalar) else ""
    return node.text if isinstance(node, Scalar) and kind.shorthand == plan.name else ""


def _steps(runbook: Runbook) -> Iterator[Step]:
    for stage in runbook.stages.values():
        for step in (*stage.all_steps, *(stage.rollback.steps if stage.rollback is not None else ())):
            yield from _with_inline(step)


def _with_inline(step: Step) -> Iterator[Step]:
    yield step
    for inline in (step.verify, step.undo):
        if inline is not None:
            yield from _with_inline(inline)
