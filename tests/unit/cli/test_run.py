from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from changeover.journal.records import Owner, Ownership
from changeover.journal.store import Journal

Call = Callable[..., tuple[int, str, str]]

WINDOW = "window: {opens: 2001-03-10 19:00, closes: 2001-03-11 21:00}\nstages:"


def test_without_a_mode_it_is_a_dry_run_and_nothing_happens(changeover: Call, project: Path) -> None:
    runbook = project / "runbooks" / "small.yaml"
    runbook.write_text(runbook.read_text(encoding="utf-8").replace("shell: 'true'", "shell: touch done", 1), encoding="utf-8")
    code, out, _ = changeover("run", "runbooks/small.yaml", "--engine", "local")
    assert code == 0
    assert "DRY-RUN" in out
    assert "SUCCEEDED" in out
    assert not (project / "done").exists()


def test_lines_say_who_is_needed_and_what_to_type(waiting: Call) -> None:
    code, out, err = waiting("resume", "--engine", "local", "--no-wait", "--lines")
    assert code == 3
    assert "Nagy Anna or Kovács Béla (0 of 2): go: Reopen the shop?" in out
    assert "type changeover approve go --why WHY" in out
    assert "go on with `changeover resume small-" in err


def test_people_who_answered_while_no_engine_ran_are_heard_on_resuming(waiting: Call) -> None:
    for who in ("anna", "bela"):
        assert waiting("approve", "go", "--why", "fine", "--who", who)[0] == 0
    code, out, _ = waiting("resume", "--engine", "local", "--lines")
    assert code == 0
    assert "SUCCEEDED" in out


def test_a_rollback_that_was_asked_for_ends_with_its_own_code(waiting: Call) -> None:
    assert waiting("rollback", "--why", "no", "--yes")[0] == 0
    assert waiting("resume", "--engine", "local", "--lines")[0] == 4


def test_an_abort_ends_with_its_own_code(waiting: Call) -> None:
    assert waiting("abort", "--why", "no", "--yes")[0] == 0
    assert waiting("resume", "--engine", "local", "--lines")[0] == 6


def test_json_is_a_line_an_event_and_a_summary(changeover: Call) -> None:
    code, out, _ = changeover("run", "runbooks/small.yaml", "--engine", "local", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0]["kind"] == "run_planned"
    assert [line["seq"] for line in lines[:-1]] == list(range(1, len(lines)))
    assert (lines[-1]["exit"], lines[-1]["status"]["state"]) == (0, "succeeded")


@pytest.mark.parametrize(
    ("words", "message", "cure"),
    [
        (["nope.yaml"], "there is no such file", "runbooks/telecom-crm.yaml"),
        (["runbooks"], "this is a folder, not a runbook", "small.yaml"),
        (["runbooks/small.yaml", "--set", "wave"], "is not NAME=VALUE", "for example"),
        (["runbooks/small.yaml", "--set", "wave=mobile"], "does not take 'mobile'", "residential"),
        (["runbooks/small.yaml", "--set", "wav=mobile"], "has no input 'wav'", "did you mean 'wave'?"),
        (["runbooks/small.yaml", "--who", "zed"], "'zed' (from --who)", "anna"),
        (["runbooks/small.yaml", "--mode", "live"], "has to be confirmed", "--yes"),
        (["runbooks/small.yaml", "--mode", "real"], "invalid value for '--mode'", "--help"),
    ],
)
def test_a_mistake_starts_nothing(changeover: Call, words: list[str], message: str, cure: str) -> None:
    code, _, err = changeover("run", *words)
    assert code == 2
    assert message in err.replace("Invalid", "invalid")
    assert cure in err
    assert json.loads(changeover("status", "--json")[1]) == {"runs": []}


def test_a_runbook_with_errors_is_shown_as_lint_shows_it(changeover: Call, project: Path) -> None:
    runbook = project / "runbooks" / "small.yaml"
    runbook.write_text(runbook.read_text(encoding="utf-8").replace("needs", "needs").replace("gate:", "gatee:"), encoding="utf-8")
    code, out, err = changeover("run", "runbooks/small.yaml")
    assert code == 2
    assert "runbooks/small.yaml:" in out
    assert "error[" in out
    assert "nothing was started" in err


def test_a_live_run_outside_its_window_is_refused_unless_it_is_said(changeover: Call, project: Path) -> None:
    runbook = project / "runbooks" / "small.yaml"
    runbook.write_text(runbook.read_text(encoding="utf-8").replace("stages:", WINDOW, 1), encoding="utf-8")
    code, _, err = changeover("run", "runbooks/small.yaml", "--mode", "live", "--yes")
    assert code == 2
    assert "the window has closed" in err
    assert "--outside-window" in err
    said = changeover(
        "run", "runbooks/small.yaml", "--mode", "live", "--yes", "--outside-window", "--no-wait", "--engine", "local"
    )
    assert said[0] == 3
    assert " LIVE " in said[1]


def test_outside_any_project_it_says_where_it_looked(tmp_path: Path, changeover: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = changeover("status")
    assert code == 2
    assert f"there is no runbooks/ folder in {tmp_path}" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_project_is_one_message(changeover: Call, project: Path) -> None:
    project.chmod(0o500)
    try:
        code, _, err = changeover("run", "runbooks/small.yaml")
    finally:
        project.chmod(0o700)
    assert code == 2
    assert "cannot be used: permission denied" in err


def test_a_journal_that_is_none_has_its_own_code(changeover: Call, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "text.db").write_text("this is no database, whatever its name says. " * 100, encoding="utf-8")
    monkeypatch.setenv("CHANGEOVER_JOURNAL", f"sqlite:///{project}/text.db")
    code, _, err = changeover("status")
    assert code == 9
    assert "text.db" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("systems", "cure"),
    [
        ("systems/${environment}.yaml", "--environment lab"),
        ("../runbooks/systems/${environment}.yaml", "--environment lab"),
        ("/nothing/${environment}.yaml", "--environment NAME"),
        ("systems/lab.yaml", "--environment NAME"),
    ],
)
def test_without_its_environment_a_runbook_with_systems_is_refused(
    changeover: Call, project: Path, systems: str, cure: str
) -> None:
    runbook = project / "runbooks" / "small.yaml"
    text = runbook.read_text(encoding="utf-8").replace("people: people.yaml", f"people: people.yaml\nsystems: {systems}")
    runbook.write_text(text, encoding="utf-8")
    (project / "runbooks" / "systems").mkdir()
    (project / "runbooks" / "systems" / "lab.yaml").write_text("production: false\n", encoding="utf-8")
    code, _, err = changeover("run", "runbooks/small.yaml")
    assert code == 2
    assert "say in which environment" in err
    assert err.rstrip().endswith(cure)


def test_without_the_values_of_this_machine_nothing_is_started(changeover: Call, project: Path) -> None:
    runbook = project / "runbooks" / "small.yaml"
    text = runbook.read_text(encoding="utf-8").replace(
        "people: people.yaml", "people: people.yaml\nsystems: systems/${environment}.yaml"
    )
    runbook.write_text(text, encoding="utf-8")
    (project / "runbooks" / "systems").mkdir()
    (project / "runbooks" / "systems" / "lab.yaml").write_text("values: ports.yaml\n", encoding="utf-8")
    code, out, err = changeover("run", "runbooks/small.yaml", "--environment", "lab")
    assert code == 2
    assert "ports.yaml" in out + err
    assert "nothing was started" in err
    assert "There is no run yet" in changeover("status")[1]


def test_a_wrong_choice_is_said_without_words_of_a_library(changeover: Call) -> None:
    code, _, err = changeover("run", "runbooks/small.yaml", "--mode", "odd")
    assert code == 2
    assert "'odd' is not one of 'dry-run', 'rehearse', 'live'" in err
    assert "Value error" not in err


def test_a_run_that_another_engine_drives_is_refused_before_any_screen(waiting: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    live = Ownership(Owner("bela", "ops-1", 7), 2, now, now, live=True)
    monkeypatch.setattr(Journal, "ownership", lambda _self, _run: live)
    code, out, err = waiting("resume")
    assert (code, out) == (8, "")
    assert "is owned by bela" in err
    assert "changeover takeover" in err


def edited(project: Path) -> None:
    file = project / "runbooks" / "small.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("expect: 10s", "expect: 20s"), encoding="utf-8")


def test_what_has_changed_is_shown_before_anybody_accepts_it(waiting: Call, project: Path) -> None:
    edited(project)
    code, _, err = waiting("resume", "--no-wait", "--lines", "--engine", "local")
    assert code == 2
    assert "runbooks/small.yaml was changed" in err
    assert "-        expect: 10s" in err
    assert "+        expect: 20s" in err
    assert "go: `expect`" in err
    assert "--accept-change" in err


def test_what_a_person_accepts_has_been_shown_and_stands_in_the_record(waiting: Call, project: Path) -> None:
    edited(project)
    code, _, err = waiting("resume", "--no-wait", "--lines", "--engine", "local", "--accept-change")
    assert code == 3
    assert "+        expect: 20s" in err
    (accepted,) = [line for line in waiting("events")[1].splitlines() if "accepted" in line]
    assert "runbooks/small.yaml was changed" in accepted


def test_programs_are_refused_a_changed_run_without_a_picture(waiting: Call, project: Path) -> None:
    edited(project)
    code, out, err = waiting("resume", "--json", "--engine", "local")
    assert (code, out) == (2, "")
    assert "+        expect" not in err


def test_a_takeover_needs_a_reason(waiting: Call) -> None:
    assert "say why" in waiting("takeover")[2]
    assert "say why" in waiting("resume", "--takeover")[2]
    assert waiting("takeover", "--why", "to be safe", "--no-wait", "--lines", "--engine", "local")[0] == 3
