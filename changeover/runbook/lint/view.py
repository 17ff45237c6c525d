"""What the rules look at: the bundle, every step with its place, and step kinds as far as they can be known before a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from changeover.contracts import Kind
from changeover.runbook.binder import Binder, Invalid
from changeover.runbook.bundle import Bundle
from changeover.runbook.codes import finding
from changeover.runbook.dataclass_reader import field_plans
from changeover.runbook.findings import Finding, Severity
from changeover.runbook.lint.ancestry import Ancestry
from changeover.runbook.lint.resolver import Resolver
from changeover.runbook.model import Stage, Step
from changeover.runbook.position import NOWHERE, Position
from changeover.runbook.readers import reader_of
from changeover.runbook.traces import Mention, Moment, Usage
from changeover.runbook.tree import Mapping_, Node, Scalar, Sequence


class Role(StrEnum):
    """What a step is there for."""

    FORWARD = "forward"
    UNDO = "undo"
    VERIFY = "verify"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class StepInPlace:
    """A step, its stage, and the step it belongs to when it is an undo or a verify."""

    step: Step
    stage: Stage
    role: Role
    parent: Step | None = None


class View:
    """A bundle as lint sees it; what several rules need is worked out once."""

    def __init__(self, bundle: Bundle, kinds: Mapping[str, Kind], resolve: Resolver | None) -> None:
        self.bundle = bundle
        self.runbook = bundle.runbook
        self.kinds = kinds
        self.resolve = resolve
        self.findings: list[Finding] = []
        self.steps = tuple(_all_steps(bundle))
        self.doubled: set[str] = set()  # ids that two steps have
        self.forward = {found.step.id: found for found in self.steps if found.role is Role.FORWARD}
        self.spoken = {found.step.id for found in self.steps if found.role in {Role.FORWARD, Role.ROLLBACK}}
        self.by_place = {found.step.at: found for found in self.steps}
        self.instances: dict[Position, Any] = {}
        self._binder = Binder(self.findings, kinds)
        for found in self.steps:
            self._bind(found.step)

    def report(self, code: str, message: str, hint: str, at: Position, severity: Severity | None = None) -> None:
        """Add a finding, as severe as its code is unless told otherwise."""
        self.findings.append(finding(code, message, hint, at, severity))

    @cached_property
    def ancestry(self) -> Ancestry:
        """Which step comes after which."""
        return Ancestry(self.runbook.stages)

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """Every name of something, in the files and in the parameters of steps."""
        return tuple(dict.fromkeys((*self.bundle.traces.mentions, *self._binder.mentions)))

    @cached_property
    def usages(self) -> tuple[Usage, ...]:
        """Every text with ``${...}`` in it."""
        return tuple(dict.fromkeys((*self.bundle.traces.usages, *self._binder.usages)))

    @cached_property
    def moments(self) -> tuple[Moment, ...]:
        """Every wall-clock time."""
        return tuple(dict.fromkeys((*self.bundle.traces.moments, *self._binder.moments)))

    @property
    def has_systems(self) -> bool:
        """Whether an environment was chosen and its systems were loaded."""
        return self.bundle.systems.at != NOWHERE

    @property
    def has_people(self) -> bool:
        """Whether there is a people file, and it was loaded."""
        return self.bundle.people.at != NOWHERE

    def changes(self, step: Step) -> bool:
        """Whether *step* may change something outside."""
        kind = self.kinds.get(step.kind)
        if kind is None:
            return False
        said = getattr(self.instances.get(step.at), "changes", None)
        return said if isinstance(said, bool) else kind.changes

    def node(self, at: Position) -> Mapping_ | None:
        """The tree of the model object that stands at *at*."""
        return self.bundle.traces.nodes.get(at)

    def place(self, at: Position, *words: str | int) -> Position:
        """Where the value below *words* stands in what stands at *at*; as near as it can be found."""
        node: Node | None = self.node(at)
        for word in words:
            if isinstance(node, Mapping_) and word in node.entries:
                node = node.entries[str(word)]
            elif isinstance(node, Sequence) and isinstance(word, int) and word < len(node.items):
                node = node.items[word]
            elif isinstance(node, Scalar):
                break  # a shorthand: the value stands here
            else:
                return at
            at = node.at
        return at

    def key(self, at: Position, word: str) -> Position:
        """Where the key *word* stands in what stands at *at*."""
        node = self.node(at)
        return node.keys.get(word, at) if node is not None else at

    def inside(self, at: Position, needle: str) -> Position:
        """Where *needle* stands in the text that begins at *at*."""
        text = self.bundle.sources.get(at.file)
        if text is None:
            return at
        starts = self._line_starts(at.file)
        if at.line > len(starts):
            return at
        begin = starts[at.line - 1] + at.column - 1
        found = text.find(needle, begin)
        if found < 0:
            return at
        line = bisect_right(starts, found)
        return Position(at.file, line, found - starts[line - 1] + 1)

    def _line_starts(self, file: str) -> list[int]:
        if file not in self._starts:
            starts, text = [0], self.bundle.sources[file]
            for line in text.splitlines(keepends=True):
                starts.append(starts[-1] + len(line))
            self._starts[file] = starts
        return self._starts[file]

    @cached_property
    def _starts(self) -> dict[str, list[int]]:
        return {}

    def _bind(self, step: Step) -> None:
        kind = self.kinds.get(step.kind)
        if kind is None:
            return  # loading has said so
        self._binder.scope = step.at
        found = reader_of(kind.python)(self._binder, self._with_arguments(kind, step))
        self._binder.scope = NOWHERE
        if not isinstance(found, Invalid):
            self.instances[step.at] = found

    def _with_arguments(self, kind: Kind, step: Step) -> Node:
        """The step's parameters together with its ``with:``."""
        node = self.node(step.at)
        given = node.entries.get("with") if node is not None else None
        if node is None or given is None:
            return step.parameters
        plans = {plan.word: plan for plan in field_plans(kind.python)}
        parameters = step.parameters
        if "with" not in plans:
            hint = f"a `{kind.word}` step calls no function; remove it"
            self.report("unknown-key", f"a `{kind.word}` step takes no `with`", hint, node.keys["with"])
            return parameters
        if isinstance(parameters, Mapping_):
            entries = {**parameters.entries, "with": given}
        else:
            short = next((plan.word for plan in plans.values() if plan.name == kind.shorthand), "")
            entries = {short: parameters, "with": given} if short else {"with": given}
        return Mapping_(entries, {word: entry.at for word, entry in entries.items()}, parameters.at)


def _all_steps(bundle: Bundle) -> Iterator[StepInPlace]:
    for stage in bundle.runbook.stages.values():
        for step in stage.all_steps:
            yield from _with_inline(StepInPlace(step, stage, Role.FORWARD))
        for step in stage.rollback.steps if stage.rollback is not None else ():
            yield from _with_inline(StepInPlace(step, stage, Role.ROLLBACK))


def _with_inline(found: StepInPlace) -> Iterator[StepInPlace]:
    yield found
    if found.step.verify is not None:
        yield from _with_inline(StepInPlace(found.step.verify, found.stage, Role.VERIFY, found.step))
    if found.step.undo is not None:
        yield from _with_inline(StepInPlace(found.step.undo, found.stage, Role.UNDO, found.step))
