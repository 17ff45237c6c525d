"""The graph of the rollback, for any graph forward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from changeover.plan.blocks import blocks_of
from changeover.plan.graph import build_plan
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import StepsInACircle, connect
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import ForEach, Parallel, Rollback, Runbook, Stage, Step
from changeover.runbook.people import People
from changeover.runbook.position import NOWHERE
from changeover.runbook.systems import Systems
from changeover.runbook.tree import Scalar

NOTHING = Scalar(None, "", NOWHERE)


def step(name: str, **fields: object) -> Step:
    return Step(id=name, kind="shell", parameters=NOTHING, **fields)  # type: ignore[arg-type]


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    """Random runbooks: chains, groups, needs across stages, undos here and there, rollback steps here and there."""
    stages: dict[str, Stage] = {}
    earlier: list[str] = []
    for number in range(draw(st.integers(1, 5))):
        entries: list[Step | Parallel] = []
        for _ in range(draw(st.integers(0, 3))):
            members = [_step(draw, earlier, f"s{number}-{len(entries)}-{member}") for member in range(draw(st.integers(1, 3)))]
            entries.append(Parallel(tuple(members)) if len(members) > 1 else members[0])
            earlier += [member.id for member in members]
        names = list(stages)
        needs = draw(st.none() | st.lists(st.sampled_from(names), unique=True).map(tuple)) if names else None
        back = tuple(step(f"back-{number}-{item}") for item in range(draw(st.integers(0, 2))))
        stages[f"stage-{number}"] = Stage(
            id=f"stage-{number}", steps=tuple(entries), needs=needs, rollback=Rollback(steps=back, none="" if back else "x")
        )
    runbook = Runbook(changeover=1, id="any", stages=stages)
    return Bundle(runbook, People(), Systems(), "here")


def _step(draw: st.DrawFn, earlier: list[str], name: str) -> Step:
    needs = draw(st.none() | st.lists(st.sampled_from(earlier), unique=True, max_size=3).map(tuple)) if earlier else None
    items = draw(st.integers(0, 5))
    each = ForEach(items=tuple(range(items)), max_parallel=2) if items > 1 else None
    undo = step("", expect=None) if draw(st.booleans()) else None
    return step(name, needs=needs, for_each=each, undo=undo, background=draw(st.booleans()))


def reach(steps: Mapping[str, PlannedStep]) -> dict[str, set[str]]:
    """Everything that stands before each step."""
    found: dict[str, set[str]] = {}
    for key in connect(steps).order:
        found[key] = set(steps[key].needs).union(*(found[need] for need in steps[key].needs))
    return found


def planned(bundle: Bundle) -> Plan | None:
    try:
        return build_plan(bundle, inputs={})
    except StepsInACircle:
        return None  # a step of an earlier stage may need one of a later stage that waits for it


@given(bundles())
def test_an_undo_waits_for_the_undo_of_everything_that_stood_on_its_step(bundle: Bundle) -> None:
    plan = planned(bundle)
    if plan is None:
        return
    forward, back = reach(plan.forward), reach(plan.rollback)
    undo_of = {own.undoes[0]: key for key, own in plan.rollback.items() if key.endswith(".undo")}
    for later, before in forward.items():
        for earlier in before:
            if earlier in undo_of and later in undo_of:
                assert undo_of[later] in back[undo_of[earlier]]


@given(bundles())
def test_a_stage_comes_back_whole_before_every_stage_that_it_waited_for(bundle: Bundle) -> None:
    plan = planned(bundle)
    if plan is None:
        return
    forward, back = reach(plan.forward), reach(plan.rollback)
    of_stage = defaultdict(list)
    for key, own in plan.rollback.items():
        of_stage[own.stage].append(key)
    waits = {(plan.forward[later].stage, plan.forward[need].stage) for later, before in forward.items() for need in before}
    for later, earlier in waits:
        if (earlier, later) in waits:
            continue  # their steps wait for each other's, or they are one
        assert all(set(of_stage[later]) <= back[key] for key in of_stage[earlier])


@given(bundles())
def test_in_a_stage_its_own_rollback_steps_follow_its_undos_in_written_order(bundle: Bundle) -> None:
    plan = planned(bundle)
    if plan is None:
        return
    back = reach(plan.rollback)
    for name, stage in plan.stages.items():
        undos = [key for key, own in plan.rollback.items() if own.stage == name and key.endswith(".undo")]
        written = [own.id for own in (stage.rollback.steps if stage.rollback else ())]
        for first, second in combinations(written, 2):
            assert first in back[second]
        assert all(undo in back[own] for undo in undos for own in written)


@given(bundles())
def test_the_rollback_stands_in_an_order_in_which_it_could_run_and_everything_is_undone_once(bundle: Bundle) -> None:
    plan = planned(bundle)
    if plan is None:
        return
    seen: set[str] = set()
    for key, own in plan.rollback.items():
        assert set(own.needs) <= seen
        seen.add(key)
    undone = [own.undoes[0] for key, own in plan.rollback.items() if key.endswith(".undo")]
    assert sorted(undone) == sorted(key for key, own in plan.forward.items() if own.step.undo is not None)


@given(st.dictionaries(st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefg"))))
def test_blocks_are_the_circles_of_a_graph_each_after_all_it_points_at(written: dict[str, set[str]]) -> None:
    graph = {name: sorted(other for other in others if other in written) for name, others in written.items()}
    blocks = blocks_of(graph)
    place = {name: number for number, block in enumerate(blocks) for name in block}
    assert sorted(place) == sorted(graph)
    reachable = {name: _reachable(graph, name) for name in graph}
    for one in graph:
        for other in reachable[one]:
            assert place[other] <= place[one]
            assert (place[one] == place[other]) is (one == other or one in reachable[other])


def _reachable(graph: Mapping[str, list[str]], name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in graph[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
