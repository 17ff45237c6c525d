"""Ids: one name, one step."""

from __future__ import annotations

from changeover.runbook.lint.view import Role, View
from changeover.runbook.position import Position


def one_name_one_step(view: View) -> None:
    """No two steps of a runbook have the same id."""
    first: dict[str, Position] = {}
    for found in view.steps:
        if found.role in {Role.UNDO, Role.VERIFY}:
            continue
        before = first.setdefault(found.step.id, found.step.at)
        if before != found.step.at:
            message = f"there are two steps called `{found.step.id}`; the first stands at line {before.line}"
            view.doubled.add(found.step.id)
            view.report("duplicate-id", message, "give one of them another id", view.place(found.step.at, "id"))
