"""The plan for other programs: everything that `plan` knows. Moments are ISO 8601 with offset, durations are seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from changeover.cli.plan_words import Times, verdict
from changeover.plan.critical_path import Span
from changeover.plan.model import PlannedStep
from changeover.plan.outlook import Outlook
from changeover.plan.preflight import Examined
from changeover.runbook.bundle import Bundle
from changeover.runbook.findings import Finding
from changeover.status.as_json import plain
from changeover.status.names import person

#: Longer lists of needs are written once.
_LISTED: Final = 20


def document(examined: Examined, bundle: Bundle, outlook: Outlook) -> dict[str, Any]:
    """The whole plan as plain values."""
    zone = bundle.runbook.zone
    fits, sentences = verdict(outlook, Times.of(outlook, zone))
    schedule = outlook.schedule
    written: dict[str, Any] = plain(
        {
            "runbook": bundle.runbook.id,
            "title": bundle.runbook.title,
            "file": bundle.runbook.file,
            "environment": bundle.environment,
            "timezone": bundle.runbook.timezone,
            "digest": bundle.digest,
            "window": outlook.fit.window,
            "starts": schedule.starts_at,
            "ends": {"likely": schedule.ends_likely, "worst": schedule.ends_worst},
            "fits": {
                "verdict": "yes" if fits is True else "tight" if fits is None else "no",
                "sentences": [sentence for sentence in sentences if sentence],
                "run": {"likely": outlook.fit.run_likely, "worst": outlook.fit.run_worst},
                "rollback": {"likely": outlook.fit.rollback_likely, "worst": outlook.fit.rollback_worst},
            },
            "point_of_no_return": outlook.point,
            "critical_path": schedule.critical_path,
            "clocks": [{**_fields(impact), "likely": impact.likely, "fits": impact.fits} for impact in outlook.impacts],
            "stages": [_stage(bundle, outlook, name) for name in schedule.stages],
            "steps": [_step(outlook, key, needs) for key, needs in _needs(outlook.plan.forward)],
            "rollback": [_rollback_step(outlook, key, needs) for key, needs in _needs(outlook.plan.rollback)],
            "findings": [finding_document(finding) for finding in examined.findings],
        },
        zone,
    )
    return written


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as `lint --json` writes it."""
    return {
        "file": finding.at.file,
        "line": finding.at.line,
        "column": finding.at.column,
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
    }


def _stage(bundle: Bundle, outlook: Outlook, name: str) -> dict[str, Any]:
    stage, times, back = outlook.plan.stages[name], outlook.schedule.stages[name], outlook.fit.stages[name]
    return {
        "id": name,
        "title": stage.title or name,
        "owner": stage.owner,
        "owner_name": person(bundle.people, stage.owner),
        "needs": outlook.plan.stage_needs[name],
        "likely": _span(times.likely),
        "worst": _span(times.worst),
        "slack": times.slack,
        "critical": times.critical,
        "rollback": {
            "how": back.how,
            "loses": back.loses,
            "offered": back.offered,
            "alone": back.own,
            "takes": back.lasts,
            "latest_safe_start": back.latest_safe_start,
            "in_time": {"likely": back.in_time, "worst": back.in_time_worst},
        },
    }


def _needs(steps: Mapping[str, PlannedStep]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each step waits for. Where many steps wait for the same many, only the first lists them: linear in size."""
    first: dict[int, str] = {}
    for key, planned in steps.items():
        same = first.setdefault(id(planned.needs), key)
        if same != key and len(planned.needs) > _LISTED:
            yield key, {"needs": None, "same_needs_as": same}
        else:
            yield key, {"needs": planned.needs, "same_needs_as": None}


def _step(outlook: Outlook, key: str, needs: dict[str, Any]) -> dict[str, Any]:
    planned, times = outlook.plan.forward[key], outlook.schedule.steps[key]
    return {
        "key": key,
        "stage": planned.stage,
        "kind": planned.step.kind,
        "title": planned.step.title or key,
        "owner": planned.owner,
        **needs,
        "background": planned.background,
        "point_of_no_return": key in outlook.plan.points_of_no_return,
        "skipped": outlook.plan.skipped.get(key),
        "expected": planned.expected,
        "likely": _span(times.likely),
        "worst": _span(times.worst),
        "slack": times.likely.slack,
        "critical": times.critical,
        "holds_until": times.holds_until,
        "by": times.by,
    }


def _rollback_step(outlook: Outlook, key: str, needs: dict[str, Any]) -> dict[str, Any]:
    planned = outlook.plan.rollback[key]
    own = planned.undoes if len(planned.undoes) == 1 else ()
    return {
        "key": key,
        "stage": planned.stage,
        "kind": planned.step.kind,
        "title": planned.step.title or key,
        **needs,
        "undoes": own[0] if own else None,  # None: it belongs to the stage as a whole
        "expected": planned.expected,
    }


def _span(span: Span) -> dict[str, Any]:
    return {**_fields(span), "lasts": span.lasts}


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
