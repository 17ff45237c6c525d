"""Databases on real servers, each of its test alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.databases import OpenDatabase, open_database

Opener = Callable[[str, str], OpenDatabase]


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens a fresh database: ``opened("mariadb", "legacy")``."""
    databases: list[OpenDatabase] = []

    def open_(system: str, name: str) -> OpenDatabase:
        if system == "sqlite":
            (tmp_path / f"{name}.db").touch()
            url = f"sqlite:///{tmp_path / name}.db"
        else:
            url = request.getfixturevalue(f"fresh_{system}_url")
        address = sa.make_url(url)
        entry = DatabaseEntry(url=address.set(password=None).render_as_string())
        database = open_database(name, entry, address.password or "")
        databases.append(database)
        return database

    yield open_
    for database in databases:
        database.close()
