"""What every command opens: the project, its journal, the clock; closed again whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.contracts import Clock, Kind
from changeover.engine.clock import SystemClock
from changeover.journal.store import Journal
from changeover.project import Project
from changeover.status.read import StatusReader

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Session:
    """An open project."""

    project: Project
    journal: Journal
    clock: Clock
    kinds: Mapping[str, Kind]

    def reader(self, run: str) -> StatusReader:
        """A reader of the run, which has read nothing yet."""
        return StatusReader(self.journal, run, clock=self.clock, kinds=self.kinds)


@contextmanager
def open_session(start: Path | None = None, *, create: bool = False) -> Iterator[Session]:
    """Open the project around *start* (left out: the current folder) and its journal; only *create* makes a journal."""
    project = Project.find(start or Path.cwd())
    clock = SystemClock()
    if create:
        project.make_state()
    with Journal.open(project.journal_url, clock=clock, create=create) as journal:
        yield Session(project, journal, clock, project.load_kinds())
