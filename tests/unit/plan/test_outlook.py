"""Window, way back, point of no return, impact clocks, and what lint says about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from changeover.plan.graph import build_plan
from changeover.plan.lint import TIME_CODES, findings
from changeover.plan.outlook import Outlook, outlook
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import Severity

Make = Callable[..., Bundle]

NIGHT = """
window: {{opens: 2027-03-13 19:00, closes: {closes}, margin: 30m}}
clocks:
  closed: {{title: Shop closed, from: close, to: open, budget: {budget}}}
stages:
  freeze:
    steps: [{{id: close, shell: a, expect: 10m, undo: {{shell: b, expect: {{likely: 5m, worst: 10m}}}}}}]
    rollback: {{none: its step undoes itself}}
  copy:
    steps: [{{id: load, shell: a, expect: {{likely: 3h, worst: 4h}}}}]
    rollback:
      policy: delete-new
      loses: orders since the freeze
      steps: [{{id: empty, shell: a, expect: {{likely: 30m, worst: 1h}}}}]
  decide:
    steps: [{{id: go, shell: a, expect: 10m, point_of_no_return: true}}]
    rollback: {{none: nothing is changed}}
  reopen:
    steps: [{{id: open, shell: a, expect: 10m}}]
    rollback: {{policy: fix-forward, steps: [{{shell: a, expect: 1m}}]}}
"""


def seen(bundle_of: Make, *, closes: str = "2027-03-14 06:00", budget: str = "8h") -> tuple[Bundle, Outlook]:
    bundle = bundle_of(NIGHT.format(closes=closes, budget=budget))
    return bundle, outlook(bundle, build_plan(bundle, inputs={}))


def at(hour: int, minute: int = 0, *, day: int = 13) -> datetime:
    return datetime(2027, 3, day, hour, minute, tzinfo=UTC)


def test_the_latest_safe_rollback_start_is_the_end_of_the_window_less_margin_and_worst_rollback(bundle_of: Make) -> None:
    _, view = seen(bundle_of)
    freeze, copy = view.fit.stages["freeze"], view.fit.stages["copy"]
    assert freeze.lasts.likely == timedelta(minutes=5)
    assert freeze.lasts.worst == timedelta(minutes=10)
    assert freeze.latest_safe_start == at(4, 20, day=14)
    assert copy.lasts.worst == timedelta(minutes=70)
    assert copy.own.worst == timedelta(hours=1)
    assert copy.latest_safe_start == at(3, 20, day=14)
    assert copy.loses == "orders since the freeze"
    assert copy.how == "delete-new, 1 step"
    assert freeze.how == "restore, 1 step"


def test_from_the_point_of_no_return_on_no_rollback_is_offered(bundle_of: Make) -> None:
    _, view = seen(bundle_of)
    assert view.point.step == "go"
    assert view.point.stage == "decide"
    assert view.point.starts == at(21, 10)
    assert view.point.starts_worst == at(22, 15)
    assert view.point.rollback.worst == timedelta(minutes=70)
    assert view.point.latest_safe_start == at(3, 20, day=14)
    offered = {name: back.offered for name, back in view.fit.stages.items()}
    assert offered == {"freeze": True, "copy": True, "decide": False, "reopen": False}
    assert view.fit.stages["reopen"].latest_safe_start is None


def test_a_plan_that_fits_has_no_findings_about_its_times(bundle_of: Make) -> None:
    bundle, view = seen(bundle_of)
    assert view.fit.fits
    assert view.fit.run_worst
    assert view.fit.rollback_worst
    assert findings(bundle, view) == ()


def test_without_a_point_of_no_return_one_can_go_back_to_the_end(bundle_of: Make) -> None:
    bundle = bundle_of(NIGHT.format(closes="2027-03-14 06:00", budget="8h").replace(", point_of_no_return: true", ""))
    view = outlook(bundle, build_plan(bundle, inputs={}))
    assert view.point.step == ""
    assert view.point.starts is None
    assert view.point.rollback.worst == timedelta(minutes=71, seconds=30)
    assert all(back.offered for back in view.fit.stages.values())


def test_the_impact_clock_runs_from_the_start_of_one_step_to_the_end_of_the_other(bundle_of: Make) -> None:
    _, view = seen(bundle_of)
    (impact,) = view.impacts
    assert impact.title == "Shop closed"
    assert impact.likely == timedelta(hours=3, minutes=30)
    assert impact.worst == timedelta(hours=4, minutes=45)
    assert impact.fits


@pytest.mark.parametrize(
    ("closes", "budget", "codes"),
    [
        ("2027-03-13 22:00", "8h", {"window-overrun", "rollback-too-late"}),
        ("2027-03-13 23:00", "8h", {"window-tight", "rollback-too-late"}),
        ("2027-03-14 00:30", "8h", {"rollback-tight"}),
        ("2027-03-14 06:00", "3h", {"impact-over-budget"}),
        ("2027-03-14 06:00", "4h", {"impact-tight"}),
    ],
)
def test_each_thing_that_does_not_fit_is_a_finding(bundle_of: Make, closes: str, budget: str, codes: set[str]) -> None:
    bundle, view = seen(bundle_of, closes=closes, budget=budget)
    found = findings(bundle, view)
    assert {finding.code for finding in found} == codes
    for finding in found:
        assert finding.severity is TIME_CODES[finding.code].severity
        assert finding.hint
        assert finding.at.file == "crm.yaml"


def test_times_in_findings_carry_the_offset_of_the_zone(bundle_of: Make) -> None:
    bundle, view = seen(bundle_of, closes="2027-03-13 22:00")
    overrun = next(finding for finding in findings(bundle, view) if finding.code == "window-overrun")
    assert "2027-03-13 22:30+01:00, 30m after the window closes" in overrun.message
    assert "`load`" in overrun.hint
    assert bundle.sources["crm.yaml"].splitlines()[overrun.at.line - 1][overrun.at.column - 1 :].startswith("2027-03-13 22:00")
    assert overrun.severity is Severity.ERROR


def test_a_rollback_that_is_too_late_is_said_of_the_first_stage_only(bundle_of: Make) -> None:
    bundle, view = seen(bundle_of, closes="2027-03-13 22:00")
    late = [finding for finding in findings(bundle, view) if finding.code == "rollback-too-late"]
    assert len(late) == 1
    assert "`copy`" in late[0].message
    assert late[0].at.line == bundle.runbook.stages["copy"].at.line


def test_a_guess_on_the_critical_path_is_said_once_a_step_and_beside_it_is_not(bundle_of: Make) -> None:
    bundle = bundle_of("""
        window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
        stages:
          a:
            steps:
              - {id: install, shell: a, for_each: {hosts: apps}}
              - parallel:
                  - {id: short, shell: a}
                  - {id: long, shell: a, expect: 1h}
            rollback: {none: x}
        """)
    found = findings(bundle, outlook(bundle, build_plan(bundle, inputs={})))
    assert [finding.code for finding in found] == ["expect-missing"]
    assert "`install`" in found[0].message
    assert "1m is assumed" in found[0].message


def test_a_gate_that_is_reached_after_its_deadline_is_a_finding(bundle_of: Make) -> None:
    bundle = bundle_of("""
        window: {opens: 2027-03-13 19:00, closes: 2027-03-14 21:00}
        stages:
          a:
            steps:
              - {id: long, shell: a, expect: 2h}
              - {id: go, gate: {ask: Reopen?, by: 2027-03-13 20:00}, expect: 5m}
            rollback: {none: x}
        """)
    (found,) = findings(bundle, outlook(bundle, build_plan(bundle, inputs={})))
    assert found.code == "gate-after-deadline"
    assert "21:00+01:00" in found.message


def test_a_runbook_without_a_window_is_planned_all_the_same(bundle_of: Make) -> None:
    bundle = bundle_of("stages: {a: {steps: [{id: one, shell: a, expect: 1h}], rollback: {none: x}}}")
    view = outlook(bundle, build_plan(bundle, inputs={}), starts_at=at(19))
    assert view.schedule.ends_likely == at(20)
    assert view.fit.window is None
    assert view.fit.fits
    assert view.fit.stages["a"].latest_safe_start is None
    assert findings(bundle, view) == ()


def test_with_the_last_stage_nobody_goes_back_any_more(bundle_of: Make) -> None:
    bundle = bundle_of("""
        window: {opens: 2027-03-13 19:00, closes: 2027-03-13 20:00}
        stages:
          a:
            steps: [{id: one, shell: a, expect: 50m, undo: {shell: b, expect: 20m}}]
            rollback: {none: its step undoes itself}
        """)
    view = outlook(bundle, build_plan(bundle, inputs={}))
    assert view.fit.stages["a"].latest_safe_start == at(18)
    assert view.fit.fits
    assert [finding.code for finding in findings(bundle, view)] == ["window-tight"]


def test_a_later_start_is_measured_against_the_same_window(bundle_of: Make) -> None:
    bundle = bundle_of(NIGHT.format(closes="2027-03-14 06:00", budget="8h"))
    view = outlook(bundle, build_plan(bundle, inputs={}), starts_at=at(3, day=14))
    assert not view.fit.run_likely
    assert view.fit.window is not None
    assert view.fit.window.closes == at(5, day=14)


def test_a_rehearsal_moves_the_window(bundle_of: Make) -> None:
    bundle = bundle_of(NIGHT.format(closes="2027-03-14 06:00", budget="8h"))
    opens = datetime(2027, 2, 1, 9, tzinfo=UTC)
    view = outlook(bundle, build_plan(bundle, inputs={}), opens=opens)
    assert view.schedule.starts_at == opens
    assert view.fit.window is not None
    assert view.fit.window.closes == opens + timedelta(hours=11)


def test_the_rollback_grows_with_what_has_started(bundle_of: Make) -> None:
    _, view = seen(bundle_of)
    before = [view.rollback.before(at(18) + timedelta(minutes=minute)).worst for minute in range(0, 300, 5)]
    assert before[0] == timedelta()
    assert before == sorted(before)
    assert view.rollback.before(at(18, 5)).worst == timedelta(minutes=10)
