"""``run`` and ``rehearse``: a runbook becomes a run, after everything that can be known before has been looked at."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from changeover.cli import render
from changeover.cli.asking import NotConfirmed
from changeover.cli.executing import Execution, execute
from changeover.cli.failing import warn
from changeover.cli.files import check_file
from changeover.cli.inputs import assignments, inputs_of
from changeover.cli.people import acting_person
from changeover.cli.session import Session, open_session
from changeover.contracts import Mode
from changeover.errors import Mistake
from changeover.plan.preflight import Examined, examine
from changeover.plan.saying import moment
from changeover.plan.window import window_of
from changeover.runbook.findings import Finding, RunbookRefused, Severity
from changeover.runbook.position import Position

if TYPE_CHECKING:
    from changeover.contracts import Value
    from changeover.runbook.bundle import Bundle
    from changeover.runbook.model import Runbook


class EngineChoice(StrEnum):
    """Where steps run."""

    AUTO = "auto"
    PREFECT = "prefect"
    LOCAL = "local"


class ModeChoice(StrEnum):
    """How much of the run is real."""

    DRY_RUN = "dry-run"
    REHEARSE = "rehearse"
    LIVE = "live"


@dataclass(eq=False)
class NoEnvironment(Mistake):
    """The runbook acts on systems, and no environment was named."""

    known: tuple[str, ...]

    def __str__(self) -> str:
        return "say in which environment: the runbook acts on systems, and which ones is never guessed"

    @property
    def hint(self) -> str:
        return " or ".join(f"--environment {name}" for name in self.known) or "--environment NAME"


@dataclass(eq=False)
class OutsideWindow(Mistake):
    """A live run starts inside its window, or somebody says that it need not."""

    now: datetime
    opens: datetime
    closes: datetime
    runbook: Any

    def __str__(self) -> str:
        zone = self.runbook.zone
        state = "has not opened yet" if self.now < self.opens else "has closed"
        lasts = f"it lasts from {moment(self.opens, zone)} to {moment(self.closes, zone)}"
        return f"the window {state}: it is {moment(self.now, zone)}; {lasts}"

    @property
    def hint(self) -> str:
        return "start it inside the window, or say --outside-window"


@dataclass(eq=False)
class WrongWord(Mistake):
    """A live run was not confirmed."""

    word: str

    def __str__(self) -> str:
        return "that is not the runbook's id; nothing was started"

    @property
    def hint(self) -> str:
        return f"type {self.word!r}"


File = Annotated[Path, typer.Argument(metavar="FILE", help="The runbook.", show_default=False)]
Environment = Annotated[
    str, typer.Option("--environment", "-e", help="The environment: which systems it acts on.", show_default=False)
]
Inputs = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An input; repeat for more.", show_default=False)
]
Engine = Annotated[EngineChoice, typer.Option("--engine", help="auto: Prefect when a server is configured and answers.")]
Who = Annotated[
    str, typer.Option("--who", help="Who starts it; left out: $CHANGEOVER_WHO, or the login name.", show_default=False)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End when only people can go on, with exit code 3.")]
AsJson = Annotated[bool, typer.Option("--json", help="Events as JSON lines, and one object at the end.")]
Lines = Annotated[bool, typer.Option("--lines", help="Lines instead of a live screen.")]


@dataclass(frozen=True, slots=True)
class Start:
    """What was said on the command line."""

    file: Path
    environment: str
    mode: Mode
    inputs: Mapping[str, str]
    who: str
    execution: Execution
    yes: bool = False  # a live run is not confirmed again
    outside_window: bool = False


def run(
    file: File,
    environment: Environment = "",
    *,
    mode: Annotated[ModeChoice, typer.Option("--mode", help="How much of it is real.")] = ModeChoice.DRY_RUN,
    inputs: Inputs = None,
    engine: Engine = EngineChoice.AUTO,
    who: Who = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the runbook's id before a live run.")] = False,
    outside_window: Annotated[bool, typer.Option("--outside-window", help="Start a live run outside its window.")] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    lines: Lines = False,
) -> int:
    """Run a runbook; without --mode it is a dry run, with no effects."""
    execution = Execution(engine.value, wait=not no_wait, as_json=as_json, lines=lines)
    return start(
        Start(
            file,
            environment,
            Mode(mode.value),
            assignments(inputs or ()),
            who,
            yes=yes,
            outside_window=outside_window,
            execution=execution,
        )
    )


def rehearse(
    file: File,
    environment: Environment = "",
    *,
    inputs: Inputs = None,
    engine: Engine = EngineChoice.AUTO,
    who: Who = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    lines: Lines = False,
) -> int:
    """Run everything on the rehearsal environment: the short form of `run --mode rehearse`."""
    execution = Execution(engine.value, wait=not no_wait, as_json=as_json, lines=lines)
    return start(Start(file, environment, Mode.REHEARSE, assignments(inputs or ()), who, yes=True, execution=execution))


def start(wanted: Start) -> int:
    """Look at everything, ask what has to be asked, record the run and drive it."""
    from changeover.engine.create import create_run  # noqa: PLC0415 - the engine is loaded when something is to be driven

    check_file(wanted.file)
    with open_session(wanted.file.absolute().parent, create=True) as session:
        bundle, examined, inputs = _examined(session, wanted)
        who = acting_person(wanted.who, bundle.people)
        _may_start(session, bundle, wanted)
        assert examined.plan is not None  # noqa: S101 - without findings there is a plan
        record = create_run(
            session.journal,
            bundle,
            examined.plan,
            file=next(iter(bundle.sources)),
            mode=wanted.mode,
            runner=who,
            inputs=inputs,
            clock=session.clock,
            root=session.project.root,
        )
        return execute(session, record, wanted.execution)


def _examined(session: Session, wanted: Start) -> tuple[Bundle, Examined, Mapping[str, Value]]:
    """The bundle, what came out of lint and plan, and the inputs. Raises RunbookRefused and what is wrong with inputs."""
    values: dict[str, Value] = {}

    def given(runbook: Runbook) -> Mapping[str, Value]:
        if not wanted.environment and runbook.systems:
            raise NoEnvironment(_environments(wanted.file, runbook.systems))
        values.update(inputs_of(runbook.inputs, wanted.inputs))
        return values

    live = wanted.mode is Mode.LIVE
    now = session.clock.now()
    examined = examine(
        wanted.file,
        environment=wanted.environment or None,
        inputs=given,
        kinds=session.kinds,
        root=session.project.root,
        resolve=session.project,
        mode=wanted.mode,
        opens=None if live else now,
    )
    findings = from_here(examined.findings, session.project.root)
    if examined.obstacles or examined.bundle is None or examined.plan is None:
        raise RunbookRefused(findings)
    for finding in findings:
        if finding.severity is Severity.WARNING and not wanted.execution.as_json:
            warn(f"{finding.at}: {finding.message}", finding.hint)
    return examined.bundle, examined, values


def from_here(findings: Iterable[Finding], root: Path) -> tuple[Finding, ...]:
    """The findings with their files as a person in the working folder would type them."""
    return tuple(
        replace(finding, at=Position(os.path.relpath(root / finding.at.file), finding.at.line, finding.at.column))
        for finding in findings
    )


def _environments(file: Path, pattern: str) -> tuple[str, ...]:
    """The environments that have a systems file; none when one file serves them all."""
    before, each, after = str(file.parent / pattern).partition("${environment}")
    found = sorted(glob.glob(f"{glob.escape(before)}*{glob.escape(after)}")) if each else []  # noqa: PTH207 - Path.glob takes no absolute one
    return tuple(path[len(before) : len(path) - len(after)] for path in found)[:6]


def _may_start(session: Session, bundle: Bundle, wanted: Start) -> None:
    """Raise OutsideWindow, WrongWord or NotConfirmed when a live run must not start."""
    if wanted.mode is not Mode.LIVE:
        return
    runbook, now = bundle.runbook, session.clock.now()
    window = window_of(runbook)
    if window is not None and not window.opens <= now <= window.closes and not wanted.outside_window:
        raise OutsideWindow(now, window.opens, window.closes, runbook)
    if wanted.yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("run --mode live")
    console = render.console()
    where = f" on {bundle.environment}" if bundle.environment else ""
    sign = (f" {render.mode_text(Mode.LIVE)} ", render.MODE_STYLES[Mode.LIVE])
    console.print(render.styled(sign, f" {runbook.title or runbook.id}{where}. Everything in it is real."))
    if str(typer.prompt(f"type {runbook.id} to start it", default="", show_default=False)).strip() != runbook.id:
        raise WrongWord(runbook.id)
