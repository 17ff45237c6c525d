"""What has to come before what: in a stage, between stages, and how to find a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from changeover.runbook.model import Parallel, Stage

Graph = Mapping[str, tuple[str, ...]]


def needs_of(stage: Stage) -> Graph:
    """For each step of *stage*, in written order, the steps it needs: as written, or by its place.

    By its place a step needs the one written before (over background steps, which nobody waits for unasked). The members
    of a parallel group need what stood before the group; what follows needs all of them.
    Names of steps in other stages are kept as written.
    """
    needs: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for entry in stage.steps:
        members = entry.steps if isinstance(entry, Parallel) else (entry,)
        for step in members:
            needs[step.id] = before if step.needs is None else step.needs
        waited_for = tuple(step.id for step in members if not step.background)
        before = waited_for or before
    return needs


def stage_needs_of(stages: Mapping[str, Stage]) -> Graph:
    """For each stage the stages it needs: as written, or the one written before. Unknown names are left out."""
    needs: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for name, stage in stages.items():
        needs[name] = before if stage.needs is None else tuple(need for need in stage.needs if need in stages)
        before = (name,)
    return needs


def first_steps(stage: Stage) -> tuple[str, ...]:
    """The steps of *stage* that need no other step of it: they wait for the stages before."""
    needs = needs_of(stage)
    return tuple(step for step, needed in needs.items() if not any(need in needs for need in needed))


def last_steps(stage: Stage) -> tuple[str, ...]:
    """The steps of *stage* that no other step of it needs, background ones too: the stage has passed when they have."""
    needs = needs_of(stage)
    needed = {need for needs_of_step in needs.values() for need in needs_of_step}
    return tuple(step for step in needs if step not in needed)


def cycle_in(graph: Graph) -> tuple[str, ...]:
    """One cycle of *graph* spelled out, ``(a, b, a)``: a needs b, b needs a. Empty when there is none."""
    known = {name: [need for need in needed if need in graph] for name, needed in graph.items()}
    try:
        TopologicalSorter(known).prepare()
    except CycleError as cycle:
        found: list[str] = cycle.args[1]
        return tuple(reversed(found))
    return ()
