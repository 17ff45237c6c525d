"""What can be read from a step's parameters before the run: durations and clock times that name no other value."""

from __future__ import annotations

from datetime import datetime, timedelta

from changeover.runbook import durations, wall_time
from changeover.runbook.tree import Mapping_, Node, Scalar


def duration_in(node: Node | None, word: str, *, shorthand: bool = False) -> timedelta | None:
    """The duration below *word* (with *shorthand*, a bare value is one too); None when it is only known in the run."""
    written = node if shorthand and isinstance(node, Scalar) else entry(node, word)
    if not isinstance(written, Scalar):
        return None
    try:
        return durations.parse(written.text)
    except durations.DurationInvalid:
        return None


def wall_time_in(node: Node | None, word: str) -> datetime | None:
    """The naive wall-clock time below *word*; None when it is only known in the run."""
    written = entry(node, word)
    if not isinstance(written, Scalar):
        return None
    try:
        return wall_time.parse(written.text).local
    except wall_time.WallTimeInvalid:
        return None


def text_in(node: Node | None, word: str) -> str:
    """The text below *word*; empty when there is none."""
    written = entry(node, word)
    return written.text if isinstance(written, Scalar) else ""


def entry(node: Node | None, word: str) -> Node | None:
    """What stands below *word*, when *node* is a mapping that has it."""
    return node.entries.get(word) if isinstance(node, Mapping_) else None
