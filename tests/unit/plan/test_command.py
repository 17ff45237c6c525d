"""`changeover plan`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.cli.exit_codes import ExitCode

RUNBOOK = """
changeover: 1
id: crm
title: Customers move
timezone: Europe/Budapest
window: {opens: 2027-03-13 19:00, closes: CLOSES}
people: people.yaml
systems: systems/${environment}.yaml
inputs: {wave: {type: choice, of: [residential, business], title: Which customers}}
clocks:
  closed: {title: Shop closed, from: close, to: open, budget: 8h}
stages:
  freeze:
    title: Stop taking orders
    owner: crm-lead
    steps:
      - {id: close, title: Close, shell: touch closed, expect: 10m, undo: {shell: rm closed, expect: 5m}}
    rollback: {none: its step undoes itself}
  copy:
    title: Copy
    owner: crm-lead
    steps:
      - {id: load, title: Load, shell: load, expect: {likely: 3h, worst: 4h}, background: true, undo: {shell: unload}}
      - {id: install, title: Install, shell: 'install ${item}', for_each: {hosts: apps}, expect: 10m, undo: {shell: out}}
      - {id: business, title: Business, shell: b, expect: 1m, when: '${inputs.wave} == business', undo: {shell: bb}}
    rollback: {none: its steps undo themselves}
  decide:
    title: Decide
    owner: crm-lead
    steps: [{id: go, title: Go, shell: go, expect: 10m, point_of_no_return: true, repair: by hand}]
    rollback: {none: nothing is changed}
  reopen:
    title: Reopen
    owner: crm-lead
    steps: [{id: open, title: Open, shell: rm open, expect: 5m, repair: by hand}]
    rollback: {policy: fix-forward, steps: [{id: close-again, title: Close again, shell: touch closed}]}
"""
SYSTEMS = "hosts: {app-1: {address: 127.0.0.1}, app-2: {address: 127.0.0.1}}\ngroups: {apps: [app-1, app-2]}\n"
PEOPLE = "persons: {anna: {name: Kovács Anna}, bela: {name: Nagy Béla}}\nroles: {crm-lead: {person: anna, deputy: bela}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runbooks" / "systems").mkdir(parents=True)
    (tmp_path / "runbooks" / "people.yaml").write_text(PEOPLE)
    (tmp_path / "runbooks" / "systems" / "here.yaml").write_text(SYSTEMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    write(tmp_path)
    return tmp_path


def write(project: Path, *, closes: str = "2027-03-14 06:00") -> None:
    (project / "runbooks" / "crm.yaml").write_text(RUNBOOK.replace("CLOSES", closes))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["plan", "runbooks/crm.yaml", *arguments])
    return code, capsys.readouterr().out


def test_it_says_whether_it_fits_and_until_when_one_can_go_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--environment", "here", "--set", "wave=residential")
    assert code == ExitCode.FINE, out
    said = " ".join(out.split())
    assert "IT FITS The run ends 2027-03-13 22:25, at worst" in said
    assert "times of Europe/Budapest, UTC+01:00" in said
    assert said.count("+01:00") == 2, "once in the header, once above the chart"
    assert "You can go back until go: that takes" in said
    assert "Shop closed: about 3h25m, at worst 4h37m, budget 8h: fits" in said
    assert "Critical path: close 10m > load 3h > go 10m > open 5m" in said


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out = run(capsys, "-e", "here")
    assert max(len(line) for line in out.splitlines()) <= columns
    for name in ("freeze", "copy", "decide", "reopen", "Anna"):
        assert name in out


def test_stages_show_owner_times_and_their_way_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "-e", "here", "--set", "wave=business")
    row = next(line for line in out.splitlines() if line.startswith("█  freeze"))
    said = " ".join(row.split())
    assert said == "█ freeze Sat 19:00 Sat 19:10 10m 15m 0s Kovács Anna Sun 05:22 restore, 1 step"
    assert "no longer  " in out


def test_in_a_night_on_which_the_clocks_change_every_time_bears_its_offset(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "runbooks" / "crm.yaml"
    file.write_text(
        file.read_text().replace("2027-03-13 19:00", "2027-03-27 23:00").replace("2027-03-14 06:00", "2027-03-28 10:00")
    )
    _, out = run(capsys, "-e", "here", "--set", "wave=residential")
    said = " ".join(out.split())
    assert "times of Europe/Budapest, on both sides of a clock change" in said
    assert "█ freeze Sat 23:00+01:00 Sat 23:10+01:00" in said
    assert "The run ends 2027-03-28 03:25+02:00" in said


def test_a_step_that_is_left_out_is_shown_as_skipped(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "-e", "here", "--set", "wave=residential")
    row = next(line for line in out.splitlines() if line.startswith("  business"))
    assert row.split() == ["business", "skipped"]


def test_a_plan_that_does_not_fit_says_so_and_exits_as_lint_does(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, closes="2027-03-13 22:00")
    code, out = run(capsys, "-e", "here")
    said = " ".join(out.split())
    assert code == ExitCode.MISTAKE
    assert "IT DOES NOT FIT" in said
    assert "25m after the window closes" in said
    assert "there is no time left to go back" in said
    assert "2 errors" in said


def test_another_start_moves_the_plan_and_not_the_window(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "-e", "here", "--starts", "2027-03-14 04:00")
    assert code == ExitCode.MISTAKE
    assert "starts 2027-03-14 04:00" in " ".join(out.split())


def test_json_has_everything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "-e", "here", "--set", "wave=residential", "--json")
    assert code == ExitCode.FINE
    document = json.loads(out)
    assert document["fits"]["verdict"] == "yes"
    assert document["window"]["closes"] == "2027-03-14T06:00:00+01:00"
    assert document["ends"]["likely"] == "2027-03-13T22:25:00+01:00"
    assert document["critical_path"] == ["close", "load", "go", "open"]
    assert document["point_of_no_return"]["step"] == "go"
    steps = {step["key"]: step for step in document["steps"]}
    assert steps["install[app-2]"]["needs"] == ["close"]
    assert steps["business"]["skipped"] == "only when ${inputs.wave} == business"
    assert steps["load"]["expected"] == {"likely": 10_800.0, "worst": 14_400.0}
    stages = {stage["id"]: stage for stage in document["stages"]}
    assert stages["copy"]["owner_name"] == "Kovács Anna"
    assert stages["copy"]["rollback"]["latest_safe_start"].endswith("+01:00")
    assert stages["reopen"]["rollback"]["offered"] is False
    assert {step["key"] for step in document["rollback"]} >= {"close.undo", "load.undo", "install[app-1].undo", "close-again"}
    assert document["clocks"][0]["fits"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--starts", "soon"), "this is no time"),
        (("--starts", "2027-03-28 02:30"), "does not exist in Europe/Budapest"),
        (("--set", "wave"), "is not NAME=VALUE"),
        (("--set", "wave=both"), "does not take 'both'"),
        (("--set", "tide=low"), "no input 'tide'"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_clear_message(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code = main(["plan", "runbooks/crm.yaml", "-e", "here", *arguments])
    complaint = capsys.readouterr().err
    assert code == ExitCode.MISTAKE
    assert said in " ".join(complaint.split())
    assert "Traceback" not in complaint


def test_a_file_that_is_not_there_is_one_clear_message(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plan", "runbooks/nothing.yaml"])
    said = capsys.readouterr()
    assert code == ExitCode.MISTAKE
    assert "nothing.yaml" in said.err + said.out
    assert "Traceback" not in said.err


def test_a_large_plan_shows_stages_only(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = "\n".join(f"      - {{id: step-{number}, title: S, shell: 'do {number}', expect: 1s}}" for number in range(70))
    (project / "runbooks" / "crm.yaml").write_text(
        "changeover: 1\nid: large\nstages:\n  only:\n    title: Only\n    owner: me\n    steps:\n"
        f"{steps}\n    rollback: {{none: it only reads}}\n"
    )
    _, out = run(capsys)
    assert not any(line.startswith("  step-3") for line in out.splitlines())
    assert "(58 more)" in out
    assert "no window; the plan takes about 1m10s, at worst 1m45s" in out


def test_a_plan_of_a_file_that_is_in_no_project_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = "    steps: [{id: a, title: A, shell: 'true', expect: 5s}]\n    rollback: {none: it only reads}\n"
    (tmp_path / "alone.yaml").write_text(f"changeover: 1\nid: alone\nstages:\n  only:\n    owner: me\n{steps}")
    assert main(["plan", "alone.yaml"]) == ExitCode.FINE
    assert "no window; the plan takes about 5s" in capsys.readouterr().out


def test_a_folder_is_no_runbook(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "runbooks"]) == ExitCode.MISTAKE
    assert "this is a folder, not a runbook" in capsys.readouterr().err
