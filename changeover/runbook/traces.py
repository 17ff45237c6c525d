"""What was come across on loading, with its places: lint resolves it, and points at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from changeover.runbook.model import WallTime
from changeover.runbook.position import Position
from changeover.runbook.tree import Mapping_


@dataclass(frozen=True, slots=True)
class Mention:
    """A name of something, written somewhere: lint resolves it."""

    sort: str  # databases, hosts, people, steps ...: the sorts of contracts.Names
    name: str
    at: Position
    scope: Position  # the step it belongs to; NOWHERE outside of steps


@dataclass(frozen=True, slots=True)
class Usage:
    """A text with ``${...}`` in it."""

    text: str
    at: Position
    scope: Position


@dataclass(frozen=True, slots=True)
class Moment:
    """A wall-clock time, to be checked against the runbook's zone."""

    when: WallTime
    at: Position
    scope: Position


@dataclass(frozen=True, slots=True)
class Traces:
    """All of it, for one runbook."""

    mentions: tuple[Mention, ...] = ()
    usages: tuple[Usage, ...] = ()
    moments: tuple[Moment, ...] = ()
    nodes: Mapping[Position, Mapping_] = field(default_factory=dict)  # the tree of whatever says that it stands there
