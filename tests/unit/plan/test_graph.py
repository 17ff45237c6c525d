"""The graph of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.contracts import Mode, Phase
from changeover.plan.graph import build_plan
from changeover.plan.network import StepsInACircle, connect
from changeover.runbook.bundle import Bundle

Make = Callable[..., Bundle]


def test_steps_follow_each_other_and_stages_wait_for_the_last_steps_of_those_they_need(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          freeze:
            steps:
              - {id: silence, shell: a}
              - {id: close, shell: b}
            rollback: {none: nothing}
          copy:
            steps:
              - {id: long-copy, shell: c, background: true}
              - {id: watch, shell: d}
            rollback: {none: nothing}
          check:
            needs: [copy]
            steps:
              - {id: count, shell: e}
              - {id: at-once, shell: f, needs: []}
            rollback: {none: nothing}
        """),
        inputs={},
    )
    assert list(plan.forward) == ["silence", "close", "long-copy", "watch", "count", "at-once"]
    assert plan.forward["close"].needs == ("silence",)
    assert plan.forward["long-copy"].needs == ("close",)
    assert plan.forward["watch"].needs == ("close",)
    assert plan.forward["count"].needs == ("long-copy", "watch")
    assert plan.forward["at-once"].needs == ("long-copy", "watch")
    assert plan.stage_needs == {"freeze": (), "copy": ("freeze",), "check": ("copy",)}
    assert plan.forward["long-copy"].background
    assert not plan.skipped


def test_a_parallel_group_is_entered_by_all_and_left_by_all(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          deploy:
            steps:
              - {id: start, shell: a}
              - parallel:
                  - {id: one, shell: b}
                  - {id: two, shell: c}
              - {id: end, shell: d}
            rollback: {none: nothing}
        """),
        inputs={},
    )
    assert plan.forward["one"].needs == plan.forward["two"].needs == ("start",)
    assert plan.forward["end"].needs == ("one", "two")


def test_for_each_makes_a_step_for_every_host_of_a_group_and_every_item_of_an_input(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        inputs: {shards: {type: text}}
        stages:
          deploy:
            owner: ops
            steps:
              - {id: install, shell: a, for_each: {hosts: apps}, undo: {shell: b}}
              - {id: load, shell: a, for_each: {in: ['${inputs.shards}', last], max_parallel: 2}}
              - {id: tags, shell: a, for_each: {in: [{name: x, n: 1}, {n: 2}]}}
              - {id: end, shell: d}
            rollback: {none: nothing}
        """),
        inputs={"shards": ["s1", "s2"]},
    )
    assert list(plan.forward)[:6] == [
        "install[app-1]",
        "install[app-2]",
        "install[app-3]",
        "load[s1]",
        "load[s2]",
        "load[last]",
    ]
    assert plan.forward["install[app-2]"].item == "app-2"
    assert plan.forward["install[app-2]"].owner == "ops"
    assert plan.forward["load[s1]"].needs == ("install[app-1]", "install[app-2]", "install[app-3]")
    assert plan.forward["load[s1]"].needs is plan.forward["load[last]"].needs, "shared needs are one object"
    assert plan.forward["end"].needs == ("tags[x]", "tags[2]")
    assert plan.rollback["install[app-3].undo"].item == "app-3"
    assert connect(plan.forward).slot_before == {
        "install[app-2]": "install[app-1]",
        "install[app-3]": "install[app-2]",
        "load[last]": "load[s1]",
        "tags[2]": "tags[x]",
    }


def test_the_same_item_twice_never_becomes_one_step(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a:
            steps: [{id: load, shell: a, for_each: {in: [x, x]}}]
            rollback: {none: nothing}
        """),
        inputs={},
    )
    assert list(plan.forward) == ["load[x]", "load[x#2]"]


def test_a_step_for_no_item_stays_in_the_graph_so_that_the_order_holds(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        inputs: {shards: {type: text}}
        stages:
          a:
            steps:
              - {id: one, shell: a}
              - {id: load, shell: a, for_each: {in: ['${inputs.shards}']}}
              - {id: two, shell: a}
            rollback: {none: nothing}
        """),
        inputs={"shards": []},
    )
    assert plan.skipped == {"load": "nothing to do it for"}
    assert plan.forward["two"].needs == ("load",)
    assert plan.forward["load"].needs == ("one",)


def test_conditions_on_inputs_and_environment_are_answered_before_the_run_and_others_are_left(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        inputs: {wave: {type: choice, of: [residential, business], default: residential}}
        stages:
          a:
            steps:
              - {id: id-of, shell: a, capture: {id: $.id}}
              - {id: business, shell: a, when: '${inputs.wave} == business'}
              - {id: residential, shell: a, when: '${inputs.wave} == residential'}
              - {id: elsewhere, shell: a, only: [production]}
              - {id: here, shell: a, only: [production, rehearsal]}
              - {id: later, shell: a, when: '${captured.id-of.id} == 7'}
              - {id: real, shell: a, when: '${run.mode} == live'}
            rollback: {none: nothing}
        """),
        inputs={},
        mode=Mode.REHEARSE,
    )
    assert set(plan.skipped) == {"business", "elsewhere", "real"}
    assert plan.skipped["elsewhere"] == "only in production"
    assert "${inputs.wave} == business" in plan.skipped["business"]
    assert plan.forward["residential"].needs == ("business",), "a skipped step stays in its place"


def test_without_a_mode_a_condition_on_it_is_left_to_the_run(bundle_of: Make) -> None:
    text = "stages: {a: {steps: [{id: real, shell: a, when: '${run.mode} == live'}], rollback: {none: nothing}}}"
    assert not build_plan(bundle_of(text), inputs={}).skipped


def test_a_condition_on_the_item_is_answered_for_each(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a:
            steps: [{id: load, shell: a, for_each: {hosts: apps}, when: '${item} != app-2'}]
            rollback: {none: nothing}
        """),
        inputs={},
    )
    assert set(plan.skipped) == {"load[app-2]"}


def test_a_stage_of_another_environment_hands_on_what_it_waits_for(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a: {steps: [{id: a1, shell: a}], rollback: {none: nothing}}
          b: {only: [production], steps: [{id: b1, shell: a}], rollback: {none: nothing}}
          c: {steps: [{id: c1, shell: a}, {id: c2, shell: a, needs: [b1]}], rollback: {none: nothing}}
        """),
        inputs={},
    )
    assert list(plan.stages) == ["a", "c"]
    assert plan.stage_needs == {"a": (), "c": ("a",)}
    assert plan.forward["c1"].needs == ("a1",)
    assert plan.forward["c2"].needs == ("a1",)


def test_steps_that_wait_for_each_other_are_named_in_their_circle(bundle_of: Make) -> None:
    bundle = bundle_of("""
        stages:
          a:
            steps:
              - {id: one, shell: a, needs: [two]}
              - {id: two, shell: a, needs: [one]}
            rollback: {none: nothing}
        """)
    with pytest.raises(StepsInACircle, match=r"one -> two -> one|two -> one -> two"):
        build_plan(bundle, inputs={})


def test_stages_that_wait_for_each_other_are_named_in_their_circle(bundle_of: Make) -> None:
    bundle = bundle_of("""
        stages:
          a: {needs: [b], steps: [{id: a1, shell: a}], rollback: {none: nothing}}
          b: {needs: [a], steps: [{id: b1, shell: a}], rollback: {none: nothing}}
        """)
    with pytest.raises(StepsInACircle, match="wait for each other"):
        build_plan(bundle, inputs={})


def test_the_rollback_runs_backwards_undos_first_then_the_stage_itself(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          freeze:
            owner: ops
            steps:
              - {id: silence, shell: a, undo: {shell: b}}
              - {id: close, shell: a, owner: shop, undo: {shell: b}}
            rollback:
              - {id: reopen, shell: a}
              - {shell: a}
          deploy:
            needs: [freeze]
            steps: [{id: install, shell: a, undo: {shell: b}}]
            rollback: {none: undone by its step}
        """),
        inputs={},
    )
    assert list(plan.rollback) == ["install.undo", "close.undo", "silence.undo", "reopen", "freeze.rollback-2"]
    needs = {key: planned.needs for key, planned in plan.rollback.items()}
    assert needs == {
        "install.undo": (),
        "close.undo": ("install.undo",),
        "silence.undo": ("close.undo",),
        "reopen": ("silence.undo",),
        "freeze.rollback-2": ("reopen",),
    }
    assert plan.rollback["close.undo"].undoes == ("close",)
    assert plan.rollback["close.undo"].owner == "shop"
    assert plan.rollback["reopen"].undoes == ("silence", "close")
    assert plan.rollback["reopen"].owner == "ops"
    assert {planned.phase for planned in plan.rollback.values()} == {Phase.ROLLBACK}
    assert plan.step("reopen") is plan.rollback["reopen"]


def test_a_stage_comes_back_after_a_stage_whose_step_waited_for_one_of_its_steps(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          base: {needs: [], steps: [{id: base-1, shell: a, undo: {shell: b}}], rollback: {none: x}}
          user: {needs: [], steps: [{id: user-1, shell: a, needs: [base-1], undo: {shell: b}}], rollback: {none: x}}
        """),
        inputs={},
    )
    assert plan.rollback["base-1.undo"].needs == ("user-1.undo",)


def test_stages_woven_into_each_other_come_back_as_one(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          data:
            needs: []
            steps:
              - {id: dump, shell: a, undo: {shell: b}}
              - {id: load, shell: a, needs: [warn], undo: {shell: b}}
            rollback: [{id: drop, shell: a}]
          people:
            needs: []
            steps: [{id: warn, shell: a, needs: [dump], undo: {shell: b}}]
            rollback: {none: x}
        """),
        inputs={},
    )
    assert list(plan.rollback) == ["load.undo", "warn.undo", "dump.undo", "drop"]
    assert plan.rollback["dump.undo"].needs == ("warn.undo",)


def test_what_is_skipped_or_does_not_exist_here_is_not_in_the_rollback(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a:
            steps:
              - {id: one, shell: a, only: [production], undo: {shell: b}}
              - {id: two, shell: a, undo: {shell: b}}
            rollback:
              - {id: back-there, shell: a, only: [production]}
              - {id: back-here, shell: a, for_each: {hosts: apps}}
        """),
        inputs={},
    )
    assert list(plan.rollback) == ["two.undo", "back-here[app-1]", "back-here[app-2]", "back-here[app-3]"]


def test_rollback_steps_that_say_what_they_need_run_side_by_side(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a: {steps: [{id: one, shell: a, undo: {shell: b}}], rollback: {none: x}}
          b:
            steps: [{id: two, shell: a}]
            rollback:
              - {id: left, shell: a}
              - {id: right, shell: a, needs: []}
              - {id: both, shell: a, needs: [left]}
        """),
        inputs={},
    )
    assert plan.rollback["right"].needs == ()
    assert plan.rollback["both"].needs == ("left",)
    assert set(plan.rollback["one.undo"].needs) == {"right", "both"}


def test_the_points_of_no_return_are_those_that_will_run(bundle_of: Make) -> None:
    plan = build_plan(
        bundle_of("""
        stages:
          a:
            steps:
              - {id: one, shell: a, only: [production], point_of_no_return: true}
              - {id: two, shell: a, point_of_no_return: true}
            rollback: {none: x}
        """),
        inputs={},
    )
    assert plan.points_of_no_return == ("two",)


def test_needs_that_name_nothing_are_left_to_lint(bundle_of: Make) -> None:
    text = "stages: {a: {needs: [nowhere], steps: [{id: one, shell: a, needs: [nothing]}], rollback: {none: x}}}"
    plan = build_plan(bundle_of(text), inputs={})
    assert plan.forward["one"].needs == ()


def test_the_graph_of_two_wide_stages_stays_linear(bundle_of: Make) -> None:
    items = list(range(300))
    plan = build_plan(
        bundle_of(f"""
        stages:
          a: {{steps: [{{id: left, shell: a, for_each: {{in: {items}}}, undo: {{shell: b}}}}], rollback: {{none: x}}}}
          b: {{steps: [{{id: right, shell: a, for_each: {{in: {items}}}, undo: {{shell: b}}}}], rollback: {{none: x}}}}
        """),
        inputs={},
    )
    for steps in (plan.forward, plan.rollback):
        network = connect(steps)
        assert sum(len(members) for members in network.joins) == 300
