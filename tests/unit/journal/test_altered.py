"""A journal that somebody or something has altered is one clear message, never a bug."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from changeover.journal.connections import Connections
from changeover.journal.errors import JournalUnavailable
from changeover.journal.events import Command, Draft, EventKind, Verb
from changeover.journal.store import Journal, Lease


def alter(journal: Journal, table: str, change: str) -> None:
    with sqlite3.connect(journal.where) as connection:
        connection.execute(f"update {table} set {change}")  # noqa: S608 - only words of this file
    connection.close()


@pytest.mark.parametrize("change", ["data = '{'", "data = '[]'", "kind = 'nonsense'", "at = 'yesterday'"])
def test_an_event_that_no_changeover_wrote_is_said_so(journal: Journal, lease: Lease, change: str) -> None:
    journal.append(lease, [Draft(EventKind.WARNED, data={"text": "x"})])
    alter(journal, "event", change)
    with pytest.raises(JournalUnavailable, match="a row that no changeover wrote") as refused:
        journal.events(lease.run)
    assert "copy" in refused.value.hint


@pytest.mark.parametrize("change", ["inputs = '['", "\"values\" = '3'", "mode = 'odd'", "created_at = ''"])
def test_a_run_that_no_changeover_wrote_is_said_so(journal: Journal, lease: Lease, change: str) -> None:
    alter(journal, "run", change)
    for read in (journal.runs, lambda: journal.run(lease.run)):
        with pytest.raises(JournalUnavailable, match="a row that no changeover wrote"):
            read()


def test_a_command_that_no_changeover_wrote_is_said_so(journal: Journal, lease: Lease) -> None:
    asked = journal.request(Command(lease.run, Verb.HOLD, "anna", "storm", "key"))
    alter(journal, "command", "verb = 'dance'")
    with pytest.raises(JournalUnavailable, match="a row that no changeover wrote"):
        journal.command(asked.id)
    with pytest.raises(JournalUnavailable, match="a row that no changeover wrote"):
        journal.commands(lease.run)


def test_no_piece_of_an_unquoted_password_is_shown_with_the_address(tmp_path: Path) -> None:
    assert Connections("postgresql://anna:p@s3cret@db.example/journal").where == "postgresql://anna@db.example/journal"
