from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import paramiko
import pytest

from changeover.sandbox import faults, fingerprint, leftovers, lifecycle, processes
from changeover.sandbox.databases import Choice
from changeover.sandbox.faults import Fault
from changeover.sandbox.fingerprint import differences
from changeover.sandbox.lifecycle import AlreadyRunning, NotRunning
from changeover.sandbox.processes import ProcessRecord
from changeover.sandbox.servers import haproxy, mariadb, postgresql, ssh
from changeover.sandbox.state import State


def quiet(_line: str) -> None:
    """Nobody listens."""


def status_of(url: str) -> int:
    return httpx.get(url, timeout=10, trust_env=False).status_code


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ".changeover" / "sandbox"
    yield folder
    lifecycle.stop(folder)


@pytest.fixture(params=["installed", "bundled"])
def sandbox(request: pytest.FixtureRequest, folder: Path) -> State:
    choice = Choice(installed=request.param == "installed")
    return lifecycle.start(folder, customers=60, choice=choice, say=quiet)


def everything_of(state: State) -> tuple[list[ProcessRecord], list[int]]:
    running = [*state.processes, *leftovers.find(state.folder)]
    ports = [urlsplit(address).port or 0 for address in state.addresses.values()]
    return running, ports


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_serves_pages_from_the_crm_that_the_host_points_at(sandbox: State) -> None:
    shop = sandbox.addresses["web-shop"]
    assert status_of(f"{shop}/customers/F000700001") == 200
    assert status_of(f"{shop}/customers/M000000001") == 200
    assert status_of(f"{shop}/customers/F999999999") == 404


def test_it_says_what_stands_behind_it(sandbox: State) -> None:
    assert sandbox.part("crm").by in {"postgresql", "sqlite"}
    assert sandbox.part("legacy-crm").by in {"mariadb", "sqlite"}
    assert sandbox.part("hosts").by in {"openssh", "paramiko"}


def test_every_host_lets_its_key_in_and_takes_files(sandbox: State) -> None:
    values = (sandbox.folder / "values.yaml").read_text()
    ports = [int(line.split('"')[1]) for line in values.splitlines() if line.startswith("app_") and "_port" in line]
    user = next(line.split('"')[1] for line in values.splitlines() if line.startswith("ssh_user"))
    assert len(ports) == 3
    for name, port in zip(sandbox.homes, ports, strict=True):
        client = paramiko.SSHClient()
        client.load_host_keys(str(sandbox.folder / "ssh" / "known_hosts"))
        try:
            client.connect(
                "127.0.0.1",
                port,
                user,
                key_filename=str(sandbox.folder / "ssh/id_ed25519"),
                look_for_keys=False,
                allow_agent=False,
            )
            stdin, stdout, stderr = client.exec_command("sh current/bin/health; cat; echo oops >&2; exit 7")
            stdin.write("through\n")
            stdin.channel.shutdown_write()
            assert stdout.read().decode() == "release 4.9.3 is healthy\nthrough\n"
            assert stderr.read() == b"oops\n"
            assert stdout.channel.recv_exit_status() == 7
            with client.open_sftp() as sftp:
                with sftp.open("note.part", "wb") as file:
                    file.write(b"x" * 100_000)
                sftp.chmod("note.part", 0o640)
                sftp.posix_rename("note.part", "note")
                assert sorted(sftp.listdir(".")) == ["current", "note", "releases"]
                assert sftp.readlink("current") == "releases/4.9.3"
            assert (Path(sandbox.homes[name]) / "note").stat().st_size == 100_000
        finally:
            client.close()


def test_only_its_owner_can_look_into_its_folder(sandbox: State) -> None:
    assert stat.S_IMODE(sandbox.folder.stat().st_mode) == 0o700
    for name in ("values.yaml", "state.json", "company.json", "secrets/crm"):
        assert stat.S_IMODE((sandbox.folder / name).stat().st_mode) & 0o077 == 0


def test_stopping_leaves_no_process_port_or_file(sandbox: State) -> None:
    running, ports = everything_of(sandbox)
    real = [link.resolve() for link in sandbox.folder.iterdir() if link.is_symlink()]
    assert lifecycle.stop(sandbox.folder)
    assert not [process for process in running if processes.is_alive(process)]
    assert all(is_closed(port) for port in ports)
    assert not sandbox.folder.exists()
    assert not [path for path in real if path.exists()]
    assert list(sandbox.folder.parent.iterdir()) == []
    assert not lifecycle.stop(sandbox.folder)


def test_starting_again_keeps_the_one_that_runs_and_refuses_another(sandbox: State) -> None:
    again = lifecycle.start(sandbox.folder, customers=60, say=quiet)
    assert again.processes == sandbox.processes
    with pytest.raises(AlreadyRunning, match="60 customers"):
        lifecycle.start(sandbox.folder, customers=61, say=quiet)


def test_the_same_sandbox_twice_has_the_same_fingerprint(folder: Path) -> None:
    first = fingerprint.take(lifecycle.start(folder, customers=80, say=quiet))
    lifecycle.stop(folder)
    second = fingerprint.take(lifecycle.start(folder, customers=80, say=quiet))
    assert differences(first, second) == ()
    assert len(first) > 20


def test_a_fingerprint_notices_a_row_a_link_and_a_door(folder: Path) -> None:
    state = lifecycle.start(folder, customers=60, say=quiet)
    before = fingerprint.take(state)
    home = Path(state.homes["app-2"])
    (home / "current").unlink()
    (home / "current").symlink_to("releases/none")
    faults.cause(Fault.DEPLOY, state)
    httpx.put(f"{state.addresses['agents-staff']}/door", json={"state": "closed"}, timeout=5, trust_env=False)
    found = {(difference.sort, difference.name) for difference in differences(before, fingerprint.take(state))}
    assert found == {("host", "app-2 release"), ("host", "app-2 files"), ("channel", "agents")}


def test_a_starter_that_is_killed_leaves_nothing_that_stop_does_not_find(tmp_path: Path) -> None:
    folder = tmp_path / ".changeover" / "sandbox"
    script = (
        "import sys; from pathlib import Path; from changeover.sandbox import lifecycle;"
        " lifecycle.start(Path(sys.argv[1]), customers=60, say=print)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.DEVNULL, cwd=Path.cwd())
    deadline = time.monotonic() + 60
    while not (folder.exists() and len(leftovers.find(folder)) >= 3):
        assert time.monotonic() < deadline
        assert starter.poll() is None
        time.sleep(0.02)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    running = leftovers.find(folder)
    with pytest.raises(NotRunning):
        lifecycle.running(folder)
    assert lifecycle.stop(folder)
    assert not [process for process in running if processes.is_alive(process)]
    assert not processes_that_name(folder)
    assert not folder.exists()


def processes_that_name(folder: Path) -> list[str]:
    """Command lines of this machine in which *folder* stands, whoever they are."""
    lines = []
    for pid in processes.every_pid():
        try:
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue
    return [line for line in lines if str(folder) in line]


def test_a_start_that_fails_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("changeover.sandbox.values.write", fails)
    with pytest.raises(RuntimeError, match="disk is full"):
        lifecycle.start(folder, customers=60, say=quiet)
    assert not folder.exists()


@pytest.mark.skipif(
    not (mariadb.find() and postgresql.find(wheel=False) and ssh.find() and haproxy.find()),
    reason="not all servers are installed",
)
def test_installed_servers_are_preferred(folder: Path) -> None:
    state = lifecycle.start(folder, customers=60, say=quiet)
    assert [part.by for part in state.parts] == ["mariadb", "postgresql", "openssh", "haproxy"]
    assert state.part("crm").source == "system"


def test_the_slow_host_is_slow_and_the_others_are_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.sandbox.faults.SLOW_BY", 1)
    state = lifecycle.start(folder, customers=60, fault=Fault.SLOW_HOST, say=quiet)
    assert faults.slow_file(state.folder, "app-3").read_text() == "1\n"
    assert not faults.slow_file(state.folder, "app-1").exists()
    faults.mend(Fault.SLOW_HOST, state)
    assert not faults.slow_file(state.folder, "app-3").exists()


def test_the_services_end_by_themselves_when_their_folder_is_gone(folder: Path) -> None:
    state = lifecycle.start(folder, customers=60, choice=Choice(installed=False), say=quiet)
    company = next(process for process in state.processes if process.name == "company")
    (folder / "company.json").unlink()
    deadline = time.monotonic() + 10
    while processes.is_alive(company):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert os.getpid() != company.pid
