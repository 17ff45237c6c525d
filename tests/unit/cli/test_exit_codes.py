from __future__ import annotations

from pathlib import Path

from changeover.cli.exit_codes import ExitCode, as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "exit-codes.md"


def test_the_page_says_what_the_program_does() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_markdown()


def test_the_numbers_that_scripts_rely_on_do_not_change() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "FINE": 0,
        "BUG": 1,
        "MISTAKE": 2,
        "HELD": 3,
        "ROLLED_BACK": 4,
        "ROLLBACK_FAILED": 5,
        "ABORTED": 6,
        "OWNERSHIP_LOST": 7,
        "OWNED": 8,
        "JOURNAL_UNAVAILABLE": 9,
        "FAILED": 10,
        "INTERRUPTED": 130,
        "OUTPUT_CLOSED": 141,
    }


def test_every_code_has_a_meaning() -> None:
    assert all(code.meaning.endswith((".", ")", "`.")) for code in ExitCode)
