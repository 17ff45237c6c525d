"""The watch after reopening: the exit checks are asked again and again, until all pass or its time is over."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Answer, Result, StepKind, Value, Verdict
from changeover.engine.context import AttemptContext
from changeover.engine.drive import load_run
from changeover.engine.options import Options
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal, pause
from changeover.errors import Mistake, Setback, Stopped
from changeover.journal.events import Draft
from changeover.journal.records import RunRecord
from changeover.journal.store import Journal
from changeover.project import Project
from changeover.runbook.bundle import Bundle
from changeover.secrets import Secrets


@dataclass(eq=False)
class NoHypercare(Mistake):
    """The runbook has no hypercare."""

    run: str

    def __str__(self) -> str:
        return f"the runbook of run {self.run} has no hypercare"

    @property
    def hint(self) -> str:
        return "write `hypercare: {until: ..., exit: [checks.backlog:below_normal]}` into it"


@dataclass(frozen=True, slots=True)
class Watched:
    """What the last round of exit checks found."""

    verdicts: Mapping[str, Verdict]
    rounds: int

    @property
    def over(self) -> bool:
        """Whether every exit check has passed."""
        return all(verdict.answer is Answer.PASSED for verdict in self.verdicts.values())


class _Alone:
    """The surroundings of checks outside a run: nothing is noted, nothing can be included."""

    def note(self, draft: Draft) -> None:
        """Drop it: the run is over, and nothing is added to its journal."""

    def since(self, step: str) -> float | None:  # noqa: ARG002 - the protocol's
        """Nothing has passed here."""
        return None

    def parameters_of(self, step: str) -> StepKind:
        """Refuse: there is no step."""
        raise Setback(f"an exit check cannot ask for the step {step!r}")

    def include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext) -> Result:  # noqa: ARG002 - the protocol's
        """Refuse: there is no run."""
        raise Setback(f"an exit check cannot run {file}")


def watch(
    journal_url: str, run_id: str, options: Options, *, every: float = 300.0, stop: threading.Event | None = None
) -> Watched:
    """Ask the exit checks of a run's hypercare every *every* seconds until all pass, or until its time is over.

    Raises NoHypercare, NoSuchRun.
    """
    with Journal.open(journal_url, clock=options.clock, create=False) as journal:
        run = journal.run(run_id)
    project = Project(options.root)
    bundle, _ = load_run(run, project.load_kinds() if options.kinds is None else options.kinds, options.root)
    hypercare = bundle.runbook.hypercare
    if hypercare is None:
        raise NoHypercare(run.id)
    stopping = stop or threading.Event()
    signal = StopSignal(options.clock, lambda error: options.tell(str(error)))
    resources = Resources(bundle.systems, project, Secrets(options.root), options.root)
    until, rounds = hypercare.until.at(bundle.runbook.zone), 0
    try:
        while True:
            rounds += 1
            context = _context(run, bundle, resources, signal, options)
            watched = Watched({name: _ask(context, name) for name in hypercare.exit}, rounds)
            if watched.over or options.clock.now() >= until or stopping.is_set():
                return watched
            pause(options.clock, stopping, every)
    finally:
        resources.close()


def _context(run: RunRecord, bundle: Bundle, resources: Resources, signal: StopSignal, options: Options) -> AttemptContext:
    return AttemptContext(
        run=run,
        step="hypercare",
        attempt=1,
        clock=options.clock,
        folder=options.root,
        resources=resources,
        surroundings=_Alone(),
        stop=signal,
        zone=bundle.runbook.zone,
        shift=timedelta(),
    )


def _ask(context: AttemptContext, reference: str) -> Verdict:
    try:
        verdict = context.function(reference)(context)
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001 - a project's own code: a check that breaks has not passed
        return Verdict(Answer.FAILED, f"{reference}: {type(error).__name__}: {error}")
    if isinstance(verdict, Verdict):
        return verdict
    return Verdict(Answer.FAILED, f"{reference} answered with {type(verdict).__name__} instead of a verdict")
