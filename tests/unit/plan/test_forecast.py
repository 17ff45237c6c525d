"""What is to be expected now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Expected, StepState
from changeover.plan.forecast import Actual, Forecast, Forecaster, forecast, has_started, remaining
from changeover.plan.graph import build_plan
from changeover.plan.model import Plan
from changeover.plan.window import calendar_of
from changeover.runbook.bundle import Bundle

Make = Callable[..., Bundle]

OPENS = datetime(2027, 3, 13, 18, tzinfo=UTC)
CLOSES = OPENS + timedelta(hours=6)
MARGIN = timedelta(minutes=30)


@pytest.fixture
def plan(bundle_of: Make) -> Plan:
    bundle = bundle_of("""
        stages:
          freeze:
            steps: [{id: close, shell: a, expect: 10m, undo: {shell: b, expect: {likely: 5m, worst: 10m}}}]
            rollback: {none: its step undoes itself}
          copy:
            steps:
              - {id: load, shell: a, expect: {likely: 2h, worst: 3h}, background: true}
              - {id: watch, shell: a, expect: 10m}
            rollback: [{id: empty, shell: a, expect: {likely: 30m, worst: 1h}}]
          decide:
            steps: [{id: go, shell: a, expect: 10m, point_of_no_return: true}]
            rollback: {none: nothing is changed}
        """)
    return build_plan(bundle, inputs={})


def after(**time: float) -> datetime:
    return OPENS + timedelta(**time)


def passed(start: datetime, end: datetime) -> Actual:
    return Actual(StepState.PASSED, started_at=start, ended_at=end, tainted=True)


def running(start: datetime, *, done: float | None = None, total: float | None = None, rate: float | None = None) -> Actual:
    return Actual(StepState.RUNNING, started_at=start, tainted=True, done=done, total=total, rate=rate)


def look(plan: Plan, actuals: dict[str, Actual], now: datetime, *, rolling_back: bool = False) -> Forecast:
    return forecast(plan, actuals, now=now, window_closes=CLOSES, margin=MARGIN, rolling_back=rolling_back)


def test_before_the_start_it_is_the_plan_from_now_on(plan: Plan) -> None:
    found = look(plan, {}, OPENS)
    assert found.ends_likely == after(minutes=140)
    assert found.ends_worst == after(minutes=15 + 180 + 15)
    assert found.late_likely == found.late_worst == timedelta()
    assert found.rollback == Expected(timedelta(), timedelta())
    assert found.latest_safe_start == CLOSES - MARGIN
    assert found.critical_path == ("close", "load", "go")
    assert found.next == "close"
    assert not found.point_passed


def test_a_running_step_takes_what_is_expected_less_what_has_passed_and_never_less_than_nothing(plan: Plan) -> None:
    found = look(plan, {"close": running(OPENS)}, after(minutes=4))
    assert found.ends["close"] == after(minutes=10)
    assert look(plan, {"close": running(OPENS)}, after(minutes=40)).ends["close"] == after(minutes=40)


def test_a_step_that_tells_its_rate_is_forecast_by_it(plan: Plan) -> None:
    actuals = {
        "close": passed(OPENS, after(minutes=10)),
        "load": running(after(minutes=10), done=250_000, total=1_000_000, rate=50),
    }
    found = look(plan, actuals, after(hours=1))
    assert found.ends["load"] == after(hours=1) + timedelta(seconds=15_000)
    assert found.ends_worst - found.now == timedelta(seconds=22_500 + 900), "the planned distance of worst and likely is kept"
    assert found.next == "go"


def test_without_a_rate_the_progress_so_far_is_one(plan: Plan) -> None:
    actuals = {"close": passed(OPENS, after(minutes=10)), "load": running(after(minutes=10), done=1, total=4)}
    assert look(plan, actuals, after(minutes=70)).ends["load"] == after(minutes=70 + 180)


def test_a_rate_of_nothing_falls_back_to_what_was_expected(plan: Plan) -> None:
    actuals = {"close": passed(OPENS, after(minutes=10)), "load": running(after(minutes=10), done=0, total=4, rate=0)}
    assert look(plan, actuals, after(minutes=20)).ends["load"] == after(minutes=130)


def test_lateness_is_counted_from_the_end_of_the_window(plan: Plan) -> None:
    found = look(plan, {}, CLOSES - timedelta(hours=2))
    assert found.late_likely == timedelta(minutes=20)
    assert found.late_worst == timedelta(minutes=90)


def test_the_rollback_counts_what_has_started_and_its_start_counts_down(plan: Plan) -> None:
    actuals = {"close": passed(OPENS, after(minutes=10))}
    found = look(plan, actuals, after(hours=1))
    assert found.rollback == Expected(timedelta(minutes=5), timedelta(minutes=10))
    assert found.latest_safe_start == CLOSES - MARGIN - timedelta(minutes=10)
    assert found.countdown == timedelta(hours=4, minutes=20)
    actuals["load"] = running(after(minutes=10))
    later = look(plan, actuals, after(hours=5))
    assert later.rollback == Expected(timedelta(minutes=35), timedelta(minutes=70))
    assert later.countdown == timedelta(minutes=-40), "it has passed"


def test_a_failed_step_counts_again_and_one_proven_clean_is_not_rolled_back(plan: Plan) -> None:
    failed = Actual(StepState.FAILED, OPENS, after(minutes=3), tainted=True)
    found = look(plan, {"close": failed}, after(minutes=5))
    assert found.ends["close"] == after(minutes=15)
    assert found.rollback.worst == timedelta(minutes=10)
    clean = look(plan, {"close": Actual(StepState.PENDING, OPENS)}, after(minutes=5))
    assert clean.rollback.worst == timedelta()


def test_after_the_point_of_no_return_no_rollback_is_offered(plan: Plan) -> None:
    actuals = {
        "close": passed(OPENS, after(minutes=10)),
        "load": passed(after(minutes=10), after(hours=2)),
        "watch": passed(after(minutes=10), after(minutes=20)),
        "go": running(after(hours=2)),
    }
    found = look(plan, actuals, after(hours=2, minutes=4))
    assert found.point_passed
    assert found.latest_safe_start is None
    assert found.countdown is None
    assert found.next == ""
    assert found.ends_likely == after(hours=2, minutes=10)


def test_a_question_that_waits_does_not_pass_the_point_of_no_return(plan: Plan) -> None:
    asked = Actual(StepState.RUNNING, started_at=OPENS)  # nobody has answered: nothing of it is out there
    assert not look(plan, {"go": asked}, after(minutes=1)).point_passed
    assert not has_started(asked)


def test_while_rolling_back_the_end_is_the_end_of_the_rollback(plan: Plan) -> None:
    actuals = {
        "close": passed(OPENS, after(minutes=10)),
        "load": Actual(StepState.FAILED_DIRTY, after(minutes=10), after(hours=1), tainted=True),
        "empty": running(after(hours=2)),
    }
    found = look(plan, actuals, after(hours=2, minutes=10), rolling_back=True)
    assert found.ends_likely == after(hours=2, minutes=35)
    assert found.critical_path == ("empty", "close.undo")
    assert found.next == "close.undo"
    assert found.rollback.likely == timedelta(minutes=25)
    assert Forecaster(plan).to_undo(actuals) == {"empty", "close.undo"}


def test_a_run_that_is_over_ended_when_it_ended(plan: Plan) -> None:
    actuals = {key: passed(OPENS, after(minutes=10)) for key in plan.forward}
    assert look(plan, actuals, after(minutes=10)).ends_likely == after(minutes=10)


def test_without_a_window_nothing_is_late(plan: Plan) -> None:
    found = forecast(plan, {}, now=CLOSES, window_closes=None, margin=timedelta())
    assert found.late_worst == timedelta()
    assert found.latest_safe_start is None
    assert found.countdown is None


def test_clock_times_and_rests_hold_in_the_forecast_too(bundle_of: Make) -> None:
    bundle = bundle_of("""
        window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
        stages:
          a:
            steps:
              - {id: one, shell: a, expect: 10m}
              - {id: rest, wait: {rest_of: {since: one, for: 1h}}}
              - {id: until, wait: {until: 2027-03-13 23:00}}
            rollback: {none: x}
        """)
    plan = build_plan(bundle, inputs={})
    forecaster = Forecaster(plan, at=calendar_of(bundle.runbook).at)

    def ends(actuals: dict[str, Actual], now: datetime) -> dict[str, datetime]:
        return dict(forecaster.forecast(actuals, now=now, window_closes=CLOSES, margin=MARGIN).ends)

    assert ends({}, OPENS)["rest"] == after(minutes=70)
    assert ends({}, OPENS)["until"] == after(hours=4)
    one = passed(OPENS, after(minutes=20))
    assert ends({"one": one, "rest": running(after(minutes=20))}, after(minutes=30))["rest"] == after(minutes=80)
    rest = passed(after(minutes=20), after(minutes=80))
    waiting = {"one": one, "rest": rest, "until": running(after(minutes=80))}
    assert ends(waiting, after(minutes=90))["until"] == after(hours=4)
    assert ends(waiting, after(hours=5))["until"] == after(hours=5)


@given(
    st.timedeltas(timedelta(), timedelta(days=2)),
    st.timedeltas(timedelta(), timedelta(days=2)),
    st.none() | st.floats(0, 1e9),
    st.none() | st.floats(0, 1e9),
    st.none() | st.floats(0, 1e6),
)
def test_what_remains_is_never_negative_and_the_worst_case_never_shorter(
    likely: timedelta, elapsed: timedelta, done: float | None, total: float | None, rate: float | None
) -> None:
    expected = Expected(likely, likely * 1.5)
    actual = Actual(StepState.RUNNING, started_at=OPENS, done=done, total=total, rate=rate)
    now = OPENS + elapsed
    best, worst = (remaining(expected, actual, now, worst=case) for case in (False, True))
    assert timedelta() <= best <= worst


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    actual = Actual(StepState.RUNNING, started_at=after(hours=1))
    assert remaining(Expected(MARGIN, MARGIN), actual, OPENS, worst=False) == MARGIN
