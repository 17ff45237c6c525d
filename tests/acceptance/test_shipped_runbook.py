"""The runbook that we ship: sound, complete, and the same in the editor's schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from changeover.project import Project as Found
from changeover.runbook.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Project


@pytest.mark.parametrize("environment", ["sandbox", "production"])
def test_lint_finds_nothing_to_mend(project: Project, environment: str) -> None:
    if environment == "sandbox":
        project.start_sandbox(customers=60, installed=False)
    ended = project.run("lint", "runbooks/telecom-crm.yaml", "--environment", environment, "--json")
    assert json.loads(ended.stdout)["findings"] == []
    assert ended.returncode == 0


def test_without_a_sandbox_lint_says_how_to_start_one(project: Project) -> None:
    ended = project.run("lint", "runbooks/telecom-crm.yaml", "--environment", "sandbox", "--json")
    assert [finding["code"] for finding in json.loads(ended.stdout)["findings"]] == ["values-missing"]
    assert "sandbox start" in ended.stdout


def test_run_and_rollback_fit_the_window_even_at_their_worst(project: Project) -> None:
    ended = project.run("plan", "runbooks/telecom-crm.yaml", "--environment", "production", "--set", "ticket=CHG-1", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    fits = json.loads(ended.stdout)["fits"]
    assert (fits["run"], fits["rollback"]) == ({"likely": True, "worst": True}, {"likely": True, "worst": True}), fits


def test_the_schema_beside_the_runbook_is_the_one_that_the_program_prints(project: Project) -> None:
    printed = project.run("schema")
    assert json.loads(printed.stdout) == json.loads((project.root / "runbooks" / "runbook.schema.json").read_text())
    first = (project.root / "runbooks/telecom-crm.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=runbook.schema.json"


def test_it_tells_the_whole_story(project: Project) -> None:
    kinds = Found(project.root).load_kinds()
    found = load(_runbook(project), environment="production", kinds=kinds, root=project.root)
    assert found.bundle is not None
    stages = found.bundle.runbook.stages
    assert list(stages) == ["prepare", "freeze", "deploy", "migrate", "verify", "decide", "reopen", "hypercare"]
    steps = [step for stage in stages.values() for step in stage.all_steps]
    used = {step.kind for step in steps}
    assert {
        "ssh",
        "script",
        "upload",
        "sql",
        "http",
        "check",
        "manual",
        "gate",
        "confirm",
        "poll",
        "channel",
        "notify",
        "python",
        "migrate",
    } <= used
    assert [step.id for step in steps if step.point_of_no_return] == ["open-agents"]
    assert {step.suspend.what for step in steps if step.suspend} == {"CRM alerts", "nightly billing", "CRM sync"}
    assert all(step.expect for step in steps), "a step without an expected duration"


def _runbook(project: Project) -> Path:
    return project.root / "runbooks" / "telecom-crm.yaml"
