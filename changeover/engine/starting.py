"""From a file's name to a recorded run: for flows and other programs; the command line asks people on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from changeover.contracts import Mode, Value
from changeover.engine.create import create_run
from changeover.engine.options import Options
from changeover.engine.people import person
from changeover.errors import Mistake
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal
from changeover.plan.preflight import examine
from changeover.project import Project
from changeover.runbook.findings import RunbookRefused


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to start: the runbook relative to the project's folder, where, how real, with what, and who starts it."""

    file: str
    environment: str
    mode: Mode
    who: str
    inputs: Mapping[str, Value] = field(default_factory=dict)


@dataclass(eq=False)
class ModeUnknown(Mistake):
    """There is no such mode."""

    mode: str

    def __str__(self) -> str:
        return f"there is no mode {self.mode!r}; it is one of {', '.join(Mode)}"


def mode_of(text: str) -> Mode:
    """The mode called *text*. Raises ModeUnknown."""
    try:
        return Mode(text)
    except ValueError:
        raise ModeUnknown(text) from None


def record_run(wanted: Wanted, options: Options) -> RunRecord:
    """Lint, plan and record a run; nothing is started. Raises RunbookRefused with what is wrong, PersonUnknown."""
    project = Project(options.root)
    kinds = project.load_kinds() if options.kinds is None else options.kinds
    examined = examine(
        options.root / wanted.file,
        environment=wanted.environment,
        inputs=wanted.inputs,
        kinds=kinds,
        root=options.root,
        resolve=project,
        mode=wanted.mode,
        opens=None if wanted.mode is Mode.LIVE else options.clock.now(),
    )
    if examined.obstacles or examined.bundle is None or examined.plan is None:
        raise RunbookRefused(examined.findings)
    who = person(examined.bundle.people, wanted.who)
    project.make_state()
    with Journal.open(project.journal_url, clock=options.clock) as journal:
        return create_run(
            journal,
            examined.bundle,
            examined.plan,
            file=next(iter(examined.bundle.sources)),
            mode=wanted.mode,
            runner=who,
            inputs=wanted.inputs,
            clock=options.clock,
            root=options.root,
        )
