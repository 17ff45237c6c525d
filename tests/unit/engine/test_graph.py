"""Readiness, compared with the plain definition of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Expected, Phase
from changeover.engine.graph import Readiness
from changeover.plan.model import PlannedStep
from changeover.runbook.model import Step
from changeover.runbook.position import NOWHERE
from changeover.runbook.tree import Scalar

_NO_TIME = Expected(timedelta(), timedelta())


def steps(needs: dict[str, tuple[str, ...]]) -> dict[str, PlannedStep]:
    step = Step(id="x", kind="act", parameters=Scalar(None, "", NOWHERE))
    return {key: PlannedStep(key, "work", Phase.FORWARD, step, None, before, _NO_TIME) for key, before in needs.items()}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    size = draw(st.integers(1, 9))
    return {
        f"s{number}": tuple(f"s{need}" for need in sorted(draw(st.sets(st.integers(0, number - 1), max_size=3))))
        if number
        else ()
        for number in range(size)
    }


@given(graphs(), st.data())
def test_a_step_is_ready_when_all_it_needs_is_done_and_is_named_exactly_once(
    needs: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    readiness = Readiness(steps(needs))
    named = list(readiness.first())
    done: set[str] = set()
    while len(done) < len(needs):
        key = data.draw(st.sampled_from(sorted(set(named) - done)))
        done.add(key)
        named += readiness.done(key)
        assert {k for k in needs if readiness.ready(k)} == {k for k, before in needs.items() if set(before) <= done}
        assert readiness.left == len(needs) - len(done)
    assert sorted(named) == sorted(needs)


@given(graphs(), st.data())
def test_the_order_in_which_a_restart_learns_what_is_done_does_not_matter(
    needs: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(needs)))
    readiness = Readiness(steps(needs))
    named = set(readiness.first())
    for key in order:
        named |= set(readiness.done(key))
    assert readiness.left == 0
    assert all(readiness.ready(key) for key in needs)


@given(graphs(), st.data())
def test_steps_that_do_not_count_let_through_what_they_wait_for(needs: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    counting = data.draw(st.sets(st.sampled_from(sorted(needs))))
    readiness = Readiness(steps(needs), counts=lambda key: key in counting)

    def behind(key: str) -> set[str]:
        return {found for need in needs[key] for found in ({need} if need in counting else behind(need))}

    ready, done = set(readiness.first()), set[str]()
    while len(done) < len(counting):
        assert ready - done == {key for key in counting - done if behind(key) <= done}
        key = min(ready - done)
        done.add(key)
        ready |= set(readiness.done(key))
    assert readiness.left == 0


def test_what_is_skipped_before_its_turn_opens_no_way_around_what_it_waits_for() -> None:
    readiness = Readiness(steps({"gate": (), "b": ("gate",), "c": ("b",)}))
    assert readiness.first() == ["gate"]
    assert readiness.done("b") == []
    assert not readiness.ready("c")
    assert readiness.left == 3
    assert readiness.done("gate") == ["c"]
    assert readiness.left == 1


class Counting(tuple[str, ...]):
    """Needs that count how often somebody goes through them."""

    __slots__ = ()
    walks = 0

    def __iter__(self) -> Iterator[str]:
        Counting.walks += 1
        return super().__iter__()


def test_a_thousand_that_wait_for_a_thousand_cost_a_thousand_and_not_a_million() -> None:
    first, second = Counting(f"a{n}" for n in range(1000)), tuple(f"b{n}" for n in range(1000))
    Counting.walks = 0
    readiness = Readiness(steps({**dict.fromkeys(tuple(first), ()), **dict.fromkeys(second, first)}))
    assert Counting.walks <= 2
    assert [key for before in tuple(first) for key in readiness.done(before)] == list(second)
