"""Statements that are carried out together, and what has to come out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from changeover.contracts import Value, key


@dataclass(frozen=True, slots=True)
class Expectation:
    """What has to come out; otherwise the transaction is rolled back and the step has failed."""

    rows: int | None = key("how many rows the last statement returns", default=None)
    affected_at_most: int | None = key("how many rows all statements together may change", default=None)
    value: Value = key("the only value of the last statement's only row", default=None)


class Statements(Protocol):
    """What one transaction carries out."""

    @property
    def on(self) -> str:
        """The database's name."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """The statements, at least one, in order."""
        ...

    @property
    def values(self) -> Mapping[str, Value]:
        """What ``:name`` stands for in them."""
        ...

    @property
    def expect(self) -> Expectation:
        """What has to come out; otherwise nothing stays changed."""
        ...

    @property
    def marker(self) -> bool:
        """Whether a row in the same transaction tells afterwards whether it happened."""
        ...

    @property
    def changes(self) -> bool:
        """Whether they change anything; otherwise nothing is committed."""
        ...
