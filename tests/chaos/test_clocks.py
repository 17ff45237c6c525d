"""The wall clock jumps under a run, and thirty hours pass in a minute: durations stay what they are, and no lease is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from changeover.contracts import RunState
from changeover.engine.drive import load_run
from changeover.journal.events import EventKind, Verb
from changeover.journal.fold import RunRecordState
from changeover.project import Project
from changeover.testing import FakeClock, Trial
from tests.chaos.conftest import ROOT, needed
from tests.chaos.judging import judge
from tests.chaos.nights import PEOPLE, Night

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(300)

#: Each step takes longer than the one before would allow if a jump of the wall clock counted as time that has passed.
JUMPY: Final = Night(
    "jumpy",
    """  one:
    owner: lead
    steps:
      - {id: a, effect: {takes: 1}, timeout: 20s}
      - {id: pause, wait: 2s}
      - {id: b, effect: {takes: 1}, timeout: 20s}
      - {id: rest, wait: {rest_of: {since: a, for: 5s}}}
      - {id: c, effect: {fails: 1}, retry: {times: 1, every: 1s}}
    rollback: {none: nothing to undo}
""",
)
_ENGINE: Final = """
import sys
from pathlib import Path
from changeover.cli.executing import exit_code
from changeover.engine.drive import drive
from changeover.engine.options import Options
ended = drive(sys.argv[1], sys.argv[2], Options(engine="local", root=Path(sys.argv[3]), lease_seconds=6.0, who="anna"))
print(ended)
raise SystemExit(exit_code(ended))
"""


def library() -> str:
    """libfaketime, where Debian puts it."""
    return next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


def made(root: Path, night: Night) -> Trial:
    for name, text in night.files.items():  # the project's kinds have to be there before they are loaded
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    trial = Trial(root, night.runbook, files=night.files)
    trial.create()
    return trial


def judged(trial: Trial) -> list[str]:
    with trial.journal() as journal:
        _, plan = load_run(journal.run(trial.run_id), Project(trial.root).load_kinds(), trial.root)
        return judge(journal, trial.run_id, plan, trial.root)


class Wall:
    """The wall clock that an engine is shown: the machine's, and what it is off by."""

    def __init__(self, folder: Path, zone: str) -> None:
        self._file = folder / "faketime"
        self.set("+0")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": zone,
        }

    def set(self, offset: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n", encoding="ascii")
        new.replace(self._file)


def seconds_to(local: datetime) -> int:
    return int((local - datetime.now(UTC)).total_seconds())


#: Where the clock stands at first and where it is set to, in seconds from now.
JUMPS: Final[dict[str, Callable[[], tuple[int, int]]]] = {
    "thirty hours ahead": lambda: (0, 30 * 3600),
    "two hours back": lambda: (0, -2 * 3600),
    # the clocks of Budapest are put forward at 01:00 UTC on 28 March 2027, and back at 01:00 UTC on 31 October
    "over the hour that is left out": lambda: (
        seconds_to(datetime(2027, 3, 28, 0, 59, 58, tzinfo=UTC)),
        seconds_to(datetime(2027, 3, 28, 1, 0, 2, tzinfo=UTC)),
    ),
    "over the hour that comes twice": lambda: (
        seconds_to(datetime(2027, 10, 31, 0, 59, 58, tzinfo=UTC)),
        seconds_to(datetime(2027, 10, 31, 0, 30, 0, tzinfo=UTC)),
    ),
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_wall_clock_that_jumps_changes_no_duration_and_loses_no_lease(
    jump: str, tmp_path: Path, record: Callable[..., None]
) -> None:
    needed(library(), "faketime")
    trial = made(tmp_path, JUMPY)
    wall = Wall(tmp_path, "Europe/Budapest")
    first, then = JUMPS[jump]()
    wall.set(f"{first:+d}")
    command = [sys.executable, "-c", _ENGINE, trial.journal_url, trial.run_id, str(tmp_path)]
    engine = subprocess.Popen(
        command, cwd=tmp_path, env=wall.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with trial.journal() as journal:
        _until(lambda: any(event.step == "a" for event in journal.events(trial.run_id)))
        began = time.monotonic()
        wall.set(f"{then:+d}")
        while engine.poll() is None and time.monotonic() < began + 100:
            assert journal.ownership(trial.run_id).live or engine.poll() is not None or _over(trial), "the lease was lost"
            time.sleep(0.1)
    out, err = engine.communicate(timeout=20)
    took = time.monotonic() - began
    found = judged(trial)
    record("the wall clock jumps", runs=1, kills=0, violations=len(found))
    assert (engine.returncode, found) == (0, []), out + err
    assert took > 4.5, "it did not wait as long as it was told"
    shown = [event.at for event in trial.events(EventKind.STEP_PASSED)]
    assert abs((shown[-1] - datetime.now(UTC)).total_seconds() - then) < 60, "the engine did not see the jump"
    assert len(trial.events(EventKind.ENGINE_STARTED)) == 1
    assert trial.state().step("b").attempt == 1, "a time-out fired"


def _over(trial: Trial) -> bool:
    return trial.state().state.final


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


class VirtualNight(FakeClock):
    """A clock of which five minutes pass every few milliseconds, for everybody."""

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pass, name="night")
        self._thread.start()

    def _pass(self) -> None:
        while not self._over.wait(0.01):
            self.advance(60)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        until = self.monotonic() + seconds
        while self.monotonic() < until:
            if event.wait(0.005):
                return True
        return event.is_set()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def night() -> Iterator[VirtualNight]:
    clock = VirtualNight()
    yield clock
    clock.end()


LONG: Final = """changeover: 1
id: long-night
title: A night and a day
people: people.yaml
window: {opens: 2027-03-13 19:00, closes: 2027-03-15 21:00}
stages:
  migrate:
    owner: lead
    steps:
      - {id: a, effect: x}
      - {id: copy, effect: {takes: 43200}, timeout: 14h}
      - {id: replay, effect: {fails: 2}, retry: {times: 3, every: 2h}}
      - {id: go, gate: {ask: Reopen?, deciders: [lead]}}
      - {id: settle, wait: 9h}
      - {id: soak, wait: {rest_of: {since: a, for: 30h}}}
      - {id: z, effect: x}
    rollback: {none: nothing to undo}
"""


def test_thirty_hours_pass_in_a_minute_on_a_virtual_clock(
    night: VirtualNight, tmp_path: Path, record: Callable[..., None], scale: Scale
) -> None:
    files = {**JUMPY.files, "runbooks/people.yaml": PEOPLE}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    trial = Trial(tmp_path, LONG, files=files, clock=night)
    trial.create()
    began = time.monotonic()
    trial.start()

    def waiting(state: RunRecordState) -> bool:
        return "go" in state.decisions

    trial.until(waiting, "the gate", seconds=120)
    asked = night.monotonic()
    _until(lambda: night.monotonic() > asked + 3 * 3600)  # nobody is in a hurry
    assert trial.command(Verb.APPROVE, "go", who="anna").accepted
    assert trial.wait(200).state is RunState.SUCCEEDED
    found = judged(trial)
    record("thirty hours on a virtual clock", runs=1, kills=0, violations=len(found))
    assert found == []
    state = trial.state()
    assert state.started_at is not None
    assert state.ended_at is not None
    assert timedelta(hours=30) <= state.ended_at - state.started_at < timedelta(hours=40)
    assert len(trial.events(EventKind.ENGINE_STARTED)) == 1
    assert time.monotonic() - began < 200
    assert scale.seed
