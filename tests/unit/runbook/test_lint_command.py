from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.cli import main
from changeover.cli.findings_view import lines, summary
from changeover.runbook.codes import finding
from changeover.runbook.findings import Finding
from changeover.runbook.position import Position

GOOD = """changeover: 1
id: move
stages:
  tell:
    owner: lead
    steps: [{id: tell, expect: 1m, notify: We move}]
    rollback: {none: it only tells}
"""


@pytest.fixture
def runbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    (tmp_path / "runbooks").mkdir()
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / "runbooks" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


Write = Callable[[str, str], Path]


def test_a_sound_runbook_ends_with_nought(runbook: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runbook("a.yaml", GOOD)
    assert main(["lint", "runbooks/a.yaml"]) == 0
    assert "1 runbook checked: nothing to find fault with." in capsys.readouterr().out


def test_json_is_exactly_the_findings(runbook: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runbook("a.yaml", GOOD.replace("owner", "ownr"))
    assert main(["lint", "runbooks/a.yaml", "--json"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["findings"]
    assert [list(found) for found in shown["findings"]] == [["file", "line", "column", "code", "severity", "message", "hint"]] * 2
    assert shown["findings"][1] == {
        "file": "runbooks/a.yaml",
        "line": 5,
        "column": 5,
        "code": "unknown-key",
        "severity": "error",
        "message": "a stage has no key `ownr`",
        "hint": "did you mean `owner`?",
    }


def test_people_see_the_line_the_caret_the_reason_and_the_cure(runbook: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runbook("a.yaml", GOOD.replace("id: move", "id: move\ntitel: x"))
    main(["lint", "runbooks/a.yaml"])
    assert capsys.readouterr().out.splitlines()[:5] == [
        "runbooks/a.yaml:3:1: error[unknown-key]: a runbook has no key `titel`",
        "  3 | titel: x",
        "    | ^^^^^",
        "  = why: a key that nobody reads does nothing, silently, on the night",
        "  = help: did you mean `title`?",
    ]


def test_a_folder_means_every_runbook_in_it(runbook: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runbook("a.yaml", GOOD)
    runbook("deep/b.yml", GOOD.replace("id: move", "id: MOVE"))
    runbook("people.yaml", "persons: {}\n")
    runbook(".hidden/c.yaml", "changeover: 3\n")
    runbook("broken.yaml", "changeover: 1\nid: [\n")
    assert main(["lint", "runbooks"]) == 2
    shown = capsys.readouterr().out
    assert "3 runbooks checked: 2 errors." in shown
    assert "deep/b.yml:2:5: error[bad-id]" in shown
    assert "broken.yaml:3:1: error[yaml-syntax]" in shown


def test_a_folder_without_runbooks_is_a_mistake(runbook: Write, capsys: pytest.CaptureFixture[str]) -> None:
    runbook("people.yaml", "persons: {}\n")
    assert main(["lint", "runbooks"]) == 2
    assert "there is no runbook in" in " ".join(capsys.readouterr().err.split())


def test_a_file_outside_of_any_project_is_linted_without_functions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.replace("notify: We move", "check: 'checks.a:b'"))
    assert main(["lint", str(tmp_path / "a.yaml")]) == 0
    assert "nothing to find fault with" in capsys.readouterr().out


def test_a_missing_file_is_one_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", str(tmp_path / "nothing.yaml"), "--json"]) == 2
    assert [found["code"] for found in json.loads(capsys.readouterr().out)["findings"]] == ["file-missing"]


def shown(found: Finding, line: str, width: int) -> list[str]:
    return [text.plain for text in lines(found, ["", line], width)]


def test_a_narrow_terminal_shows_the_part_of_the_line_that_matters() -> None:
    line = "        " + "x" * 60 + " onwer: lead" + "y" * 60
    rows = shown(finding("unknown-key", "m", "h", Position("a.yaml", 2, 70)), line, 40)
    assert max(map(len, rows[1:3])) <= 40
    assert rows[1][rows[2].index("^") :].startswith("onwer")


@pytest.mark.parametrize("width", [0, 20, 40, 80])
@pytest.mark.parametrize(
    ("line", "column"), [("a: b", 4), ("a:", 3), ("a: 漢字 b", 7), ("\ta: b", 2), ("é" * 200, 150), ("a", 99)]
)
def test_the_caret_stands_below_its_place(line: str, column: int, width: int) -> None:
    rows = shown(finding("unknown-key", "m", "h", Position("a.yaml", 2, column)), line, width)
    assert rows[2].strip(" |").startswith("^")
    assert "\t" not in rows[1]


def test_the_summary_counts() -> None:
    error, warning = finding("cycle", "", "", Position("a", 1, 1)), finding("no-effect", "", "", Position("a", 1, 1))
    assert summary([error, warning, warning], 2).plain == "2 runbooks checked: 1 error, 2 warnings."


@pytest.mark.parametrize("file", ["runbook", "people", "systems"])
def test_schemas_are_printed(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", file]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == f"changeover: {file}"


def test_a_schema_that_is_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "peple"]) == 2
    assert "there are runbook, people, systems and inventory" in capsys.readouterr().err
