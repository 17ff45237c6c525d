"""Needs, circles, and orders that somebody relies on."""

from __future__ import annotations

from itertools import pairwise

from changeover.runbook.binder import nearest
from changeover.runbook.lint.ancestry import ENTRY
from changeover.runbook.lint.view import View
from changeover.runbook.position import Position


def stages_exist(view: View) -> None:
    """Every stage that is needed is there, and none needs itself."""
    stages = view.runbook.stages
    for stage in stages.values():
        for number, need in enumerate(stage.needs or ()):
            if need in stages:
                continue
            near = nearest(need, stages)
            hint = f"did you mean `{near}`?" if near else "known are " + ", ".join(f"`{name}`" for name in stages)
            if need in view.forward:
                hint = "this is a step; a stage needs stages, and a step may need a step of another stage"
            view.report("unknown-stage", f"there is no stage `{need}`", hint, view.place(stage.at, "needs", number))


def no_circles(view: View) -> None:
    """Nothing waits for itself, however long the way round."""
    stages = view.ancestry.stage_cycle()
    if stages:
        message = "these stages wait for each other: " + _spelled(stages)
        at = view.runbook.stages[stages[0]].at
        place = view.place(at, "needs")
        view.report("cycle", message, "remove one of these needs", place)
        return
    for cycle in view.ancestry.step_cycles():
        if view.doubled.intersection(cycle):
            continue  # two steps of one name look like a circle
        message = "these steps wait for each other: " + _spelled(cycle)
        view.report("cycle", message, "remove one of these needs", _needs_in(view, cycle))


def _spelled(cycle: tuple[str, ...]) -> str:
    return " needs ".join(f"stage `{name[1:]}`" if name.startswith(ENTRY) else f"`{name}`" for name in cycle)


def _needs_in(view: View, cycle: tuple[str, ...]) -> Position:
    """Where one of the needs of *cycle* is written."""
    for name, need in pairwise(cycle):
        found = view.forward.get(name)
        if found is not None and need in (found.step.needs or ()):
            return view.place(found.step.at, "needs", (found.step.needs or ()).index(need))
    found = next((view.forward[name] for name in cycle if name in view.forward), None)
    return found.step.at if found is not None else view.runbook.at


def order_is_guaranteed(view: View) -> None:
    """What `order:` and clocks rely on follows from the needs, not from luck."""
    if view.ancestry.stage_cycle():
        return
    for row, chain in enumerate(view.runbook.order):
        for column, (earlier, later) in enumerate(pairwise(chain), 1):
            if earlier not in view.forward or later not in view.forward or view.ancestry.comes_after(later, earlier):
                continue
            at = view.place(view.runbook.at, "order", row, column)
            if view.ancestry.comes_after(earlier, later):
                view.report(
                    "order-broken", f"`{later}` comes before `{earlier}`, not after it", "change the needs, or this order", at
                )
            else:
                message = f"nothing makes `{later}` wait for `{earlier}`"
                view.report("order-broken", message, f"add `{earlier}` to the needs of `{later}`", at)
    for name, clock in view.runbook.clocks.items():
        ends = clock.starts in view.forward and clock.stops in view.forward
        if ends and not view.ancestry.comes_after(clock.stops, clock.starts):
            message = f"clock `{name}`: nothing makes `{clock.stops}` come after `{clock.starts}`"
            view.report("order-broken", message, "choose another step, or add a need", view.place(clock.at, "to"))
