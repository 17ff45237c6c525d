from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from changeover.cli import render
from changeover.cli.screen import screen
from changeover.cli.wording import needs
from changeover.contracts import RunState, StepState
from changeover.status.model import RunStatus, StageState

Status = Callable[..., RunStatus]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "glyphs_work", lambda: True)


def text(status: RunStatus, width: int = 120, height: int = 60, *, alone: bool = False) -> str:
    return "\n".join(line.plain.rstrip() for line in screen(status, width=width, height=height, alone=alone))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("height", [5, 8, 12, 24, 40, 100])
def test_it_fits_every_terminal(run_status: Status, width: int, height: int) -> None:
    lines = screen(run_status(), width=width, height=height)
    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_waits_for_people_comes_before_what_goes_by_itself(run_status: Status, width: int) -> None:
    said = text(run_status(), width)
    assert said.index("NEED A DECISION") < said.index("copy  ")
    assert said.index("NEED A DECISION") < said.index("Stop taking")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_command_is_never_cut(run_status: Status, width: int) -> None:
    flat = " ".join(text(run_status(), width, 100).split())
    assert "changeover retry fixed-line-crm-20270313-1900-k3f9 'deploy[app-2]' --why WHY" in flat
    assert "changeover approve fixed-line-crm-20270313-1900-k3f9 go --why WHY" in flat


def test_of_the_only_active_run_nobody_types_the_name(run_status: Status) -> None:
    assert "type changeover approve go --why WHY" in text(run_status(), alone=True)


def test_even_twelve_lines_show_the_state_and_who_is_needed(run_status: Status) -> None:
    said = text(run_status(), 80, 12)
    assert said.splitlines()[0].startswith(" ▶ RUNNING   LIVE ")
    assert "Nagy Anna: deploy[app-2] failed after 3 attempts" in said


def test_the_header_knows_the_clock_the_end_and_the_way_back(run_status: Status) -> None:
    said = text(run_status())
    assert "Sat 22:30:05 UTC+01:00" in said
    assert "window closes Sun 20:30 (in 22h)" in said
    assert "end expected Sun 19:00, at worst Sun 21:00, 30m later than planned" in said
    assert "latest safe rollback start Sun 16:30 (in 18h)" in said
    assert "going back now takes 2h, loses orders taken since 19:00" in said
    assert "point of no return ahead: go" in said


def test_migration_shows_figures_and_rate(run_status: Status) -> None:
    assert "3,400,000 of 18,000,000 rows (19%)  472 rows/s" in text(run_status())


def test_past_the_point_of_no_return_it_says_so_and_offers_no_rollback(run_status: Status) -> None:
    status = run_status()
    past = replace(status, outcome=replace(status.outcome, point_passed=True))
    assert "PAST THE POINT OF NO RETURN (go)" in text(past)
    assert "changeover rollback" not in text(past)
    assert "changeover rollback" in text(status)


def test_a_missed_rollback_start_is_said_as_missed(run_status: Status) -> None:
    status = run_status()
    late = replace(status, outcome=replace(status.outcome, countdown=-HOUR, until_closes=-HOUR))
    assert "latest safe rollback start Sun 16:30 (1h ago)" in text(late)
    assert "window closes Sun 20:30 (closed 1h ago)" in text(late)


def test_a_dead_engine_is_the_first_thing_to_see_to(run_status: Status) -> None:
    engine = run_status().engine
    assert engine is not None
    gone = run_status(engine=replace(engine, live=False))
    assert needs(gone)[0].commands == ("changeover resume fixed-line-crm-20270313-1900-k3f9",)
    assert "ENGINE GONE" in text(gone)


def test_a_held_run_says_by_whom_and_how_to_release_it(run_status: Status) -> None:
    said = text(run_status(held=True, held_by="Nagy Anna", held_why="the auditors called"))
    assert "‖ HELD" in said
    assert "held by Nagy Anna: the auditors called" in said
    assert "changeover release" in said


def test_a_run_that_is_back_at_a_stage_goes_on_back_or_ends_and_is_not_released(run_status: Status) -> None:
    back = run_status(state=RunState.ROLLING_BACK, rollback_to="deploy", rollback=(), held=True, held_why="it is back")
    said = text(back)
    assert "changeover rollback" in said
    assert "changeover abort" in said
    assert "changeover release" not in said


def test_after_the_point_of_no_return_a_failed_step_says_how_two_people_repair_it(run_status: Status) -> None:
    status = run_status()
    failed = replace(next(step for step in status.steps if step.state is StepState.FAILED), repair="by the DBA, as in RB-7")
    steps = tuple(failed if step.key == failed.key else step for step in status.steps)
    before = text(replace(status, steps=steps), 200)
    assert "RB-7" not in before
    after = text(replace(status, steps=steps, outcome=replace(status.outcome, point_passed=True)), 200)
    assert "Repair, by two people: by the DBA, as in RB-7" in after
    assert f"changeover done {status.id} '{failed.key}' --evidence" in after


def test_a_run_that_is_over_needs_nobody(run_status: Status) -> None:
    assert needs(run_status(state=RunState.SUCCEEDED)) == ()
    assert "NEED" not in text(run_status(state=RunState.ABORTED))


def test_what_the_engine_looks_at_itself_is_nobodys_task(run_status: Status) -> None:
    status = run_status()
    steps = tuple(replace(step, state=StepState.UNKNOWN) if step.key == "copy" else step for step in status.steps)
    assert not [need for need in needs(replace(status, steps=steps)) if "copy" in need.what]
    assert "? copy: whether it happened is being found out" in text(replace(status, steps=steps))


def test_a_step_in_doubt_asks_whether_it_happened(run_status: Status) -> None:
    status = run_status()
    steps = tuple(replace(step, state=StepState.ASKS_HUMAN) if step.key == "copy" else step for step in status.steps)
    [need] = [need for need in needs(replace(status, steps=steps), alone=True) if "copy" in need.what]
    assert need.commands == ("changeover done copy --evidence EVIDENCE", "changeover refuse copy --why WHY")


def test_a_suspension_that_nothing_closes_any_more_is_a_need(run_status: Status) -> None:
    status = run_status()
    done = tuple(replace(step, state=StepState.PASSED) for step in status.steps)
    left = replace(status, steps=done, waiting=())
    [need] = needs(left, alone=True)
    assert need.commands == ("changeover leave-off crm-alerts --why WHY",)


def test_no_value_moves_the_cursor_or_forges_a_line(run_status: Status) -> None:
    status = run_status(title="evil \x1b[2J\nsecond line\x07")
    first = text(status).splitlines()[0]
    assert "\x1b" not in text(status)
    assert "second line" in first


def test_without_glyphs_it_is_plain_ascii(run_status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "glyphs_work", lambda: False)
    names = {"Szabó", "Kovács"}
    said = text(run_status())
    odd = {character for character in said if ord(character) > 127} - {c for name in names for c in name}
    assert not odd


def test_of_many_who_may_answer_a_few_are_named_and_the_rest_are_counted(run_status: Status) -> None:
    status = run_status()
    names = ("Anna", "Béla", "Cili", "Dani", "Ede", "Fáni")
    many = replace(status, waiting=(replace(status.waiting[0], deciders=names, got=(), quorum=2),))
    assert "Anna, Béla, Cili or 3 others (0 of 2)" in text(many)
    four = replace(status, waiting=(replace(status.waiting[0], deciders=names[:4], got=(), quorum=1),))
    assert "Anna or Béla or Cili or Dani: " in text(four)


def test_a_stage_that_has_not_begun_says_when_it_should_end_and_when_it_is_going_to(run_status: Status) -> None:
    status = run_status()
    zone = ZoneInfo(status.timezone)
    ends = status.now + 2 * HOUR
    stage = replace(
        status.stages[-1],
        state=StageState.PENDING,
        started=None,
        ended=None,
        planned_start=status.now,
        planned_end=ends,
        ends=ends,
    )
    planned = f"planned {status.now.astimezone(zone):%H:%M} to {ends.astimezone(zone):%H:%M}"
    assert planned in text(replace(status, stages=(stage,)))
    late = replace(stage, ends=ends + HOUR)
    assert late.ends is not None
    expected = f"expected by {late.ends.astimezone(zone):%H:%M}, planned {ends.astimezone(zone):%H:%M}"
    assert expected in text(replace(status, stages=(late,)))
