"""The engine is killed with -9 at every failpoint, forward, in rollback and while aborting; what it did is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(400)

_PARENT = Path(__file__).parent / "warm_parent.py"
_SEED = int(os.environ.get("CHANGEOVER_CHAOS_SEED", "20270313"))
_FORWARD = ["a", "b", "c", "d", "e[p]", "e[q]", "f"]
_BEFORE = {"b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e[p]": {"d"}, "e[q]": {"d"}, "f": {"e[p]", "e[q]"}}
_UNDOS = ["a.undo", "b.undo", "c.undo", "d.undo", "e[p].undo", "e[q].undo", "tidy"]
_UNDONE_BEFORE = {
    "d.undo": {"e[p].undo", "e[q].undo"},
    "b.undo": {"d.undo"},
    "c.undo": {"d.undo"},
    "a.undo": {"b.undo", "c.undo"},
    "tidy": {"a.undo"},
}


def killed(folder: Path, scenario: str) -> list[dict[str, Any]]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop("CHANGEOVER_FAILPOINT", None)
    command = [sys.executable, str(_PARENT), str(folder), str(_SEED), scenario]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=360, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_order(ledger: list[str], before: dict[str, set[str]]) -> bool:
    return all(before.get(key, set()) <= set(ledger[:place]) for place, key in enumerate(ledger))


def test_forward_every_step_has_its_effect_exactly_once(tmp_path: Path) -> None:
    runs = killed(tmp_path, "forward")
    assert len(runs) >= 20
    for run in runs:
        assert run["state"] == "succeeded", run
        assert sorted(run["ledger"]) == sorted(_FORWARD), run
        assert in_order(run["ledger"], _BEFORE), run
        assert run["deviations"] == [], run
        assert run["suspended"] == [], run
    assert sum(run["kills"] for run in runs) >= len(runs)


def test_in_rollback_every_undo_has_its_effect_exactly_once_and_in_reverse(tmp_path: Path) -> None:
    runs = killed(tmp_path, "rollback")
    assert len(runs) >= 20
    for run in runs:
        assert run["state"] == "rolled_back", run
        forward, back = run["ledger"][:6], run["ledger"][6:]
        assert sorted(forward) == sorted(_FORWARD[:-1]), run
        assert sorted(back) == sorted(_UNDOS), run
        assert in_order(back, _UNDONE_BEFORE), run
        assert run["deviations"] == [], run
        assert run["suspended"] == [], run
    assert sum(run["kills"] for run in runs) >= len(runs) // 2


def test_while_aborting_nothing_is_repeated_and_nothing_is_undone(tmp_path: Path) -> None:
    for run in killed(tmp_path, "abort"):
        assert run["state"] in {"aborted", "succeeded"}, run  # the abort may come after the last step's end
        assert max(Counter(run["ledger"]).values()) == 1, run
        assert set(run["ledger"]) <= set(_FORWARD), run
        assert run["deviations"] == [], run
