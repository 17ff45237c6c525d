"""What a demonstration shows: stages and steps as they happen, and at the end what became of everything."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from changeover.cli import render, stage_signs
from changeover.contracts import Phase, StepState
from changeover.journal.events import Event, EventKind
from changeover.status.words import sentence

if TYPE_CHECKING:
    from rich.console import Console

    from changeover.plan.model import Plan, PlannedStep
    from changeover.sandbox.cast import Act
    from changeover.sandbox.comparison import Compared
    from changeover.sandbox.fingerprint import Fact
    from changeover.status.model import RunStatus
    from changeover.status.read import StatusReader

#: Seconds between two lines about the same step's progress.
_PROGRESS_EVERY: Final = timedelta(seconds=2)
_NAME: Final = 31

#: What is shown as the sentence that it is.
_SAID: Final = frozenset(
    {
        EventKind.ROLLBACK_REQUESTED,
        EventKind.ROLLBACK_STARTED,
        EventKind.RUN_HELD,
        EventKind.RUN_RELEASED,
        EventKind.STEP_RETRYING,
        EventKind.STEP_UNKNOWN,
        EventKind.STEP_ASKED,
        EventKind.ENGINE_STARTED,
        EventKind.RUN_SUCCEEDED,
        EventKind.RUN_ROLLED_BACK,
        EventKind.RUN_ABORTED,
        EventKind.WARNED,
    }
)


class DemoView:
    """Shows a run to an audience, a line at a time."""

    def __init__(self, console: Console, reader: Callable[[str], StatusReader]) -> None:
        self._console = console
        self._reader = reader
        self._plan: Plan | None = None
        self._names: Mapping[str, str] = {}
        self._stage: tuple[str, Phase] | None = None
        self._started: dict[str, datetime] = {}
        self._told: dict[str, datetime] = {}  # progress of a step, last shown

    def line(self, *pieces: tuple[str, str] | str, whole: bool = False) -> None:
        """Print one line; on a terminal it is cut to its width, unless people need the *whole* of it."""
        text = render.styled(*pieces)
        if self._console.is_terminal and not whole:
            render.cut(text, self._console.width)
        self._console.print(text, soft_wrap=True)

    def begins(self, run: str) -> None:
        """The run has a name."""
        reader = self._reader(run)
        self._plan = reader.plan
        self._names = {name: person.name for name, person in reader.bundle.people.persons.items()}
        self.line()
        self.line("The run is ", (run, render.FINE), ("; watch it from another terminal:", render.FAINT))
        self.line((f"   .venv/bin/changeover watch {run}", render.FAINT), whole=True)

    def sees(self, event: Event) -> None:
        """One event of the journal."""
        if event.kind in _SAID:
            self._say(event)
        elif event.kind is EventKind.STEP_STARTED:
            self._starts(event)
        elif event.kind is EventKind.STEP_PROGRESSED:
            self._progresses(event)
        elif event.kind in {EventKind.STEP_PASSED, EventKind.STEP_FAILED, EventKind.STEP_SKIPPED}:
            self._ends(event)
        elif event.kind is EventKind.DECISION_ASKED:
            self._asks(event)
        elif event.kind is EventKind.STEP_SAID and self._announces(event.step):
            self.line("   ", ('"' + render.safe(str(event.data.get("line", ""))) + '"', render.BUSY))

    def types(self, act: Act, words: Sequence[str]) -> None:
        """A person types a command."""
        name = self._names.get(act.who, act.who)
        self.line((f"   {name}: ", render.BUSY), ("$ changeover ", render.FAINT), render.safe(shlex.join(words)), whole=True)

    def refuses(self, act: Act, answer: str) -> None:
        """The program did not do what a person wanted."""
        self.line(f"     {self._names.get(act.who, act.who)} is told: ", (render.safe(answer), render.LOUD), whole=True)

    def _say(self, event: Event) -> None:
        style = render.CARE if event.kind is not EventKind.RUN_SUCCEEDED else render.FINE
        self.line(" ", (render.safe(sentence(event, self._plan)).replace("`", ""), style))

    def _starts(self, event: Event) -> None:
        planned = self._planned(event.step)
        self._started[event.step] = event.at
        if planned is None:
            return
        self._enter(planned)
        if planned.background:
            self.line(
                (f"   {render.STEP_SIGNS[StepState.RUNNING].mark} ", render.BUSY), f"{event.step:<{_NAME}} {planned.step.title}"
            )

    def _enter(self, planned: PlannedStep) -> None:
        """Print the head of a stage when its first step starts."""
        where = (planned.stage, planned.phase)
        if where == self._stage or self._plan is None:
            return
        self._stage = where
        stage = self._plan.stages[planned.stage]
        back = "back: " if planned.phase is Phase.ROLLBACK else ""
        self.line()
        style = render.LOUD if back else render.FINE
        self.line((f"== {back}{stage.title or stage.id} ", style), (f"({stage.id}, {stage.owner})", render.FAINT))

    def _progresses(self, event: Event) -> None:
        planned = self._planned(event.step)
        before = self._told.get(event.step, self._started.get(event.step, event.at))
        if planned is None or planned.step.kind != "migrate" or event.at - before < _PROGRESS_EVERY:
            return
        self._told[event.step] = event.at
        done, total = event.data.get("done"), event.data.get("total")
        if isinstance(done, int) and isinstance(total, int) and total:
            self.line("     ", (f"{event.step}: {done:,} of {total:,} {event.data.get('unit', '')}", render.FAINT))

    def _ends(self, event: Event) -> None:
        planned = self._planned(event.step)
        if planned is not None:
            self._enter(planned)
        state = {
            EventKind.STEP_PASSED: StepState.PASSED,
            EventKind.STEP_FAILED: StepState.FAILED,
            EventKind.STEP_SKIPPED: StepState.SKIPPED,
        }[event.kind]
        sign = render.STEP_SIGNS[state]
        words = render.safe(str(event.data.get("summary" if state is StepState.PASSED else "reason") or sign.word))
        if planned is not None and state is StepState.PASSED:
            if planned.step.kind == "notify":
                return  # it has just been read
            words = f"{planned.step.title}: {words}" if planned.step.kind == "check" else planned.step.title or words
        style = render.CARE if words.startswith("warning") or ": warning" in words else sign.style
        took = event.at - self._started.get(event.step, event.at)
        self.line(
            (f"   {sign.mark} ", sign.style),
            (f"{event.step:<{_NAME}} ", ""),
            (f"{took.total_seconds():5.1f} s  ", render.FAINT),
            (words, "" if state is StepState.PASSED and style is sign.style else style),
            whole=state is StepState.FAILED,
        )

    def _asks(self, event: Event) -> None:
        deciders = event.data.get("deciders")
        who = ", ".join(map(str, deciders)) if isinstance(deciders, list) and deciders else "anybody"
        self.line(
            (f"   {render.WAITING.mark} ", render.CARE),
            f"{event.step:<{_NAME}} ",
            (f"asks {who}: ", render.CARE),
            render.safe(str(event.data.get("ask", ""))),
        )

    def _announces(self, step: str) -> bool:
        planned = self._planned(step)
        return planned is not None and planned.step.kind == "notify"

    def _planned(self, step: str) -> PlannedStep | None:
        try:
            return self._plan.step(step) if self._plan is not None else None
        except KeyError:
            return None


def stages_table(view: DemoView, status: RunStatus) -> None:
    """What became of each stage, what it took and what was planned for the real night."""
    view.line()
    view.line((f"{'stage':<12} {'state':<18} {'steps':>7}  {'took':>8}  planned for the night", render.FAINT))
    for stage in status.stages:
        sign = stage_signs.stage_sign(stage.state, status.state)
        took = stage.ended - stage.started if stage.ended and stage.started else None
        planned = stage.planned_end - stage.planned_start if stage.planned_end and stage.planned_start else None
        count = f"{stage.undone}/{stage.to_undo}" if stage.to_undo and status.rollback_why else f"{stage.done}/{stage.total}"
        view.line(
            f"{stage.id:<12} ",
            (f"{sign.text():<18} ", sign.style),
            f"{count:>7}  {render.duration(took):>8}  {render.duration(planned)}",
        )


def comparison_table(view: DemoView, compared: Sequence[Compared]) -> bool:
    """Rows and checksums of both sides; whether all agree."""
    view.line()
    head = f"{'table':<16} {'old CRM':>10} {'new CRM':>10}   {'old checksum':<13} {'new checksum':<13}"
    view.line((f"{head} agree?", render.FAINT))
    for entry in compared:
        sign = render.STEP_SIGNS[StepState.PASSED if entry.agrees else StepState.FAILED]
        rows = f"{entry.table:<16} {entry.source_rows:>10,} {entry.target_rows:>10,}"
        view.line(
            f"{rows}   {entry.source:<13} {entry.target:<13} ", (f"{sign.mark} {'yes' if entry.agrees else 'NO'}", sign.style)
        )
    return all(entry.agrees for entry in compared)


def fingerprint_table(view: DemoView, before: Sequence[Fact], after: Sequence[Fact]) -> bool:
    """The sandbox before and after; whether nothing differs."""
    now = {(fact.sort, fact.name): fact.value for fact in after}
    view.line()
    view.line((f"{'':<11} {'':<28} {'before':<28} {'after':<28} as before?", render.FAINT))
    same = True
    for fact in before:
        value = now.get((fact.sort, fact.name), "is gone")
        equal = value == fact.value
        same = same and equal
        sign = render.STEP_SIGNS[StepState.PASSED if equal else StepState.FAILED]
        view.line(
            f"{fact.sort:<11} {fact.name:<28} {fact.value:<28} {value:<28} ",
            (f"{sign.mark} {'yes' if equal else 'NO'}", sign.style),
        )
    return same and len(now) == len(before)
