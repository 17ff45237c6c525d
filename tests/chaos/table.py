"""The table of docs/reliability.md: a row for each family, replaced when it is gone through again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BEGIN: Final = "<!-- written by `make soak` -->\n"
_END: Final = "<!-- end -->\n"
_HEAD: Final = "| what | runs | kills | violations | seconds | seed |\n| --- | ---: | ---: | ---: | ---: | ---: |\n"


@dataclass(frozen=True, slots=True)
class Row:
    """What a family of tests came to; several of the same name are summed."""

    family: str
    runs: int
    kills: int  # or what else was done to them: frozen, starved, restarted under them
    violations: int
    seconds: int
    seed: int

    @property
    def line(self) -> str:
        """It in Markdown."""
        return f"| {self.family} | {self.runs:,} | {self.kills:,} | {self.violations} | {self.seconds:,} | {self.seed} |\n"


def write_rows(page: Path, rows: Sequence[Row]) -> None:
    """Put *rows* into the table of *page*."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    table, after = rest.split(_END)
    standing = {line.split("|")[1].strip(): line for line in table.splitlines(keepends=True)[2:] if not line.startswith("| **")}
    for row in _summed(rows):
        standing[row.family] = row.line
    lines = [standing[name] for name in sorted(standing)]
    page.write_text(f"{before}{_BEGIN}{_HEAD}{''.join(lines)}{_total(lines)}{_END}{after}", encoding="utf-8")


def _summed(rows: Sequence[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        last = found.get(row.family, Row(row.family, 0, 0, 0, 0, row.seed))
        runs, kills, violations = last.runs + row.runs, last.kills + row.kills, last.violations + row.violations
        found[row.family] = Row(row.family, runs, kills, violations, last.seconds + row.seconds, row.seed)
    return list(found.values())


def _total(lines: Sequence[str]) -> str:
    figures = [[int(cell.strip().replace(",", "")) for cell in line.split("|")[2:6]] for line in lines]
    runs, kills, violations, seconds = (sum(column) for column in zip(*figures, strict=True))
    return f"| **together** | **{runs:,}** | **{kills:,}** | **{violations}** | **{seconds:,}** | |\n"
