from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., tuple[int, str, str]]


def test_a_run_is_proven_whole_and_so_is_its_export_where_there_is_no_project(
    waiting: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = waiting("audit", "verify")
    assert code == 0
    assert "whole" in out
    assert waiting("audit", "export", "--output", str(tmp_path / "kept.jsonl"))[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, _ = waiting("audit", "verify", "--file", str(tmp_path / "kept.jsonl"), "--json")
    found = json.loads(out)
    assert (code, found["whole"], found["wrong"]) == (0, True, [])
    assert waiting("audit", "verify", "--file", str(tmp_path / "kept.jsonl"), "--head", found["head"][:16])[0] == 0


def test_an_altered_row_is_said_by_its_number_and_the_exit_code_tells_scripts(waiting: Call, project: Path) -> None:
    connection = sqlite3.connect(project / ".changeover" / "journal.db", isolation_level=None)
    connection.execute("update event set who = 'eve' where seq = 2")
    connection.close()
    code, _, err = waiting("audit", "verify", "latest")
    assert code == 2
    assert "row 2 was changed" in err
    code, out, _ = waiting("audit", "verify", "latest", "--json")
    assert code == 2
    assert json.loads(out)["whole"] is False


def test_a_head_that_is_none_and_a_file_that_is_none_are_one_message(waiting: Call, tmp_path: Path) -> None:
    assert "give 8 or more" in waiting("audit", "verify", "--head", "abc")[2]
    code, _, err = waiting("audit", "verify", "--file", str(tmp_path / "none.jsonl"))
    assert (code, "no such file" in err) == (2, True)
    (tmp_path / "other").write_bytes(b"\xff\xfe\n")
    code, _, err = waiting("audit", "verify", "--file", str(tmp_path / "other"))
    assert code == 2
    assert "this is no export of a journal" in err


def test_the_report_holds_the_head_at_each_gate(waiting: Call) -> None:
    heads = [json.loads(line) for line in waiting("events", "--json")[1].splitlines()]
    [asked] = [event for event in heads if event["kind"] == "decision_asked"]
    assert asked["hash"] in waiting("report", "--format", "md", "--output", "-")[1]
    assert asked["hash"] in waiting("report", "--output", "-")[1]
