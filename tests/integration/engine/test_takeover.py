"""Two engines as programs: the second is refused, or takes over by a person's word; a thawed owner stops itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from changeover.contracts import StepState
from changeover.engine.clock import SystemClock
from changeover.journal.events import EventKind
from changeover.journal.fold import RunRecordState, fold
from changeover.journal.store import Journal

pytestmark = pytest.mark.timeout(120)
PROGRAM = (sys.executable, "-c", "from changeover.cli import main; raise SystemExit(main())")
RUNBOOK = """changeover: 1
id: night
title: A night
stages:
  work:
    owner: anna
    steps:
      - {id: first, shell: echo first >> ledger}
      - {id: long, shell: 'until test -e go-on; do sleep 0.1; done; echo long >> ledger', repeatable: true}
      - {id: last, shell: echo last >> ledger}
    rollback: {none: nothing to undo}
"""


@dataclass
class Folder:
    root: Path
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CHANGEOVER_", "PREFECT_"))}
        return {**own, "CHANGEOVER_WHO": "anna"}

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.root / "log").open("ab") as log:
            child = subprocess.Popen([*PROGRAM, *words], cwd=self.root, env=self.environment, stdout=log, stderr=log)
        self.begun.append(child)
        return child

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, *words]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def until(self, condition: Callable[[RunRecordState], bool]) -> RunRecordState:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (self.root / ".changeover" / "journal.db").exists():
                with Journal.open(f"sqlite:///{self.root / '.changeover' / 'journal.db'}", clock=SystemClock()) as journal:
                    for run in journal.runs():
                        state = fold(run.id, journal.events(run.id))
                        if condition(state):
                            return state
            time.sleep(0.1)
        raise AssertionError((self.root / "log").read_text())

    @property
    def ledger(self) -> list[str]:
        return (self.root / "ledger").read_text().split()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "night.yaml").write_text(RUNBOOK)
    made = Folder(tmp_path)
    yield made
    for child in made.begun:
        if child.poll() is None:
            child.kill()
        child.wait()


def test_a_second_engine_is_refused_and_a_thawed_owner_that_was_taken_over_stops_itself(folder: Folder) -> None:
    first = folder.begin("rehearse", "runbooks/night.yaml", "--engine", "local", "--lines")
    state = folder.until(lambda state: state.step("long").state is StepState.RUNNING)

    second = folder.run("resume", "--lines")
    assert second.returncode == 8
    assert f"owned by anna ({os.uname().nodename}, pid {first.pid}) since 20" in second.stderr
    assert f"changeover takeover {state.run}" in second.stderr

    first.send_signal(signal.SIGSTOP)
    (folder.root / "go-on").touch()
    took = folder.run("takeover", "--why", "its terminal hangs", "--who", "bela", "--engine", "local", "--lines")
    assert took.returncode == 0, took.stderr
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == 7
    assert "took the run over" in (folder.root / "log").read_text()
    assert folder.ledger == ["first", "long", "last"]
    with Journal.open(f"sqlite:///{folder.root / '.changeover' / 'journal.db'}", clock=SystemClock()) as journal:
        (taken,) = [event for event in journal.events(state.run) if event.kind is EventKind.RUN_TAKEN_OVER]
    assert (taken.who, taken.data["why"]) == ("bela", "its terminal hangs")
    assert f"pid {first.pid}" in str(taken.data["from"])


def test_an_owner_that_was_killed_needs_no_takeover(folder: Folder) -> None:
    first = folder.begin("rehearse", "runbooks/night.yaml", "--engine", "local", "--lines")
    folder.until(lambda state: state.step("long").state is StepState.RUNNING)
    first.kill()
    first.wait()
    (folder.root / "go-on").touch()
    assert folder.run("resume", "--engine", "local", "--lines").returncode == 0
    assert folder.ledger == ["first", "long", "last"]
