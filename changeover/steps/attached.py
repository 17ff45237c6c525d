"""What proves a step or is polled runs attached, whatever it says: it looks, and it is asked again and again."""

from __future__ import annotations

from dataclasses import replace

from changeover.contracts import StepKind
from changeover.steps.script import Script
from changeover.steps.shell import Shell
from changeover.steps.ssh import Ssh


def attached(kind: StepKind) -> StepKind:
    """*kind*, tied to its connection when it knows the difference."""
    return replace(kind, mode="attached") if isinstance(kind, Ssh | Script | Shell) else kind
