"""A migration or a reconciliation in a file of its own, without a runbook: its databases, and what is to be done."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from changeover.contracts import Clock, Database, Host, Mode, Result, StepKind, Value, key, registered_kinds
from changeover.engine.clock import SystemClock
from changeover.engine.control_file import ControlFile
from changeover.engine.resources import Resources
from changeover.errors import Mistake
from changeover.journal.adjustments import words_of
from changeover.project import Project, root_of
from changeover.runbook.bind import bind_with
from changeover.runbook.binder import Binder, Invalid
from changeover.runbook.findings import RunbookRefused
from changeover.runbook.references import ValueMissing
from changeover.runbook.sources import Sources
from changeover.runbook.systems import DatabaseEntry, ServiceEntry, Systems
from changeover.secrets import Secrets
from changeover.steps.migrate import Migrate
from changeover.steps.reconcile import Reconcile

#: Seconds between two lines of progress where they cannot overwrite each other.
_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Alone:
    """What such a file holds."""

    databases: Mapping[str, DatabaseEntry] = key("databases by name", default_factory=dict)
    services: Mapping[str, ServiceEntry] = key("services by name, where rows come from one", default_factory=dict)
    systems: str = key("or a systems file beside this one, for its databases and services", default="")
    migrate: Migrate | None = key("what is copied", default=None)
    reconcile: Reconcile | None = key("what is compared", default=None)


@dataclass(eq=False)
class NothingToDo(Mistake):
    """A file does not say what the command needs."""

    file: Path
    word: str

    def __str__(self) -> str:
        return f"{self.file} has no `{self.word}:`"

    @property
    def hint(self) -> str:
        return f"write `databases:` and `{self.word}:`, with the keys that docs/kinds.md lists for the step `{self.word}`"


@dataclass(eq=False)
class StandsAlone(Mistake):
    """Something was asked that only a run of a runbook has."""

    what: str

    def __str__(self) -> str:
        return f"a file of its own has no {self.what}"

    @property
    def hint(self) -> str:
        return "make it a step of a runbook"


class _NoValues:
    """There is nothing that `${...}` could mean."""

    def lookup(self, path: tuple[str, ...]) -> Value:
        raise ValueMissing(".".join(path), "a file without a runbook knows no values; write it out")


def load(file: Path) -> tuple[Alone, Systems]:
    """Read the file and the systems it names. Raises RunbookRefused with every finding."""
    root = file.absolute().parent
    sources = Sources(root, None)
    alone = _bound(sources, file.name, Alone)
    systems = _bound(sources, alone.systems, Systems) if isinstance(alone, Alone) and alone.systems else Systems()
    if sources.findings or not isinstance(alone, Alone) or not isinstance(systems, Systems):
        raise RunbookRefused(tuple(sources.findings))
    databases, services = {**systems.databases, **alone.databases}, {**systems.services, **alone.services}
    return alone, Systems(databases=databases, services=services)


def _bound(sources: Sources, name: str, python: type[Any]) -> Any:
    tree = sources.tree(name)
    if tree is None:
        return None
    found = bind_with(Binder(sources.findings, registered_kinds(), _NoValues()), tree, python)
    return None if isinstance(found, Invalid) else found


@dataclass(slots=True)
class AloneContext:
    """The context of a step that no engine runs."""

    run_id: str
    step: str
    folder: Path
    resources: Resources
    runner: str = ""
    attempt: int = 1
    mode: Mode = Mode.LIVE
    environment: str = ""
    clock: Clock = field(default_factory=SystemClock)
    quiet: bool = False
    steps: Mapping[str, StepKind] = field(default_factory=dict)
    _told: float = 0.0
    _open_line: bool = False
    _control: ControlFile | None = None
    _set: dict[str, Value] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return f"{self.run_id}:{self.step}:{self.attempt}"

    def say(self, line: str) -> None:
        self._write(f"{line}\n")

    def log(self, text: str) -> None:
        """There is no log: what matters is said."""

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        now = self.clock.monotonic()
        screen = sys.stderr.isatty()
        if self.quiet or now - self._told < (0.2 if screen else _EVERY_S):
            return
        self._told = now
        line = f"{done:,}{f' of {total:,}' if total else ''} {unit}{_more(figures)}"
        if screen:
            sys.stderr.write(f"\r\033[2K{line[: shutil.get_terminal_size().columns - 1]}")
            sys.stderr.flush()
            self._open_line = True
        else:
            self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        if self._open_line:
            sys.stderr.write("\r\033[2K")
            self._open_line = False
        if not self.quiet:
            sys.stderr.write(text)
            sys.stderr.flush()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def check_stopped(self) -> None:
        """Ctrl-C stops it wherever it is; what is not committed is rolled back."""

    def on_stop(self, action: Callable[[], None]) -> None:
        """Nobody else asks it to stop."""

    @property
    def control_file(self) -> Path:
        return self.resources.project.control_file(self.run_id, self.step)

    def adjusted(self) -> Mapping[str, Value]:
        """By the control file alone: there is no journal for commands."""
        if self._control is None:
            self._control = ControlFile(self.control_file, self.clock, self.say)
        content = self._control.look("")
        if content is not None:
            self._set = {**self._set, **content.changes}
            self.say(f"{content.by}: {words_of(content.changes)}")
        return self._set

    def rehearsed(self) -> Mapping[str, Value]:
        """There is no journal that would know."""
        return {}

    def remaining(self) -> float | None:
        return None

    def at(self, local: Any) -> Any:  # noqa: ARG002 - the protocol's
        raise StandsAlone("window")

    def since(self, step: str) -> float | None:  # noqa: ARG002 - the protocol's
        return None

    def database(self, name: str) -> Database:
        return self.resources.database(name)

    def system(self, sort: str, name: str) -> Any:
        return self.resources.system(sort, name)

    def hosts(self, names: Sequence[str]) -> tuple[Host, ...]:
        raise StandsAlone(f"host {', '.join(names)}")

    def secret(self, reference: str) -> str:
        return self.resources.secrets.resolve(reference)

    def function(self, reference: str) -> Callable[..., Any]:
        return self.resources.function(reference)

    def include(self, file: str, inputs: Mapping[str, Value]) -> Result:  # noqa: ARG002 - the protocol's
        raise StandsAlone(f"run of {file}")

    def parameters_of(self, step: str) -> StepKind:
        if step not in self.steps:
            raise StandsAlone(f"step {step}")
        return self.steps[step]


def _more(figures: Mapping[str, Value]) -> str:
    """What else there is to tell of a moment, the most wanted first: a screen may be narrow."""
    rate, rejected = figures.get("rate"), figures.get("rejected")
    parts = [
        f"{rate:,.0f} rows/s" if isinstance(rate, int | float) else "",
        f"{rejected:,} rejected" if isinstance(rejected, int) and rejected else "",
        *(str(figures.get(name) or "") for name in ("because", "part", "table")),
    ]
    return "".join(f" · {part}" for part in parts if part)


@contextmanager
def opened(file: Path, systems: Systems, step: str, *, name: str, quiet: bool) -> Iterator[AloneContext]:
    """A context for one step; its databases are closed afterwards."""
    folder = file.absolute().parent
    project = Project(root_of(folder))
    resources = Resources(systems, project, Secrets(folder), folder)
    try:
        yield AloneContext(name or file.stem, step, folder, resources, quiet=quiet)
    finally:
        resources.close()
