"""Times over the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Expected, Phase
from changeover.plan.critical_path import Schedule, schedule
from changeover.plan.graph import build_plan
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.network import connect
from changeover.plan.window import calendar_of
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import ForEach, Stage, Step
from changeover.runbook.position import NOWHERE
from changeover.runbook.tree import Scalar

Make = Callable[..., Bundle]

START = datetime(2027, 3, 13, 18, tzinfo=UTC)
NOTHING = Scalar(None, "", NOWHERE)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def planned(key: str, needs: tuple[str, ...], likely: int, worst: int, step: Step | None = None) -> PlannedStep:
    step = step or Step(id=key, kind="shell", parameters=NOTHING)
    return PlannedStep(key, "a", Phase.FORWARD, step, None, needs, Expected(minutes(likely), minutes(worst)))


def plan_of(steps: Mapping[str, PlannedStep], skipped: Mapping[str, str] | None = None) -> Plan:
    return Plan({"a": Stage(id="a")}, {"a": ()}, steps, {}, (), skipped or {})


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Random graphs, some of whose steps share their needs, are skipped, or are items of one `for_each`."""
    steps: dict[str, PlannedStep] = {}
    shared: list[tuple[str, ...]] = [()]
    for number in range(draw(st.integers(1, 8))):
        if draw(st.booleans()):
            needs = shared[draw(st.integers(0, len(shared) - 1))]
        else:
            needs = tuple(draw(st.lists(st.sampled_from(list(steps)), unique=True, max_size=4))) if steps else ()
            shared.append(needs)
        items = draw(st.integers(1, 4))
        each = ForEach(max_parallel=draw(st.integers(1, 3))) if items > 1 else None
        step = Step(id=f"s{number}", kind="shell", parameters=NOTHING, for_each=each)
        likely = draw(st.integers(0, 50))
        worst = likely + draw(st.integers(0, 50))
        for item in range(items):
            steps[f"s{number}[{item}]"] = planned(f"s{number}[{item}]", needs, likely, worst, step)
    written = draw(st.permutations(list(steps)))  # the order of writing need not be one of running
    skipped = draw(st.lists(st.sampled_from(list(steps)), unique=True, max_size=3))
    return plan_of({key: steps[key] for key in written}, dict.fromkeys(skipped, "not today"))


def critical_length(times: Schedule, plan: Plan) -> timedelta:
    return sum((plan.forward[key].expected.likely for key in times.critical_path), timedelta())


@given(plans())
def test_no_step_starts_before_all_it_needs_has_ended(plan: Plan) -> None:
    times = schedule(plan, starts_at=START)
    for key, step in plan.forward.items():
        for need in step.needs:
            assert times.steps[key].likely.starts >= times.steps[need].likely.ends
            assert times.steps[key].worst.starts >= times.steps[need].worst.ends
            assert times.steps[key].likely.latest_start >= times.steps[need].likely.latest_end


@given(plans())
def test_slack_is_never_negative_and_nothing_starts_before_the_plan(plan: Plan) -> None:
    times = schedule(plan, starts_at=START)
    for step in times.steps.values():
        assert step.likely.slack >= timedelta()
        assert step.worst.slack >= timedelta()
        assert step.likely.starts >= START
        assert step.likely.latest_end <= times.ends_likely
        assert step.critical is (step.likely.slack == timedelta())


@given(plans())
def test_the_critical_path_is_as_long_as_the_run_and_has_no_slack(plan: Plan) -> None:
    times = schedule(plan, starts_at=START)
    assert critical_length(times, plan) == times.ends_likely - START
    assert all(times.steps[key].critical for key in times.critical_path)
    assert not set(times.critical_path) & set(plan.skipped)


@given(plans())
def test_items_of_for_each_never_run_more_at_a_time_than_allowed(plan: Plan) -> None:
    times = schedule(plan, starts_at=START)
    items = [step for step in plan.forward.values() if step.step.for_each is not None]
    for item in items:
        begins = times.steps[item.key].likely.starts
        at_once = [
            other
            for other in items
            if other.step is item.step and times.steps[other.key].likely.starts <= begins < times.steps[other.key].likely.ends
        ]
        assert len(at_once) <= (item.step.for_each or ForEach()).max_parallel


@given(plans(), st.integers(0, 13))
def test_a_step_may_slip_by_its_slack_without_moving_the_end(plan: Plan, number: int) -> None:
    times = schedule(plan, starts_at=START)
    key = list(plan.forward)[number % len(plan.forward)]
    if key in plan.skipped:
        return
    step = plan.forward[key]
    longer = Expected(step.expected.likely + times.steps[key].likely.slack, step.expected.worst)
    slipped = PlannedStep(key, "a", Phase.FORWARD, step.step, None, step.needs, longer)
    again = schedule(plan_of({**plan.forward, key: slipped}, plan.skipped), starts_at=START)
    assert again.ends_likely == times.ends_likely


@given(plans())
def test_the_order_is_one_in_which_the_steps_could_run_one_by_one(plan: Plan) -> None:
    network = connect(plan.forward)
    place = {key: number for number, key in enumerate(network.order)}
    assert sorted(place) == sorted(plan.forward)
    for key, step in plan.forward.items():
        assert all(place[need] < place[key] for need in step.needs)


def test_two_branches_give_slack_to_the_shorter_one() -> None:
    steps = {
        "start": planned("start", (), 10, 20),
        "long": planned("long", ("start",), 60, 90),
        "short": planned("short", ("start",), 15, 15),
        "end": planned("end", ("long", "short"), 5, 5),
    }
    times = schedule(plan_of(steps), starts_at=START)
    assert times.critical_path == ("start", "long", "end")
    assert times.steps["short"].likely.slack == minutes(45)
    assert times.ends_likely == START + minutes(75)
    assert times.ends_worst == START + minutes(115)
    assert times.stages["a"].likely.lasts == minutes(75)
    assert times.stages["a"].slack == timedelta()


def test_an_empty_plan_ends_when_it_starts() -> None:
    times = schedule(plan_of({}), starts_at=START)
    assert times.ends_likely == times.ends_worst == START
    assert times.critical_path == ()


def times_of(bundle: Bundle, *, opens: datetime | None = None) -> Schedule:
    plan = build_plan(bundle, inputs={})
    return schedule(plan, starts_at=opens or START, at=calendar_of(bundle.runbook, opens=opens).at)


WITH_CLOCK = """
window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
stages:
  a:
    steps:
      - {id: first, shell: a, expect: 10m}
      - {id: hold-on, wait: {until: 2027-03-13 20:00, why: x}}
      - {id: ask, gate: {ask: go?, by: 2027-03-13 20:30}, expect: 5m}
      - {id: last, shell: a, expect: 10m}
    rollback: {none: x}
"""


def test_a_wait_until_a_clock_time_ends_then_and_gives_slack_to_what_stands_before(bundle_of: Make) -> None:
    times = times_of(bundle_of(WITH_CLOCK.replace(", why: x", "")))
    assert times.steps["hold-on"].likely.ends == datetime(2027, 3, 13, 19, tzinfo=UTC)
    assert times.steps["hold-on"].holds_until == datetime(2027, 3, 13, 19, tzinfo=UTC)
    assert times.steps["first"].likely.slack == minutes(50)
    assert times.critical_path == ("hold-on", "ask", "last")
    assert times.steps["ask"].by == datetime(2027, 3, 13, 19, 30, tzinfo=UTC)
    assert times.ends_likely == datetime(2027, 3, 13, 19, 15, tzinfo=UTC)


def test_a_rehearsal_moves_clock_times_with_its_window(bundle_of: Make) -> None:
    opens = datetime(2027, 2, 1, 9, tzinfo=UTC)
    times = times_of(bundle_of(WITH_CLOCK.replace(", why: x", "")), opens=opens)
    assert times.steps["hold-on"].likely.ends == opens + minutes(60)
    assert times.steps["ask"].by == opens + minutes(90)


@pytest.mark.parametrize(
    ("parameters", "lasts"),
    [
        ("wait: {for: 25m}", 25),
        ("wait: 25m", 25),
        ("wait: {rest_of: {since: first, for: 40m}}", 40),  # less what passed in between: nothing here
        ("wait: {for: '${inputs.pause}'}", 0),
        ("poll: {sql: a, limit: 30s}", 0.5),
        ("poll: {sql: a, limit: 10m}", 1),
        ("shell: a", 1),
        ("notify: a", 5 / 60),
        ("gate: {ask: go?}", 5),
        ("manual: dial in", 5),
    ],
)
def test_a_step_without_expect_takes_what_its_parameters_or_its_kind_say(bundle_of: Make, parameters: str, lasts: float) -> None:
    times = times_of(
        bundle_of(f"""
        inputs: {{pause: {{type: text, default: 1m}}}}
        stages:
          a:
            steps:
              - {{id: first, shell: a, expect: 10m}}
              - {{id: it, {parameters}}}
            rollback: {{none: x}}
        """)
    )
    assert times.steps["it"].likely.lasts == minutes(lasts)


def test_the_rest_of_a_time_counts_from_the_end_of_the_named_step(bundle_of: Make) -> None:
    times = times_of(
        bundle_of("""
        stages:
          a:
            steps:
              - {id: lower-ttl, shell: a, expect: 2m}
              - {id: other, shell: a, expect: 30m}
              - {id: rest, wait: {rest_of: {since: lower-ttl, for: 1h}}}
              - {id: switch, shell: a, expect: 1m}
            rollback: {none: x}
        """)
    )
    assert times.steps["rest"].likely.ends == START + minutes(62)
    assert times.steps["other"].likely.slack == minutes(30)
    assert times.critical_path == ("lower-ttl", "rest", "switch")


def test_the_time_of_a_proof_comes_on_top_when_it_is_written(bundle_of: Make) -> None:
    times = times_of(
        bundle_of("""
        stages:
          a:
            steps:
              - {id: one, shell: a, expect: 10m, verify: {shell: b, expect: 2m}}
              - {id: two, shell: a, expect: 10m, verify: {shell: b}}
            rollback: {none: x}
        """)
    )
    assert times.steps["one"].likely.lasts == minutes(12)
    assert times.steps["two"].likely.lasts == minutes(10)


def test_durations_are_never_wall_clock_arithmetic(bundle_of: Make) -> None:
    """On the night of 28 March 2027 Budapest's clocks go from 02:00 to 03:00: an hour that nobody has."""
    bundle = bundle_of("""
        window: {opens: 2027-03-28 00:00, closes: 2027-03-28 12:00}
        stages:
          a:
            steps:
              - {id: one, shell: a, expect: 4h}
              - {id: two, wait: {until: 2027-03-28 06:00}}
            rollback: {none: x}
        """)
    opens = datetime(2027, 3, 27, 23, tzinfo=UTC)
    plan = build_plan(bundle, inputs={})
    times = schedule(plan, starts_at=opens, at=calendar_of(bundle.runbook).at)
    assert times.steps["one"].likely.ends == opens + timedelta(hours=4)
    assert times.steps["two"].likely.ends == datetime(2027, 3, 28, 4, tzinfo=UTC)
    assert times.steps["one"].likely.slack == timedelta(hours=1)
