from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from changeover.cli import Entry, entries, load, main

ROOT = Path(__file__).parents[3]
HEAVY = {"sqlalchemy", "prefect", "paramiko", "alembic", "slack_sdk", "rich", "jinja2", "httpx", "yaml"}


def there(entry: Entry) -> bool:
    return importlib.util.find_spec(entry.target.partition(":")[0]) is not None


def test_help_names_every_command_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in entries())


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from changeover.cli import main; main(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stderr.split()
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize("name", [name for name, entry in entries().items() if there(entry)])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"changeover {name}" in capsys.readouterr().out


@pytest.mark.parametrize("entry", [entry for entry in entries().values() if there(entry)], ids=lambda entry: entry.name)
def test_every_command_can_be_loaded(entry: Entry) -> None:
    assert load(entry).name == entry.name


def test_without_a_word_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "Before the night" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "meant"), [("rin", "run"), ("aprove", "approve"), ("roll-back", "rollback")])
def test_a_misspelt_command_is_answered_with_the_nearest(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == 2
    assert capsys.readouterr().err == f"error: there is no command '{typed}'\n  help: did you mean `{meant}`?\n"


def test_an_unknown_option_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--nope"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no such option: --nope")
    assert "changeover status --help" in said


def test_a_missing_argument_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert "missing argument" in capsys.readouterr().err.lower()


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("changeover ")
