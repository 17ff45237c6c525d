"""``orchestrate.py demo``: what people see who try the program, and that nothing is left of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from changeover.sandbox import leftovers, lifecycle, processes
from changeover.sandbox.servers import postgresql

if TYPE_CHECKING:
    from tests.acceptance.conftest import Project

pytestmark = pytest.mark.timeout(240)

STAGES = ("prepare", "freeze", "deploy", "migrate", "verify", "decide", "reopen", "hypercare")
needs_postgresql = pytest.mark.skipif(postgresql.find() is None, reason="no PostgreSQL is installed")


def demo(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return project.run("demo", "--customers", "150", *words, timeout=220)


def states(output: str) -> dict[str, str]:
    """Stage -> state, of the table at the end."""
    found = re.findall(rf"^({'|'.join(STAGES)}) +\S (\w+)", output, re.MULTILINE)
    return dict(found)


def agreements(output: str) -> list[str]:
    """The last column of the tables at the end."""
    return re.findall(r"\S (yes|NO) *$", output, re.MULTILINE)


def test_every_stage_passes_and_both_crms_agree(project: Project) -> None:
    ended = demo(project)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert states(ended.stdout) == dict.fromkeys(STAGES, "passed")
    assert agreements(ended.stdout) == ["yes"] * 5
    report = re.search(r"^report +(\S+\.html)$", ended.stdout, re.MULTILINE)
    assert report is not None
    assert "fixed-line-crm" in (project.root / report[1]).read_text()
    assert "What to try next" in ended.stdout
    assert not project.sandbox.exists()


def test_it_needs_no_installed_server_and_tells_the_chat(project: Project) -> None:
    ended = demo(project, "--bundled", "--keep")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert states(ended.stdout) == dict.fromkeys(STAGES, "passed")
    assert agreements(ended.stdout) == ["yes"] * 5
    messages = [json.loads(line) for line in (project.sandbox / "chat.jsonl").read_text().splitlines()]
    assert {message["channel"] for message in messages} == {"#cutover-crm"}
    assert any(message["method"] == "chat.update" for message in messages)
    assert any("active residential customers move tonight" in message["text"] for message in messages)
    assert project.run("sandbox", "status").stdout.startswith("running: 150 customers")
    assert project.run("sandbox", "stop").returncode == 0
    assert not project.sandbox.exists()


@pytest.mark.parametrize(("fault", "undone"), [("smoke", {"freeze", "deploy", "migrate"}), ("deploy", {"freeze", "deploy"})])
def test_a_fault_before_the_point_of_no_return_leaves_everything_as_before(
    project: Project, fault: str, undone: set[str]
) -> None:
    ended = demo(project, "--fault", fault)
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert {stage for stage, state in states(ended.stdout).items() if state == "undone"} == undone
    assert "Every row, file, channel and job is as it was before." in ended.stdout
    assert agreements(ended.stdout).count("yes") == 25
    assert "NO" not in agreements(ended.stdout)
    assert not project.sandbox.exists()


@needs_postgresql
def test_a_migration_that_dies_half_way_goes_on_from_there(project: Project) -> None:
    ended = demo(project, "--fault", "migration")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"✗ copy .*No space left on device", ended.stdout), ended.stdout
    assert re.search(r"copy is tried again", ended.stdout)
    assert agreements(ended.stdout) == ["yes"] * 5


def test_a_channel_that_does_not_reopen_is_mended_and_retried(project: Project) -> None:
    ended = demo(project, "--fault", "channel", "--bundled")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "✗ open-web-shop" in ended.stdout
    assert "$ changeover sandbox mend" in ended.stdout
    assert "✓ open-web-shop" in ended.stdout
    assert states(ended.stdout) == dict.fromkeys(STAGES, "passed")


def test_a_slow_host_makes_it_late_and_nothing_worse(project: Project) -> None:
    ended = demo(project, "--fault", "slow-host", "--bundled")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    took = {name: float(seconds) for name, seconds in re.findall(r"✓ (switch-release\S+) +([\d.]+) s", ended.stdout)}
    assert took["switch-release[app-3]"] > took["switch-release[app-1]"] + 2


def test_a_chat_that_is_down_does_not_matter(project: Project) -> None:
    ended = demo(project, "--fault", "chat", "--bundled", "--keep")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert states(ended.stdout) == dict.fromkeys(STAGES, "passed")
    assert not (project.sandbox / "chat.jsonl").exists()


def test_a_demo_does_not_touch_a_sandbox_that_runs_already(project: Project) -> None:
    state = project.start_sandbox(customers=60, installed=False)
    ended = demo(project)
    assert ended.returncode == 2
    assert "sandbox stop" in ended.stderr
    assert lifecycle.running(project.sandbox).processes == state.processes


def test_ctrl_c_stops_the_engine_and_the_sandbox(project: Project) -> None:
    child = project.begin("demo", "--customers", "150", "--bundled")
    deadline = time.monotonic() + 90
    while "== Stop taking orders" not in project.log:
        assert child.poll() is None, project.log
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running = leftovers.find(project.sandbox)
    assert len(running) >= 3
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert "Traceback" not in project.log
    assert not [process for process in running if processes.is_alive(process)]
    assert not project.sandbox.exists()
