"""Doubles: the same action twice on the same host is a copied line that nobody changed."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.runbook.lint.view import Role, StepInPlace, View
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence


def nothing_twice(view: View) -> None:
    """No two steps of a stage do the same on the same hosts."""
    first: dict[tuple[object, ...], list[StepInPlace]] = {}
    for found in view.steps:
        if found.role not in {Role.FORWARD, Role.ROLLBACK} or found.step.for_each is not None or not view.changes(found.step):
            continue
        same = (found.stage.id, found.role, found.step.kind, tuple(_print(found.step.parameters)), repr(found.step.arguments))
        for before in first.setdefault(same, []):
            shared = _shared(view, before, found)
            if shared is not None:
                where = f" on {shared}" if shared else ""
                message = f"`{found.step.id}` does the same as `{before.step.id}`{where}"
                view.report("duplicate-step", message, "remove one of the two, or change what was copied", found.step.at)
                break
        first[same].append(found)


def _print(node: Node) -> Iterator[str]:
    """What *node* says, without its hosts."""
    if isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Sequence):
        yield "["
        for item in node.items:
            yield from _print(item)
        yield "]"
    else:
        yield "{"
        for word, entry in node.entries.items():
            if word != "on":
                yield word
                yield from _print(entry)
        yield "}"


def _shared(view: View, first: StepInPlace, second: StepInPlace) -> str | None:
    """The hosts that both act on; empty when neither names any, None when they share none."""
    hosts, others = _hosts(view, first.step.parameters), _hosts(view, second.step.parameters)
    if not hosts and not others:
        return ""
    both = sorted(hosts & others)
    return ", ".join(both[:4]) if both else None


def _hosts(view: View, parameters: Node) -> set[str]:
    node = parameters.entries.get("on") if isinstance(parameters, Mapping_) else None
    items = node.items if isinstance(node, Sequence) else (node,) if node is not None else ()
    names = [item.text for item in items if isinstance(item, Scalar)]
    return {host for name in names for host in (view.bundle.systems.members(name) or (name,))}
