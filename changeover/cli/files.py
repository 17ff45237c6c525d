"""The runbook's file, as a person typed it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from changeover.errors import Mistake


@dataclass(eq=False)
class NotAFile(Mistake):
    """The runbook's path leads to no file."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"

    @property
    def hint(self) -> str:
        folder = self.path if self.path.is_dir() else self.path.parent
        found = sorted(entry.name for entry in folder.glob("*.yaml"))[:6] if folder.is_dir() else []
        return f"{folder} has {', '.join(found)}" if found else "name a runbook, such as runbooks/telecom-crm.yaml"


def check_file(path: Path) -> None:
    """Raise NotAFile when there is no file at *path*."""
    if path.is_dir():
        raise NotAFile(path, "this is a folder, not a runbook")
    if not path.is_file():
        raise NotAFile(path, "there is no such file")
