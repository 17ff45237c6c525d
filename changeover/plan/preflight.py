"""Everything that can be known before a run: is the runbook sound, and does its plan fit the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from changeover.contracts import Kind, Mode, Value
from changeover.plan.graph import build_plan
from changeover.plan.lint import findings as time_findings
from changeover.plan.model import Plan
from changeover.plan.network import StepsInACircle
from changeover.plan.outlook import Outlook, outlook
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import Finding, Severity
from changeover.runbook.lint import Resolver, lint
from changeover.runbook.load import load
from changeover.runbook.model import Runbook

#: The inputs, or how to find them once the runbook is known.
Inputs = Mapping[str, Value] | Callable[[Runbook], Mapping[str, Value]]
#: A moment, or how to find it once the runbook is known.
Start = datetime | Callable[[Runbook], datetime]


@dataclass(frozen=True, slots=True)
class Examined:
    """What came out. Bundle, plan and outlook are None as far as the findings make them impossible."""

    bundle: Bundle | None
    plan: Plan | None
    outlook: Outlook | None
    findings: tuple[Finding, ...]  # in the order of the files

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What is wrong whoever runs it, and where."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def obstacles(self) -> tuple[Finding, ...]:
        """The findings with which no run starts: the errors, and what this machine lacks."""
        return tuple(finding for finding in self.findings if finding.stops_run)


def examine(
    path: Path,
    *,
    environment: str | None,
    inputs: Inputs,
    kinds: Mapping[str, Kind],
    root: Path,
    resolve: Resolver | None,
    mode: Mode | None = None,
    starts_at: Start | None = None,
    opens: datetime | None = None,
) -> Examined:
    """Load, lint and plan the runbook at *path*; every problem is a finding.

    *starts_at* is when the run starts (left out: when the window opens); *opens* moves the window, as in a rehearsal.
    *inputs* and *starts_at* may be functions of the runbook; what they raise passes through.
    """
    loaded = load(path, environment=environment, kinds=kinds, root=root)
    if loaded.bundle is None:
        return Examined(None, None, None, loaded.findings)
    runbook = loaded.bundle.runbook
    values = inputs(runbook) if callable(inputs) else inputs
    begins = starts_at(runbook) if callable(starts_at) else starts_at
    found = [*loaded.findings, *lint(loaded.bundle, kinds=kinds, resolve=resolve)]
    try:
        plan = build_plan(loaded.bundle, inputs=values, mode=mode)
        view = outlook(loaded.bundle, plan, starts_at=begins, opens=opens)
    except StepsInACircle:
        # lint has said it with its place
        return Examined(loaded.bundle, None, None, _in_order(found))
    return Examined(loaded.bundle, plan, view, _in_order([*found, *time_findings(loaded.bundle, view)]))


def _in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings), key=lambda finding: (finding.at, finding.code, finding.message)))
