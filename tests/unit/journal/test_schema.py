from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.contracts import Clock
from changeover.journal import schema
from changeover.journal.connections import Connections
from changeover.journal.store import (
    Journal,
    JournalEmpty,
    JournalMissing,
    JournalTooNew,
    JournalTooOld,
    JournalUnavailable,
    RunRecord,
)
from changeover.journal.tables import METADATA, VERSION_TABLE


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def migrated(url: str, to: str) -> None:
    """Make a journal by the migrations alone, as an older changeover left it."""
    connections = Connections(url)
    connections.make_file(create=True)
    with connections.write() as connection:
        schema.upgrade(connection, to)
    connections.close()


def described(url: str) -> dict[str, object]:
    """Columns, keys and indexes of every table, by name."""
    connections = Connections(url)
    with connections.read() as connection:
        look = sa.inspect(connection)
        found: dict[str, object] = {
            name: {
                "columns": [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(name)],
                "key": look.get_pk_constraint(name)["constrained_columns"],
                "foreign": [(key["constrained_columns"], key["referred_table"]) for key in look.get_foreign_keys(name)],
                "unique": sorted(tuple(one["column_names"]) for one in look.get_unique_constraints(name)),
                "indexes": sorted((one["name"], tuple(one["column_names"]), one["unique"]) for one in look.get_indexes(name)),
            }
            for name in look.get_table_names()
        }
    connections.close()
    return found


def test_a_new_journal_is_what_the_migrations_make(tmp_path: Path, clock: Clock) -> None:
    new, old = f"sqlite:///{tmp_path / 'new.db'}", f"sqlite:///{tmp_path / 'old.db'}"
    Journal.open(new, clock=clock).close()
    migrated(old, "head")
    assert described(new) == described(old)
    assert set(described(new)) == {*METADATA.tables, VERSION_TABLE}


def test_the_versions_known_are_the_migrations_shipped() -> None:
    folder = Path(schema.__file__).parent / "migrations" / "versions"
    assert tuple(sorted(file.name[1:5] for file in folder.glob("v*.py"))) == schema.VERSIONS


def test_an_old_journal_is_migrated_and_keeps_its_runs(url: str, clock: Clock) -> None:
    migrated(url, "0001")
    with sqlite3.connect(file_of(url)) as old:
        old.execute(
            "insert into run values (1, 'crm-1', 'crm', 'CRM', 'sandbox', 'live', 'oksana', '2027-03-13T19:00:00.000000+00:00',"
            " '', 'a.yaml', '{}', '{}', 1, 0, '', 0, 0, null, null, null, null, null, null, null)"
        )
    old.close()
    with Journal.open(url, clock=clock) as journal:
        assert [run.id for run in journal.runs()] == ["crm-1"]
        journal.move_cursor("crm-1", "chat", {"seq": 3})
        assert journal.cursor("crm-1", "chat") == {"seq": 3}
    Journal.open(url, clock=clock, create=False).close()


def test_a_reader_does_not_migrate_an_old_journal(url: str, clock: Clock) -> None:
    migrated(url, "0001")
    with pytest.raises(JournalTooOld, match=r"has schema 0001; .* needs schema 0002") as refused:
        Journal.open(url, clock=clock, create=False)
    assert "resume" in refused.value.hint


def test_a_newer_journal_is_refused_with_both_versions_and_stays_as_it_is(url: str, clock: Clock) -> None:
    Journal.open(url, clock=clock).close()
    with sqlite3.connect(file_of(url)) as newer:
        newer.execute("update changeover_version set version_num = '0042'")
    newer.close()
    for create in (True, False):
        with pytest.raises(JournalTooNew, match=r"has schema 0042; this changeover .* knows schemas up to 0002") as refused:
            Journal.open(url, clock=clock, create=create)
        assert "install" in refused.value.hint
    with sqlite3.connect(file_of(url)) as newer:
        assert newer.execute("select version_num from changeover_version").fetchall() == [("0042",)]
    newer.close()


def test_an_empty_file_becomes_a_journal(url: str, clock: Clock) -> None:
    file_of(url).parent.mkdir()
    file_of(url).touch()
    with Journal.open(url, clock=clock) as journal:
        assert journal.runs() == []


def test_without_create_a_missing_journal_is_said_to_be_missing_and_an_empty_one_to_be_empty(url: str, clock: Clock) -> None:
    with pytest.raises(JournalMissing, match=r"there is no journal at .*journal\.db"):
        Journal.open(url, clock=clock, create=False)
    assert not file_of(url).exists()
    file_of(url).parent.mkdir()
    file_of(url).touch()
    with pytest.raises(JournalEmpty, match=r"the journal .*journal\.db is an empty file") as empty:
        Journal.open(url, clock=clock, create=False)
    assert "bring it back from a copy" in empty.value.hint
    assert [(path.name, path.stat().st_size) for path in file_of(url).parent.iterdir()] == [("journal.db", 0)]


def test_another_programs_tables_are_not_taken_for_a_journal(url: str, clock: Clock) -> None:
    file_of(url).parent.mkdir()
    with sqlite3.connect(file_of(url)) as other:
        other.execute("create table event (id integer)")
    other.close()
    with pytest.raises(JournalUnavailable, match=r"tables of another program \(event\)"):
        Journal.open(url, clock=clock)


def test_a_file_that_is_no_database_is_refused_and_left_alone(url: str, clock: Clock) -> None:
    file_of(url).parent.mkdir()
    file_of(url).write_text("shopping list: " + "milk " * 500)
    with pytest.raises(JournalUnavailable, match="the file is not a journal"):
        Journal.open(url, clock=clock)
    assert file_of(url).read_text().startswith("shopping list")


@pytest.mark.usefixtures("journal")
def test_opening_a_journal_of_this_version_never_imports_alembic(url: str) -> None:
    program = (
        "import sys\n"
        "from changeover.journal.store import Journal\n"
        f"Journal.open({url!r}, clock=None).close()\n"
        "print('alembic' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "False\n"


def test_the_errors_of_the_journal_cost_no_sqlalchemy() -> None:
    program = "import sys; import changeover.journal.errors, changeover.journal.fold; print('sqlalchemy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "False\n"


def test_files_are_for_their_owner_alone(url: str, new_run: Callable[[str], RunRecord]) -> None:
    new_run("crm-1")
    folder = file_of(url).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
