"""tests/broken: each runbook there is wrong in one way, and lint says where."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.runbook import yaml_text
from changeover.runbook.codes import CODES
from changeover.runbook.tree import plain

BROKEN = Path(__file__).parents[2] / "broken"
CASES = sorted(path.parent for path in BROKEN.glob("*/expected.yaml"))


def expected(case: Path) -> tuple[str, list[tuple[str, str, int, int]]]:
    tree, findings = yaml_text.parse((case / "expected.yaml").read_text(encoding="utf-8"), "expected.yaml")
    assert not findings
    assert tree is not None
    said = plain(tree)
    assert isinstance(said, dict)
    rows = [(row.get("file", "runbook.yaml"), row["code"], row["line"], row["column"]) for row in said["findings"]]
    return said.get("environment", ""), rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lint_finds_what_is_broken_where_it_is_broken(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment, rows = expected(case)
    code = main(["lint", str(case / "runbook.yaml"), "--json", *(["--environment", environment] if environment else [])])
    findings = json.loads(capsys.readouterr().out)["findings"]
    found = [(os.path.relpath(each["file"], case), each["code"], each["line"], each["column"]) for each in findings]
    assert found == rows
    assert code == (2 if any(each["severity"] == "error" for each in findings) else 0)
    assert all(each["message"] and each["hint"] for each in findings)


def test_there_are_enough_of_them_and_they_show_nearly_every_code() -> None:
    shown = {row[1] for case in CASES for row in expected(case)[1]}
    assert len(CASES) >= 40
    assert set(CODES) - shown <= {"file-unreadable", "invalid-value", "empty-stage"}


def test_nothing_of_it_ends_in_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for case in CASES:
        main(["lint", str(case / "runbook.yaml")])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "= why:" in shown.out
