"""What each question came to, and all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from changeover.contracts import Answer, Value, Verdict
from changeover.counting import counted
from changeover.transfer.reconcile.differences import Compared

#: Differences that go into a step's output; the report's own file holds them all.
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows for people to read."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    of: int  # how many there are in all


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question, with the figures behind it."""

    kind: str
    about: str
    answer: Answer
    summary: str
    expected: Value = None
    found: Value = None
    figures: Mapping[str, Value] = field(default_factory=dict)
    compared: Compared | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All answers."""

    source: str
    target: str
    findings: tuple[Finding, ...]
    written_at: datetime
    seconds: float

    @property
    def answer(self) -> Answer:
        """Passed only when every question is."""
        answers = {finding.answer for finding in self.findings}
        if Answer.FAILED in answers:
            return Answer.FAILED
        return Answer.PASSED if answers == {Answer.PASSED} else Answer.NOT_VERIFIABLE

    @property
    def summary(self) -> str:
        """One line: what is wrong, or how much was asked."""
        good = sum(finding.answer is Answer.PASSED for finding in self.findings)
        told = f"{good} of {counted(len(self.findings), 'question')} passed"
        other = [f"{finding.about}: {finding.summary}" for finding in self.findings if finding.answer is not Answer.PASSED]
        return "; ".join([told, *other[:5], *([f"and {len(other) - 5} more"] if len(other) > 5 else [])])  # noqa: PLR2004 - one line

    def verdict(self) -> Verdict:
        """For the engine."""
        good = sum(finding.answer is Answer.PASSED for finding in self.findings)
        return Verdict(self.answer, self.summary, len(self.findings), good)

    def as_json(self, *, differences: int = _SHOWN) -> dict[str, Any]:
        """For programs; at most so many differences of each table."""
        return {
            "source": self.source,
            "target": self.target,
            "answer": self.answer.value,
            "summary": self.summary,
            "written_at": self.written_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "findings": [_finding(finding, differences) for finding in self.findings],
        }


def _finding(finding: Finding, differences: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": finding.kind,
        "about": finding.about,
        "answer": finding.answer.value,
        "summary": finding.summary,
        "expected": finding.expected,
        "found": finding.found,
        "figures": dict(finding.figures),
    }
    if finding.compared is not None:
        found["differences"] = [
            {
                "key": list(difference.key),
                "gap": difference.gap.value,
                "fields": [{"column": each.column, "source": each.source, "target": each.target} for each in difference.fields],
            }
            for difference in finding.compared.differences[:differences]
        ]
    if finding.evidence:
        found["evidence"] = [
            {
                "title": each.title,
                "of": each.of,
                "rows": [dict(zip(each.headings, row, strict=True)) for row in each.rows[:differences]],
            }
            for each in finding.evidence
        ]
    return found


def evidence(title: str, headings: Iterable[str], rows: Iterable[Iterable[Value]], of: int | None = None) -> tuple[Evidence, ...]:
    """Rows for people to read; nothing when there are none."""
    listed = tuple(tuple(row) for row in rows)
    return (Evidence(title, tuple(headings), listed, len(listed) if of is None else of),) if listed else ()
