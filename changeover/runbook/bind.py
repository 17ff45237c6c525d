"""Trees to dataclasses, by type hints and ``key()`` metadata: the model, people, systems and step kinds alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from changeover.contracts import Kind
from changeover.runbook.binder import INVALID, Binder, Invalid
from changeover.runbook.findings import Finding
from changeover.runbook.readers import reader_of
from changeover.runbook.references import Lookup
from changeover.runbook.tree import Node

__all__ = ["INVALID", "Binder", "Invalid", "bind", "bind_with"]

T = TypeVar("T")


def bind(
    node: Node, python: type[T], findings: list[Finding], *, kinds: Mapping[str, Kind] | None = None, names: Lookup | None = None
) -> T | Invalid:
    """*node* as a *python*; problems are added to *findings*, as many as there are.

    With *names* every ``${...}`` is substituted; without, a text containing ``${`` stands for any value.
    An optional key whose value is wrong keeps its default: look at *findings* before using the answer.
    """
    return bind_with(Binder(findings, kinds or {}, names), node, python)


def bind_with(binder: Binder, node: Node, python: type[T]) -> T | Invalid:
    """*node* as a *python*, with a binder that also collects what was come across."""
    return cast("T | Invalid", reader_of(python)(binder, node))
