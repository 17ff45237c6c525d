"""The watch after reopening: the exit checks are asked again and again, until all pass or its time is over."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from changeover.contracts import Answer, Verdict
from changeover.engine.drive import load_run
from changeover.engine.options import Options
from changeover.engine.outside import context_of, verdict_of
from changeover.engine.resources import Resources
from changeover.engine.stopping import StopSignal, pause
from changeover.errors import Mistake
from changeover.journal.store import Journal
from changeover.project import Project
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
            context = context_of(run, bundle, resources, signal, options, step="hypercare")
            watched = Watched({name: verdict_of(context, name) for name in hypercare.exit}, rounds)
            if watched.over or options.clock.now() >= until or stopping.is_set():
                return watched
            pause(options.clock, stopping, every)
    finally:
        resources.close()
