"""The migration of the shipped story is slowed down, held and released from a second terminal, and the engine dies meanwhile."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from changeover.contracts import RunState
from changeover.engine.clock import SystemClock
from changeover.journal.events import EventKind
from changeover.project import Project as Found
from changeover.sandbox import comparison
from changeover.status.read import StatusReader

if TYPE_CHECKING:
    from tests.acceptance.conftest import Night, Project

pytestmark = pytest.mark.timeout(240)

REHEARSE = (
    "rehearse",
    "runbooks/telecom-crm.yaml",
    "--environment",
    "sandbox",
    "--set",
    "ticket=CHG-4711",
    "--who",
    "zsofia",
    "--lines",
)


def copy_of(project: Project, night: Night) -> dict[str, Any]:
    """The step as `status --json` tells it."""
    document = json.loads(project.run("status", night.run, "--json").stdout)
    found: dict[str, Any] = next(step for step in document["steps"] if step["key"] == "copy")
    return found


def until_because(project: Project, night: Night, reason: str) -> dict[str, Any]:
    until = time.monotonic() + 60
    while True:
        night.until(lambda _: True)  # people answer meanwhile
        step = copy_of(project, night)
        if (step["speed"] or {}).get("because") == reason:
            return step
        assert time.monotonic() < until, (step, project.log)


def test_a_migration_held_from_a_second_terminal_stays_held_when_the_engine_dies(project: Project, night: Night) -> None:
    project.start_sandbox(customers=400)
    engine = night.begin(*REHEARSE)
    slow = project.run("adjust", "copy", "--rows-per-second", "30", "--why", "the shop is slow", "--who", "dora")
    assert slow.returncode == 0, slow.stderr
    assert "copy: at most 30 rows/s; that holds from its next attempt on" in slow.stdout
    night.until(lambda seen: any(event.kind is EventKind.STEP_PROGRESSED and event.step == "copy" for event in seen))
    running = until_because(project, night, "at most 30 rows/s")
    assert 0 < running["progress"]["done"] < running["progress"]["total"]
    assert running["speed"]["mean"] > 0
    assert running["speed"]["ends_likely"]

    held = project.run("adjust", "copy", "--hold", "--why", "the backup runs", "--who", "taras")
    assert "copy: held; no row moves once the block in the air has landed" in held.stdout
    until_because(project, night, "held")
    shown = project.run("status", night.run).stdout
    assert "the backup runs" in shown

    engine.send_signal(signal.SIGKILL)
    engine.wait()
    again = project.begin("resume", night.run, "--lines", "--who", "gergely")
    night.until(lambda _: night.started("copy") == 2)
    before = copy_of(project, night)
    time.sleep(3)
    after = copy_of(project, night)
    assert after["state"] == "running"
    assert [entry["value"] for entry in after["adjusted"] if entry["name"] == "hold"] == [True]
    assert (after["progress"] or {}).get("done") == (before["progress"] or {}).get("done")

    assert project.run("adjust", "copy", "--release", "--no-limit", "--why", "it is over", "--who", "dora").returncode == 0
    assert night.to_the_end(again) == 0, project.log
    assert night.state.state is RunState.SUCCEEDED
    reader = StatusReader(night.journal, night.run, clock=SystemClock(), kinds=Found(project.root).load_kinds())
    assert all(table.agrees for table in comparison.compare(reader.bundle, reader.plan, project.root))
    adjusted = [(event.who, event.data["changes"]) for event in night.seen if event.kind is EventKind.STEP_ADJUSTED]
    assert adjusted == [
        ("dora", {"rows_per_second": 30}),
        ("taras", {"hold": True}),
        ("dora", {"hold": False, "rows_per_second": None}),
    ]
