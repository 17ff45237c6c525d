"""A journal that cannot be written: nothing begins, what runs goes on, people can hold and abort, the run ends as it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.contracts import RunState, StepState
from changeover.journal.events import EventKind, Verb
from changeover.testing import Trial

pytestmark = pytest.mark.timeout(120)

RUNBOOK = """changeover: 1
id: full
title: A full disk
stages:
  work:
    owner: anna
    steps:
      - {id: long, shell: 'echo $$ > pid; sleep SECONDS; echo long >> ledger', repeatable: true}
      - {id: after, shell: echo after >> ledger}
    rollback: {none: nothing to undo}
"""


@pytest.fixture
def disk(disk_of: Callable[[int], Path]) -> Path:
    """A disk of 512 KiB for the journal alone."""
    return disk_of(512)


@pytest.fixture
def say(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command in the run's project; it must be accepted."""
    monkeypatch.setenv("CHANGEOVER_JOURNAL", f"sqlite:///{disk / 'journal.db'}")
    monkeypatch.setenv("CHANGEOVER_WHO", "anna")

    def typed(*words: str) -> str:
        monkeypatch.chdir(tmp_path / "project")
        capfd.readouterr()
        assert main(list(words)) == 0
        out, err = capfd.readouterr()
        return out + err

    return typed


def fill(disk: Path) -> Path:
    """Leave not a single page."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def started(tmp_path: Path, disk: Path, seconds: str) -> Trial:
    (tmp_path / "project").mkdir()
    run = Trial(tmp_path / "project", RUNBOOK.replace("SECONDS", seconds), address=f"sqlite:///{disk / 'journal.db'}")
    run.start(quiesce_grace=0.1)
    run.until(lambda state: state.step("long").state is StepState.RUNNING and (run.root / "pid").exists())
    return run


def test_a_hold_on_a_full_disk_holds_and_stands_in_the_record_when_there_is_space(
    tmp_path: Path, disk: Path, say: Callable[..., str]
) -> None:
    run = started(tmp_path, disk, "1.5")
    filler = fill(disk)
    run.until(lambda _: run.told and (run.root / "ledger").exists(), "the end of what runs, and the complaint", seconds=30)
    assert str(disk / "journal.db") in run.told[0]
    assert "free some space there" in run.told[0]
    said = say("hold", "--why", "the disk is full")
    assert "the disk is full" in said
    assert "no step begins any more" in said
    time.sleep(0.5)
    assert (run.root / "ledger").read_text().split() == ["long"], "nothing new began"
    filler.unlink()
    run.until(
        lambda state: state.held and not state.step("after").tainted, "the hold, and nothing of what came after", seconds=30
    )
    assert (run.state().held_by, run.state().step("long").state) == ("anna", StepState.PASSED)
    assert (run.root / "ledger").read_text().split() == ["long"]
    assert run.command(Verb.RELEASE, who="anna").accepted
    assert run.wait(30).state is RunState.SUCCEEDED
    assert (run.root / "ledger").read_text().split() == ["long", "after"]
    assert [event.step for event in run.events(EventKind.STEP_PASSED)] == ["long", "after"]


def test_an_abort_on_a_full_disk_stops_what_runs_at_once(tmp_path: Path, disk: Path, say: Callable[..., str]) -> None:
    run = started(tmp_path, disk, "60")
    pid = int((run.root / "pid").read_text())
    filler = fill(disk)
    said = say("abort", "--why", "it burns", "--yes")
    assert "everything that runs is stopped now" in said
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert not (run.root / "ledger").exists()
    filler.unlink()
    assert run.wait(60).state is RunState.ABORTED
    (asked,) = run.events(EventKind.ABORT_REQUESTED)
    assert (asked.who, asked.data["why"]) == ("anna", "it burns")
