from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from changeover.runbook.lint.ancestry import Ancestry
from changeover.runbook.model import Parallel, Stage, Step
from changeover.runbook.order import cycle_in, last_steps, needs_of, stage_needs_of
from changeover.runbook.position import NOWHERE
from changeover.runbook.tree import Scalar

NOTHING = Scalar(None, "", NOWHERE)


def step(name: str, needs: tuple[str, ...] | None = None, *, background: bool = False) -> Step:
    return Step(id=name, kind="shell", parameters=NOTHING, needs=needs, background=background)


def test_a_step_needs_the_one_written_before() -> None:
    assert needs_of(Stage("s", steps=(step("a"), step("b"), step("c")))) == {"a": (), "b": ("a",), "c": ("b",)}


def test_nobody_waits_for_a_background_step_unasked() -> None:
    stage = Stage("s", steps=(step("a"), step("copy", background=True), step("b"), step("joined", ("copy",))))
    assert needs_of(stage) == {"a": (), "copy": ("a",), "b": ("a",), "joined": ("copy",)}
    assert last_steps(stage) == ("b", "joined")


def test_the_members_of_a_group_need_what_stood_before_it_and_what_follows_needs_them_all() -> None:
    stage = Stage("s", steps=(step("a"), Parallel((step("b"), step("c"), step("d", background=True))), step("e")))
    assert needs_of(stage) == {"a": (), "b": ("a",), "c": ("a",), "d": ("a",), "e": ("b", "c")}
    assert last_steps(stage) == ("d", "e")


def test_an_empty_list_of_needs_means_at_once() -> None:
    assert needs_of(Stage("s", steps=(step("a"), step("b", ()), step("c")))) == {"a": (), "b": (), "c": ("b",)}


def test_a_stage_needs_the_one_written_before_and_unknown_ones_are_left_out() -> None:
    stages = {"a": Stage("a"), "b": Stage("b"), "c": Stage("c", needs=("a", "x")), "d": Stage("d", needs=())}
    assert stage_needs_of(stages) == {"a": (), "b": ("a",), "c": ("a",), "d": ()}


def test_a_circle_is_spelled_out_in_the_direction_of_its_needs() -> None:
    graph = {"a": ("c",), "b": ("a",), "c": ("b",), "d": ("a",)}
    cycle = cycle_in(graph)
    assert cycle[0] == cycle[-1]
    assert all(need in graph[name] for name, need in pairwise(cycle))
    assert cycle_in({"a": (), "b": ("a", "unknown")}) == ()


def test_every_circle_is_found() -> None:
    stage = Stage("s", steps=(step("a", ("b",)), step("b", ("a",)), step("c", ("d",)), step("d", ("c",)), step("e", ())))
    circles = [{*cycle} for cycle in Ancestry({"s": stage}).step_cycles()]
    assert {"a", "b"} in circles
    assert {"c", "d"} in circles


def test_the_first_steps_of_a_stage_come_after_the_last_ones_of_the_stages_it_needs() -> None:
    ancestry = Ancestry(
        {
            "one": Stage("one", steps=(step("a"), step("copy", background=True))),
            "empty": Stage("empty"),
            "two": Stage("two", steps=(step("b"), step("c"))),
        }
    )
    assert ancestry.comes_after("c", "copy")
    assert ancestry.comes_after("b", "a")
    assert not ancestry.comes_after("a", "b")
    assert ancestry.all_after({"copy"}) == {"copy", "b", "c"}


@given(st.lists(st.lists(st.integers(0, 11), max_size=3), min_size=1, max_size=12))
def test_coming_after_is_what_walking_all_needs_finds(needs: list[list[int]]) -> None:
    steps = tuple(step(f"s{number}", tuple(f"s{need}" for need in wanted)) for number, wanted in enumerate(needs))
    ancestry = Ancestry({"s": Stage("s", steps=steps)})
    for later in steps:
        reached: set[str] = set()
        waiting = list(later.needs or ())
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += next((found.needs or () for found in steps if found.id == name), ())
        for earlier in steps:
            assert ancestry.comes_after(later.id, earlier.id) == (earlier.id in reached)
