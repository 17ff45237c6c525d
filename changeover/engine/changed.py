"""Whether what a run was started with is still what stands on disk: a run goes on with the journal's texts, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import changeover
from changeover.engine import code
from changeover.engine.create import SCHEMA
from changeover.errors import Mistake
from changeover.journal.events import Event, EventKind
from changeover.journal.records import RunRecord


@dataclass(eq=False)
class RunChanged(Mistake):
    """Something has changed since the run was started; a person has to accept that, on the record."""

    run: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"since run {self.run} was started, {'; '.join(self.what)}"

    @property
    def hint(self) -> str:
        return "the run goes on with what it was started with if a person accepts that: resume it with --accept-change"


def changes_since(run: RunRecord, events: Sequence[Event], root: Path) -> tuple[str, ...]:
    """What has changed since *run* was started, a sentence each. A file that is not here has not changed."""
    found: list[str] = []
    for name, text in run.sources.items():
        try:
            on_disk = (root / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
        if on_disk.splitlines() != text.removeprefix("\ufeff").splitlines():
            found.append(f"{name} was changed")
    planned = next((event for event in events if event.kind is EventKind.RUN_PLANNED), None)
    recorded = planned.data.get("code") if planned is not None else None
    if isinstance(recorded, Mapping):
        found += code.changes(recorded, root)
    version = _version(events)
    if version != changeover.__version__:
        found.append(f"changeover {version} became {changeover.__version__}")
    if run.schema > SCHEMA:
        found.append(f"it was written in format {run.schema}, newer than this program's {SCHEMA}")
    return tuple(found)


def _version(events: Sequence[Event]) -> str:
    """The version of changeover that drove the run last, or created it."""
    for event in reversed(events):
        if event.kind in {EventKind.ENGINE_STARTED, EventKind.RUN_PLANNED}:
            return str(event.data.get("version") or changeover.__version__)
    return changeover.__version__
