"""Two empty SQLite databases and a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.testing import FakeContext
from changeover.transfer.databases import OpenDatabase, open_database


@pytest.fixture
def source(tmp_path: Path) -> Iterator[OpenDatabase]:
    with opened("legacy", "source.db", tmp_path) as database:
        yield database


@pytest.fixture
def target(tmp_path: Path) -> Iterator[OpenDatabase]:
    with opened("crm", "target.db", tmp_path) as database:
        yield database


@contextmanager
def opened(name: str, file: str, folder: Path) -> Iterator[OpenDatabase]:
    """An empty database that does not wait for the disk: nothing here survives a power cut."""
    (folder / file).touch()
    database = open_database(name, DatabaseEntry(url=f"sqlite:///{file}"), "", base=folder)

    @sa.event.listens_for(database.engine, "connect")
    def in_a_hurry(connection: Any, _record: object) -> None:
        connection.execute("pragma synchronous = off")

    yield database
    database.close()


@pytest.fixture
def context(source: OpenDatabase, target: OpenDatabase) -> FakeContext:
    return FakeContext(databases={"legacy": source, "crm": target})
