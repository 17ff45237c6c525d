"""The point of no return: one, reached for certain, and nothing after it that only luck could finish."""

from __future__ import annotations

from changeover.contracts import Asking, OnUnknown
from changeover.runbook.lint.view import StepInPlace, View


def one_point_of_no_return(view: View) -> None:
    """There is one point of no return at most, and it is not left to chance."""
    points = [found for found in view.forward.values() if found.step.point_of_no_return]
    for found in points[1:]:
        message = f"`{found.step.id}` is a second point of no return; the first is `{points[0].step.id}`"
        hint = "keep the earlier one: from its start on no rollback is offered"
        view.report("several-points-of-no-return", message, hint, view.key(found.step.at, "point_of_no_return"))
    for found in points:
        if found.step.optional or found.step.when:
            word = "optional" if found.step.optional else "when"
            message = f"the point of no return, `{found.step.id}`, may be skipped"
            view.report("point-of-no-return-skippable", message, f"remove its `{word}`", view.key(found.step.at, word))


def finished_by_hand(view: View) -> None:
    """From the point of no return on, a step that changes something is repeatable, or says how it is finished by hand."""
    points = {step for step, found in view.forward.items() if found.step.point_of_no_return}
    if not points:
        return
    for name in view.ancestry.all_after(points):
        found = view.forward.get(name)
        if found is not None and not found.step.repair and view.changes(found.step) and not _repeatable(view, found):
            message = f"`{name}` cannot be repeated, and after the point of no return it cannot be taken back either"
            hint = "write `repeatable: true` if doing it twice is harmless, or `repair:`, how two people finish it by hand"
            view.report("no-way-forward", message, hint, found.step.at)


def _repeatable(view: View, found: StepInPlace) -> bool:
    step = found.step
    instance = view.instances.get(step.at)
    if step.repeatable is not None:
        return step.repeatable
    if instance is None or isinstance(instance, Asking):
        return True  # people answer it, or only the run can tell what it is
    unknown = step.on_unknown or getattr(instance, "on_unknown", OnUnknown.ASK)
    if unknown is OnUnknown.PROBE:  # a command is found again, but only its author can tell what a failed one has left
        return bool(getattr(instance, "tells_after_failure", True))
    return unknown is not OnUnknown.ASK
