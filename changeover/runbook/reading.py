"""How a reader reads: the register of readers, and what they do with ``${...}``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from changeover.runbook.binder import Binder, Invalid
from changeover.runbook.references import ValueMissing, substitute
from changeover.runbook.traces import Usage
from changeover.runbook.tree import Node, Scalar, tree_of

#: Reads a node as something; the answer is INVALID, with a finding, when it is not that.
Reader = Callable[[Binder, Node], Any]

#: Readers of type hints that are more than their parts.
SPECIAL: Final[dict[Any, Reader]] = {}
R = TypeVar("R", bound=Reader)


def reads(*hints: Any) -> Callable[[R], R]:
    """Register the decorated function as the reader of these type hints."""

    def register(reader: R) -> R:
        for hint in hints:
            SPECIAL[hint] = reader
        return reader

    return register


def is_template(binder: Binder, node: Node) -> bool:
    """Whether *node* is a text with ``${...}`` in it. A substituted value is never read as one again."""
    return isinstance(node, Scalar) and "${" in node.text and not binder.filling


def filled(binder: Binder, node: Scalar) -> Node | Invalid:
    """The template *node* with its values put in; INVALID, with a finding, when one is missing."""
    assert binder.names is not None  # noqa: S101 - callers have asked remembered() first
    try:
        return tree_of(substitute(node.text, binder.names), node.at)
    except ValueMissing as missing:
        return binder.report("value-missing", str(missing), missing.hint, node.at)


def remembered(binder: Binder, node: Scalar) -> bool:
    """Whether only the run will know what the template *node* says; it is remembered for lint."""
    if binder.names is not None:
        return False
    binder.usages.append(Usage(node.text, node.at, binder.scope))
    return True


def literally(binder: Binder, reader: Reader, node: Node, template: Scalar) -> Any:
    """Read the *node* that *template* became: whatever looks like ``${...}`` in it is data."""
    binder.filling = template.text
    try:
        return reader(binder, node)
    finally:
        binder.filling = ""


def scalar(wanted: str, convert: Callable[[Binder, Scalar], Any]) -> Reader:
    """A reader of single values: *wanted* says what they are, *convert* gets the scalar with its values put in."""

    def read(binder: Binder, node: Node) -> Any:
        if not isinstance(node, Scalar):
            return binder.wrong(node, wanted)
        if is_template(binder, node):
            if remembered(binder, node):
                binder.open_values += 1
                return node.text if binder.late else binder.too_early(node)
            got = filled(binder, node)
            return got if isinstance(got, Invalid) else literally(binder, read, got, node)
        return convert(binder, node)

    return read
