"""The names a run knows for ``${...}``, and step kinds with their values put in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.contracts import Kind, StepKind, Value, registered_kinds
from changeover.errors import Mistake
from changeover.runbook.bind import bind_with
from changeover.runbook.binder import Binder, Invalid, nearest
from changeover.runbook.bundle import Bundle
from changeover.runbook.dataclass_reader import field_plans
from changeover.runbook.findings import Finding
from changeover.runbook.model import ForEach
from changeover.runbook.position import Position
from changeover.runbook.references import Lookup, ValueMissing, as_text, fill, substitute, whole
from changeover.runbook.tree import Mapping_, Node, Scalar, tree_of

__all__ = ["Lookup", "Names", "ParametersRefused", "ValueMissing", "expand", "fill", "materialise", "substitute", "text_of"]

#: The first words of a ``${...}``.
ROOTS: Final = ("inputs", "environment", "run", "services", "people", "captured", "item", "systems")
_RUN: Final = ("id", "mode")


@dataclass(eq=False)
class ParametersRefused(Mistake):
    """A step's parameters cannot be used as they are, now that their values are known."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        first = self.findings[0]
        more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
        return f"{first.at}: {first.message}{more}"

    @property
    def hint(self) -> str:
        return self.findings[0].hint


@dataclass(frozen=True, slots=True)
class Names:
    """What ``${...}`` may name at one step of one run."""

    bundle: Bundle
    inputs: Mapping[str, Value] = field(default_factory=dict)
    run_id: str = ""
    mode: str = ""
    captured: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)  # plan key of the step -> name -> value
    own: str = ""  # plan key of the step whose captured values are also ${captured.NAME}: in its undo and verify
    item: Value = None  # the one of for_each
    has_item: bool = False

    def lookup(self, path: tuple[str, ...]) -> Value:
        """The value called *path*; ValueMissing when there is none."""
        root, rest = path[0], path[1:]
        name = ".".join(path)
        if root == "environment" and not rest:
            return self.bundle.environment
        if root == "run" and rest in {("id",), ("mode",)}:
            return self.run_id if rest == ("id",) else self.mode
        if root == "inputs" and rest:
            return _walk(self._given(), rest, name, "the run has no such input")
        if root == "services" and len(rest) == 1:
            entry = self.bundle.systems.services.get(rest[0])
            return (
                entry.url
                if entry is not None
                else _missing(name, "there is no such service", rest[0], self.bundle.systems.services)
            )
        if root == "people" and len(rest) == 1:
            return self._person(rest[0], name)
        if root == "captured" and rest:
            return self._captured(rest, name)
        if root == "item" and self.has_item:
            return _walk(self.item, rest, name, "the item has no such key")
        if root == "systems" and rest:
            return _walk(self.bundle.systems, rest, name, "the systems file has nothing of that name")
        why = "there is an item only in a step with for_each" if root == "item" else "there is no such name"
        return _missing(name, why, root, ROOTS)

    def _given(self) -> Mapping[str, Value]:
        defaults = {name: entry.default for name, entry in self.bundle.runbook.inputs.items() if entry.default is not None}
        return {**defaults, **self.inputs}

    def _person(self, role: str, name: str) -> Value:
        holders = self.bundle.people.holders(role)
        if not holders or holders[0] not in self.bundle.people.persons:
            known = (*self.bundle.people.roles, *self.bundle.people.persons)
            return _missing(name, "there is no such role or person", role, known)
        return self.bundle.people.persons[holders[0]].name

    def _captured(self, rest: tuple[str, ...], name: str) -> Value:
        own = self.captured.get(self.own, {})
        if self.own and rest[0] in own and rest[0] not in self.captured:
            return _walk(own, rest, name, "nothing of that name was captured")
        step = rest[0]
        if step in self.captured:
            return _walk(self.captured[step], rest[1:], name, f"`{step}` captured nothing of that name")
        items = {key[len(step) + 1 : -1]: kept for key, kept in self.captured.items() if key.startswith(f"{step}[")}
        if items and len(rest) > 1:
            return {
                item: _walk(kept, rest[1:], name, f"`{step}[{item}]` captured nothing of that name")
                for item, kept in items.items()
            }
        cure = "a captured value is there once its step has passed; nothing is guessed in its place"
        raise ValueMissing(name, f"nothing was captured from `{step}` in this run", cure)


def _missing(name: str, why: str, word: str, known: Any) -> Value:
    near = nearest(word, known)
    raise ValueMissing(name, why, f"did you mean `{near}`?" if near else "")


def _walk(value: Any, path: tuple[str, ...], name: str, why: str) -> Value:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif dataclasses.is_dataclass(value) and (plan := _field(type(value), part)):
            value = getattr(value, plan)
        elif isinstance(value, (list, tuple)) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            _missing(name, why, part, value if isinstance(value, Mapping) else ())
    if dataclasses.is_dataclass(value):
        raise ValueMissing(name, "this is a whole entry, not one value", "name one of its keys, such as `.address` or `.url`")
    result: Value = list(value) if isinstance(value, tuple) else value
    return result


def _field(python: type[Any], word: str) -> str:
    return next((plan.name for plan in field_plans(python) if plan.word == word), "")


def text_of(text: str, names: Lookup) -> str:
    """*text* with its values put in, always as a text: for titles, announcements and questions."""
    return as_text(substitute(text, names), whole(text) or text)


def expand(for_each: ForEach, names: Names) -> tuple[Value, ...]:
    """The items of *for_each* in order: its values put in (a whole ``${...}`` that is a list gives its entries), or hosts."""
    items: list[Value] = []
    for item in for_each.items:
        value = fill(item, names)
        if isinstance(item, str) and whole(item) is not None and isinstance(value, (list, tuple)):
            items += value
        else:
            items.append(value)
    if for_each.hosts:
        items += names.bundle.systems.members(text_of(for_each.hosts, names))
    return tuple(items)


def materialise(kind: Kind, parameters: Node, arguments: Mapping[str, Value], names: Lookup) -> StepKind:
    """The step kind with every ``${...}`` substituted; *arguments* (the step's ``with:``) go to its field of that word.

    Raises ParametersRefused, with places, when a value is missing or does not fit.
    """
    kinds = {**registered_kinds(), kind.word: kind}  # all of them: a kind may hold another one, written as short as a step
    binder = Binder(names=names, kinds=kinds)
    found = bind_with(binder, with_arguments(kind, parameters, arguments), kind.python)
    if binder.findings or isinstance(found, Invalid):
        raise ParametersRefused(tuple(binder.findings))
    step_kind: StepKind = found
    return step_kind


def with_arguments(kind: Kind, parameters: Node, arguments: Mapping[str, Value]) -> Node:
    """*parameters* as a mapping that also has the step's ``with:``."""
    if not arguments:
        return parameters
    at = parameters.at
    entries, keys = _entries(kind, parameters, at)
    inside = entries.get("with")
    together = {**(inside.entries if isinstance(inside, Mapping_) else {})}
    together |= {word: tree_of(value, at) for word, value in arguments.items()}
    entries["with"] = Mapping_(together, dict.fromkeys(together, at), at)
    return Mapping_(entries, {**keys, "with": keys.get("with", at)}, at)


def _entries(kind: Kind, parameters: Node, at: Position) -> tuple[dict[str, Node], dict[str, Position]]:
    if isinstance(parameters, Mapping_):
        return dict(parameters.entries), dict(parameters.keys)
    if isinstance(parameters, Scalar) and parameters.value is None and not parameters.text:
        return {}, {}
    word = next((plan.word for plan in field_plans(kind.python) if plan.name == kind.shorthand), "")
    return ({word: parameters}, {word: at}) if word else ({}, {})
