from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from changeover.cli.executing import Execution, exit_code, interruptible
from changeover.cli.live import Follower, seen_by_its_engine
from changeover.cli.wording import needs
from changeover.contracts import RunState
from changeover.engine.options import Ended
from changeover.status.model import RunStatus


class FakeReader:
    def __init__(self, status: RunStatus) -> None:
        self.status = status

    def refresh(self) -> RunStatus:
        return self.status


class FakeSession:
    def __init__(self, status: RunStatus) -> None:
        self.status = status

    def reader(self, run: str) -> FakeReader:
        return FakeReader(self.status)


class FakeView:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.shown = threading.Event()
        self.notes: list[str] = []
        self.closed = False

    def show(self, status: RunStatus) -> None:
        self.shown.set()
        if self.error is not None:
            raise self.error

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        self.closed = True


def follower(view: Any, status: RunStatus) -> Follower:
    return Follower(lambda _: view, lambda: nullcontext(FakeSession(status)), "crm-1")


def test_it_shows_until_it_is_told_to_stop_and_leaves_the_terminal_as_it_was(run_status: Callable[..., RunStatus]) -> None:
    view = FakeView()
    shown = follower(view, run_status())
    shown.start()
    assert view.shown.wait(5)
    shown.note("the journal is slow")
    shown.stop()
    assert (view.closed, view.notes) == (True, ["the journal is slow"])
    assert shown.failure is None


def test_an_output_that_goes_away_ends_the_display_and_nothing_else(
    run_status: Callable[..., RunStatus], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = follower(FakeView(BrokenPipeError()), run_status())
    shown.start()
    shown.stop()
    assert shown.shown.closed
    assert shown.failure is None
    shown.note("still heard")
    shown.stop()
    assert "still heard" in capsys.readouterr().err


def test_a_fault_of_the_display_is_kept_for_the_end(run_status: Callable[..., RunStatus]) -> None:
    shown = follower(FakeView(ValueError("no such colour")), run_status())
    shown.start()
    shown.stop()
    assert isinstance(shown.failure, ValueError)


def test_ctrl_c_once_asks_the_engine_to_stop_and_says_how_to_go_on() -> None:
    told: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with interruptible("crm-1", told.append) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(2)
        os.kill(os.getpid(), signal.SIGHUP)  # a closed terminal stops nothing
    assert signal.getsignal(signal.SIGINT) is before
    assert len(told) == 1
    assert "changeover resume crm-1" in told[0]


def test_ctrl_c_twice_leaves_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from changeover.cli.executing import interruptible\n"
        "with interruptible('crm-1', lambda _: os.write(1, b'told\\n')):\n"
        "    os.write(1, b'ready\\n')\n"  # a print that a signal interrupts may not print again
        "    time.sleep(60); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "told\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert time.monotonic() - began < 5
    assert "changeover resume crm-1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (Ended(RunState.SUCCEEDED), 0),
        (Ended(RunState.ROLLED_BACK), 4),
        (Ended(RunState.ABORTED), 6),
        (Ended(RunState.RUNNING, held=True), 3),
        (Ended(RunState.RUNNING, waiting=("go",)), 3),
        (Ended(RunState.ROLLING_BACK, rollback_failed=True), 5),
        (Ended(RunState.RUNNING, lost=True), 7),
        (Ended(RunState.RUNNING, interrupted=True), 130),
        (Ended(RunState.SUCCEEDED, interrupted=True), 0),
    ],
)
def test_every_end_has_its_exit_code(ended: Ended, code: int) -> None:
    assert exit_code(ended) == code


def test_an_execution_waits_for_people_unless_told_otherwise() -> None:
    assert Execution().wait


def test_who_resumes_a_run_is_not_told_to_resume_it(run_status: Callable[..., RunStatus]) -> None:
    engine = run_status().engine
    assert engine is not None
    gone = run_status(engine=replace(engine, live=False))
    assert "changeover resume" in str(needs(gone))
    assert "changeover resume" not in str(needs(seen_by_its_engine(gone)))
    alive = run_status()
    assert seen_by_its_engine(alive) is alive
