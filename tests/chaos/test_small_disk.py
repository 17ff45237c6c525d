"""A disk of 256 KiB for the journal: it fills up under a run, from within and from without, and what follows is clean."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from changeover.cli.exit_codes import ExitCode
from changeover.engine.clock import SystemClock
from changeover.journal.store import Journal
from tests.chaos.conftest import ROOT
from tests.chaos.judging import judge, ledger_of
from tests.chaos.nights import BY_NAME
from tests.chaos.templates import Copy, Templates

pytestmark = pytest.mark.timeout(300)

_PROGRAM: Final = "import sys; from changeover.cli import main; raise SystemExit(main())"


@pytest.fixture
def disk(disk_of: Callable[[int], Path]) -> Path:
    """A disk of 256 KiB."""
    return disk_of(256)


def program(copy: Copy, disk: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "CHANGEOVER_JOURNAL": f"sqlite:///{disk / 'journal.db'}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PROGRAM, *words]
    return subprocess.Popen(command, cwd=copy.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fill(disk: Path) -> Path:
    """Take what is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return filler


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_a_run_on_a_disk_that_fills_up_ends_cleanly_and_comes_to_its_end_when_there_is_space(
    disk: Path, tmp_path: Path, record: Callable[..., None]
) -> None:
    copy = Templates(tmp_path).copy(BY_NAME["long"])
    with closing(sqlite3.connect(copy.folder / "journal.db")) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    shutil.move(copy.folder / "journal.db", disk / "journal.db")

    engine = program(copy, disk, "resume", copy.run, "--engine", "local", "--lines", "--who", "anna")
    until(lambda: ledger_of(copy.folder))
    filler = fill(disk)
    time.sleep(2)
    status = program(copy, disk, "status", copy.run)
    out, err = status.communicate(timeout=60)
    assert (status.returncode, err) == (0, ""), "whoever only reads needs no space"
    engine.send_signal(signal.SIGTERM)
    out, err = engine.communicate(timeout=60)
    assert engine.returncode == ExitCode.JOURNAL_UNAVAILABLE, out + err
    assert re.search(rf"{re.escape(str(disk / 'journal.db'))}.*the disk is full", err)
    assert "free some space" in err
    assert "Traceback" not in out + err

    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)  # what the write-ahead file has is not given back
    again = program(copy, disk, "resume", copy.run, "--engine", "local", "--lines", "--who", "anna")
    out, err = again.communicate(timeout=120)
    assert again.returncode == ExitCode.FINE, out + err
    with Journal.open(f"sqlite:///{disk / 'journal.db'}", clock=SystemClock()) as journal:
        found = judge(journal, copy.run, copy.plan(journal), copy.folder)
    record("a disk of 256 KiB that fills up", runs=1, kills=0, violations=len(found))
    assert found == []
    assert len(ledger_of(copy.folder)) == 12
