"""Events as lines: sentences for people, JSON for programs."""

from __future__ import annotations

import json
from typing import Any

from changeover.cli import render
from changeover.journal.events import Event, EventKind
from changeover.plan.model import Plan
from changeover.runbook.bundle import Bundle
from changeover.status.words import sentence

#: Too frequent for a log of lines; `--json` has them.
_FREQUENT = frozenset({EventKind.STEP_PROGRESSED})


def line_of(event: Event, plan: Plan, bundle: Bundle) -> str:
    """One line for people; empty for what is too frequent, or told by the next event."""
    if event.kind in _FREQUENT or (event.kind is EventKind.COMMAND_ANSWERED and event.data.get("accepted")):
        return ""
    zone = bundle.runbook.zone
    said = render.safe(sentence(event, plan, zone, bundle.people)).replace("`", "")
    return f"{render.clock(event.at, zone, seconds=True)} {said}"


def json_of(event: Event) -> str:
    """One line of JSON."""
    document: dict[str, Any] = {
        "run": event.run,
        "seq": event.seq,
        "at": event.at.isoformat(),
        "kind": event.kind.value,
        "step": event.step,
        "attempt": event.attempt,
        "who": event.who,
        "epoch": event.epoch,
        "data": dict(event.data),
        "hash": event.hash,
    }
    return json.dumps(document, ensure_ascii=False)
