"""Which run is meant when nobody names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from changeover.contracts import RunState
from changeover.errors import Mistake
from changeover.journal.errors import NoSuchRun

if TYPE_CHECKING:
    from changeover.journal.records import RunRecord
    from changeover.journal.store import Journal


@dataclass(eq=False)
class NoRunYet(Mistake):
    """The journal has no run."""

    def __str__(self) -> str:
        return "there is no run yet"

    @property
    def hint(self) -> str:
        return "start one: `changeover run FILE --environment NAME`"


@dataclass(eq=False)
class NoActiveRun(Mistake):
    """Every run is over."""

    latest: str
    state: RunState

    def __str__(self) -> str:
        return f"no run is active; the latest, {self.latest}, is {self.state.value.replace('_', ' ')}"

    @property
    def hint(self) -> str:
        return "`changeover status` lists all runs"


@dataclass(eq=False)
class SeveralActiveRuns(Mistake):
    """More than one run is active, and none was named."""

    runs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.runs)} runs are active: {', '.join(self.runs)}"

    @property
    def hint(self) -> str:
        return "name the one you mean (its first characters will do)"


def active_run(journal: Journal, named: str) -> RunRecord:
    """The run called *named*, or the only one that is not over. Raises NoRunYet, NoActiveRun, SeveralActiveRuns."""
    if named:
        return _named(journal, named)
    runs = journal.runs()
    if not runs:
        raise NoRunYet
    active = [run for run in runs if not state_of(journal, run.id).final]
    if not active:
        raise NoActiveRun(runs[0].id, state_of(journal, runs[0].id))
    return _only(journal, active)


def shown_run(journal: Journal, named: str) -> RunRecord:
    """The run called *named*, else the only active one, else the newest. Raises NoRunYet, SeveralActiveRuns."""
    if named:
        return journal.run(named)
    runs = journal.runs()
    if not runs:
        raise NoRunYet
    active = [run for run in runs if not state_of(journal, run.id).final]
    return _only(journal, active) if active else journal.run(runs[0].id)


def state_of(journal: Journal, run: str) -> RunState:
    """Where a run stands."""
    from changeover.journal.fold import fold  # noqa: PLC0415 - the journal is loaded by the commands that need it

    return fold(run, journal.events(run)).state


def _named(journal: Journal, named: str) -> RunRecord:
    """The run called *named*; of several whose names begin so, the only active one. Raises NoSuchRun."""
    try:
        return journal.run(named)
    except NoSuchRun as unclear:
        active = [run for run in unclear.near if unclear.ambiguous and not state_of(journal, run).final]
        if len(active) != 1:
            raise
        return journal.run(active[0])


def _only(journal: Journal, active: Sequence[RunRecord]) -> RunRecord:
    if len(active) > 1:
        raise SeveralActiveRuns(tuple(run.id for run in active))
    return journal.run(active[0].id)
