"""Step kinds bound from YAML, the way a run does it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import changeover.steps  # noqa: F401 - registers the kinds
from changeover import contracts
from changeover.contracts import StepKind, Value, registered_kinds
from changeover.runbook.references import ValueMissing
from changeover.runbook.values import materialise
from changeover.runbook.yaml_text import parse
from changeover.testing import FakeContext

Bound = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class GivenNames:
    """Values for ``${...}``, by their dotted names."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def lookup(self, path: tuple[str, ...]) -> Value:
        name = ".".join(path)
        if name not in self.values:
            raise ValueMissing(name)
        return self.values[name]


@pytest.fixture
def bound() -> Bound:
    """A step kind from its word and the YAML below it; keyword arguments are the step's ``with:``."""

    def bind(word: str, yaml: str, names: Mapping[str, Value] | None = None, **arguments: Value) -> StepKind:
        node, findings = parse(yaml, "runbook.yaml")
        assert not findings
        assert node is not None
        return materialise(registered_kinds()[word], node, arguments, GivenNames(names or {}))

    return bind


@pytest.fixture
def kinds_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A team's own kinds are registered and imported in this test only."""
    monkeypatch.setattr(contracts, "_KINDS", registered_kinds())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "kinds":
            del sys.modules[name]


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return FakeContext(folder=tmp_path)
