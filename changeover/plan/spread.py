"""One step of the runbook as the steps of the run: an item or a host each, and why one of them is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from changeover.contracts import Mode, Value
from changeover.runbook import conditions
from changeover.runbook.bundle import Bundle
from changeover.runbook.model import ForEach, Step
from changeover.runbook.references import ValueMissing, paths
from changeover.runbook.values import Names, expand


@dataclass(frozen=True, slots=True)
class Copy:
    """A step of the run made from a step of the runbook."""

    key: str
    item: Value
    left_out: str  # why it is skipped; empty when it is not


class Start:
    """What is known before a run starts."""

    def __init__(self, bundle: Bundle, inputs: Mapping[str, Value], mode: Mode | None = None) -> None:
        self.bundle = bundle
        self.names = Names(bundle, inputs, mode=mode.value if mode is not None else "")
        self._roots = {("inputs",), ("environment",), ("item",)} | ({("run", "mode")} if mode is not None else set())

    def exists(self, only: tuple[str, ...]) -> bool:
        """Whether something with this `only:` exists in the environment; without an environment everything does."""
        return not only or not self.bundle.environment or self.bundle.environment in only

    def items(self, for_each: ForEach) -> tuple[Value, ...]:
        """What a step is repeated for; as written while a value in it is only known in the run."""
        written = (*for_each.items, *((for_each.hosts,) if for_each.hosts else ()))
        if for_each.hosts and not self.bundle.environment:
            return written  # the group's hosts stand in a systems file that nobody has chosen yet
        try:
            return expand(for_each, self.names)
        except ValueMissing:
            return written

    def why_not(self, when: str, names: Names) -> str:
        """Why a step with this `when:` is skipped; empty when it is not, or when only the run can tell."""
        if not when or not all(path and (path[:1] in self._roots or path[:2] in self._roots) for _, path in paths(when)):
            return ""
        try:
            holds = conditions.holds(when, names)
        except (ValueMissing, conditions.ConditionInvalid):
            return ""
        return "" if holds else f"only when {when}"


def copies_of(step: Step, name: str, start: Start) -> Iterator[Copy]:
    """The steps that *step* becomes; *name* is its key, or what stands before ``[item]``."""
    absent = "" if start.exists(step.only) else f"only in {' or '.join(step.only)}"
    if step.for_each is None:
        yield Copy(name, None, absent or start.why_not(step.when, start.names))
        return
    items = start.items(step.for_each)
    if not items:
        yield Copy(name, None, "nothing to do it for")  # it stays in the graph: what follows waits for what stood before
    taken: dict[str, int] = {}
    for number, item in enumerate(items, start=1):
        label = _label(item, number)
        taken[label] = taken.get(label, 0) + 1
        if taken[label] > 1:  # never two steps behind one key; lint names the double
            label = f"{label}#{taken[label]}"
        yield Copy(f"{name}[{label}]", item, absent or start.why_not(step.when, replace(start.names, item=item, has_item=True)))


def _label(item: Value, number: int) -> str:
    if isinstance(item, dict):
        name = next((item[word] for word in ("id", "name") if word in item), number)
        return str(name)
    return str(number) if isinstance(item, list) else str(item)
