"""Reads stages and steps: common keys, exactly one kind key, inline undo and verify steps, parallel groups, rollbacks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from changeover.contracts import Expected
from changeover.runbook.binder import INVALID, Binder, Invalid, described, suggestion
from changeover.runbook.dataclass_reader import FieldPlan, field_plans
from changeover.runbook.model import Parallel, Rollback, Stage, Step
from changeover.runbook.position import Position
from changeover.runbook.readers import dataclass_reader, reader_of
from changeover.runbook.reading import reads
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence

ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_UNREADABLE: Final = Expected(timedelta(), timedelta())
_INLINE: Final = ("undo", "verify")
_OF_LOADER: Final = frozenset({"kind", "parameters"})  # fields of Step that are no keys


@lru_cache(maxsize=1)
def step_keys() -> dict[str, FieldPlan]:
    """The keys every step may have, by word."""
    return {plan.word: plan for plan in field_plans(Step) if plan.name not in _OF_LOADER}


@lru_cache(maxsize=1)
def _step_readers() -> dict[str, tuple[str, Any]]:
    return {word: (plan.name, None if word in _INLINE else reader_of(plan.hint)) for word, plan in step_keys().items()}


def check_id(binder: Binder, text: str, at: Position, what: str) -> None:
    """Report an id that cannot be spoken or typed."""
    if not ID.fullmatch(text):
        fixed = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63]
        hint = f"write `{fixed}`" if fixed else "use lower-case letters, digits and hyphens"
        binder.report("bad-id", f"`{text}` cannot be the name of {what}: lower-case letters, digits and hyphens only", hint, at)


def read_step(binder: Binder, node: Node, *, fallback: str, fixed: bool) -> Step | Invalid:
    """One step; *fallback* is its id when it has none, and its only id when *fixed*."""
    if not isinstance(node, Mapping_):
        return binder.wrong(node, "a step", "write a mapping with an `id:` and one kind, such as `shell: ./deploy.sh`")
    outside, binder.scope = binder.scope, node.at
    try:
        return _read_step(binder, node, _id_of(binder, node, fallback, fixed=fixed))
    finally:
        binder.scope = outside


def _read_step(binder: Binder, node: Mapping_, step_id: str) -> Step | Invalid:
    arguments: dict[str, Any] = {"id": step_id, "at": node.at}
    readers, kinds = _step_readers(), binder.kinds
    kind, unknown = "", []
    for word, entry in node.entries.items():
        known = readers.get(word)
        if known is not None:
            if word == "id":
                continue
            name, reader = known
            if reader is None:
                value: Any = read_step(binder, entry, fallback=f"{step_id}.{word}", fixed=True)
            else:
                value = reader(binder, entry)
            if value is not INVALID:
                arguments[name] = value
            elif word == "expect":
                arguments[name] = _UNREADABLE  # so that nobody says that it is missing
        elif word not in kinds:
            unknown.append(word)
        elif kind:
            message = f"`{step_id}` has two kinds, `{kind}` and `{word}`"
            binder.report("two-kinds", message, "make two steps of it; the second one may be its `verify:`", node.keys[word])
        else:
            kind = word
    kind = _report_unknown(binder, node, step_id, kind, unknown)
    binder.nodes[node.at] = node
    return Step(kind=kind, parameters=node.entries.get(kind, node), **arguments)


def _report_unknown(binder: Binder, node: Mapping_, step_id: str, kind: str, unknown: list[str]) -> str:
    """Report unknown words; the answer is the kind, or the word that was probably meant to be one."""
    meant = "" if kind else _meant_as_kind(binder, unknown)
    for word in unknown:
        if word == meant:
            hint = suggestion(word, binder.kinds, "step kind")
            binder.report("unknown-kind", f"there is no step kind `{word}`", hint, node.keys[word])
        else:
            known = (*step_keys(), *(() if kind else binder.kinds))
            hint = suggestion(word, known, "other key", node.entries)
            binder.report("unknown-key", f"a step has no key `{word}`", hint, node.keys[word])
    if not kind and not meant:
        hint = "add one kind, such as `shell:`, `ssh:`, `sql:`, `http:`, `check:` or `manual:`"
        binder.report("missing-kind", f"`{step_id}` does not say what it does", hint, node.at)
    return kind or meant


def _meant_as_kind(binder: Binder, unknown: list[str]) -> str:
    def likeness(word: str, known: Mapping[str, Any]) -> float:
        return max((difflib.SequenceMatcher(None, word, name).ratio() for name in known), default=0.0)

    candidates = [word for word in unknown if likeness(word, binder.kinds) >= likeness(word, step_keys())]
    candidates = candidates or [word for word in unknown if likeness(word, step_keys()) < 0.6]  # noqa: PLR2004 - difflib's own cutoff
    return max(candidates, key=lambda word: likeness(word, binder.kinds), default="")


def _id_of(binder: Binder, node: Mapping_, fallback: str, *, fixed: bool) -> str:
    entry = node.entries.get("id")
    if entry is None:
        if not fallback.partition(".")[2]:
            hint = "add `id:`, a short name that people can say on the bridge"
            binder.report("missing-key", "a step needs the key `id`", hint, node.at)
        return fallback
    if fixed:
        binder.report("bad-id", f"this step is always called `{fallback}`", "remove its `id`", node.keys["id"])
        return fallback
    if not isinstance(entry, Scalar) or entry.value is None:
        binder.wrong(entry, "a text")
        return fallback
    check_id(binder, entry.text, entry.at, "a step")
    return entry.text


@reads(tuple[Step | Parallel, ...])
def read_entries(binder: Binder, node: Node) -> Any:
    """The steps of a stage, and its parallel groups."""
    if not isinstance(node, Sequence):
        return binder.wrong(node, "a list of steps", "write one `- id: name` a step")
    found: list[Step | Parallel] = []
    for number, entry in enumerate(node.items, 1):
        if isinstance(entry, Mapping_) and "parallel" in entry.entries:
            group = _read_parallel(binder, entry, number)
            if not isinstance(group, Invalid):
                found.append(group)
            continue
        step = read_step(binder, entry, fallback=f"{binder.stage}-{number}", fixed=False)
        if not isinstance(step, Invalid):
            found.append(step)
    return tuple(found)


def _read_parallel(binder: Binder, node: Mapping_, number: int) -> Parallel | Invalid:
    for word in node.entries:
        if word != "parallel":
            hint = "put it into the steps of the group" if word in step_keys() else "remove it"
            binder.report("unknown-key", f"a parallel group has no key `{word}`", hint, node.keys[word])
    inside = node.entries["parallel"]
    if not isinstance(inside, Sequence):
        return binder.wrong(inside, "a list of steps", "write one `- id: name` a step below `parallel:`")
    steps = []
    for place, entry in enumerate(inside.items, 1):
        if isinstance(entry, Mapping_) and "parallel" in entry.entries:
            binder.report("wrong-type", "a group inside a group", "list its steps in the outer group", entry.keys["parallel"])
            continue
        step = read_step(binder, entry, fallback=f"{binder.stage}-{number}-{place}", fixed=False)
        if not isinstance(step, Invalid):
            steps.append(step)
    return Parallel(tuple(steps), node.at)


@reads(tuple[Step, ...])
def read_rollback_steps(binder: Binder, node: Node) -> Any:
    """The steps of a rollback; without an id they are numbered."""
    if not isinstance(node, Sequence):
        return binder.wrong(node, "a list of steps", "write one `- channel: {open: web-shop}` a step")
    steps = (
        read_step(binder, entry, fallback=f"{binder.stage}.rollback-{number}", fixed=False)
        for number, entry in enumerate(node.items, 1)
    )
    return tuple(step for step in steps if not isinstance(step, Invalid))


_ROLLBACK: Final = dataclass_reader(Rollback)
_STAGE: Final = dataclass_reader(Stage)


@reads(Rollback)
def read_rollback(binder: Binder, node: Node) -> Any:
    """``[steps]``, ``{steps: [...], loses: ...}`` or ``{none: why}``."""
    if isinstance(node, Sequence):
        return Rollback(steps=read_rollback_steps(binder, node), at=node.at)
    if not isinstance(node, Mapping_):
        hint = "write a list of steps, or {none: why this stage needs no rollback}"
        return binder.report("wrong-type", f"a rollback is needed, and this is {described(node)}", hint, node.at)
    if "steps" in node.entries and "none" in node.entries:
        binder.report("invalid-value", "a rollback cannot have steps and need none", "remove one of the two", node.keys["none"])
    return _ROLLBACK.read(binder, node, {})


@reads(Step)
def read_inline_step(binder: Binder, node: Node) -> Any:
    """A step in a place where the loader does not know its name: never in a runbook, only for completeness."""
    return read_step(binder, node, fallback="step", fixed=False)


@reads(Mapping[str, Stage])
def read_stages(binder: Binder, node: Node) -> Any:
    """The stages by name, in written order."""
    if not isinstance(node, Mapping_):
        return binder.wrong(node, "a mapping of stages", "write `freeze:` and below it `owner:`, `steps:` and `rollback:`")
    stages = {}
    for name, entry in node.entries.items():
        at = node.keys[name]
        check_id(binder, name, at, "a stage")
        if not isinstance(entry, Mapping_):
            binder.wrong(entry, "a stage", "write `owner:`, `steps:` and `rollback:` below it")
            continue
        binder.stage = name
        stage = _STAGE.read(binder, Mapping_(entry.entries, entry.keys, at), {"id": name})
        binder.stage = ""
        if not isinstance(stage, Invalid):
            stages[name] = stage
    return stages
