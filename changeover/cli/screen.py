"""The live view as lines that fit any terminal: what waits for people first and whole, everything else as room allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rich.text import Text

from changeover.cli import render
from changeover.cli.render import ALARM, CARE, FAINT, FINE, HELD, LOUD, MODE_STYLES, PLAIN, RUN_SIGNS
from changeover.cli.stage_signs import STAGE_SIGNS, stage_sign
from changeover.cli.wording import Need, needs
from changeover.contracts import RunState, StepState
from changeover.journal.events import EventKind
from changeover.plan.saying import offset
from changeover.status.model import ClockState, RunStatus, StageState, StageStatus, StepStatus
from changeover.status.speed import Speed

#: From this many columns on there is room for times and bars.
_WIDE: Final = 100
_MIDDLE: Final = 64
#: From this many columns on a stage has room for a long bar beside its times.
_WIDEST: Final = 116
#: Lines kept for what runs, however much waits; and facts shown in any case.
_SPARE: Final = 3
_FEWEST_FACTS: Final = 1
#: Below this many lines the heads of sections go.
_LOW: Final = 18


@dataclass(frozen=True, slots=True)
class Section:
    """Some lines under a head, and how many of them must be seen."""

    head: str
    lines: Sequence[Text]
    least: int
    from_the_end: bool = False  # the last lines matter most


def screen(status: RunStatus, *, width: int, height: int, alone: bool = False, notes: Sequence[str] = ()) -> list[Text]:
    """At most *height* lines of at most *width* columns; *notes* are what the engine here has to say."""
    wanted = list(_needs(needs(status, alone=alone), width))
    head, *facts = _header(status, width)
    said = [line for note in notes for line in _wrapped(render.styled((render.safe(note), LOUD)), width)]
    room = max(height - 1 - len(said) - len(wanted) - _SPARE, _FEWEST_FACTS)
    top = [head, *said, *facts[:room], *wanted]
    sections = [
        Section("Switched off now", _suspensions(status), 1),
        Section("Clocks", _clocks(status), 1),
        Section("Running", _running(status, width), 2),
        Section("Stages", _stages(status, width), 3),
        Section("What happened", _events(status), 2, from_the_end=True),
    ]
    lines = [*top, *_fitted([section for section in sections if section.lines], height - len(top), width)]
    for line in lines:
        render.cut(line, width)
    return lines[:height]


def _header(status: RunStatus, width: int) -> Iterator[Text]:
    sign = RUN_SIGNS[status.state]
    held: list[tuple[str, str] | str] = [(f" {HELD.text()} ", HELD.style), " "] if status.held and not status.state.final else []
    yield render.styled(
        (f" {sign.text()} ", f"reverse {sign.style}"),
        " ",
        *held,
        (f" {render.mode_text(status.mode)} ", MODE_STYLES[status.mode]),
        (f" {render.safe(status.title or status.runbook)}", "bold"),
    )
    yield from _flowed(_facts(status), width)


def _facts(status: RunStatus) -> Iterator[Text]:
    """Small facts that flow into as many lines as they need."""
    zone = ZoneInfo(status.timezone)
    local = f"{render.clock(status.now, zone, day=True, seconds=True)} UTC{offset(status.now, zone)}"
    yield render.styled((local, "bold"))
    yield render.styled((status.id, FAINT))
    yield render.styled((f"{_age(status)}", CARE if status.age and status.age > timedelta(minutes=1) else FAINT))
    done = sum(status.counts.get(state, 0) for state in (StepState.PASSED, StepState.SKIPPED, StepState.WAIVED))
    failed = f", {len(status.failed)} failed" if status.failed else ""
    yield render.styled(f"{done} of {len(status.steps)} steps", (failed, LOUD))
    if status.state.final:
        yield render.styled(f"took {render.duration(status.elapsed)}")
        return
    if status.elapsed is not None:
        yield render.styled(f"running for {render.duration(status.elapsed)}")
    if status.state is not RunState.ABORTING:
        yield from _times(status, zone)


def _times(status: RunStatus, zone: ZoneInfo) -> Iterator[Text]:
    outcome = status.outcome
    if status.window_closes is not None and outcome.until_closes is not None:
        gone = outcome.until_closes < timedelta()
        left = f"closed {render.duration(-outcome.until_closes)} ago" if gone else f"in {render.duration(outcome.until_closes)}"
        text = f"window closes {render.clock(status.window_closes, zone, day=True)} ({left})"
        yield render.styled((text, ALARM if gone else PLAIN))
    if status.state in {RunState.STOPPING, RunState.ROLLING_BACK}:
        yield render.styled((f"rolled back by {render.clock(outcome.ends_likely, zone, day=True, seconds=True)}", "bold"))
        yield from _way_back(status, zone)
        return
    likely, worst = (render.clock(moment, zone, day=True) for moment in (outcome.ends_likely, outcome.ends_worst))
    late, plan = outcome.late_likely > timedelta(), _against_plan(status)
    yield render.styled((f"end expected {likely}", ALARM if late else "bold"), (f", at worst {worst}{plan}", PLAIN))
    missed = status.missed_at_this_rate
    if missed is not None:
        yield render.styled((f"at this rate the window is missed by {render.duration(missed)}", ALARM))
    yield from _way_back(status, zone)


def _against_plan(status: RunStatus) -> str:
    if status.planned_end is None:
        return ""
    slip = status.outcome.ends_likely - status.planned_end
    if abs(slip) < timedelta(minutes=1):
        return ", as planned"
    return f", {render.duration(abs(slip))} {'later' if slip > timedelta() else 'earlier'} than planned"


def _way_back(status: RunStatus, zone: ZoneInfo) -> Iterator[Text]:
    outcome = status.outcome
    if status.state in {RunState.STOPPING, RunState.ROLLING_BACK, RunState.ABORTING}:
        if status.rollback_why:
            yield render.styled((f"rolled back because: {render.safe(status.rollback_why)}", LOUD))
        return
    if outcome.point_passed:
        yield render.styled((f"PAST THE POINT OF NO RETURN ({outcome.point_step})", LOUD))
        return
    if outcome.latest_safe_rollback is not None and outcome.countdown is not None:
        gone = outcome.countdown < timedelta()
        left = f"{render.duration(-outcome.countdown)} ago" if gone else f"in {render.duration(outcome.countdown)}"
        at = render.clock(outcome.latest_safe_rollback, zone, day=True)
        yield render.styled((f"latest safe rollback start {at} ({left})", ALARM if gone else FINE))
    if outcome.rollback.worst:
        loses = f", loses {'; '.join(outcome.loses)}" if outcome.loses else ""
        yield render.styled((render.safe(f"going back now takes {render.duration(outcome.rollback.likely)}{loses}"), PLAIN))
    if outcome.point_step:
        yield render.styled((f"point of no return ahead: {outcome.point_step}", FAINT))


def _age(status: RunStatus) -> str:
    if status.state.final:
        return "over"
    engine = status.engine
    alive = (
        "no engine yet"
        if engine is None
        else "engine alive"
        if engine.live
        else "engine stopped"
        if engine.stopped
        else "ENGINE GONE"
    )
    return f"{alive}, last event {render.duration(status.age)} ago" if status.age is not None else alive


def _flowed(pieces: Iterator[Text], width: int) -> Iterator[Text]:
    """*pieces* beside each other while they fit, whole words below each other where they do not."""
    line: Text | None = None
    for piece in pieces:
        if line is not None and line.cell_len + piece.cell_len + 3 <= width:
            line.append(render.separator(), style=FAINT)
            line.append_text(piece)
            continue
        if line is not None:
            yield line
        *whole, line = _wrapped(piece, width)
        yield from whole
    if line is not None:
        yield line


def _needs(found: Sequence[Need], width: int) -> Iterator[Text]:
    """Whole, wrapped, never cut: somebody has to type it."""
    if not found:
        return
    yield render.styled((f" {render.WAITING.mark} {len(found)} NEED{'S' if len(found) == 1 else ''} A DECISION ", ALARM))
    for need in found:
        glyph = need.glyph if render.glyphs_work() else "!"
        yield from _wrapped(render.styled((f"{glyph} {render.safe(need.who)}: ", LOUD), render.safe(need.what)), width)
        if width < _MIDDLE and need.commands:
            yield from _short(need, width)
            continue
        for number, words in enumerate(need.commands):
            lead = "  type " if number == 0 else "    or "
            yield from _wrapped(render.styled((lead, FAINT), (render.safe(words), FINE)), width, indent="       ")


def _short(need: Need, width: int) -> Iterator[Text]:
    """One command whole; of the others the verb only."""
    first, *others = need.commands
    yield from _wrapped(render.styled(("  type ", FAINT), (render.safe(first), FINE)), width, indent="    ")
    if others:
        verbs = ", ".join(words.split()[1] for words in others)
        yield from _wrapped(render.styled((f"  or {verbs}", FAINT)), width)


def _suspensions(status: RunStatus) -> list[Text]:
    zone = ZoneInfo(status.timezone)
    found: list[Text] = []
    for suspension in status.suspensions:
        until = f", until {suspension.resume_by}" if suspension.resume_by else ""
        expires = f", expires {render.clock(suspension.expires, zone, day=True)}" if suspension.expires else ""
        left = f", accepted by {suspension.left_by}" if suspension.left_by else ""
        since = render.clock(suspension.since, zone)
        found.append(render.styled(("  " + suspension.what, CARE), f" since {since}{until}{expires}{left}"))
    return found


def _clocks(status: RunStatus) -> list[Text]:
    found: list[Text] = []
    for impact in status.clocks:
        if impact.state is ClockState.RUNNING:
            text = f"  {impact.title}: {render.duration(impact.lasts)} of {render.duration(impact.budget)}"
            likely = f", likely {render.duration(impact.likely)}" if impact.likely else ""
            found.append(render.styled((text + likely, ALARM if impact.over else PLAIN)))
    return found


def _running(status: RunStatus, width: int) -> list[Text]:
    found: list[Text] = []
    asked = {waiting.step for waiting in status.waiting}
    for step in status.running:
        if step.key in asked:
            continue  # it stands above already
        found += _running_step(step, width, ZoneInfo(status.timezone))
    unknown = [step for step in status.failed if step.state is StepState.UNKNOWN]
    found += [render.styled((f"  ? {step.key}: whether it happened is being found out", ALARM)) for step in unknown]
    retrying = [step for step in (*status.steps, *status.rollback) if step.state is StepState.RETRYING]
    found += [
        render.styled((f"  {render.STEP_SIGNS[step.state].mark} {step.key} is tried again: {step.reason}", CARE))
        for step in retrying
    ]
    return found


def _running_step(step: StepStatus, width: int, zone: ZoneInfo) -> Iterator[Text]:
    sign = render.STEP_SIGNS[step.state]
    share = step.progress.part if step.progress else None
    if share is None and step.expected.likely:
        share = min((step.elapsed or timedelta()) / step.expected.likely, 0.99)
    times = f"{render.duration(step.elapsed or timedelta())} of {render.duration(step.expected.likely)}"
    attempt = f" attempt {step.attempt}" if step.attempt > 1 else ""
    owner = f"  {step.owner}" if step.owner and width >= _MIDDLE else ""
    line = render.styled((f"  {sign.mark} {step.key}", sign.style), (attempt, CARE), "  ")
    if width >= _MIDDLE:
        line.append(render.bar(share, 16 if width >= _WIDE else 8) + " ", style=sign.style)
    line.append(times, style=ALARM if step.overdue else PLAIN)
    line.append(" overdue" if step.overdue else "", style=ALARM)
    line.append(render.safe(owner), style=FAINT)
    if step.hold is not None:
        line.append(render.safe(f"  HELD by {step.hold.by}: {step.hold.why}"), style=LOUD)
    if step.progress is None:
        yield line
        return
    rate = f"{step.progress.rate:,.0f} {step.progress.unit}/s" if step.progress.rate else ""
    total = f" of {step.progress.total:,.0f}" if step.progress.total else ""
    part = f" ({step.progress.part:.0%})" if step.progress.part is not None else ""
    figures = "  ".join(piece for piece in (f"{step.progress.done:,.0f}{total} {step.progress.unit}{part}", rate) if piece)
    if line.cell_len + len(figures) + 2 <= width:
        line.append(f"  {figures}")
        yield line
    else:
        yield line
        yield render.styled(f"      {figures}")
    if step.speed is not None:
        for row in _flowed(_speed(step.speed, step.progress.unit, zone, held=step.hold is not None), width - 6):
            yield Text("      ").append_text(row)


def _speed(speed: Speed, unit: str, zone: ZoneInfo, *, held: bool) -> Iterator[Text]:
    """The last minutes, what is required, and the end at this rate."""
    yield Text(f"5 min mean {speed.mean:,.0f} {unit}/s")
    if speed.required is not None:
        slow = speed.mean < speed.required
        yield render.styled((f"required {speed.required:,.0f} for the {speed.required_for}", CARE if slow else FINE))
    worst = f", at worst {render.clock(speed.ends_worst, zone)}" if speed.ends_worst > speed.ends_likely else ""
    yield Text(f"done {render.clock(speed.ends_likely, zone)}{worst}")
    if speed.tail is None:
        yield render.styled(("what comes after the rows was never measured", FAINT))
    elif speed.tail_from is not None:
        measured = f"{speed.tail_from.astimezone(zone):%Y-%m-%d}"
        yield Text(f"{render.duration(speed.tail)} of that after the rows, measured in rehearsal of {measured}")
    if speed.table and speed.table_ends is not None:
        yield render.styled((render.safe(f"table {speed.table} {render.clock(speed.table_ends, zone)}"), FAINT))
    if speed.part:
        yield render.styled((render.safe(speed.part), FAINT))
    if speed.because and not held:  # who holds it, and why, stands above
        yield render.styled((render.safe(speed.because), CARE))


def _stages(status: RunStatus, width: int) -> list[Text]:
    name_width = min(max((len(stage.title or stage.id) for stage in status.stages), default=0), max(width - 32, 12), 44)
    return [_stage(status, stage, width, name_width) for stage in status.stages]


def _stage(status: RunStatus, stage: StageStatus, width: int, name_width: int) -> Text:
    zone = ZoneInfo(status.timezone)
    sign = stage_sign(stage.state, status.state)
    name = Text(render.safe(stage.title or stage.id), style="bold" if stage.state not in _QUIET else PLAIN)
    render.cut(name, name_width, pad=True)
    undoing = stage.state in {StageState.UNDOING, StageState.UNDONE}
    done, total = (stage.undone, stage.to_undo) if undoing else (stage.done, stage.total)
    line = render.styled((f"  {sign.mark} ", sign.style))
    line.append_text(name)
    line.append(f"  {sign.word:<{16 if width >= _MIDDLE else 8}} ", style=sign.style)
    if width >= _MIDDLE:
        line.append(render.bar(done / total if total else 0.0, 16 if width >= _WIDEST else 8) + " ", style=sign.style)
    line.append(f"{done}/{total}")
    if width >= _WIDE and status.state in _AHEAD:
        line.append(_stage_times(stage, zone), style=FAINT)
        line.append(_slip(stage), style=CARE)
    return line


def _stage_times(stage: StageStatus, zone: ZoneInfo) -> str:
    ends = stage.ended or stage.ends or stage.planned_end
    if ends is None:
        return ""
    if stage.started is not None:
        return f"  {'' if stage.ended else 'expected '}{render.clock(stage.started, zone)} to {render.clock(ends, zone)}"
    if stage.planned_start is None or stage.planned_end is None:
        return f"  expected by {render.clock(ends, zone)}"
    if abs(ends - stage.planned_end) < timedelta(minutes=1):
        return f"  planned {render.clock(stage.planned_start, zone)} to {render.clock(ends, zone)}"
    return f"  expected by {render.clock(ends, zone)}, planned {render.clock(stage.planned_end, zone)}"


#: While a run stands there, its stages have times still to come.
_AHEAD: Final = frozenset({RunState.PLANNED, RunState.RUNNING, RunState.SUCCEEDED})

_QUIET: Final = frozenset({StageState.PENDING, StageState.PASSED, StageState.SKIPPED, StageState.UNDONE})


def _slip(stage: StageStatus) -> str:
    ends = stage.ended or stage.ends
    if ends is None or stage.planned_end is None or stage.state is StageState.PENDING:
        return ""
    slip = ends - stage.planned_end
    return f"  {render.duration(slip)} late" if slip >= timedelta(minutes=1) else ""


def _events(status: RunStatus) -> list[Text]:
    zone = ZoneInfo(status.timezone)
    found: list[Text] = []
    for said in status.events:
        if said.kind == EventKind.COMMAND_ANSWERED:
            continue  # what it led to stands there as well, and who asked was told
        line = render.styled((f"  {render.clock(said.at, zone, seconds=True)} ", FAINT))
        line.append_text(render.ticked(said.sentence))
        found.append(line)
    return found


def _fitted(sections: Sequence[Section], height: int, width: int) -> Iterator[Text]:
    """Share *height* lines: first the least that each section needs, then the rest in order."""
    heads = 1 if height >= _LOW else 0
    room = height - heads * len(sections)
    given = [0] * len(sections)
    for wanted in (lambda section: min(section.least, len(section.lines)), lambda section: len(section.lines)):
        room = _share(sections, given, room, wanted)
    for section, lines in zip(sections, given, strict=True):
        if not lines:
            continue
        if heads:
            rule = "─" if render.glyphs_work() else "-"
            yield render.styled((f"{section.head} {rule * (width - len(section.head) - 1)}", FAINT))
        yield from _shown(section, lines)


def _share(sections: Sequence[Section], given: list[int], room: int, wanted: Callable[[Section], int]) -> int:
    for number, section in enumerate(sections):
        more = max(min(wanted(section) - given[number], room), 0)
        given[number] += more
        room -= more
    return room


def _shown(section: Section, lines: int) -> Iterator[Text]:
    if len(section.lines) <= lines:
        yield from section.lines
    elif section.from_the_end:
        yield from section.lines[-lines:]
    elif lines == 1:
        yield section.lines[0]
    else:
        first = _window(section.lines, lines - 1)
        yield from section.lines[first : first + lines - 1]
        yield render.styled((f"    and {len(section.lines) - lines + 1} more", FAINT))


def _window(lines: Sequence[Text], room: int) -> int:
    """Where to begin, so that the first line in which something goes on is seen."""
    quiet = tuple(STAGE_SIGNS[state].mark for state in _QUIET)
    busy = next((number for number, line in enumerate(lines) if line.plain.strip()[:1] not in quiet), 0)
    return max(min(busy - 1, len(lines) - room), 0)


def _wrapped(text: Text, width: int, indent: str = "    ") -> Iterator[Text]:
    """*text* in lines of *width* columns, broken between words, and inside a word only when it is longer than a line."""
    first = True
    while text.cell_len > (room := max(width - (0 if first else len(indent)), 8)):
        cut = text.plain.rfind(" ", 1, room + 1)
        place = cut if cut > len(indent) or (cut > 0 and not first) else room
        head, text = text[:place], text[place + (1 if place == cut else 0) :]
        yield head if first else render.styled(indent).append_text(head)
        first = False
    yield text if first else render.styled(indent).append_text(text)
