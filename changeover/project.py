"""A project: the folder a release team edits, with ``runbooks/`` and the functions that runbooks name."""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from changeover.contracts import Kind, registered_kinds
from changeover.errors import Mistake
from changeover.modules import ReferenceNotFound, import_module_of

#: What makes a folder a project.
RUNBOOKS: Final = "runbooks"
#: Where a team's own step kinds live.
KINDS: Final = "kinds"
STATE: Final = ".changeover"
JOURNAL_VARIABLE: Final = "CHANGEOVER_JOURNAL"

_LONGEST_NAME: Final = 150


@dataclass(eq=False)
class NoProject(Mistake):
    """There is no project here."""

    start: Path

    def __str__(self) -> str:
        return f"there is no {RUNBOOKS}/ folder in {self.start} or above it"

    @property
    def hint(self) -> str:
        return f"go to the project's folder, or make {RUNBOOKS}/ in a new one"


@dataclass(eq=False)
class StateNotWritable(Mistake):
    """The folder for the journal, logs and reports cannot be written."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"the state folder {self.path} cannot be used: {self.why}"

    @property
    def hint(self) -> str:
        if self.path.is_file():
            return "move that file out of the way"
        if self.why == os.strerror(errno.ENOSPC).lower():
            return "free some space there"
        if self.path.is_dir() and self.path.stat().st_uid != os.getuid():
            return "it belongs to another user: work as that user, or copy the project to a place of your own"
        return f"make {self.path.parent} writable for you, or copy the project to a place of your own"


@dataclass(frozen=True, slots=True)
class Project:
    """The folder that holds ``runbooks/`` and the functions they name. It need not be in a clone of anything."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Project:
        """The first folder with ``runbooks/``, from *start* (a folder or a file) upwards. Raises NoProject."""
        here = start.absolute()
        for folder in (here, *here.parents):
            if _is_folder(folder / RUNBOOKS):
                return cls(folder.resolve())
        raise NoProject(here)

    @property
    def state(self) -> Path:
        """The folder for the journal, logs and reports, made when it is not there. Raises StateNotWritable."""
        return self.make_state()

    def make_state(self) -> Path:
        """Make the folder for the journal, logs and reports, and see that it can be written to. Raises StateNotWritable."""
        path = self.root / STATE
        try:
            _make_private(path)
            ignore = path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("# the state of changeover's runs is no source\n*\n", encoding="utf-8")
        except OSError as error:
            raise StateNotWritable(path, (error.strerror or str(error)).lower()) from error
        if not os.access(path, os.W_OK | os.X_OK):
            raise StateNotWritable(path, "permission denied")
        return path

    @property
    def journal_url(self) -> str:
        """The URL in CHANGEOVER_JOURNAL, or that of a SQLite file in the state folder, of which nothing is made."""
        given = os.environ.get(JOURNAL_VARIABLE, "").strip()
        if given:
            return given
        import sqlalchemy as sa  # noqa: PLC0415 - slow, and not needed for lint and plan

        return sa.URL.create("sqlite", database=str(self.root / STATE / "journal.db")).render_as_string(hide_password=False)

    def log_file(self, run: str, step: str) -> Path:
        """Where the output of *step* goes; its folder is made when it is not there. Raises StateNotWritable."""
        folder = self.state / "runs" / _file_name(run) / "logs"
        try:
            _make_private(folder)
        except OSError as error:
            raise StateNotWritable(folder, (error.strerror or str(error)).lower()) from error
        return folder / f"{_file_name(step)}.log"

    def control_file(self, run: str, step: str) -> Path:
        """Where *step* looks for what people want of it while it runs; its folder is made. Raises StateNotWritable."""
        folder = self.state / "runs" / _file_name(run) / "control"
        try:
            _make_private(folder)
        except OSError as error:
            raise StateNotWritable(folder, (error.strerror or str(error)).lower()) from error
        return folder / f"{_file_name(step)}.yaml"

    def has_file(self, path: str) -> bool:
        """Whether there is a file at *path*, relative to the root."""
        try:
            return (self.root / path).is_file()
        except (OSError, ValueError):
            return False

    def function(self, reference: str) -> Callable[..., Any]:
        """The function ``folder.module:name`` of this project.

        Raises ReferenceNotFound, or ModuleBroken with file and line when the module cannot be imported.
        """
        dotted, _, name = reference.partition(":")
        parts = dotted.split(".")
        if len(parts) < 2 or not all(part.isidentifier() for part in (*parts, name)):  # noqa: PLR2004 - folder and module
            raise ReferenceNotFound(
                reference, "a function is written folder.module:name, such as checks.counts:same_number_of_rows"
            )
        module = import_module_of(self.root, dotted, reference=reference)
        found = getattr(module, name, None)
        if found is None:
            raise ReferenceNotFound(
                reference, f"{self._relative(module.__file__)} has no {name!r}", near=_near(name, vars(module))
            )
        if not callable(found):
            raise ReferenceNotFound(reference, f"{name!r} in {self._relative(module.__file__)} is not a function")
        function: Callable[..., Any] = found
        return function

    def load_kinds(self) -> Mapping[str, Kind]:
        """Every step kind by word: those of changeover, and those in the project's ``kinds/``. Raises ModuleBroken, KindTaken."""
        import_module_of(None, "changeover.steps", reference="changeover.steps")
        folder = self.root / KINDS
        for file in sorted(folder.glob("*.py")) if _is_folder(folder) else ():
            if file.stem.isidentifier() and file.stem != "__init__":
                import_module_of(self.root, f"{KINDS}.{file.stem}", reference=f"{KINDS}/{file.name}")
        return registered_kinds()

    def _relative(self, file: str | None) -> str:
        path = Path(file or "")
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def root_of(folder: Path) -> Path:
    """The root of the project that *folder* is in; the folder itself where there is none."""
    try:
        return Project.find(folder).root
    except NoProject:
        return folder


def misfits(function: Callable[..., Any], arguments: Collection[str], *, given: int = 1) -> tuple[str, ...]:
    """What is wrong with calling *function* with *given* positional arguments (the context) and *arguments* by name.

    One sentence for each parameter that is missing or unknown; empty when the call fits.
    """
    parameters = list(inspect.signature(function).parameters.values())
    positional = [one for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    takes_all = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    found: list[str] = []
    if len(positional) < given and not takes_all:
        found.append("it takes no context as its first parameter")
    taken = {one.name for one in positional[:given]}
    named = {
        one.name: one for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY} and one.name not in taken
    }
    takes = ", ".join(named) or "none"
    unknown = [name for name in arguments if name not in named and not takes_any]
    missing = [name for name, one in named.items() if one.default is one.empty and name not in arguments]
    found += [f"it has no parameter {name!r}; it takes {takes}" for name in unknown]
    return (*found, *(f"parameter {name!r} is missing" for name in missing))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _make_private(folder: Path) -> None:
    """Make *folder* and what is missing above it, readable by its owner alone (``mkdir -p`` gives the mode to the last only)."""
    if folder.is_dir():
        return
    _make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _file_name(name: str) -> str:
    """*name* as a file name: every run and step has one of its own, whatever its items are called."""
    safe = quote(name, safe="[]@+,=")
    if len(safe) > _LONGEST_NAME:
        safe = f"{safe[:_LONGEST_NAME]}~{sha256(name.encode()).hexdigest()[:12]}"
    return safe.replace(".", "%2E") if safe.strip(".") == "" else safe


def _near(name: str, names: Mapping[str, object]) -> str:
    import difflib  # noqa: PLC0415 - only needed in an error

    public = [one for one, value in names.items() if callable(value) and not one.startswith("_")]
    return next(iter(difflib.get_close_matches(name, public, n=1)), "")
