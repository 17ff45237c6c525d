"""The engine on a real Prefect server: every step is seen there, and nothing depends on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from changeover.contracts import RunState, StepState
from changeover.testing import Trial

pytestmark = pytest.mark.timeout(240)

_DRIVE = """
import json, sys
from pathlib import Path
from changeover.engine.drive import drive
from changeover.engine.options import Options
told = []
ended = drive(sys.argv[1], sys.argv[2], Options(engine=sys.argv[4], root=Path(sys.argv[3]), tell=told.append, drain=3))
print(json.dumps({"state": ended.state, "told": told}))
"""

RUNBOOK = """changeover: 1
id: seen
title: Seen in Prefect
stages:
  freeze:
    steps:
      - {id: close, shell: echo closed >> ledger}
      - {id: wait-a-moment, shell: 'sleep SECONDS; echo waited >> ledger'}
    rollback: {none: nothing to undo}
  move:
    steps:
      - {id: copy, shell: echo copied >> ledger}
      - {id: broken, shell: 'test -e fixed', optional: true, on_failure: warn}
    rollback: {none: nothing to undo}
"""


def drive_elsewhere(trial: Trial, environment: Mapping[str, str], engine: str = "auto") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _DRIVE, trial.journal_url, trial.run_id, str(trial.root), engine]
    return subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=trial.root
    )


def ended(process: subprocess.Popen[str], seconds: float = 90) -> dict[str, Any]:
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def a_trial(root: Path, seconds: float = 0.1) -> Trial:
    trial = Trial(root, RUNBOOK.replace("SECONDS", str(seconds)))
    trial.create()
    return trial


def test_each_step_is_a_task_run_that_no_limit_of_prefects_can_hold_up(prefect_server: Any, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prefect_server.ask("/concurrency_limits/", tag="stage:move", concurrency_limit=0)  # no task may have it at its beginning
    answer = ended(drive_elsewhere(trial, prefect_server.environment))
    assert answer == {"state": "succeeded", "told": []}
    (flow_run,) = prefect_server.flow_runs(f"run:{trial.run_id}")
    assert (flow_run["state_type"], flow_run["name"]) == ("COMPLETED", f"{trial.run_id}#1")
    assert "mode:rehearse" in flow_run["tags"]
    tasks: dict[str, Any] = {}
    for _ in range(100):
        found = prefect_server.ask("/task_runs/filter", flow_runs={"id": {"any_": [flow_run["id"]]}})
        tasks = {task["name"]: task for task in found}
        if len(tasks) == 4 and all(task["state_type"] in {"COMPLETED", "FAILED"} for task in tasks.values()):
            break
        time.sleep(0.1)
    assert {name: task["state_type"] for name, task in tasks.items()} == {
        "close": "COMPLETED",
        "wait-a-moment": "COMPLETED",
        "copy": "COMPLETED",
        "broken": "FAILED",
    }
    assert set(tasks["copy"]["tags"]) == {f"run:{trial.run_id}", "stage:move"}
    assert trial.state().engine["engine"] == "prefect"


def test_a_server_that_dies_in_mid_run_changes_nothing_and_the_engine_ends_in_time(mortal_server: Any, tmp_path: Path) -> None:
    trial = a_trial(tmp_path / "project", seconds=3)
    process = drive_elsewhere(trial, mortal_server.environment)
    trial.until(lambda state: state.step("wait-a-moment").state is StepState.RUNNING, seconds=60)
    mortal_server.kill()
    trial.until(lambda state: state.state is RunState.SUCCEEDED, seconds=30)
    over = time.monotonic()
    assert ended(process)["state"] == "succeeded"
    assert time.monotonic() - over < 20
    assert (trial.root / "ledger").read_text().split() == ["closed", "waited", "copied"]


def until_running(trial: Trial) -> None:
    trial.until(lambda state: state.step("wait-a-moment").state is StepState.RUNNING, seconds=60)


def test_a_server_that_dies_and_returns_in_mid_run_sees_the_rest_and_changes_nothing(mortal_server: Any, tmp_path: Path) -> None:
    trial = a_trial(tmp_path / "project", seconds=12)
    process = drive_elsewhere(trial, mortal_server.environment)
    until_running(trial)
    mortal_server.kill()
    mortal_server.start_again()
    trial.until(lambda state: state.state is RunState.SUCCEEDED, seconds=40)
    over = time.monotonic()
    assert ended(process)["state"] == "succeeded"
    assert time.monotonic() - over < 20
    assert (trial.root / "ledger").read_text().split() == ["closed", "waited", "copied"]
    (flow_run,) = mortal_server.flow_runs(f"run:{trial.run_id}")
    assert flow_run["state_type"] in {"COMPLETED", "RUNNING"}, "it is told when it listens in time; the journal has it anyway"


def test_a_server_that_answers_nothing_any_more_holds_no_step_up_and_the_engine_ends_in_time(
    mortal_server: Any, tmp_path: Path
) -> None:
    trial = a_trial(tmp_path / "project", seconds=3)
    process = drive_elsewhere(trial, mortal_server.environment)
    until_running(trial)
    mortal_server.freeze()
    try:
        trial.until(lambda state: state.state is RunState.SUCCEEDED, seconds=25)
        over = time.monotonic()
        answer = ended(process)
        assert answer["state"] == "succeeded"
        assert time.monotonic() - over < 20
        assert "the journal has it" in answer["told"][-1]
    finally:
        mortal_server.thaw()
    assert (trial.root / "ledger").read_text().split() == ["closed", "waited", "copied"]


def test_a_server_that_is_too_slow_at_the_start_is_done_without(mortal_server: Any, tmp_path: Path) -> None:
    trial = a_trial(tmp_path / "project")
    mortal_server.freeze()
    try:
        answer = ended(drive_elsewhere(trial, mortal_server.environment))
    finally:
        mortal_server.thaw()
    assert answer["state"] == "succeeded"
    assert "does not answer" in answer["told"][0]
    assert trial.state().engine["engine"] == "local"


def test_without_a_server_the_same_steps_run_here_and_one_line_says_so(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)

    environment = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    answer = ended(drive_elsewhere(trial, environment))
    assert answer["state"] == "succeeded"
    assert len(answer["told"]) == 1
    assert "does not answer" in answer["told"][0]
    assert trial.state().engine["engine"] == "local"


def test_prefect_deploy_from_the_repository_works_and_a_run_is_triggered_through_its_api(
    prefect_server: Any, tmp_path: Path
) -> None:
    repository = Path(__file__).parents[3]
    trial = Trial(tmp_path, RUNBOOK.replace("SECONDS", "0.1"))
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "seen.yaml").write_text(trial.runbook)
    shutil.copytree(repository / "flows", tmp_path / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(repository / "prefect.yaml", tmp_path)
    environment = {**prefect_server.environment, "PYTHONPATH": str(repository)}

    def prefect(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "prefect"), "--no-prompt", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    prefect("work-pool", "create", "changeover", "--type", "process")
    prefect("deploy", "--all")
    answer = httpx.get(f"{prefect_server.url}/deployments/name/cutover/cutover", timeout=20)
    parameters = {"file": "runbooks/seen.yaml", "environment": "test", "mode": "rehearse", "who": "anna"}
    created = prefect_server.ask(f"/deployments/{answer.json()['id']}/create_flow_run", parameters=parameters)
    prefect("worker", "start", "--pool", "changeover", "--run-once")
    flow_run: dict[str, Any] = {}
    for _ in range(300):
        flow_run = httpx.get(f"{prefect_server.url}/flow_runs/{created['id']}", timeout=20).json()
        if flow_run["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}:
            break
        time.sleep(0.2)
    assert flow_run["state_type"] == "COMPLETED", flow_run["state"]
    assert (tmp_path / "ledger").read_text().split() == ["closed", "waited", "copied"]
    found: list[dict[str, Any]] = []
    filtered = {"task_runs": {"flow_run_id": {"any_": [created["id"]]}}}
    for _ in range(100):
        found = prefect_server.ask("/task_runs/filter", **filtered)
        if len(found) == 4:
            break
        time.sleep(0.1)
    assert {task["name"] for task in found} == {"close", "wait-a-moment", "copy", "broken"}
