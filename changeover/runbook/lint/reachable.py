"""Conditions: they can be understood, and they can hold."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.runbook import conditions
from changeover.runbook.lint.view import View
from changeover.runbook.position import Position


def conditions_hold_sometimes(view: View) -> None:
    """Every ``when:`` is a condition, and no step is left out for ever."""
    for found in view.steps:
        step = found.step
        if step.when:
            _condition(view, step.id, step.when, view.place(step.at, "when"))
        if step.only and found.stage.only and not set(step.only) & set(found.stage.only):
            message = f"`{step.id}` never runs: its stage exists only in {_listed(found.stage.only)}"
            view.report(
                "unreachable-step", message, "correct the `only` of the step or of its stage", view.place(step.at, "only")
            )
        until = getattr(view.instances.get(step.at), "until", None)
        if isinstance(until, str) and step.kind == "poll":
            at = view.inside(step.parameters.at, until.splitlines()[0]) if until else step.parameters.at
            _condition(view, step.id, until, at)


def _condition(view: View, step: str, text: str, at: Position) -> None:
    try:
        condition = conditions.parse(text)
    except conditions.ConditionInvalid as problem:
        place = Position(at.file, at.line, at.column + problem.column - 1) if "\n" not in text else at
        view.report("bad-condition", str(problem), problem.hint, place)
        return
    for name, value, choices in _impossible(view, condition):
        message = f"`{step}` never runs: `{name}` is never `{value}`"
        view.report("unreachable-step", message, f"its choices are {_listed(choices)}", at)


def _impossible(view: View, condition: conditions.Condition) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Comparisons that have to hold and cannot: an input with another text than its choices."""
    if isinstance(condition, conditions.Joined) and condition.word == "and":
        for part in condition.parts:
            yield from _impossible(view, part)
    if not isinstance(condition, conditions.Comparison) or condition.sign != "==":
        return
    for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if isinstance(one, conditions.Name) and isinstance(other, conditions.Constant) and one.path[0] == "inputs":
            given = view.runbook.inputs.get(one.path[1]) if len(one.path) > 1 else None
            if given is not None and given.type == "choice" and given.of and str(other.value) not in given.of:
                yield ".".join(one.path), str(other.value), given.of


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
