"""Lint: everything that can be wrong with a runbook and is better found before the night, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from changeover.contracts import Kind
from changeover.runbook import collector
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import Finding
from changeover.runbook.lint import (
    channels,
    doubles,
    graph,
    identity,
    inclusions,
    inputs,
    names,
    no_return,
    people,
    reachable,
    secrets,
    structure,
    suspensions,
    times,
    values,
)
from changeover.runbook.lint.resolver import Resolver
from changeover.runbook.lint.view import View

__all__ = ["Resolver", "lint"]

#: Each looks at one idea and reports what it finds.
RULES: Final[tuple[Callable[[View], None], ...]] = (
    identity.one_name_one_step,
    structure.stages_are_complete,
    structure.keys_agree,
    graph.stages_exist,
    graph.no_circles,
    graph.order_is_guaranteed,
    names.names_resolve,
    names.functions_exist,
    values.values_exist,
    suspensions.suspensions_end,
    no_return.one_point_of_no_return,
    no_return.finished_by_hand,
    people.decisions_can_be_made,
    people.persons_exist,
    people.people_are_there,
    people.absences_are_dates,
    people.roles_differ,
    times.times_exist,
    times.times_are_in_order,
    inputs.inputs_can_be_given,
    reachable.conditions_hold_sometimes,
    doubles.nothing_twice,
    secrets.secrets_are_references,
    channels.channels_are_complete,
)


def lint(bundle: Bundle, *, kinds: Mapping[str, Kind], resolve: Resolver | None = None) -> tuple[Finding, ...]:
    """All that is wrong with *bundle*, sorted by place; loading has reported the rest. Times of the plan are the plan's.

    Without *resolve*, functions and files are not looked up; without an environment, systems are not.
    """
    with collector.paused():
        return _Linting(kinds, resolve).findings_of(bundle)


class _Linting:
    """One pass over a runbook and those that it includes, each looked at once."""

    def __init__(self, kinds: Mapping[str, Kind], resolve: Resolver | None) -> None:
        self._kinds = kinds
        self._resolve = resolve
        self._known: dict[str, tuple[Finding, ...]] = {}  # by file

    def findings_of(self, bundle: Bundle) -> tuple[Finding, ...]:
        file = bundle.runbook.at.file
        if file not in self._known:
            view = View(bundle, self._kinds, self._resolve)
            for rule in RULES:
                rule(view)
            inclusions.inclusions_hold(view, self.findings_of)
            self._known[file] = tuple(
                sorted(dict.fromkeys(view.findings), key=lambda found: (found.at, found.code, found.message))
            )
        return self._known[file]
