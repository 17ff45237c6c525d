"""The run card: one message that always says where the run stands, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from changeover.contracts import RunState, StepState
from changeover.notify.blocks import bold, code, context, escape, header, paragraph, plain
from changeover.notify.correspondent import Card
from changeover.notify.outlet import Post
from changeover.notify.thread import mode_word
from changeover.plan.saying import about
from changeover.status.model import RunStatus, StageState, StageStatus, StepStatus, Waiting
from changeover.status.speed import Speed

_RUN_GLYPHS: Final[dict[RunState, str]] = {
    RunState.PLANNED: "○",
    RunState.RUNNING: "▶",
    RunState.STOPPING: "◼",
    RunState.ROLLING_BACK: "◀",
    RunState.ABORTING: "◼",
    RunState.SUCCEEDED: "✓",
    RunState.ROLLED_BACK: "↶",
    RunState.ABORTED: "✗",
}

_STAGE_GLYPHS: Final[dict[StageState, str]] = {
    StageState.PENDING: "·",
    StageState.RUNNING: "▶",
    StageState.WAITING: "!",
    StageState.FAILED: "✗",
    StageState.UNKNOWN: "?",
    StageState.PASSED: "✓",
    StageState.SKIPPED: "»",
    StageState.UNDOING: "◀",
    StageState.UNDONE: "↶",
}

#: Lines of each sort on the card; what does not fit is counted.
_STAGES: Final = 20
_OTHERS: Final = 6


def card(status: RunStatus) -> Card:
    """The card that *status* deserves; its mood is what people must not learn two seconds late."""
    title = headline(status)
    blocks = [header(title), paragraph(*_where(status))]
    blocks += [paragraph(*pieces) for pieces in _sections(status)]
    blocks.append(context(_footer(status)))
    needs = ", ".join(waiting.step for waiting in status.waiting) or ", ".join(step.key for step in status.failed)
    text = f"{title}{f': needs a decision on {needs}' if needs and not status.state.final else ''}"
    mood = (
        status.state,
        status.held,
        tuple((waiting.step, waiting.got, waiting.refused, waiting.lapsed) for waiting in status.waiting),
        tuple(step.key for step in status.failed),
        status.outcome.point_passed,
        status.missed_at_this_rate is not None,
        tuple(step.key for step in status.running if step.hold is not None),
    )
    return Card(Post(escape(text), blocks, {"run": status.id, "card": 1}), mood)


def headline(status: RunStatus) -> str:
    """State, mode and title in one line."""
    word = status.state.value.replace("_", " ").upper()
    held = " · ‖ HELD" if status.held and not status.state.final else ""
    return f"{_RUN_GLYPHS[status.state]} {word}{held} · {mode_word(status.mode)} · {status.title or status.runbook}"


def _sections(status: RunStatus) -> Iterator[list[dict[str, Any]]]:
    if not status.state.final:
        needed = [*_waiting(status), *_failed(status)]
        if status.held:
            needed = [*_held(status), *needed]
        if needed:
            yield [bold("Needs a decision"), *needed]
    if status.suspensions:
        off = [suspension.what for suspension in status.suspensions]
        yield [bold("Switched off now: "), plain(_listed(off))]
    if status.stages:
        yield [bold("Stages"), *_stages(status)]
    running = [step for step in status.running if status.state is not RunState.PLANNED]
    if running:
        yield [bold("Running"), *_running(running, ZoneInfo(status.timezone))]


def _where(status: RunStatus) -> list[dict[str, Any]]:
    zone = ZoneInfo(status.timezone)
    done = sum(status.counts.get(state, 0) for state in (StepState.PASSED, StepState.SKIPPED, StepState.WAIVED))
    pieces = [plain(f"{done} of {len(status.steps)} steps"), plain(_failures(status))]
    outcome = status.outcome
    if status.state.final:
        pieces.append(plain(f" · ended {_clock(status.ended, zone)} after {about(status.elapsed or timedelta())}"))
    else:
        late = f", {about(outcome.late_likely)} late" if outcome.late_likely > timedelta(minutes=1) else ""
        pieces += [plain(" · end expected "), bold(f"{_clock(outcome.ends_likely, zone)}{late}")]
        if status.missed_at_this_rate is not None:
            pieces.append(bold(f" · at this rate the window is missed by {about(status.missed_at_this_rate)}"))
        if status.window_closes is not None:
            pieces.append(plain(f" · window closes {_clock(status.window_closes, zone)}"))
        pieces += _way_back(status, zone)
    if status.rollback_why:
        pieces.append(plain(f"\nRolled back because: {status.rollback_why}"))
    return pieces


def _way_back(status: RunStatus, zone: ZoneInfo) -> list[dict[str, Any]]:
    outcome = status.outcome
    if status.state in {RunState.STOPPING, RunState.ROLLING_BACK, RunState.ABORTING}:
        return []
    if outcome.point_passed:
        return [plain("\n"), bold(f"The point of no return ({outcome.point_step}) has been passed")]
    if outcome.latest_safe_rollback is None:
        return []
    gone = outcome.countdown is not None and outcome.countdown < timedelta()
    said = "was" if gone else "is"
    return [plain(f"\nThe latest safe start of a rollback {said} "), bold(_clock(outcome.latest_safe_rollback, zone))]


def _failures(status: RunStatus) -> str:
    return f", {len(status.failed)} failed" if status.failed else ""


def _held(status: RunStatus) -> Iterator[dict[str, Any]]:
    yield plain(f"\nHeld by {status.held_by or 'the engine'}: {status.held_why}. ")
    yield code(f"changeover release {status.id} --why ...")


def _waiting(status: RunStatus) -> Iterator[dict[str, Any]]:
    zone = ZoneInfo(status.timezone)
    for waiting in status.waiting[:_OTHERS]:
        who = " or ".join(waiting.deciders) or "anybody"
        quorum = f" ({len(waiting.got)} of {waiting.quorum})" if waiting.quorum > 1 else ""
        by = f", by {_clock(waiting.by, zone)}" if waiting.by else ""
        yield plain("\n")
        yield bold(f"{who}{quorum}{by}: ")
        yield plain(f"{waiting.ask} ")
        yield code(_command(status, waiting))
    if len(status.waiting) > _OTHERS:
        yield plain(f"\nand {len(status.waiting) - _OTHERS} more")


def _command(status: RunStatus, waiting: Waiting) -> str:
    if waiting.form == "task":
        return f"changeover done {status.id} {waiting.step}"
    typed = f" --type {waiting.typed}" if waiting.form == "typed" else ""
    return f"changeover approve {status.id} {waiting.step}{typed} --why ..."


def _failed(status: RunStatus) -> Iterator[dict[str, Any]]:
    for step in status.failed[:_OTHERS]:
        yield plain("\n")
        yield bold(f"{step.key} {step.state.value.replace('_', ' ')}")
        yield plain(f": {step.reason} ")
        yield code(f"changeover retry {status.id} {step.key} --why ...")
    if len(status.failed) > _OTHERS:
        yield plain(f"\nand {len(status.failed) - _OTHERS} more")


def _stages(status: RunStatus) -> Iterator[dict[str, Any]]:
    zone = ZoneInfo(status.timezone)
    shown = status.stages if len(status.stages) <= _STAGES else [stage for stage in status.stages if _is_open(stage)][:_STAGES]
    for stage in shown:
        when = _clock(stage.ended or stage.ends, zone) if stage.state is not StageState.SKIPPED else ""
        word = {StageState.UNDOING: f"undoing {stage.undone} of {stage.to_undo}"}.get(stage.state, stage.state.value)
        count = (
            f" {stage.done}/{stage.total}" if stage.state in {StageState.RUNNING, StageState.FAILED, StageState.WAITING} else ""
        )
        yield plain(f"\n{_STAGE_GLYPHS[stage.state]} {stage.title or stage.id}: {word}{count}{f' · {when}' if when else ''}")
    if len(shown) < len(status.stages):
        yield plain(f"\nand {len(status.stages) - len(shown)} more")


def _is_open(stage: StageStatus) -> bool:
    return stage.state not in {StageState.PASSED, StageState.SKIPPED, StageState.UNDONE}


def _running(running: list[StepStatus], zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    for step in running[:_OTHERS]:
        parts = [f"\n{step.key} {about(step.elapsed or timedelta())} of {about(step.expected.likely)}"]
        if step.progress is not None and step.progress.part is not None:
            parts.append(f"{step.progress.part:.0%}")
        if step.progress is not None and step.progress.rate:
            parts.append(f"{step.progress.rate:,.0f} {step.progress.unit}/s")
        if step.speed is not None:
            parts += _speed(step.speed, zone)
        if step.hold is not None:
            parts.append(f"HELD by {step.hold.by}: {step.hold.why}")
        yield plain(", ".join(parts))
    if len(running) > _OTHERS:
        yield plain(f"\nand {len(running) - _OTHERS} more")


def _speed(speed: Speed, zone: ZoneInfo) -> Iterator[str]:
    if speed.required is not None:
        yield f"required {speed.required:,.0f}/s for the {speed.required_for}"
    yield f"done {_clock(speed.ends_likely, zone)}"
    if speed.because:
        yield speed.because


def _footer(status: RunStatus) -> str:
    local = status.now.astimezone(ZoneInfo(status.timezone))
    engine = (
        "" if status.engine is None or status.engine.live or status.state.final else " · NO ENGINE IS ALIVE: changeover resume"
    )
    return f"{status.id} · {status.environment} · as of {local:%a %H:%M:%S} UTC{local.isoformat()[-6:]}{engine}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _OTHERS} more" if len(names) > _OTHERS else ""
    return ", ".join(names[:_OTHERS]) + more


def _clock(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %H:%M}" if moment else ""
