"""Readers: one small function for each type hint, compiled once and then used for every node."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from collections.abc import Sequence as SequenceProtocol
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from changeover.contracts import Expected, Names, Quoted, Value
from changeover.runbook import scalar_readers
from changeover.runbook.binder import INVALID, Binder, Invalid, nearest
from changeover.runbook.dataclass_reader import DataclassReader, FieldPlan, field_plans, is_located
from changeover.runbook.position import Position
from changeover.runbook.reading import SPECIAL, Reader, filled, is_template, literally, remembered, scalar
from changeover.runbook.traces import Mention
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence

__all__ = ["FieldPlan", "Reader", "dataclass_reader", "field_plans", "reader_of"]

_COMPILED: Final[dict[Any, Reader]] = {}


def reader_of(hint: Any) -> Reader:
    """The reader of a type hint. TypeError for a hint that YAML cannot fill: a fault of the class, not of a runbook."""
    reader = _COMPILED.get(hint)
    if reader is None:
        reader = _COMPILED[hint] = _compiled(hint)
    return reader


def _compiled(hint: Any) -> Reader:
    special = SPECIAL.get(hint)
    if special is not None:
        return special
    origin = get_origin(hint)
    if origin is Annotated:
        return _annotated(hint)
    if origin is Literal:
        return _one_of({str(choice): choice for choice in get_args(hint)})
    if origin in {Union, types.UnionType}:
        return _union(get_args(hint))
    if origin in {tuple, list, SequenceProtocol}:
        arguments = get_args(hint)
        return _list_of(arguments[0] if arguments else Any, list if origin is list else tuple)
    if origin in {dict, Mapping}:
        return _mapping_of(get_args(hint)[1])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _one_of({str(member.value): member for member in hint})
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return dataclass_reader(hint)
    raise TypeError(f"a YAML key cannot have the type {hint!r}")


def dataclass_reader(python: type[Any]) -> DataclassReader:
    """A reader of the dataclass *python* that ignores what may be registered for it."""
    return DataclassReader(python, reader_of)


def _annotated(hint: Any) -> Reader:
    inner, *marks = get_args(hint)
    reader = scalar_readers.read_shell_text if any(isinstance(mark, Quoted) for mark in marks) else reader_of(inner)
    sorts = [mark.sort for mark in marks if isinstance(mark, Names)]
    if not sorts:
        return reader

    def read(binder: Binder, node: Node) -> Any:
        if binder.names is not None and isinstance(node, Scalar) and is_template(binder, node):
            got = filled(binder, node)
            if isinstance(got, Mapping_ | Sequence):  # as a text it would name nothing that is there
                return literally(binder, _one_name, got, node)
        value = reader(binder, node)
        if not isinstance(value, str):
            return value
        if binder.names is None and "${" in value:
            return value if binder.late else binder.too_early(node)
        binder.mentions.extend(Mention(sort, value, node.at, binder.scope) for sort in sorts)
        return value

    return read


def _one_name(binder: Binder, node: Node) -> Any:
    return binder.wrong(node, "one name", "capture the name itself, such as `$.name`, or its place in the list, such as `$[0]`")


def _one_of(choices: Mapping[str, Any]) -> Reader:
    wanted = "one of " + ", ".join(f"`{choice}`" for choice in choices) if len(choices) > 1 else f"`{next(iter(choices))}`"

    def convert(binder: Binder, node: Scalar) -> Any:
        if node.text in choices and node.value is not None:
            return choices[node.text]
        near = nearest(node.text, choices)
        return binder.wrong(node, wanted, f"did you mean `{near}`?" if near else "")

    return scalar(wanted, convert)


def _shape(hint: Any) -> str:
    """Which nodes *hint* takes: scalar, list, mapping or any."""
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    origin = get_origin(inner)
    if inner is Any or inner == Value:
        return "any"
    if origin in {tuple, list, SequenceProtocol}:
        return "list"
    if origin in {dict, Mapping}:
        return "mapping"
    if isinstance(inner, type) and dataclasses.is_dataclass(inner) and inner not in SPECIAL:
        return "mapping"
    return "scalar" if inner is not Expected else "mapping"


def _union(hints: tuple[Any, ...]) -> Reader:
    optional = type(None) in hints
    if set(get_args(Node)) <= set(hints):
        return SPECIAL[Node]  # `Node | None` is flattened by Python
    readers = [(_shape(hint), hint, reader_of(hint)) for hint in hints if hint is not type(None)]
    if len(readers) == 1:
        only = readers[0][2]

        def read_optional(binder: Binder, node: Node) -> Any:
            if optional and isinstance(node, Scalar) and node.value is None and node.text:
                return None
            return only(binder, node)

        return read_optional
    scalars = sorted((entry for entry in readers if entry[0] == "scalar"), key=lambda entry: entry[1] is str)

    def read(binder: Binder, node: Node) -> Any:
        if optional and isinstance(node, Scalar) and node.value is None and node.text:
            return None
        wanted = "list" if isinstance(node, Sequence) else "mapping" if isinstance(node, Mapping_) else "scalar"
        fitting = scalars if wanted == "scalar" else [entry for entry in readers if entry[0] in {wanted, "any"}]
        fitting = fitting or [entry for entry in readers if entry[0] in {wanted, "any"}] or readers
        for _, _, reader in fitting[:-1]:
            attempt = dataclasses.replace(binder, findings=[], usages=[], mentions=[], moments=[])
            value = reader(attempt, node)
            if not attempt.findings:
                binder.usages.extend(attempt.usages)
                binder.mentions.extend(attempt.mentions)
                binder.moments.extend(attempt.moments)
                return value
        return fitting[-1][2](binder, node)

    return read


def _list_of(item: Any, make: Callable[[list[Any]], Any], *, one_will_do: bool = True) -> Reader:
    nested = _shape(item) == "list"
    # in a list of lists a single name is a forgotten bracket, not a list of one
    reader = _list_of(get_args(item)[0], tuple, one_will_do=False) if nested else reader_of(item)

    def read(binder: Binder, node: Node) -> Any:
        if isinstance(node, Scalar) and is_template(binder, node):
            if remembered(binder, node):
                return make([node.text]) if binder.late or item == Value else binder.too_early(node)
            got = filled(binder, node)
            return got if isinstance(got, Invalid) else literally(binder, read, got, node)
        if isinstance(node, Scalar) and node.value is not None and one_will_do and not nested:
            node = Sequence((node,), node.at)  # `needs: deploy` is a list of one
        if not isinstance(node, Sequence):
            return binder.wrong(node, "a list", "write [first, second], or one `- entry` a line")
        return make([value for value in (reader(binder, entry) for entry in node.items) if value is not INVALID])

    return read


def _mapping_of(item: Any) -> Reader:
    reader = reader_of(item)
    located = isinstance(item, type) and dataclasses.is_dataclass(item) and is_located(item)

    def read(binder: Binder, node: Node) -> Any:
        if isinstance(node, Scalar) and is_template(binder, node):
            if remembered(binder, node):
                return {} if binder.late else binder.too_early(node)
            got = filled(binder, node)
            return got if isinstance(got, Invalid) else literally(binder, read, got, node)
        if not isinstance(node, Mapping_):
            return binder.wrong(node, "a mapping", "write `name: value`, one a line")
        found = {}
        for word, entry in node.entries.items():
            value = reader(binder, entry)
            if value is not INVALID:
                found[word] = _moved(binder, value, entry, node.keys[word]) if located else value
        return found

    return read


def _moved(binder: Binder, value: Any, entry: Node, at: Position) -> Any:
    """*value* standing at its key, which is where people look for a thing with a name."""
    if isinstance(entry, Mapping_):
        binder.nodes[at] = entry
    return dataclasses.replace(value, at=at)
