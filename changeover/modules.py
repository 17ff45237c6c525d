"""Importing the modules of a project's folders: by plain name, never a namesake's, and with the author's mistakes in words."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from changeover.errors import ChangeoverError, Mistake


@dataclass(eq=False)
class ReferenceNotFound(Mistake):
    """A runbook names a function that the project does not have."""

    reference: str
    why: str
    near: str = ""

    def __str__(self) -> str:
        return f"{self.reference!r}: {self.why}"

    @property
    def hint(self) -> str:
        return f"did you mean {self.near!r}?" if self.near else ""


@dataclass(eq=False)
class ModuleBroken(Mistake):
    """A module of the project cannot be imported."""

    reference: str
    file: str
    line: int
    why: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.reference!r} cannot be imported: {place}: {self.why}"

    @property
    def hint(self) -> str:
        return "correct that line; if a package is missing, install it into changeover's environment"


_GUARD: Final = threading.RLock()

#: Modules of projects whose folders could not take their plain name, because another project of this process has it.
_APART: Final[dict[tuple[Path, str], ModuleType]] = {}

#: Names that every project has, whatever is installed beside it.
_OF_EVERY_PROJECT: Final = frozenset({"checks", "rollback", "flows", "kinds"})


def import_module_of(root: Path | None, dotted: str, *, reference: str) -> ModuleType:
    """The module *dotted* below *root* (None: an installed one). Raises ReferenceNotFound, ModuleBroken."""
    with _GUARD:
        try:
            return importlib.import_module(dotted) if root is None else _import_below(root, dotted, reference)
        except ChangeoverError:
            raise
        except (Exception, SystemExit) as error:
            raise _broken(error, root, dotted, reference) from error


def _import_below(root: Path, dotted: str, reference: str) -> ModuleType:
    apart = _APART.get((root, dotted))
    if apart is not None:
        return apart
    _refuse_missing(root, dotted, reference)
    top = dotted.partition(".")[0]
    folder = root / top
    standing = sys.modules.get(top)
    if standing is None:
        _refuse_installed(root, top, reference)
        _register(folder)
    elif not _lies_in(standing, folder):
        return _import_apart(root, dotted, reference, standing)
    return importlib.import_module(dotted)


def _refuse_missing(root: Path, dotted: str, reference: str) -> None:
    parts = dotted.split(".")
    if not (root / parts[0]).is_dir():
        raise ReferenceNotFound(reference, f"the project has no folder {parts[0]}/")
    path = root.joinpath(*parts)
    if not path.with_suffix(".py").is_file() and not (path / "__init__.py").is_file():
        raise ReferenceNotFound(reference, f"the project has no file {'/'.join(parts)}.py")


def _refuse_installed(root: Path, top: str, reference: str) -> None:
    """A folder called like an installed package would take that package's place for everybody."""
    if top in _OF_EVERY_PROJECT:
        return
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != root]
    found = importlib.machinery.PathFinder.find_spec(top, elsewhere)
    if top in sys.stdlib_module_names or (found is not None and found.origin is not None):
        where = found.origin if found is not None else "Python itself"
        raise ReferenceNotFound(reference, f"the folder {top}/ has the name of a package that is installed ({where}); rename it")


def _import_apart(root: Path, dotted: str, reference: str, standing: ModuleType) -> ModuleType:
    """Import with the plain name lent for a moment, when it belongs to another project that this process has loaded."""
    top = dotted.partition(".")[0]
    if not _of_a_project(standing):
        where = getattr(standing, "__file__", None) or "elsewhere"
        raise ReferenceNotFound(reference, f"{top!r} is already imported from {where}; rename the folder {top}/")
    others = {name: module for name, module in sys.modules.items() if name == top or name.startswith(f"{top}.")}
    for name in others:
        del sys.modules[name]
    sys.modules.update({name: module for (owner, name), module in _APART.items() if owner == root})
    try:
        if top not in sys.modules:
            _register(root / top)
        return importlib.import_module(dotted)
    finally:
        ours = {name: module for name, module in sys.modules.items() if name == top or name.startswith(f"{top}.")}
        _APART.update({(root, name): module for name, module in ours.items()})
        for name in ours:
            del sys.modules[name]
        sys.modules.update(others)


def _register(folder: Path) -> None:
    """Make *folder* importable under its name without putting anything on ``sys.path``, where it could hide a package."""
    init = folder / "__init__.py"
    if init.is_file():
        spec = importlib.util.spec_from_file_location(folder.name, init, submodule_search_locations=[str(folder)])
    else:
        spec = importlib.machinery.ModuleSpec(folder.name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    assert spec is not None  # noqa: S101 - a .py file always has a loader
    importlib.invalidate_caches()
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[folder.name]
        raise


def _lies_in(module: ModuleType, folder: Path) -> bool:
    return any(Path(entry).resolve() == folder.resolve() for entry in getattr(module, "__path__", ()))


def _of_a_project(module: ModuleType) -> bool:
    """Whether its folder stands beside a ``runbooks/``, or stood in a project that is gone by now."""
    folders = [Path(entry) for entry in getattr(module, "__path__", ())]
    return bool(folders) and all((folder.parent / "runbooks").is_dir() or not folder.exists() for folder in folders)


def _broken(error: BaseException, root: Path | None, dotted: str, reference: str) -> ModuleBroken:
    """Where the author has to look: the last line of the project's own code on the way to the error."""
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    file, line = "/".join(dotted.split(".")) + ".py", 0
    if isinstance(error, SyntaxError) and error.filename:
        file, line, why = error.filename, error.lineno or 0, f"syntax error: {error.msg}"
    else:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if root and Path(frame.filename).is_relative_to(root)]
        if own:
            file, line = own[-1].filename, own[-1].lineno or 0
    if root is not None and Path(file).is_relative_to(root):
        file = str(Path(file).relative_to(root))
    return ModuleBroken(reference, file, line, why)
