"""What stays in a rollback to a stage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.plan.graph import build_plan
from changeover.plan.kept import kept_with
from changeover.runbook.bundle import Bundle

RUNBOOK = """
stages:
  freeze: {steps: [{id: close, shell: a}], rollback: {none: x}}
  phones: {needs: [freeze], steps: [{id: forward, shell: a}], rollback: {none: x}}
  deploy: {needs: [freeze], steps: [{id: install, shell: a}], rollback: {none: x}}
  alone: {needs: [], steps: [{id: by-itself, shell: a}], rollback: {none: x}}
  move: {needs: [deploy], steps: [{id: copy, shell: a}, {id: call, needs: [forward], shell: a}], rollback: {none: x}}
"""


@pytest.mark.parametrize(
    ("stage", "kept"),
    [
        ("freeze", {"freeze"}),
        ("deploy", {"freeze", "deploy"}),
        ("alone", {"alone"}),
        ("move", {"freeze", "deploy", "phones", "move"}),
        ("", set()),
        ("nowhere", set()),
    ],
)
def test_a_stage_stays_with_all_it_rests_on_through_its_steps_too(
    bundle_of: Callable[..., Bundle], stage: str, kept: set[str]
) -> None:
    assert kept_with(build_plan(bundle_of(RUNBOOK), inputs={}), stage) == kept
