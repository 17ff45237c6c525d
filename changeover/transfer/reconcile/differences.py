"""What was found to differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from changeover.contracts import Value


class Gap(StrEnum):
    """How two rows of one key differ."""

    MISSING = "missing"  # in the target
    EXTRA = "extra"  # in the target, and not in the source
    DIFFERS = "differs"

    def of(self, rows: int) -> str:
        """The word behind a number of rows."""
        return "differ" if self is Gap.DIFFERS and rows != 1 else self.value


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A column, and what both sides say."""

    column: str
    source: Value
    target: Value


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same on both sides."""

    key: tuple[Value, ...]
    gap: Gap
    fields: tuple[FieldDifference, ...]  # those that differ; of a missing or extra row: what it holds


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing two tables came to."""

    table: str
    source_rows: int
    target_rows: int
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    differences: tuple[Difference, ...]
    explained: int  # rows the target need not have: dead letters
    areas: int
    differing_areas: int
    complete: bool  # whether there is no difference beyond those

    def number(self, gap: Gap) -> int:
        """How many rows differ in this way."""
        return sum(difference.gap is gap for difference in self.differences)
