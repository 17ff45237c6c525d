"""The engine is killed with -9 while commands are under way on hosts: the next one finds them again, and nothing runs twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import RunState
from changeover.engine.conformance import deviations
from changeover.engine.drive import load_run
from changeover.journal.events import EventKind, Verb
from changeover.project import Project
from changeover.testing import Trial
from tests.integration.remote.conftest import alive

pytestmark = pytest.mark.timeout(400)

#: Nights at once: most of the time each of them waits.
AT_ONCE = 3
KILLS = 40 if os.environ.get("CHANGEOVER_SOAK") else 6
RUNBOOK = """changeover: 1
id: remote
title: Work on hosts
systems: systems.yaml
stages:
  work:
    steps:
      - id: one
        ssh: {on: all-hosts, run: 'echo one-$CHANGEOVER_JOB >> LEDGER; sleep 0.4; echo fine', batches: [1, 100%]}
        capture: {said: $.hosts.h2.stdout}
      - {id: two, script: {on: all-hosts, text: 'echo two-$CHANGEOVER_JOB >> LEDGER; sleep 0.4'}}
      - {id: here, shell: 'echo here-$CHANGEOVER_JOB >> LEDGER; sleep 0.4; echo ${captured.one.said}'}
    rollback: {none: nothing to undo}
"""


def a_trial(root: Path, server: Any, ledger: Path, runbook: str = RUNBOOK) -> Trial:
    entry = {
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "key": str(server.key),
        "known_hosts": str(server.known_hosts),
    }
    systems = {
        "production": False,
        "hosts": dict.fromkeys(("h1", "h2", "h3"), entry),
        "groups": {"all-hosts": ["h1", "h2", "h3"]},
    }
    files = {"runbooks/systems.yaml": json.dumps(systems)}
    trial = Trial(root, runbook.replace("LEDGER", str(ledger)), files=files)
    trial.create()
    return trial


def drive_and_kill(trial: Trial, seconds: float) -> bool:
    """Whether it was killed before the end."""
    program = Path(__file__).with_name("driving_process.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with (trial.root / "engine.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, program, trial.root, trial.run_id], env=environment, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while process.poll() is None and not trial.events(EventKind.STEP_STARTED) and time.monotonic() < until:
            time.sleep(0.02)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True
    return False


def kill_and_go_on(root: Path, server: Any, chance: random.Random) -> int:
    """One night in which it is killed once or twice; how often it was."""
    ledger = root.with_name(f"{root.name}-ledger")
    trial = a_trial(root, server, ledger)
    kills = int(drive_and_kill(trial, chance.uniform(0, 3.0)))
    if chance.random() < 0.5:
        kills += drive_and_kill(trial, chance.uniform(0, 2.0))
    ended = trial.drive(takeover=True)
    assert ended.state is RunState.SUCCEEDED, f"kill {root.name}: {trial.state()}"
    written = ledger.read_text().split()
    assert len(written) == len(set(written)), f"kill {root.name}: something ran twice: {written}"
    assert sorted(word.split("-")[0] for word in written) == ["here", *["one"] * 3, *["two"] * 3], f"kill {root.name}: {written}"
    with trial.journal() as journal:
        record = journal.run(trial.run_id)
    _, plan = load_run(record, Project(trial.root).load_kinds(), trial.root)
    assert deviations(plan, record.id, trial.events()) == [], f"kill {root.name}"
    return kills


def test_whenever_the_engine_is_killed_every_command_has_run_once_on_every_host(tmp_path: Path, forced_sshd: Any) -> None:
    seed = int(os.environ.get("CHANGEOVER_CHAOS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")  # noqa: T201 - to repeat it

    def one(number: int) -> int:
        return kill_and_go_on(tmp_path / str(number), forced_sshd, random.Random(f"{seed}-{number}"))  # noqa: S311 - not a secret

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(one, range(KILLS))) >= KILLS // 2


def test_an_abort_ends_the_commands_at_the_hosts(tmp_path: Path, forced_sshd: Any) -> None:
    pids = tmp_path / "pids"
    command = f"echo $$ >> {pids}; setsid sleep 71 & echo $! >> {pids}; sleep 72"
    trial = a_trial(tmp_path / "project", forced_sshd, tmp_path / "ledger", RUNBOOK.replace("sleep 0.4; echo fine", command))
    trial.start(stop_grace=20.0)
    trial.until(lambda _state: pids.exists() and len(pids.read_text().split()) == 2, "the command", seconds=30)
    assert trial.command(Verb.ABORT).accepted
    assert trial.wait(60).state is RunState.ABORTED
    assert [pid for pid in pids.read_text().split() if alive(int(pid))] == []
