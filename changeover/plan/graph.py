"""From a loaded runbook to the graph of one run: stages chained, `for_each` spread out, what is left out named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from changeover.contracts import Mode, Phase, Value
from changeover.plan.collector import without_collector
from changeover.plan.expected import expected_of
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import StepsInACircle, connect
from changeover.plan.spread import Copy, Start, copies_of
from changeover.plan.way_back import rollback_of
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import Runbook, Stage
from changeover.runbook.order import last_steps, needs_of, stage_needs_of


@without_collector()
def build_plan(bundle: Bundle, *, inputs: Mapping[str, Value], mode: Mode | None = None) -> Plan:
    """What a run of *bundle* does with these *inputs*.

    Needs that name nothing are left out: lint names them. Raises StepsInACircle.
    """
    building = _Building(bundle.runbook, Start(bundle, inputs, mode))
    building.spread()
    building.chain_stages()
    forward, stage_needs = building.forward(), building.needs_of_stages()
    return Plan(
        stages=building.stages,
        stage_needs=stage_needs,
        forward=forward,
        rollback=rollback_of(connect(forward), building.stages, stage_needs, building.skipped, building.start),
        points_of_no_return=tuple(
            key for key, planned in forward.items() if planned.step.point_of_no_return and key not in building.skipped
        ),
        skipped=building.skipped,
    )


@dataclass(slots=True)
class _Building:
    """What is known while a plan is made."""

    runbook: Runbook
    start: Start
    stages: dict[str, Stage] = field(default_factory=dict)  # those of the environment
    copies: dict[str, tuple[Copy, ...]] = field(default_factory=dict)  # by step id
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by step id
    entries: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what the first steps of a stage wait for
    ends: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what whoever needs a stage waits for
    skipped: dict[str, str] = field(default_factory=dict)
    shared: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = field(default_factory=dict)

    def spread(self) -> None:
        """Make the copies of every step of the environment."""
        for name, stage in self.runbook.stages.items():
            if not self.start.exists(stage.only):
                continue
            self.stages[name] = stage
            for step in stage.all_steps:
                copies = self.copies[step.id] = tuple(copies_of(step, step.id, self.start))
                self.keys[step.id] = tuple(copy.key for copy in copies)
                self.skipped.update({copy.key: copy.left_out for copy in copies if copy.left_out})

    def chain_stages(self) -> None:
        """Find out what each stage waits for, and what those wait for who need it."""
        needs = stage_needs_of(self.runbook.stages)
        for name in _stage_order(needs):
            before = needs[name]
            self.entries[name] = self.ends[before[0]] if len(before) == 1 else _united(self.ends[need] for need in before)
            self.ends[name] = self._last_of(name) or self.entries[name]

    def _last_of(self, name: str) -> tuple[str, ...]:
        """The steps of a stage that no other of its steps waits for; background ones too."""
        if name not in self.stages:
            return ()
        return _united(self.keys[step] for step in last_steps(self.stages[name]))

    def needs_of_stages(self) -> dict[str, tuple[str, ...]]:
        """The stages of the environment that each waits for; one that is not there hands on what it needs itself."""
        needs = stage_needs_of(self.runbook.stages)
        present: dict[str, tuple[str, ...]] = {}
        for name in _stage_order(needs):
            present[name] = _united((need,) if need in self.stages else present[need] for need in needs[name])
        return {name: present[name] for name in self.stages}

    def forward(self) -> dict[str, PlannedStep]:
        """Every forward step, in written order."""
        stage_of = {step.id: name for name, stage in self.runbook.stages.items() for step in stage.all_steps}
        forward: dict[str, PlannedStep] = {}
        for name, stage in self.stages.items():
            needs = needs_of(stage)
            for step in stage.all_steps:
                inside = any(stage_of.get(need) == name for need in needs[step.id])
                keys = self._share(needs[step.id], "" if inside else name, stage_of)
                expected, owner = expected_of(step), step.owner or stage.owner
                for copy in self.copies[step.id]:
                    forward[copy.key] = PlannedStep(
                        key=copy.key,
                        stage=name,
                        phase=Phase.FORWARD,
                        step=step,
                        item=copy.item,
                        needs=keys,
                        expected=expected,
                        owner=owner,
                        background=step.background,
                    )
        return forward

    def _share(self, needs: tuple[str, ...], entered: str, stage_of: Mapping[str, str]) -> tuple[str, ...]:
        """The keys behind the ids in *needs* and, for a first step, behind the stages that *entered* waits for.

        The same needs give the same tuple object: that is what keeps the graph linear.
        """
        found = self.shared.get((needs, entered))
        if found is None:
            absent = (self.ends.get(stage_of[need], ()) for need in needs if need in stage_of and need not in self.keys)
            parts = [*(self.keys[need] for need in needs if need in self.keys), *absent]
            parts += [self.entries[entered]] if entered else []
            parts = [part for part in parts if part]
            found = self.shared[needs, entered] = parts[0] if len(parts) == 1 else _united(parts)
        return found


def _united(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for part in parts for key in part))


def _stage_order(needs: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise StepsInACircle(tuple(error.args[1])) from None
