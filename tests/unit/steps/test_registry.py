from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import changeover.steps
from changeover.contracts import OnUnknown, StepKind, registered_kinds
from changeover.project import Project
from changeover.runbook.readers import field_plans
from changeover.steps import reference
from changeover.testing import FakeContext

WORDS = [
    "channel",
    "check",
    "confirm",
    "gate",
    "http",
    "manual",
    "migrate",
    "notify",
    "poll",
    "prefect",
    "python",
    "reconcile",
    "runbook",
    "script",
    "shell",
    "sql",
    "ssh",
    "upload",
    "wait",
]
OWN = {word: kind for word, kind in registered_kinds().items() if kind.python.__module__.startswith("changeover.steps.")}


def test_all_kinds_of_the_language_are_there() -> None:
    assert sorted(OWN) == WORDS == changeover.steps.__all__


@pytest.mark.parametrize("word", WORDS)
def test_each_kind_is_a_frozen_dataclass_that_says_everything_about_itself(word: str) -> None:
    python = OWN[word].python
    assert dataclasses.is_dataclass(python)
    assert vars(python)["__dataclass_params__"].frozen
    for part in ("Output: ", "Dry run: ", "It may have happened"):
        assert part in (python.__doc__ or ""), part
    assert all(plan.meaning for plan in field_plans(python))
    assert all(hasattr(python, name) for name in ("run", "dry_run", "on_unknown"))


def test_importing_all_kinds_loads_nothing_heavy() -> None:
    heavy = "('paramiko', 'httpx', 'sqlalchemy', 'prefect', 'slack_sdk')"
    program = f"import sys, changeover.steps; sys.exit(','.join(m for m in {heavy} if m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr.strip() == ""


def test_the_reference_page_is_current() -> None:
    page = Path(__file__).parents[3] / "docs" / "kinds.md"
    assert page.read_text(encoding="utf-8") == reference.page(OWN), "run: python -m changeover.steps.reference"


@pytest.mark.usefixtures("kinds_as_before")
def test_a_teams_own_kind_registers_and_is_bound_the_same_way(tmp_path: Path, bound: Any, context: FakeContext) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "ring_the_bell.py").write_text('''
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, OnUnknown, Result, key, step_kind


@step_kind("ring-the-bell", shorthand="times")
@dataclass(frozen=True, slots=True)
class RingTheBell:
    """Ring the ship's bell."""

    times: int = key("how often")
    pause: timedelta = key("between two strokes", default=timedelta(seconds=1))

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def problems(self):
        if self.times > 8:
            yield "there are eight bells at most"

    def run(self, context: Context) -> Result:
        for _ in range(self.times):
            context.say("ding")
            context.sleep(self.pause.total_seconds())
        return Result(f"{self.times} bells", {"strokes": self.times})

    def dry_run(self, context: Context) -> Result:
        return Result("would ring")
''')
    kinds = Project(tmp_path).load_kinds()
    assert kinds["ring-the-bell"].title == "Ring the ship's bell."
    bell = bound("ring-the-bell", "{times: '${inputs.n}', pause: 2s}", {"inputs.n": 3})
    assert isinstance(bell, StepKind)
    assert bell.on_unknown is OnUnknown.RERUN
    assert bell.run(context).output == {"strokes": 3}
    assert context.said == ["ding"] * 3
    assert context.clock.monotonic() == 1006.0
    with pytest.raises(Exception, match="eight bells"):
        bound("ring-the-bell", "9")
