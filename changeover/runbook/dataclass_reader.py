"""Readers of dataclasses: a mapping with their keys, or a shorthand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, get_type_hints

from changeover.runbook.binder import INVALID, Binder, Invalid, constructed, suggestion
from changeover.runbook.inventory import WrittenGroup, WrittenHost
from changeover.runbook.model import ForEach, Input, Retry, Suspension
from changeover.runbook.people import Role
from changeover.runbook.position import Position
from changeover.runbook.reading import Reader, filled, is_template, literally, remembered
from changeover.runbook.systems import DatabaseEntry, ServiceEntry
from changeover.runbook.tree import Mapping_, Node, Scalar

#: What a scalar or list means where one of these is expected.
SHORTHANDS: Final[dict[type[Any], str]] = {
    Retry: "times",
    Suspension: "what",
    ForEach: "items",
    Input: "type",
    ServiceEntry: "url",
    DatabaseEntry: "url",
    WrittenHost: "address",
    WrittenGroup: "members",
    Role: "person",
}

_PLANS: Final[dict[type[Any], tuple[FieldPlan, ...]]] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class FieldPlan:
    """A field of a dataclass as a YAML key."""

    name: str
    word: str
    required: bool
    meaning: str
    hint: Any


def field_plans(python: type[Any]) -> tuple[FieldPlan, ...]:
    """The YAML keys of a dataclass, in order: its fields but for `at`, which says where it stands."""
    plans = _PLANS.get(python)
    if plans is None:
        plans = _PLANS[python] = tuple(_planned(python))
    return plans


def _planned(python: type[Any]) -> Iterator[FieldPlan]:
    hints = get_type_hints(python, include_extras=True)
    for field in dataclasses.fields(python):
        if not field.init or (field.name == "at" and hints[field.name] is Position):
            continue
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        word, meaning = field.metadata.get("word") or field.name, field.metadata.get("meaning", "")
        yield FieldPlan(field.name, word, required, meaning, hints[field.name])


def is_located(python: type[Any]) -> bool:
    """Whether a dataclass keeps in `at` where it stands; to some `at` is a word like any other."""
    field = python.__dataclass_fields__.get("at")
    return field is not None and field.type in {"Position", Position}


class DataclassReader:
    """Reads a mapping, or its shorthand, as a dataclass."""

    def __init__(self, python: type[Any], reader_of: Callable[[Any], Reader]) -> None:
        self._python = python
        self._reader_of = reader_of
        self._plans: dict[str, FieldPlan] = {}
        self._readers: dict[str, Reader] = {}
        self._located = is_located(python)

    def _prepare(self) -> None:
        if self._plans:
            return  # done at first use, because a dataclass may hold itself
        self._plans = {plan.word: plan for plan in field_plans(self._python)}
        self._readers = {plan.word: self._reader_of(plan.hint) for plan in self._plans.values()}

    def __call__(self, binder: Binder, node: Node) -> Any:
        if isinstance(node, Mapping_):
            return self.read(binder, node, {})
        if isinstance(node, Scalar) and is_template(binder, node) and not self._shorthand(binder):
            if binder.names is not None:
                got = filled(binder, node)
                return got if isinstance(got, Invalid) else literally(binder, self, got, node)
            if remembered(binder, node):
                binder.open_values += 1
                return INVALID if binder.late else binder.too_early(node)  # only the run can tell what it is
        return self._short(binder, node)

    def read(self, binder: Binder, node: Mapping_, given: Mapping[str, Any]) -> Any:
        """Bind the entries of *node*; *given* fields are set already, and their words are not expected."""
        self._prepare()
        arguments = dict(given)
        opened = binder.open_values
        broken = False
        for word, entry in node.entries.items():
            plan = self._plans.get(word)
            if plan is None or plan.name in given:
                known = [name for name, plan in self._plans.items() if plan.name not in given]
                binder.report(
                    "unknown-key",
                    f"{self._name(binder)} has no key `{word}`",
                    suggestion(word, known, "other key", node.entries),
                    node.keys[word],
                )
                continue
            value = self._readers[word](binder, entry)
            if value is not INVALID:
                arguments[plan.name] = value
            elif plan.required:
                broken = True
        for word, plan in self._plans.items():
            if plan.required and plan.name not in arguments and word not in node.entries:
                hint = f"add `{word}:`, {plan.meaning}" if plan.meaning else f"add `{word}:`"
                binder.report("missing-key", f"{self._name(binder)} needs the key `{word}`", hint, node.at)
                broken = True
        if broken:
            return INVALID
        if self._located:
            arguments["at"] = node.at
            binder.nodes[node.at] = node
        return constructed(binder, self._python, arguments, node.at, opened=binder.open_values > opened)

    def _short(self, binder: Binder, node: Node) -> Any:
        self._prepare()
        shorthand = self._shorthand(binder)
        plan = next((plan for plan in self._plans.values() if plan.name == shorthand), None)
        if plan is None or (isinstance(node, Scalar) and node.value is None and not node.text):
            known = ", ".join(f"`{word}`" for word in list(self._plans)[:8])
            wanted = "a mapping" if plan is None else f"`{plan.word}`, or a mapping,"
            return binder.wrong(node, wanted, f"write a mapping with keys such as {known}")
        return self.read(binder, Mapping_({plan.word: node}, {plan.word: node.at}, node.at), {})

    def _shorthand(self, binder: Binder) -> str:
        known = SHORTHANDS.get(self._python)
        return (
            known
            if known is not None
            else next((kind.shorthand for kind in binder.kinds.values() if kind.python is self._python), "")
        )

    def _name(self, binder: Binder) -> str:
        word = next((kind.word for kind in binder.kinds.values() if kind.python is self._python), "")
        return f"`{word}`" if word else _NAMES.get(self._python.__name__) or f"`{self._python.__name__.lower()}`"


#: What people call the classes whose name is not the word in the file.
_NAMES: Final = {
    "Runbook": "a runbook",
    "Stage": "a stage",
    "Person": "a person",
    "Role": "a role",
    "People": "a people file",
    "SystemsFile": "a systems file",
    "Inventory": "an inventory",
    "DatabaseEntry": "a database",
    "WrittenHost": "a host",
    "WrittenGroup": "a group",
    "HostSettings": "`defaults`",
    "ServiceEntry": "a service",
    "ChannelEntry": "a channel",
    "Suspension": "`suspend`",
    "ForEach": "`for_each`",
    "WayBack": "`way_back`",
    "ImpactClock": "a clock",
    "Input": "an input",
    "Absence": "an absence",
}
