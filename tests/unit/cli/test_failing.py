from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.cli import failing, main
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import CODES, guarded
from changeover.errors import Mistake, Setback
from changeover.journal import errors
from changeover.journal.errors import JournalTooNew, JournalUnavailable


@dataclass(eq=False)
class WrongSpoon(Mistake):
    def __str__(self) -> str:
        return "this is the wrong spoon"

    @property
    def hint(self) -> str:
        return "take the other one"


class Spilled(Setback):
    pass


def raising(error: BaseException) -> int:
    def action() -> int:
        raise error

    return guarded(action)


def test_a_mistake_is_one_message_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(WrongSpoon()) == ExitCode.MISTAKE
    assert capsys.readouterr().err == "error: this is the wrong spoon\n  help: take the other one\n"


def test_a_setback_leaves_the_run_held() -> None:
    assert raising(Spilled("soup")) == ExitCode.HELD


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_error_with_a_code_of_its_own_exists(name: str) -> None:
    assert isinstance(getattr(errors, name), type)


def test_an_unavailable_journal_has_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(JournalUnavailable("/srv/journal.db", "the disk is full", "Free some space.")) == ExitCode.JOURNAL_UNAVAILABLE
    assert "/srv/journal.db" in capsys.readouterr().err
    assert issubclass(JournalTooNew, Mistake)


def test_a_bug_is_never_a_traceback_on_the_screen(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".changeover").mkdir()
    assert raising(ZeroDivisionError("division by zero")) == ExitCode.BUG
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.startswith("error: this is a bug in changeover: ZeroDivisionError: division by zero\n  help: ")
    [crash] = (tmp_path / ".changeover" / "crashes").iterdir()
    assert str(crash) in said
    assert "Traceback (most recent call last)" in crash.read_text(encoding="utf-8")
    assert stat.S_IMODE(crash.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")) == ExitCode.MISTAKE
    assert capsys.readouterr().err == "error: /etc/shadow: permission denied\n"


def test_a_full_disk_below_the_output_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(OSError(errno.ENOSPC, "No space left on device")) == ExitCode.MISTAKE
    assert capsys.readouterr().err == "error: the output cannot be written: no space left on device\n"


def test_ctrl_c_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt()) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("code", "meant"), [(7, 7), (None, 0), ("text", 2)])
def test_a_command_may_end_by_itself(code: object, meant: int) -> None:
    error = SystemExit(code)
    assert raising(error) == meant


def test_a_folder_that_was_deleted_under_ones_feet_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main(["status"]) == ExitCode.MISTAKE
    assert capsys.readouterr().err.startswith("error: the current folder has been deleted")


def test_a_reader_that_goes_away_while_findings_are_shown_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(error: BaseException) -> bool:
        raise BrokenPipeError

    monkeypatch.setattr(failing, "_shown_as_findings", gone)
    monkeypatch.setattr(failing, "silence", lambda _: None)
    assert raising(JournalUnavailable("x", "y")) == ExitCode.OUTPUT_CLOSED
