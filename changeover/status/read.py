"""The one reader of the journal for people: events folded, the plan built again, and what is to be expected now."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from changeover.contracts import Clock, Kind, RunState
from changeover.errors import Mistake
from changeover.journal.events import Event, EventKind
from changeover.journal.fold import RunRecordState, apply
from changeover.journal.records import Ownership, RunRecord
from changeover.plan.forecast import Actual, Forecast, Forecaster
from changeover.plan.graph import build_plan
from changeover.plan.kept import kept_with
from changeover.plan.outlook import Outlook, outlook
from changeover.plan.window import calendar_of
from changeover.runbook.bundle import Bundle
from changeover.runbook.load import load
from changeover.status.actuals import actuals_of
from changeover.status.assemble import Seen, assemble
from changeover.status.losses import losses_of
from changeover.status.model import RunStatus, Said, WayBackTo
from changeover.status.words import sentence

#: How many of the last events a status carries.
LAST_EVENTS: Final = 30

#: A large plan's forecast is worked out at most this often while nothing happens.
_AT_MOST_EVERY: Final = timedelta(seconds=1)
_LARGE: Final = 500

#: Too frequent to be news: the step itself shows how far it is.
_NO_NEWS: Final = frozenset({EventKind.STEP_PROGRESSED})


class Source(Protocol):
    """As much of the journal as a status needs."""

    def run(self, run: str) -> RunRecord:
        """The run, by its id or an unambiguous beginning of it."""
        ...

    def events(self, run: str, *, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """The events after a sequence number, in order."""
        ...

    def ownership(self, run: str) -> Ownership:
        """Who holds the run now."""
        ...


@dataclass(eq=False)
class RunUnreadable(Mistake):
    """The runbook that a run carries cannot be loaded here."""

    run: str
    why: str

    def __str__(self) -> str:
        return f"the runbook of run {self.run} cannot be read: {self.why}"

    @property
    def hint(self) -> str:
        return "read it in the project and with the version of changeover that started it"


def read(journal: Source, run_id: str, *, clock: Clock, kinds: Mapping[str, Kind]) -> RunStatus:
    """The status of a run, once. Raises NoSuchRun, RunUnreadable."""
    return StatusReader(journal, run_id, clock=clock, kinds=kinds).refresh()


class StatusReader:
    """Reads a run again and again: each time only the events that are new.

    Not thread-safe. Raises NoSuchRun, RunUnreadable on making it.
    """

    def __init__(self, journal: Source, run_id: str, *, clock: Clock, kinds: Mapping[str, Kind]) -> None:
        self._journal = journal
        self._clock = clock
        self.record: Final = journal.run(run_id)
        self.bundle: Final = _bundle(self.record, kinds)
        self.plan: Final = build_plan(self.bundle, inputs=self.record.inputs, mode=self.record.mode)
        self.state: Final = RunRecordState(self.record.id)
        self._zone = self.bundle.runbook.zone
        self._said: deque[Said] = deque(maxlen=LAST_EVENTS)
        self._last_at: datetime | None = None
        self._baseline: Outlook | None = None
        self._forecaster: Forecaster | None = None
        self._forecast: Forecast | None = None
        self._kept_at: tuple[str, frozenset[str]] | None = None  # of the stage to which the run is rolled back

    def refresh(self) -> RunStatus:
        """Take in what is new and say where the run stands now."""
        events = self._journal.events(self.record.id, after=self.state.seq)
        for event in events:
            self._take_in(event)
        now = self._clock.now()
        actuals = actuals_of(self.state, self.plan)
        return assemble(
            Seen(
                record=self.record,
                bundle=self.bundle,
                plan=self.plan,
                state=self.state,
                baseline=self.baseline,
                forecast=self._forecast_at(now, actuals, anew=bool(events)),
                to_undo=self._forecasts.to_undo(actuals, self._kept),
                ownership=self._journal.ownership(self.record.id),
                said=tuple(self._said),
                last_at=self._last_at,
                now=now,
            )
        )

    def way_back_to(self, stage: str) -> WayBackTo:
        """What a rollback to *stage* that begins now would do (an empty stage: back as a whole); refresh() first.

        Raises KeyError when there is no such stage.
        """
        if stage and stage not in self.plan.stages:
            raise KeyError(stage)
        kept, actuals = kept_with(self.plan, stage), actuals_of(self.state, self.plan)
        undone = self._forecasts.to_undo(actuals, kept)
        back = {planned.stage for key, planned in self.plan.rollback.items() if key in undone}
        return WayBackTo(
            stage,
            tuple(name for name in self.plan.stages if name in kept),
            tuple(key for key in self.plan.rollback if key in undone),
            self._forecasts.way_back(actuals, self._clock.now(), kept),
            losses_of(entry for name, entry in self.plan.stages.items() if name in back),
        )

    @property
    def baseline(self) -> Outlook:
        """The plan as it was frozen: from the opening of this run's window, or from its start where it has none."""
        if self._baseline is None:
            opens = self.state.window_opens
            starts = opens or self.state.started_at or self.record.created_at
            found = outlook(self.bundle, self.plan, starts_at=starts, opens=opens)
            if self.state.started_at is None:
                return found  # the window may not have been read yet
            self._baseline = found
        return self._baseline

    @property
    def _forecasts(self) -> Forecaster:
        if self._forecaster is None:
            self._forecaster = Forecaster(self.plan, at=calendar_of(self.bundle.runbook, opens=self.state.window_opens).at)
        return self._forecaster

    @property
    def _kept(self) -> frozenset[str]:
        if self._kept_at is None or self._kept_at[0] != self.state.rollback_to:
            self._kept_at = self.state.rollback_to, kept_with(self.plan, self.state.rollback_to)
        return self._kept_at[1]

    def _take_in(self, event: Event) -> None:
        apply(self.state, event)
        self._last_at = event.at
        if event.kind is EventKind.RUN_PLANNED:
            self._forecaster = None  # the window of this run is known now
        if event.kind not in _NO_NEWS:
            text = sentence(event, self.plan, self._zone, self.bundle.people)
            self._said.append(Said(event.seq, event.at, event.kind.value, event.step, event.who, text))

    def _forecast_at(self, now: datetime, actuals: Mapping[str, Actual], *, anew: bool) -> Forecast:
        last = self._forecast
        if last is not None and not anew and len(self.plan.forward) > _LARGE and now - last.now < _AT_MOST_EVERY:
            return last
        window = self.bundle.runbook.window
        self._forecast = self._forecasts.forecast(
            actuals,
            now=now if self.state.ended_at is None else self.state.ended_at,
            window_closes=self.state.window_closes,
            margin=window.margin if window is not None else timedelta(),
            rolling_back=self.state.state in {RunState.STOPPING, RunState.ROLLING_BACK, RunState.ROLLED_BACK},
            kept=self._kept,
        )
        return self._forecast


def _bundle(record: RunRecord, kinds: Mapping[str, Kind]) -> Bundle:
    loaded = load(
        Path(record.file),
        environment=record.environment or None,
        kinds=kinds,
        root=Path(),
        read=record.sources.__getitem__,
    )
    if loaded.bundle is None:
        why = f"{loaded.findings[0].at}: {loaded.findings[0].message}" if loaded.findings else "it is not complete"
        raise RunUnreadable(record.id, why)
    return loaded.bundle
