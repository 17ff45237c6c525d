"""The project's own code that a run acts with: what it was when the run was created, and what has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from changeover.contracts import Value

#: Folders whose code runs in the engine. New files of kinds/ count as well: all of them are loaded.
_FOLDERS: Final = ("checks", "rollback", "kinds")
_KINDS: Final = "kinds/"
#: Characters of a SHA-256 that tell a changed file; an event holds little.
_DIGITS: Final = 12
#: Bytes of JSON up to which each file has a digest of its own; a larger project has one for each folder.
_FILES_LIMIT: Final = 600


def digests(root: Path) -> dict[str, Value]:
    """The digest of each code file of the project at *root*, or of each folder (``checks/``) when those are too many."""
    files = _of_files(root)
    if len(json.dumps(files)) <= _FILES_LIMIT:
        return {**files}
    return {**_of_folders(files)}


def changes(recorded: Mapping[str, Value], root: Path) -> list[str]:
    """What has changed since *recorded* was taken of the project at *root*, a sentence each."""
    files = _of_files(root)
    now = _of_folders(files) if any(name.endswith("/") for name in recorded) else files
    found = [f"{name} was changed" if name in now else f"{name} is gone" for name in recorded if now.get(name) != recorded[name]]
    return found + [f"{name} is new" for name in now if name.startswith(_KINDS) and name not in recorded]


def _of_files(root: Path) -> dict[str, str]:
    paths = sorted(path for folder in _FOLDERS for path in (root / folder).rglob("*.py"))
    return {path.relative_to(root).as_posix(): _digest(path.read_bytes()) for path in paths if path.is_file()}


def _of_folders(files: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        inside = [f"{name} {digest}" for name, digest in files.items() if name.startswith(f"{folder}/")]
        if inside:
            found[f"{folder}/"] = _digest("\n".join(inside).encode())
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
