"""The graph of the rollback: what started is undone in reverse, stage after stage.

Inside a stage the undos run in layers: a step's layer is its depth in the forward graph, and a layer begins when the
one above it is undone. Then the stage's own rollback steps follow in written order. A stage comes back after every stage
that waited for it or for one of its steps. Layers keep the graph linear where "the undos of everything behind it" would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from changeover.contracts import Phase
from changeover.plan.blocks import blocks_of
from changeover.plan.expected import expected_of
from changeover.plan.model import PlannedStep
from changeover.plan.network import Network
from changeover.plan.spread import Copy, Start, copies_of
from changeover.runbook.model import Stage, Step


def rollback_of(
    network: Network,
    stages: Mapping[str, Stage],
    stage_needs: Mapping[str, tuple[str, ...]],
    skipped: Mapping[str, str],
    start: Start,
) -> dict[str, PlannedStep]:
    """The rollback of every forward step of *network*, in an order in which it could run one by one."""
    way = _WayBack(network, stages, start, depths(network))
    keys: dict[str, list[str]] = {}
    for planned in network.steps.values():
        keys.setdefault(planned.stage, []).append(planned.key)
        if planned.step.undo is not None and planned.key not in skipped:
            way.undoes.setdefault(planned.stage, []).append(planned)
    way.forward_keys.update({name: tuple(own) for name, own in keys.items()})
    behind = _behind(network, stage_needs)
    blocks = blocks_of(behind)
    block_of = {name: number for number, block in enumerate(blocks) for name in block}
    place = {name: number for number, name in enumerate(TopologicalSorter(stage_needs).static_order())}
    ends: list[tuple[str, ...]] = []
    for number, block in enumerate(blocks):
        earlier = dict.fromkeys(block_of[other] for name in block for other in behind[name] if block_of[other] != number)
        entry = _united([ends[other] for other in earlier])
        ends.append(way.roll_back(sorted(block, key=place.__getitem__, reverse=True), entry))
    return way.rollback


@dataclass(slots=True)
class _WayBack:
    """The rollback while it is put together."""

    network: Network
    stages: Mapping[str, Stage]
    start: Start
    depths: Mapping[str, int]
    undoes: dict[str, list[PlannedStep]] = field(default_factory=dict)  # by stage: the forward steps that have an undo
    forward_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by stage
    rollback: dict[str, PlannedStep] = field(default_factory=dict)

    def roll_back(self, block: Iterable[str], entry: tuple[str, ...]) -> tuple[str, ...]:
        """Add the rollback of a block of stages after *entry*; the keys that who comes next waits for."""
        names = tuple(block)
        ends = self._undo([planned for name in names for planned in self.undoes.get(name, ())], entry)
        for name in names:
            ends = self._follow_up(self.stages[name], ends)
        return ends

    def _undo(self, steps: list[PlannedStep], entry: tuple[str, ...]) -> tuple[str, ...]:
        layers: dict[int, list[PlannedStep]] = {}
        for planned in steps:
            layers.setdefault(self.depths[planned.key], []).append(planned)
        before = entry
        for depth in sorted(layers, reverse=True):
            keys = tuple(f"{planned.key}.undo" for planned in reversed(layers[depth]))
            for key, planned in zip(keys, reversed(layers[depth]), strict=True):
                if planned.step.undo is not None:
                    copy = Copy(key, planned.item, "")
                    self._add(copy, planned.step.undo, planned.stage, needs=before, undoes=(planned.key,), owner=planned.owner)
            before = keys
        return before

    def _follow_up(self, stage: Stage, entry: tuple[str, ...]) -> tuple[str, ...]:
        """Add the stage's own rollback steps: one after the other, unless one says what it needs."""
        written = stage.rollback.steps if stage.rollback is not None else ()
        keys: dict[str, tuple[str, ...]] = {}
        before, needed = entry, set[str]()
        for number, step in enumerate(written, start=1):
            name = step.id or f"{stage.id}.rollback-{number}"
            named = [keys[need] for need in step.needs or () if need in keys]
            needs = (_united(named) if named else entry) if step.needs is not None else before
            copies = [copy for copy in copies_of(step, name, self.start) if not copy.left_out]
            for copy in copies:
                self._add(copy, step, stage.id, needs=needs, undoes=self.forward_keys.get(stage.id, ()), owner=stage.owner)
            if copies:
                needed.update(needs)
                before = keys[name] = tuple(copy.key for copy in copies)
        return _united(tuple(key for key in own if key not in needed) for own in keys.values()) or entry

    def _add(self, copy: Copy, step: Step, stage: str, *, needs: tuple[str, ...], undoes: tuple[str, ...], owner: str) -> None:
        self.rollback[copy.key] = PlannedStep(
            key=copy.key,
            stage=stage,
            phase=Phase.ROLLBACK,
            step=step,
            item=copy.item,
            needs=needs,
            expected=expected_of(step),
            undoes=undoes,
            owner=step.owner or owner,
        )


def _united(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    several = [part for part in parts if part]
    return several[0] if len(several) == 1 else tuple(dict.fromkeys(key for part in several for key in part))


def depths(network: Network) -> dict[str, int]:
    """How many steps stand before each one on its longest way from the start."""
    found: dict[str, int] = {}
    deepest: dict[int, int] = {}
    for key in network.order:
        join = network.join_of[key]
        if join not in deepest:
            deepest[join] = max((found[need] + 1 for need in network.joins[join]), default=0)
        found[key] = deepest[join]
    return found


def _behind(network: Network, stage_needs: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, None]]:
    """The stages that have to come back before each one: those that wait for it or for one of its steps."""
    behind: dict[str, dict[str, None]] = {name: {} for name in stage_needs}
    for name, needs in stage_needs.items():
        for need in needs:
            behind[need][name] = None
    stages_of_join = [{network.steps[member].stage for member in members} for members in network.joins]
    waiting: set[tuple[str, int]] = {(planned.stage, network.join_of[key]) for key, planned in network.steps.items()}
    for name, join in sorted(waiting):
        for need in sorted(stages_of_join[join] - {name}):
            behind[need][name] = None
    return behind
