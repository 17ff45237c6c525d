"""The steps of a run and what each waits for: of a made-up runbook, or of a real plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from changeover.plan.model import Plan, PlannedStep
from tests.model.words import FORWARD, ROLLBACK


class Node(NamedTuple):
    """A step, forward or back. Its number is its place in the graph; ``needs`` and ``undoes`` are such numbers.

    What stands after ``mandatory`` is of use to the explorer only: no journal tells what a target can do.
    """

    key: str
    phase: str
    stage: str = ""
    needs: tuple[int, ...] = ()
    undoes: tuple[int, ...] = ()  # the steps of which any must have begun for this undo to be worth running
    behind: tuple[int, ...] = ()  # of an undo: those of the steps that came after what it undoes
    no_return: bool = False
    mandatory: bool = False
    effect: int = -1  # what it changes in the world; -1: nothing (a gate)
    fenced: bool = True  # whether its target can refuse a late attempt and say what became of it
    repeatable: bool = False
    form: str = ""  # approval or task: it asks people
    quorum: int = 1


class Graph(NamedTuple):
    """All steps, forward ones first, each after what it needs."""

    nodes: tuple[Node, ...]
    numbers: Mapping[str, int]
    forward: tuple[int, ...]
    rollback: tuple[int, ...]
    points: tuple[int, ...]  # of no return
    stay: Mapping[str, frozenset[int]]  # the undos that are left out when a run is rolled back to a stage


def made_of(nodes: Iterable[Node], needs: Mapping[str, Iterable[str]] | None = None) -> Graph:
    """The graph of *nodes*; finds out which undos stand behind each undo. *needs*: what stages say that they need."""
    found = tuple(nodes)
    behind = _behind(found)
    found = tuple(node._replace(behind=behind.get(number, ())) for number, node in enumerate(found))
    return Graph(
        found,
        {node.key: number for number, node in enumerate(found)},
        tuple(number for number, node in enumerate(found) if node.phase == FORWARD),
        tuple(number for number, node in enumerate(found) if node.phase == ROLLBACK),
        tuple(number for number, node in enumerate(found) if node.no_return),
        _staying(found, needs or {}),
    )


def of_plan(plan: Plan) -> Graph:
    """The graph of a real plan."""
    planned = [*plan.forward.values(), *plan.rollback.values()]
    numbers = {step.key: number for number, step in enumerate(planned)}
    return made_of((_of_planned(step, numbers, plan) for step in planned), plan.stage_needs)


def _of_planned(step: PlannedStep, numbers: Mapping[str, int], plan: Plan) -> Node:
    return Node(
        key=step.key,
        phase=step.phase.value,
        stage=step.stage,
        needs=tuple(numbers[need] for need in dict.fromkeys(step.needs) if need in numbers),
        undoes=tuple(numbers[key] for key in step.undoes),
        no_return=step.key in plan.points_of_no_return,
        mandatory=step.step.mandatory,
        repeatable=True,  # no journal tells what a kind knows of itself
    )


def _behind(nodes: tuple[Node, ...]) -> dict[int, tuple[int, ...]]:
    """For each undo the undos of what came after: from the way forward alone, whatever the way back says of itself."""
    before = [0] * len(nodes)  # as bits: all that stands before a step on its way
    for number in _in_order(nodes):
        for need in nodes[number].needs:
            before[number] |= before[need] | 1 << need
    own = {node.undoes[0]: number for number, node in enumerate(nodes) if node.phase == ROLLBACK and len(node.undoes) == 1}
    return {
        number: tuple(
            undo
            for step, undo in own.items()
            if undo != number and step not in node.undoes and any(before[step] >> undone & 1 for undone in node.undoes)
        )
        for number, node in enumerate(nodes)
        if node.phase == ROLLBACK
    }


def _staying(nodes: tuple[Node, ...], needs: Mapping[str, Iterable[str]]) -> dict[str, frozenset[int]]:
    """With a stage stays all that it, or a step of it, rests on."""
    rests = {node.stage: set(needs.get(node.stage, ())) for node in nodes}
    for node in nodes:
        if node.phase == FORWARD:
            rests[node.stage].update(nodes[need].stage for need in node.needs)
    for _ in rests:
        for on in rests.values():
            on.update(*(rests.get(stage, ()) for stage in tuple(on)))
    return {
        stage: frozenset(
            number for number, node in enumerate(nodes) if node.phase == ROLLBACK and node.stage in {stage, *rests[stage]}
        )
        for stage in rests
    }


def _in_order(nodes: tuple[Node, ...]) -> list[int]:
    """The steps forward, each after what it needs."""
    order: dict[int, None] = {}
    stack = [number for number, node in enumerate(nodes) if node.phase == FORWARD][::-1]
    while stack:
        number = stack[-1]
        missing = [need for need in nodes[number].needs if need not in order]
        if missing:
            stack.extend(missing)
        else:
            order.setdefault(stack.pop())
    return list(order)
