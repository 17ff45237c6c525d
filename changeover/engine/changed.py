"""Whether what a run was started with is still what stands on disk: a run goes on with the journal's texts, or not at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import changeover
from changeover.contracts import Kind, Value
from changeover.engine import code
from changeover.engine.create import SCHEMA
from changeover.errors import Mistake
from changeover.journal.events import Event, EventKind
from changeover.journal.records import RunRecord
from changeover.plan.graph import build_plan
from changeover.plan.model import Plan, PlannedStep
from changeover.plan.saying import about
from changeover.runbook.load import load
from changeover.runbook.model import Step
from changeover.runbook.tree import plain

#: Characters of a value that a sentence shows.
_SHOWN: Final = 60
#: Steps that a list names; the rest is counted.
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since a run was started.

    Attributes:
        what: a sentence each; empty: nothing.
        steps: what the changed texts would mean for its steps, a sentence each. The run does not take it over.
        diffs: what was started and what stands on disk now, by file, as lines of a unified diff.
    """

    what: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    diffs: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(eq=False)
class RunChanged(Mistake):
    """Something has changed since the run was started; a person has to accept that, on the record."""

    run: str
    changes: Changes

    @property
    def what(self) -> tuple[str, ...]:
        """What has changed, a sentence each."""
        return self.changes.what

    def __str__(self) -> str:
        return f"since run {self.run} was started, {'; '.join(self.what)}"

    @property
    def hint(self) -> str:
        return "the run goes on with the texts it was started with if a person accepts that: resume it with --accept-change"


def changes_since(run: RunRecord, events: Sequence[Event], root: Path, kinds: Mapping[str, Kind], plan: Plan) -> Changes:
    """What has changed since *run*, whose plan is *plan*, was started. A file that is not here has not changed."""
    diffs = tuple(_diffs(run, root))
    found = [f"{name} was changed" for name, _ in diffs]
    planned = next((event for event in events if event.kind is EventKind.RUN_PLANNED), None)
    recorded = planned.data.get("code") if planned is not None else None
    if isinstance(recorded, Mapping):
        found += code.changes(recorded, root)
    version = _version(events)
    if version != changeover.__version__:
        found.append(f"changeover {version} became {changeover.__version__}")
    if run.schema > SCHEMA:
        found.append(f"it was written in format {run.schema}, newer than this program's {SCHEMA}")
    steps = tuple(_shortened(_of_steps(run, root, kinds, plan))) if diffs else ()
    return Changes(tuple(found), steps, diffs)


def _diffs(run: RunRecord, root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, text in run.sources.items():
        try:
            on_disk = (root / name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        started = text.removeprefix("\ufeff").splitlines()
        if on_disk != started:
            lines = difflib.unified_diff(started, on_disk, f"{name} (as started)", f"{name} (on disk)", lineterm="")
            yield name, tuple(lines)


def _of_steps(run: RunRecord, root: Path, kinds: Mapping[str, Kind], plan: Plan) -> Iterator[str]:
    """What would be another step, or another order, if the run were started with what stands on disk."""
    loaded = load(root / run.file, environment=run.environment, kinds=kinds, root=root)
    if loaded.bundle is None:
        yield "what stands on disk now is no runbook: `changeover lint` says why"
        return
    try:
        now = build_plan(loaded.bundle, inputs=run.inputs, mode=run.mode)
    except Mistake as mistake:
        yield f"what stands on disk now makes no plan: {mistake}"
        return
    for before, after in ((plan.forward, now.forward), (plan.rollback, now.rollback)):
        yield from (f"{key} is gone" for key in before if key not in after)
        yield from (f"{key} is new" for key in after if key not in before)
        for key in (key for key in before if key in after):
            yield from _of_step(before[key], after[key])


def _of_step(before: PlannedStep, after: PlannedStep) -> Iterator[str]:
    yield from (f"{before.key}: {sentence}" for sentence in differences(before.step, after.step))
    if before.item != after.item:
        yield f"{before.key}: its item {_short(before.item)} became {_short(after.item)}"
    if set(before.needs) != set(after.needs):
        old, new = (", ".join(step.needs) or "nothing" for step in (before, after))
        yield f"{before.key}: it needed {old} and would need {new}"


def differences(before: Step, after: Step) -> Iterator[str]:
    """What is not the same in two steps, a sentence each."""
    if before.kind != after.kind:
        yield f"`{before.kind}` became `{after.kind}`"
    elif plain(before.parameters) != plain(after.parameters):
        yield f"`{before.kind}` {_short(plain(before.parameters))} became {_short(plain(after.parameters))}"
    for item in fields(Step):
        if item.name in {"kind", "parameters", "at"}:
            continue
        old, new = getattr(before, item.name), getattr(after, item.name)
        if isinstance(old, Step) and isinstance(new, Step):  # their parameters count as well, and == leaves them out
            yield from (f"{item.name}: {sentence}" for sentence in differences(old, new))
        elif old != new:
            yield f"`{item.metadata.get('word') or item.name}` {_short(old)} became {_short(new)}"


def _short(value: object) -> str:
    if isinstance(value, Step):
        return f"`{value.kind}` {_short(plain(value.parameters))}"
    if isinstance(value, timedelta):
        return about(value)
    if is_dataclass(value):
        named = ((item.metadata.get("word") or item.name, getattr(value, item.name)) for item in fields(value) if item.compare)
        value = ", ".join(f"{name}: {_short(entry)}" for name, entry in named if entry not in (None, "", (), {}))
    if isinstance(value, tuple | list):
        value = ", ".join(_short(item) for item in value)
    text = " ".join(str("nothing" if value in (None, "", {}) else value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _shortened(sentences: Iterator[str]) -> Iterator[str]:
    listed = list(sentences)
    yield from listed[:_NAMED]
    if len(listed) > _NAMED:
        yield f"and {len(listed) - _NAMED} more"


def as_data(changes: Changes) -> dict[str, Value]:
    """What stands in the journal of what a person accepted."""
    return {"what": "; ".join(changes.what), **({"steps": "; ".join(changes.steps)} if changes.steps else {})}


def _version(events: Sequence[Event]) -> str:
    """The version of changeover that drove the run last, or created it."""
    for event in reversed(events):
        if event.kind in {EventKind.ENGINE_STARTED, EventKind.RUN_PLANNED}:
            return str(event.data.get("version") or changeover.__version__)
    return changeover.__version__
