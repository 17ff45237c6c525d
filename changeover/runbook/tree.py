"""YAML as a tree that remembers where everything stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from changeover.contracts import Value
from changeover.runbook.position import Position


class Scalar(NamedTuple):
    """A plain or quoted value; `text` is exactly what was written."""

    # a named tuple for the same reason as Position: there are as many of them
    value: Value  # str, int, float, bool or None
    text: str
    at: Position


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Mapping_:  # noqa: N801 - Mapping is the builtin protocol
    """A mapping; `keys` says where each key stands."""

    entries: Mapping[str, Node]
    keys: Mapping[str, Position]
    at: Position


Node = Scalar | Sequence | Mapping_


def plain(node: Node) -> Value:
    """What *node* says, without its places."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {word: plain(entry) for word, entry in node.entries.items()}


def tree_of(value: object, at: Position) -> Node:
    """The tree that would stand at *at* if *value* had been written there."""
    if isinstance(value, str):
        return Scalar(value, value, at)
    if value is None or isinstance(value, bool):
        return Scalar(value, {None: "", True: "true", False: "false"}[value], at)
    if isinstance(value, (int, float)):
        return Scalar(value, str(value), at)
    if isinstance(value, Mapping):
        entries = {str(word): tree_of(entry, at) for word, entry in value.items()}
        return Mapping_(entries, dict.fromkeys(entries, at), at)
    if isinstance(value, (list, tuple)):
        return Sequence(tuple(tree_of(item, at) for item in value), at)
    return Scalar(str(value), str(value), at)
