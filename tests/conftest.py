"""Real servers for tests: started once for a session in folders of their own, stopped at its end."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from changeover.sandbox.servers import mariadb, postgresql, ssh
from changeover.sandbox.servers.mariadb import MariadbServer
from changeover.sandbox.servers.postgresql import PostgresqlServer
from changeover.sandbox.servers.ssh import SshServer

_NUMBERS = itertools.count(1)

# A shell starts what it puts into the background deaf to Ctrl-C, and children inherit that: tests send it to theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A release is judged on the same examples every time; new ones are looked for everywhere else.
settings.register_profile("release", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("release" if os.environ.get("CI") else "search")


def not_installed(what: str) -> NoReturn:
    """On the way to a release nothing may be left out; elsewhere a missing server is only named."""
    message = f"{what} is not installed; `make test` installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of so many KiB that only its owner enters: ``disk_of(512)``."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root can mount a small disk")
        folder = tmp_path / "disk"
        folder.mkdir()
        options = f"size={size}k,mode=0700"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False).returncode != 0:
            pytest.skip("this machine does not let root mount")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A short path: sockets and logs live below it."""
    folder = Path(tempfile.mkdtemp(prefix="changeover-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server(server_folder: Path) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server."""
    if postgresql.find() is None:
        not_installed("PostgreSQL")
    server = postgresql.start(server_folder / "postgresql", password="pg-s3cret", fsync=False)  # noqa: S106 - a test's own
    yield server
    postgresql.stop(server.process, server.folder)


@pytest.fixture(scope="session")
def mariadb_server(server_folder: Path) -> Iterator[MariadbServer]:
    """A MariaDB server."""
    if mariadb.find() is None:
        not_installed("MariaDB")
    server = mariadb.start(server_folder / "mariadb", password="ma-s3cret", fsync=False)  # noqa: S106 - a test's own
    yield server
    mariadb.stop(server.process, server.folder)


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: PostgresqlServer) -> str:
    """SQLAlchemy URL of a PostgreSQL database that the whole session shares."""
    return postgresql.create_database(postgresql_server, "shared")


@pytest.fixture(scope="session")
def mariadb_url(mariadb_server: MariadbServer) -> str:
    """SQLAlchemy URL of a MariaDB database that the whole session shares."""
    return mariadb.create_database(mariadb_server, "shared")


@pytest.fixture
def fresh_postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database of this test alone."""
    name = f"fresh_{next(_NUMBERS)}"
    yield postgresql.create_database(postgresql_server, name)
    postgresql.drop_database(postgresql_server, name)


@pytest.fixture
def fresh_mariadb_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """SQLAlchemy URL of an empty MariaDB database of this test alone."""
    name = f"fresh_{next(_NUMBERS)}"
    yield mariadb.create_database(mariadb_server, name)
    mariadb.drop_database(mariadb_server, name)


@pytest.fixture(scope="session")
def sshd(server_folder: Path) -> Iterator[SshServer]:
    """A real sshd of this account: address, port, user, key, known_hosts, folder."""
    if ssh.find() is None:
        not_installed("an SSH server (sshd)")
    server = ssh.start(server_folder / "sshd")
    yield server
    ssh.stop(server.process, server.folder)
