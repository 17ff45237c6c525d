"""The report's three files. They hold rows of customers: only their owner may read them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from changeover.errors import Setback
from changeover.transfer.reconcile.findings import Report
from changeover.transfer.reconcile.rendering import as_html, as_json, as_markdown


@dataclass(eq=False)
class ReportNotWritten(Setback):
    """The report's file cannot be written."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"the report cannot be written to {self.path}: {self.why}"

    @property
    def hint(self) -> str:
        return "make room, or make the folder writable, or name another file with `report:`; then try again"


def write_report(report: Report, base: Path, title: str) -> tuple[Path, ...]:
    """Write ``base.html``, ``base.md`` and ``base.json``, each whole or not at all.

    Raises:
        ReportNotWritten: there is no room, or no permission.
    """
    texts = {"html": as_html(report, title), "md": as_markdown(report, title), "json": as_json(report)}
    written = []
    for suffix, text in texts.items():
        path = base.with_name(f"{base.name}.{suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
        except OSError as error:
            raise ReportNotWritten(path, (error.strerror or str(error)).lower()) from error
        written.append(path)
    return tuple(written)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
