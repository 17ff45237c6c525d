"""A real MariaDB server (or MySQL's namesake of it)."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pymysql

from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord, ordinary_account
from changeover.sandbox.servers import place

#: The administrator of a server that we start.
ADMINISTRATOR: Final = "root"

_READY_WITHIN: Final = 40.0
_PLACES: Final = "/usr/sbin:/usr/local/sbin:/usr/libexec:/usr/bin:/usr/local/bin:/opt/mariadb/bin"
_SETTINGS: Final = (
    "--bind-address=127.0.0.1",
    "--socket=server.sock",  # below its data folder: an absolute path may be too long for a socket
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=96M",
    "--max-allowed-packet=64M",
    "--local-infile=1",
    "--sql-mode=NO_ENGINE_SUBSTITUTION",  # an old system's: zero dates are let in
    "--default-time-zone=+00:00",
    "--lc-messages=en_US",
)
_FAST: Final = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite", "--innodb-flush-method=nosync")


@dataclass(frozen=True, slots=True)
class Installed:
    """A MariaDB that can be started here."""

    server: Path
    installer: Path
    version: str


@dataclass(frozen=True, slots=True)
class MariadbServer:
    """A running server. Stop it with :func:`stop`."""

    process: ProcessRecord
    folder: Path
    port: int
    password: str
    version: str

    def url(self, database: str = "mysql", *, password: bool = True) -> str:
        """Its SQLAlchemy URL."""
        secret = f":{self.password}" if password else ""
        return f"mysql+pymysql://{ADMINISTRATOR}{secret}@127.0.0.1:{self.port}/{database}?charset=utf8mb4"


def find() -> Installed | None:
    """The MariaDB of this machine; None when there is none."""
    server = shutil.which("mariadbd", path=_PLACES) or shutil.which("mysqld", path=_PLACES)
    installer = shutil.which("mariadb-install-db", path=_PLACES) or shutil.which("mysql_install_db", path=_PLACES)
    if server is None or installer is None:
        return None
    return Installed(Path(server), Path(installer), _version(server))


def start(folder: Path, *, password: str, fsync: bool = True) -> MariadbServer:
    """Start a fresh server with its data in *folder*. Raises DidNotStart, or LookupError when none is installed."""
    found = find()
    if found is None:
        raise LookupError("mariadb")
    account = ordinary_account("mysql")
    real = place.prepare(folder, account, name="mariadb")
    log, data, first, temporary = real / "server.log", real / "data", real / "first.sql", real / "tmp"
    place.make_folder(temporary, account)  # of its own: a MariaDB that starts deletes the temporary tables that it finds
    place.write_private(log, "", account)
    place.write_private(first, _first_statements(password), account)
    processes.run_to_end(
        "mariadb",
        [
            *(found.installer, "--no-defaults", f"--datadir={data}", f"--tmpdir={temporary}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ],
        log=log,
        folder=real,
        account=account,
    )
    port = processes.free_port()
    own = (f"--port={port}", f"--pid-file={real / 'pid'}", f"--init-file={first}", f"--tmpdir={temporary}")
    settings = (*_SETTINGS, *(() if fsync else _FAST), *own)
    process = processes.spawn(
        "mariadb", [found.server, "--no-defaults", f"--datadir={data}", *settings], log=log, folder=real, account=account
    )
    server = MariadbServer(process, folder, port, password, found.version)
    processes.wait_until_ready(process, lambda: _answers(server), seconds=_READY_WITHIN, log=log)
    first.unlink()
    return server


def stop(process: ProcessRecord, folder: Path) -> None:
    """Stop a server and remove its data. Stopping again is harmless."""
    processes.end(process, first=signal.SIGTERM, seconds=20.0)
    place.remove(folder)


def create_database(server: MariadbServer, name: str) -> str:
    """Make a database and return its URL."""
    _administer(server, f"create database `{name.replace('`', '``')}` character set utf8mb4")
    return server.url(name)


def drop_database(server: MariadbServer, name: str) -> None:
    """Drop a database."""
    _administer(server, f"drop database if exists `{name.replace('`', '``')}`")


def _administer(server: MariadbServer, statement: str) -> None:
    connection = _connect(server)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _connect(server: MariadbServer) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    return pymysql.connect(
        host="127.0.0.1", port=server.port, user=ADMINISTRATOR, password=server.password, connect_timeout=5, read_timeout=30
    )


def _answers(server: MariadbServer) -> bool:
    try:
        _connect(server).close()
    except pymysql.err.OperationalError:
        return False
    return True


def _first_statements(password: str) -> str:
    """Run before the first connection: nobody can come in without the password."""
    secret = password.replace("\\", "\\\\").replace("'", "\\'")
    accounts = [f"'{ADMINISTRATOR}'@'{host}'" for host in ("localhost", "127.0.0.1")]
    made = [f"create or replace user {account} identified by '{secret}';" for account in accounts]
    granted = [f"grant all privileges on *.* to {account} with grant option;" for account in accounts]
    return "\n".join([*made, *granted, ""])


def _version(server: str) -> str:
    try:
        said = subprocess.run([server, "--no-defaults", "--version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    found = re.search(r"\d+(\.\d+)+", said.stdout)
    return found.group() if found else "unknown"
