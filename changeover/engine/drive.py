"""Drives a run to its end, from the journal alone: the first time, after any crash, and back."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from changeover.contracts import Kind, Result, Value
from changeover.engine import failpoints
from changeover.engine.changed import RunChanged, as_data, changes_since
from changeover.engine.commands import RUN_OVER
from changeover.engine.conductor import Conductor
from changeover.engine.context import AttemptContext
from changeover.engine.executors import Executor, LocalExecutor
from changeover.engine.including import Including
from changeover.engine.options import Ended, Options
from changeover.engine.people import person
from changeover.engine.prefect_server import PrefectAway, answers, configured_url, wanted
from changeover.engine.projection import Projection
from changeover.engine.recorder import Recorder
from changeover.engine.resources import Resources
from changeover.engine.runtime import Runtime
from changeover.engine.timers import Timers
from changeover.journal.events import Draft, Event, EventKind
from changeover.journal.fold import fold
from changeover.journal.records import Lease, Ousted, Owner, RunRecord
from changeover.journal.store import Journal, JournalUnavailable, RunOwned
from changeover.plan.graph import build_plan
from changeover.plan.model import Plan
from changeover.project import Project
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import RunbookRefused
from changeover.runbook.load import load
from changeover.secrets import Secrets

if TYPE_CHECKING:
    from changeover.engine.prefect_executor import PrefectFlow

_NO_PREFECT: Final = "the Prefect server does not answer; steps run in this process, with the same guarantees"


def drive(journal_url: str, run_id: str, options: Options | None = None, *, stop: threading.Event | None = None) -> Ended:
    """Drive a run until it is over, or until it waits for people and was told not to wait. Blocks.

    When *stop* is set, no step begins any more, running ones get a moment to end, and the run can be resumed.

    Raises NoSuchRun, RunOwned, RunChanged, RunbookRefused, JournalUnavailable and their like; how the *run* ends is returned.
    """
    chosen = options or Options()
    with Journal.open(journal_url, clock=chosen.clock, create=False) as journal:
        return drive_in(journal, journal_url, run_id, chosen, stop or threading.Event())


def drive_in(journal: Journal, journal_url: str, run_id: str, options: Options, stop: threading.Event) -> Ended:
    """The same, in an open journal."""
    run = journal.run(run_id)
    events = journal.events(run.id)
    state = fold(run.id, events).state
    if state.final:
        _answer_late(journal, run, options)
        return Ended(state, why="the run is over")
    project = Project(options.root)
    kinds = project.load_kinds() if options.kinds is None else options.kinds
    bundle, plan = load_run(run, kinds, options.root)
    said = _accepted(run, events, options, bundle=bundle, kinds=kinds, plan=plan)
    taker = person(bundle.people, options.who or run.runner) if options.takeover else ""
    lease = journal.take_lease(run.id, _owner(run, options), seconds=options.lease_seconds, takeover=options.takeover)
    failpoints.reach("leased")
    if lease.ousted is not None:
        said = (*said, _taken_over(lease.ousted, taker, options.takeover_why))
    lost = False
    try:
        engine = _Engine(
            journal=journal,
            journal_url=journal_url,
            run=run,
            lease=lease,
            bundle=bundle,
            plan=plan,
            kinds=kinds,
            project=project,
            options=options,
            stop=stop,
            said=said,
        )
        ended = engine.drive()
        lost = ended.lost
        failpoints.reach("concluding")
        return ended
    finally:
        if not lost:
            _release(journal, lease, options)


def _owner(run: RunRecord, options: Options) -> Owner:
    return Owner(options.who or run.runner, socket.gethostname(), os.getpid())


def _answer_late(journal: Journal, run: RunRecord, options: Options) -> None:
    """Tell whoever asked something of a run that is over that it is: nobody waits for an answer for ever."""
    late = journal.commands(run.id, unanswered=True)
    if not late:
        return
    try:
        lease = journal.take_lease(run.id, _owner(run, options), seconds=options.lease_seconds)
    except RunOwned:
        return  # the engine that ended it is answering
    try:
        for record in late:
            journal.answer(lease, record, accepted=False, text=RUN_OVER)
    finally:
        _release(journal, lease, options)


def _release(journal: Journal, lease: Lease, options: Options) -> None:
    try:
        journal.release_lease(lease)
        failpoints.reach("released")
    except JournalUnavailable as error:  # how the run stands is known all the same; the lease ends by itself
        options.tell(f"the run could not be given back: {error}")


def load_run(run: RunRecord, kinds: Mapping[str, Kind], root: Path) -> tuple[Bundle, Plan]:
    """The bundle and the plan of a run, from the texts in its record. Raises RunbookRefused when they cannot be read any more."""
    loaded = load(Path(run.file), environment=run.environment, kinds=kinds, root=root, read=run.sources.__getitem__)
    if loaded.bundle is None:
        raise RunbookRefused(loaded.findings)
    bundle = replace(loaded.bundle, values=run.values) if run.values else loaded.bundle
    return bundle, build_plan(bundle, inputs=run.inputs, mode=run.mode)


def _accepted(
    run: RunRecord, events: Sequence[Event], options: Options, *, bundle: Bundle, kinds: Mapping[str, Kind], plan: Plan
) -> tuple[Draft, ...]:
    """What has changed and who accepts it. Raises RunChanged when nobody does."""
    changes = changes_since(run, events, options.root, kinds, plan)
    if not changes.what:
        return ()
    if not options.accept_change:
        raise RunChanged(run.id, changes)
    who = person(bundle.people, options.accept_change)
    return (Draft(EventKind.CHANGE_ACCEPTED, who=who, data=as_data(changes)),)


def _taken_over(ousted: Ousted, who: str, why: str) -> Draft:
    """A person took the run from an engine that had to be taken for alive: it stands in the record."""
    data: dict[str, Value] = {"from": str(ousted.owner), "since": ousted.since.isoformat(timespec="seconds"), "why": why}
    return Draft(EventKind.RUN_TAKEN_OVER, who=who, data=data)


@dataclass(slots=True, kw_only=True)
class _Engine:
    """One incarnation: everything that lives from taking the lease to releasing it."""

    journal: Journal
    journal_url: str
    run: RunRecord
    lease: Lease
    bundle: Bundle
    plan: Plan
    kinds: Mapping[str, Kind]
    project: Project
    options: Options
    stop: threading.Event
    said: tuple[Draft, ...]  # what people accepted or did to let this engine drive

    def drive(self) -> Ended:
        """Choose where steps run, and drive."""
        events = self.journal.events(self.run.id)  # read again: the lease is ours only now
        with ExitStack() as closing:
            secrets = Secrets(self.options.root)
            resources = Resources(self.bundle.systems, self.project, secrets, self.options.root)
            closing.callback(resources.close)
            flow = self._flow()
            if flow is None:
                return asyncio.run(self._conduct(events, resources, LocalExecutor(), "local"))
            return flow.run(lambda executor: self._conduct(events, resources, executor, "prefect"))

    def _flow(self) -> PrefectFlow | None:
        """Prefect, when it is wanted and answers; None runs the same steps here."""
        if not wanted(self.options.engine):
            return None
        if answers():
            from changeover.engine.prefect_executor import PrefectFlow  # noqa: PLC0415 - importing Prefect takes seconds

            return PrefectFlow(self.run, self.lease.epoch, self.options)
        if self.options.engine == "prefect":
            raise PrefectAway(configured_url())
        self.options.tell(f"{_NO_PREFECT} ({configured_url()})")
        return None

    async def _conduct(self, events: list[Event], resources: Resources, executor: Executor, engine: str) -> Ended:
        loop, options = asyncio.get_running_loop(), self.options
        projection = Projection(self.plan, fold(self.run.id, events))
        recorder = Recorder(
            self.journal,
            self.lease,
            options.lease_seconds,
            projection,
            options.clock,
            mask=resources.secrets.mask,
            tell=options.tell,
        )
        runtime = Runtime(
            self.run,
            self.bundle,
            self.plan,
            self.kinds,
            projection,
            recorder,
            resources,
            options,
            Timers(options.clock),
            loop,
            self._include,
        )
        try:
            return await Conductor(runtime, self.journal, self.journal_url, executor, engine, self.stop).conduct(
                events, self.said
            )
        finally:
            recorder.close()

    def _include(self, file: str, inputs: Mapping[str, Value], context: AttemptContext) -> Result:
        including = Including(self.journal, self.journal_url, self.run, self.bundle, self.kinds, self.options)
        return including.include(file, inputs, context, drive_in)
