"""The company's two CRM databases: real servers where they are installed, and otherwise what there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy

from changeover.sandbox import legacy_crm, new_crm, population
from changeover.sandbox.population import Population
from changeover.sandbox.processes import DidNotStart, ProcessRecord
from changeover.sandbox.servers import mariadb, place, postgresql
from changeover.sandbox.servers.mariadb import MariadbServer
from changeover.sandbox.servers.postgresql import Installed, PostgresqlServer
from changeover.sandbox.state import Part

#: Under which name the cutover logs in; it administers nothing but its own database.
USER: Final = "cutover"

#: So many fixed-line customers come to one mobile customer who is there already.
FIXED_PER_MOBILE: Final = 10


@dataclass(frozen=True, slots=True)
class Built:
    """A database that is up and filled."""

    part: Part
    url: str  # with password
    process: ProcessRecord | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which servers to use."""

    installed: bool = True  # False: nothing of the machine, only what comes with Python packages


def build_legacy(folder: Path, people: Callable[[], Population], *, password: str, choice: Choice) -> Built:
    """The old CRM: MariaDB when it is installed and starts, else a SQLite file."""
    why = ""
    if choice.installed and mariadb.find() is not None:
        try:
            server = mariadb.start(folder / "mariadb", password=password, fsync=False)
        except DidNotStart as setback:
            place.remove(folder / "mariadb")
            why = str(setback)
        else:
            return _legacy_on(server, folder, people, password)
    return _sqlite("legacy-crm", folder, people, legacy_crm.build, why)


def build_new(folder: Path, people: Callable[[], Population], *, password: str, choice: Choice) -> Built:
    """The new CRM: PostgreSQL when one is installed or comes with the wheel, and starts; else a SQLite file."""
    why = ""
    system = postgresql.find(wheel=False) if choice.installed else None
    for installed in (system, postgresql.from_wheel()):
        if installed is None:
            continue
        try:
            server = postgresql.start(folder / "postgresql", password=password, fsync=False, installed=installed)
        except DidNotStart as setback:
            place.remove(folder / "postgresql")
            why = str(setback)
        else:
            return _new_on(server, installed, folder, people, password)
    return _sqlite("crm", folder, people, new_crm.build, why)


def _legacy_on(server: MariadbServer, folder: Path, people: Callable[[], Population], password: str) -> Built:
    root = mariadb.create_database(server, "legacy")
    engine = sqlalchemy.create_engine(root)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create user '{USER}'@'127.0.0.1' identified by '{password}'")
        connection.exec_driver_sql(f"grant all privileges on legacy.* to '{USER}'@'127.0.0.1'")
    engine.dispose()
    # MariaDB's driver reads the file to load only when it is allowed to.
    _fill(f"{root}&local_infile=1", people(), legacy_crm.build, folder)
    url = f"mysql+pymysql://{USER}:{password}@127.0.0.1:{server.port}/legacy?charset=utf8mb4"
    return Built(Part("legacy-crm", "mariadb", server.version), url, server.process)


def _new_on(
    server: PostgresqlServer, installed: Installed, folder: Path, people: Callable[[], Population], password: str
) -> Built:
    engine = sqlalchemy.create_engine(server.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create role {USER} login password '{password}'")
        connection.exec_driver_sql(f"create database crm owner {USER}")
    engine.dispose()
    url = f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{server.port}/crm"
    _fill(url, people(), new_crm.build, folder)
    return Built(Part("crm", "postgresql", server.version, installed.source), url, server.process)


def _sqlite(name: str, folder: Path, people: Callable[[], Population], build: Callable[..., None], why: str) -> Built:
    url = f"sqlite:///{folder / name}.sqlite"
    _fill(url, people(), build, folder)
    return Built(Part(name, "sqlite", _sqlite_version(), why=why), url)


def mobile_people(customers: int) -> Population:
    """Who is in the new CRM before the night, in proportion to those who come."""
    return population.mobile(max(20, customers // FIXED_PER_MOBILE))


def _fill(url: str, people: Population, build: Callable[..., None], folder: Path) -> None:
    engine = sqlalchemy.create_engine(url)
    try:
        build(engine, people, folder=folder)
    finally:
        engine.dispose()


def _sqlite_version() -> str:
    import sqlite3  # noqa: PLC0415

    return sqlite3.sqlite_version
