"""Puts a run's status together from the fold of its events, its plan and its forecast. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from changeover.contracts import Phase, RunState, StepState
from changeover.journal.fold import OpenDecision, RunRecordState, StepRecord
from changeover.journal.records import Ownership, RunRecord
from changeover.plan.forecast import Forecast
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.outlook import Outlook
from changeover.runbook.bundle import Bundle
from changeover.status.actuals import number
from changeover.status.clocks import clocks_of
from changeover.status.losses import losses_of
from changeover.status.model import (
    AdjustedStatus,
    EngineStatus,
    Outcome,
    Progress,
    RunStatus,
    Said,
    StepStatus,
    SuspensionStatus,
    Waiting,
)
from changeover.status.moments import moment_in
from changeover.status.names import everybody, person
from changeover.status.speed import Deadlines, Speed, speed_of
from changeover.status.stages import StageSources, stages_of


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a status is made of."""

    record: RunRecord
    bundle: Bundle
    plan: Plan
    state: RunRecordState
    baseline: Outlook
    forecast: Forecast
    to_undo: frozenset[str]
    ownership: Ownership
    said: tuple[Said, ...]
    last_at: datetime | None
    now: datetime


def assemble(seen: Seen) -> RunStatus:
    """The status of a run."""
    state, record, now = seen.state, seen.record, seen.now
    steps = tuple(_steps(seen, seen.plan.forward.values()))
    rollback = tuple(_steps(seen, (planned for key, planned in seen.plan.rollback.items() if key in seen.to_undo)))
    until = state.ended_at or now
    closes = state.window_closes
    return RunStatus(
        id=record.id,
        runbook=record.runbook,
        title=record.title or record.runbook,
        environment=record.environment,
        mode=record.mode,
        runner=record.runner,
        timezone=seen.bundle.runbook.timezone,
        state=state.state,
        held=state.held,
        held_by=person(seen.bundle.people, state.held_by) if state.held_by else "",
        held_why=state.held_why,
        now=now,
        created=record.created_at,
        window_opens=state.window_opens,
        window_closes=closes,
        started=state.started_at,
        ended=state.ended_at,
        elapsed=max(until - state.started_at, timedelta()) if state.started_at is not None else None,
        planned_end=seen.baseline.schedule.ends_likely,
        stages=stages_of(StageSources(seen.plan, seen.baseline.schedule, seen.bundle.people, state), steps, rollback),
        steps=steps,
        rollback=rollback,
        waiting=tuple(_waiting(seen)),
        suspensions=tuple(_suspensions(seen)),
        clocks=clocks_of(seen.bundle.runbook.clocks, steps, until, undone=state.state is RunState.ROLLED_BACK),
        outcome=_outcome(seen),
        rollback_why=state.rollback_why,
        rollback_to=state.rollback_to,
        events=seen.said,
        engine=_engine(state, seen.ownership),
        seq=state.seq,
        age=max(now - seen.last_at, timedelta()) if seen.last_at is not None else None,
    )


def _steps(seen: Seen, planned: Iterable[PlannedStep]) -> Iterable[StepStatus]:
    critical = frozenset(seen.forecast.critical_path)
    owners: dict[str, str] = {}
    over = seen.state.state.final
    for step in planned:
        if step.owner not in owners:
            owners[step.owner] = person(seen.bundle.people, step.owner)
        record = seen.state.steps.get(step.key)
        left_out = seen.plan.skipped.get(step.key, "") if step.phase is Phase.FORWARD else ""
        state = record.state if record is not None else StepState.SKIPPED if left_out else StepState.PENDING
        yield StepStatus(
            key=step.key,
            stage=step.stage,
            phase=step.phase,
            kind=step.step.kind,
            title=step.step.title or step.key,
            owner=owners[step.owner],
            state=state,
            attempt=record.attempt if record is not None else 0,
            background=step.background,
            critical=step.key in critical,
            point_of_no_return=step.step.point_of_no_return,
            expected=step.expected,
            started=record.started_at if record is not None else None,
            ended=record.ended_at if record is not None else None,
            elapsed=_elapsed(record, seen.now),
            ends=None if over else seen.forecast.ends.get(step.key),
            reason=record.reason if record is not None and record.reason else left_out,
            summary=record.summary if record is not None else "",
            progress=_progress(record),
            repair=step.step.repair,
            adjusted=_adjusted(seen, record),
            speed=_speed(seen, step, record),
        )


def _speed(seen: Seen, step: PlannedStep, record: StepRecord | None) -> Speed | None:
    if record is None or record.state is not StepState.RUNNING or record.progress is None:
        return None
    times = seen.baseline.schedule.steps.get(step.key)
    planned = times.likely.ends if times is not None else None
    return speed_of(step, record, Deadlines(planned, seen.state.window_closes, seen.forecast), seen.now)


def _adjusted(seen: Seen, record: StepRecord | None) -> tuple[AdjustedStatus, ...]:
    entries = record.adjusted if record is not None else {}
    return tuple(
        AdjustedStatus(name, entry.value, person(seen.bundle.people, entry.by), entry.why, entry.at)
        for name, entry in entries.items()
    )


def _elapsed(record: StepRecord | None, now: datetime) -> timedelta | None:
    if record is None or record.started_at is None:
        return None
    return max((record.ended_at or now) - record.started_at, timedelta())


def _progress(record: StepRecord | None) -> Progress | None:
    if record is None or record.progress is None:
        return None
    told = record.progress
    figures = told.get("figures")
    known = figures if isinstance(figures, dict) else {}
    return Progress(
        done=number(told.get("done")) or 0.0,
        total=number(told.get("total")),
        unit=str(told.get("unit") or ""),
        rate=number(known.get("rate")),
        at=moment_in(told.get("at")),
        figures=known,
    )


def _waiting(seen: Seen) -> Iterable[Waiting]:
    for key, decision in seen.state.decisions.items():
        quorum = decision.data.get("quorum")
        needed = quorum if isinstance(quorum, int) else 1
        if len(decision.approvals) >= needed and not decision.refusals:
            continue  # decided; the engine has not acted on it yet
        yield _question(seen, key, decision, needed)


def _question(seen: Seen, key: str, decision: OpenDecision, quorum: int) -> Waiting:
    people = seen.bundle.people
    deciders = decision.data.get("deciders")
    names = everybody(people, map(str, deciders)) if isinstance(deciders, list) else ()
    planned = seen.plan.forward.get(key) or seen.plan.rollback.get(key)
    return Waiting(
        step=key,
        stage=planned.stage if planned is not None else "",
        ask=str(decision.data.get("ask") or ""),
        form=str(decision.data.get("form") or "approval"),
        typed=str(decision.data.get("typed") or ""),
        evidence=str(decision.data.get("evidence") or ""),
        deciders=names,
        quorum=quorum,
        got=tuple(person(people, who) for who in decision.approvals),
        refused=tuple(person(people, who) for who in decision.refusals),
        asked=decision.asked_at,
        by=moment_in(decision.data.get("by")),
        lapsed=decision.lapsed,
    )


def _suspensions(seen: Seen) -> Iterable[SuspensionStatus]:
    for entry in seen.state.suspensions.values():
        yield SuspensionStatus(
            what=entry.what,
            step=entry.step,
            since=entry.since,
            resume_by=entry.resume_by,
            expires=entry.expires,
            left_by=person(seen.bundle.people, entry.left_by) if entry.left_by else "",
        )


def _outcome(seen: Seen) -> Outcome:
    forecast, closes, plan = seen.forecast, seen.state.window_closes, seen.plan
    over = seen.state.state.final
    back = {planned.stage for key, planned in plan.rollback.items() if key in seen.to_undo}
    offered = seen.state.state in {RunState.PLANNED, RunState.RUNNING, RunState.STOPPING} and not forecast.point_passed
    return Outcome(
        ends_likely=forecast.ends_likely,
        ends_worst=forecast.ends_worst,
        late_likely=forecast.late_likely,
        late_worst=forecast.late_worst,
        until_closes=closes - seen.now if closes is not None and not over else None,
        latest_safe_rollback=forecast.latest_safe_start if offered else None,
        countdown=forecast.countdown if offered else None,
        rollback=forecast.rollback,
        loses=losses_of(stage for name, stage in plan.stages.items() if name in back),
        point_passed=forecast.point_passed,
        point_step=next(iter(plan.points_of_no_return), ""),
        next=forecast.next,
    )


def _engine(state: RunRecordState, ownership: Ownership) -> EngineStatus | None:
    owner, told = ownership.owner, state.engine
    if owner is None and not told:
        return None
    pid = told.get("pid")
    return EngineStatus(
        name=owner.name if owner is not None else "",
        kind=str(told.get("engine") or ""),
        host=owner.host if owner is not None else str(told.get("host") or ""),
        pid=owner.pid if owner is not None else pid if isinstance(pid, int) else 0,
        epoch=ownership.epoch,
        live=ownership.live,
        until=ownership.until,
        stopped=bool(told.get("stopped")),
    )
