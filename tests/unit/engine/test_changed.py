from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.engine.changed import Changes, RunChanged
from changeover.testing import Trial

TrialOf = Callable[..., Trial]

STEPS = """
- id: close
  act: {text: close, fails: 1}
  undo: {act: reopen}
- {id: copy, act: copy, timeout: 1m}
- {id: count, look: {}}
"""


def changed(trial: TrialOf, *edits: tuple[str, str]) -> Changes:
    """What is said when the runbook of a run has been edited."""
    run = trial(STEPS)
    run.drive(wait=False)
    file = run.root / "runbooks" / "trial.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RunChanged) as refused:
        run.drive(wait=False)
    return refused.value.changes


@pytest.mark.parametrize(
    ("edit", "sentences"),
    [
        (("act: copy,", "act: move,"), ("copy: `act` copy became move",)),
        (("timeout: 1m", "timeout: 1m, expect: 30s"), ("copy: `expect` nothing became likely: 30s, worst: 45s",)),
        (("timeout: 1m", "timeout: 1m, retry: 2"), ("copy: `retry` nothing became times: 2, every: 10s, backoff: 1.0",)),
        (("timeout: 1m", "timeout: 2m"), ("copy: `timeout` 1m became 2m",)),
        (
            ("undo: {act: reopen}", "undo: {act: open}"),
            ("close: undo: `act` reopen became open", "close.undo: `act` reopen became open"),
        ),
        (("look: {}", "act: {}"), ("count: `look` became `act`",)),
        (("id: count,", "id: sum,"), ("count is gone", "sum is new")),
        (
            ("id: count,", "id: count, needs: [close],"),
            ("count: `needs` nothing became close", "count: it needed copy and would need close"),
        ),
        (("title: Trial", "title: Another"), ()),
        (("stages:", "stages: ["), ("what stands on disk now is no runbook: `changeover lint` says why",)),
    ],
)
def test_what_an_edit_would_mean_for_the_steps_is_said(trial: TrialOf, edit: tuple[str, str], sentences: tuple[str, ...]) -> None:
    found = changed(trial, edit)
    assert found.what == ("runbooks/trial.yaml was changed",)
    assert found.steps == sentences


def test_a_file_that_is_not_here_has_not_changed(trial: TrialOf) -> None:
    run = trial(STEPS)
    run.drive(wait=False)
    Path(run.root / "runbooks" / "people.yaml").unlink()
    run.drive(wait=False)
