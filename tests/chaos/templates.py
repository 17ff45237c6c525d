"""A night's project, made once and copied for each time that the night is gone through."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from changeover.cli.executing import exit_code
from changeover.cli.exit_codes import ExitCode
from changeover.engine.clock import SystemClock
from changeover.engine.drive import drive, load_run
from changeover.engine.options import Options
from changeover.journal.store import Journal, JournalUnavailable, RunOwned
from changeover.plan.model import Plan
from changeover.project import Project
from changeover.testing import Trial
from tests.chaos.judging import judge
from tests.chaos.nights import Night

_QUICK: Final = Options(engine="local", stop_grace=2, quiesce_grace=1, accept_change="anna")


@dataclass(frozen=True, slots=True)
class Copy:
    """A project of its own, with a run that nobody has driven yet."""

    night: Night
    folder: Path
    run: str
    kinds: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Where its journal is."""
        return f"sqlite:///{self.folder / 'journal.db'}"

    @property
    def log(self) -> Path:
        """Where its engines say what they say."""
        return self.folder / "engine.log"

    def said(self) -> str:
        """What they have said."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def journal(self) -> Journal:
        """Its journal; close it before the next fork."""
        return Journal.open(self.url, clock=SystemClock(), create=False)

    def plan(self, journal: Journal, run: str = "") -> Plan:
        """The plan of a run of it."""
        return load_run(journal.run(run or self.run), self.kinds, self.folder)[1]

    def engine(self, **changes: Any) -> int:
        """Drive the run here, to its end; the program's exit code."""
        options = replace(_QUICK, root=self.folder, tell=tell, **changes)
        try:
            return exit_code(drive(self.url, self.run, options))
        except RunOwned:
            return ExitCode.OWNED
        except JournalUnavailable as error:
            tell(f"{error} ({error.hint})")
            return ExitCode.JOURNAL_UNAVAILABLE

    def judged(self) -> list[str]:
        """What is wrong with the run, now that it is over."""
        with self.journal() as journal:
            return judge(journal, self.run, self.plan(journal), self.folder)


class Templates:
    """The projects of nights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[str, Copy] = {}
        self._number = 0

    def copy(self, night: Night) -> Copy:
        """A fresh copy of the night's project."""
        if night.name not in self._made:
            self._made[night.name] = _make(night, self.folder / f"template-{night.name}")
        self._number += 1
        folder = self.folder / f"{night.name}-{self._number}"
        shutil.copytree(self._made[night.name].folder, folder)
        return replace(self._made[night.name], folder=folder)


def _make(night: Night, folder: Path) -> Copy:
    trial = Trial(folder, night.runbook, files=night.files)
    for name, text in night.files.items():  # the project's kinds have to be there before they are loaded
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    trial.create()
    if night.changed:
        (folder / "runbooks" / "trial.yaml").write_text(f"{night.runbook}# edited\n", encoding="utf-8")
    return Copy(night, folder, trial.run_id, Project(folder).load_kinds())


def tell(line: str) -> None:
    """Write *line* at once: this process may be killed at any moment."""
    os.write(1, f"{line}\n".encode())


def forgotten(copy: Copy, complaints: list[str]) -> dict[str, Any]:
    """Remove the copy, unless somebody has to look at it: then say where it is."""
    if complaints:
        return {"complaints": complaints, "folder": str(copy.folder)}
    shutil.rmtree(copy.folder)
    return {"complaints": []}
