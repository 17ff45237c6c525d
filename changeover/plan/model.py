"""The plan: every step of a run with what it needs, and the same for the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from changeover.contracts import Expected, Phase, Value
from changeover.runbook.model import Stage, Step


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One node of the graph.

    Keys: ``close-web-shop``; ``deploy[app-1]`` for an item of ``for_each``; ``close-web-shop.undo`` and
    ``deploy[app-1].undo`` for a step's own undo; the id of a stage's rollback step, ``STAGE.rollback-1`` when it has none.
    """

    key: str
    stage: str
    phase: Phase
    step: Step
    item: Value
    needs: tuple[str, ...]  # keys of the same phase that must have passed (or been skipped, or waived) before
    expected: Expected
    undoes: tuple[str, ...] = ()  # rollback: the forward keys of which any must have started for it to be worth running
    owner: str = ""
    background: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of this runbook will do in this environment with these inputs."""

    stages: Mapping[str, Stage]  # those of the environment, in written order
    stage_needs: Mapping[str, tuple[str, ...]]
    forward: Mapping[str, PlannedStep]  # in written order
    rollback: Mapping[str, PlannedStep]  # in an order in which they could run one by one; `needs` reversed already
    points_of_no_return: tuple[str, ...]  # forward keys
    skipped: Mapping[str, str]  # forward keys whose `when` does not hold (or `only` excludes) -> the reason

    def step(self, key: str) -> PlannedStep:
        """The step called *key*, forward or rollback. KeyError when there is none."""
        found = self.forward.get(key)
        return found if found is not None else self.rollback[key]
