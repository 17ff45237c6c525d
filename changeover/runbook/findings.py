"""What lint says: one finding, one place, one cure. Codes are stable and each has a page in docs/findings/."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from changeover.errors import Mistake
from changeover.runbook.position import Position


class Severity(StrEnum):
    """Whether a run may start all the same."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a file, why it matters and what to write instead."""

    code: str
    message: str
    hint: str
    at: Position
    severity: Severity = Severity.ERROR
    blocks_run: bool = False  # a warning for who writes the runbook, and an error for who starts it

    @property
    def stops_run(self) -> bool:
        """Whether no run starts with it."""
        return self.severity is Severity.ERROR or self.blocks_run


@dataclass(eq=False)
class RunbookRefused(Mistake):
    """The runbook has errors; nothing was started."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        stopping = sum(finding.stops_run for finding in self.findings)
        more = f" (and {stopping - 1} more)" if stopping > 1 else ""
        return f"{self._first.at}: {self._first.message}{more}"

    @property
    def hint(self) -> str:
        return self._first.hint

    @property
    def _first(self) -> Finding:
        return next((finding for finding in self.findings if finding.stops_run), self.findings[0])
