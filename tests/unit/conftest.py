from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changeover.contracts import Expected, Mode, Phase, RunState, StepState
from changeover.status.model import (
    EngineStatus,
    Outcome,
    Progress,
    RunStatus,
    Said,
    StageState,
    StageStatus,
    StepStatus,
    SuspensionStatus,
    Waiting,
)

NOW = datetime(2027, 3, 13, 21, 30, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def step(key: str, stage: str, state: StepState, **changes: Any) -> StepStatus:
    plain = StepStatus(
        key=key,
        stage=stage,
        phase=Phase.FORWARD,
        kind="shell",
        title="",
        owner="Nagy Anna",
        state=state,
        attempt=0 if state is StepState.PENDING else 1,
        background=False,
        critical=False,
        point_of_no_return=False,
        expected=Expected(timedelta(minutes=2), timedelta(minutes=3)),
        started=None if state is StepState.PENDING else NOW - timedelta(minutes=1),
        ended=NOW if state is StepState.PASSED else None,
        elapsed=None if state is StepState.PENDING else timedelta(minutes=1),
        ends=None,
        reason="",
        summary="",
        progress=None,
    )
    return replace(plain, **changes)


def stage(name: str, title: str, state: StageState, done: int, total: int) -> StageStatus:
    begun = state not in {StageState.PENDING, StageState.SKIPPED}
    return StageStatus(
        id=name,
        title=title,
        owner="Nagy Anna",
        state=state,
        total=total,
        done=done,
        failed=0,
        undone=0,
        to_undo=0,
        planned_start=NOW - HOUR,
        planned_end=NOW + HOUR,
        started=NOW - HOUR if begun else None,
        ended=NOW if state is StageState.PASSED else None,
        ends=None if state is StageState.PASSED else NOW + 2 * HOUR,
    )


STATUS = RunStatus(
    id="fixed-line-crm-20270313-1900-k3f9",
    runbook="fixed-line-crm",
    title="Fixed-line customers move to the mobile CRM",
    environment="production",
    mode=Mode.LIVE,
    runner="Kovács Béla",
    timezone="Europe/Budapest",
    state=RunState.RUNNING,
    held=False,
    held_by="",
    held_why="",
    now=NOW,
    created=NOW - 4 * HOUR,
    window_opens=NOW - 3 * HOUR,
    window_closes=NOW + 22 * HOUR,
    started=NOW - 3 * HOUR,
    ended=None,
    elapsed=3 * HOUR,
    planned_end=NOW + 20 * HOUR,
    stages=(
        stage("freeze", "Stop taking orders", StageState.PASSED, 4, 4),
        stage("deploy", "New code goes live on every application host of the estate", StageState.PASSED, 6, 6),
        stage("migrate", "Move customers, services and payment methods", StageState.RUNNING, 2, 5),
        stage("verify", "Is every datum in its place?", StageState.PENDING, 0, 7),
        stage("decide", "Decide", StageState.PENDING, 0, 1),
        stage("reopen", "Reopen the channels", StageState.PENDING, 0, 5),
    ),
    steps=(
        step("close-web-shop", "freeze", StepState.PASSED),
        step(
            "copy",
            "migrate",
            StepState.RUNNING,
            started=NOW - 2 * HOUR,
            elapsed=2 * HOUR,
            expected=Expected(12 * HOUR, 14 * HOUR),
            progress=Progress(3_400_000, 18_000_000, "rows", 472.5, NOW, {}),
        ),
        step("copied-in-full", "migrate", StepState.PENDING),
        step("deploy[app-2]", "deploy", StepState.FAILED, attempt=3, reason="exit 1: disk full on /srv"),
        step("go", "decide", StepState.PENDING),
    ),
    rollback=(),
    waiting=(
        Waiting(
            step="go",
            stage="decide",
            ask="Reopen the channels?",
            form="approval",
            typed="",
            evidence="",
            deciders=("Nagy Anna", "Szabó Csaba"),
            quorum=2,
            got=("Nagy Anna",),
            refused=(),
            asked=NOW,
            by=NOW + HOUR,
            lapsed=False,
        ),
    ),
    suspensions=(SuspensionStatus("crm-alerts", "silence-alerts", NOW - 3 * HOUR, "unsilence-alerts", NOW + 27 * HOUR, ""),),
    clocks=(),
    outcome=Outcome(
        ends_likely=NOW + 20.5 * HOUR,
        ends_worst=NOW + 22.5 * HOUR,
        late_likely=timedelta(),
        late_worst=HOUR / 2,
        until_closes=22 * HOUR,
        latest_safe_rollback=NOW + 18 * HOUR,
        countdown=18 * HOUR,
        rollback=Expected(2 * HOUR, 3 * HOUR),
        loses=("orders taken since 19:00",),
        point_passed=False,
        point_step="go",
        next="copied-in-full",
    ),
    rollback_why="",
    rollback_to="",
    events=tuple(
        Said(number, NOW - timedelta(minutes=20 - number), "step_passed", "copy", "", f"`step-{number}` passed: fine")
        for number in range(1, 21)
    ),
    engine=EngineStatus("bela", "local", "ops-1", 4242, 1, live=True, until=NOW + HOUR),
    seq=120,
    age=timedelta(seconds=1),
)


@pytest.fixture
def run_status() -> Callable[..., RunStatus]:
    """A run at half past ten in the evening, with changes."""
    return lambda **changes: replace(STATUS, **changes)
