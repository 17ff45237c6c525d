"""Jump hosts, agents, certificates, and hosts that turn callers away."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changeover.remote import connections
from changeover.remote.connections import Connections
from changeover.remote.errors import HostSetback, HostVerdict, JumpInCircle
from changeover.remote.fleet import on_each
from changeover.remote.hosts import Hosts, RemoteHost
from changeover.remote.login import Deadlines, Login
from changeover.runbook.systems import HostEntry, Systems
from changeover.sandbox.servers import ssh

MakeHosts = Callable[..., Hosts]


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[MakeHosts]:
    opened: list[Hosts] = []

    def make(**entries: HostEntry) -> Hosts:
        hosts = Hosts(Systems(hosts=entries), base=tmp_path, secret=lambda _reference: "s3cret")
        opened.append(hosts)
        return hosts

    yield make
    for hosts in opened:
        hosts.close()


def entry(server: Any, **changed: Any) -> HostEntry:
    written = {
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "private_key": str(server.key),
        "known_hosts": str(server.known_hosts),
    }
    return HostEntry(**{**written, **changed})


def only(hosts: Hosts, name: str) -> RemoteHost:
    return hosts.select([name])[0]


def refused(host: RemoteHost) -> HostSetback:
    with pytest.raises(HostSetback) as caught:
        host.run("true")
    return caught.value


def test_hosts_behind_a_jump_host_share_its_one_connection(make_hosts: MakeHosts, sshd: Any, forced_sshd: Any) -> None:
    door = entry(sshd)
    behind = entry(forced_sshd, jump="door")
    hosts = make_hosts(door=door, first=behind, second=behind, inner=entry(forced_sshd, jump="first"))
    outer = only(hosts, "door").run("echo $SSH_CONNECTION").stdout.split()
    answers = on_each(hosts.select(["first", "second", "inner"]), lambda host: host.run("echo ok").stdout)
    assert [outcome.value for outcome in answers.values()] == ["ok\n"] * 3
    assert only(hosts, "door").run("echo $SSH_CONNECTION").stdout.split() == outer
    assert only(hosts, "first").upload(b"through the door", "through").changed


def test_a_host_that_the_jump_host_cannot_reach_is_unreachable_by_name(make_hosts: MakeHosts, sshd: Any) -> None:
    setback = refused(only(make_hosts(door=entry(sshd), gone=entry(sshd, port=1, jump="door")), "gone"))
    assert setback.verdict is HostVerdict.UNREACHABLE
    assert str(setback).startswith("gone: cannot connect to 127.0.0.1:1 through door: ")


def test_a_jump_host_that_is_down_is_named_and_so_is_the_host_behind_it(make_hosts: MakeHosts, sshd: Any) -> None:
    setback = refused(only(make_hosts(door=entry(sshd, port=1), app=entry(sshd, jump="door")), "app"))
    assert (setback.host, setback.verdict) == ("app", HostVerdict.UNREACHABLE)
    assert "app: its jump host door: cannot connect to 127.0.0.1:1" in str(setback)


def test_the_key_of_a_host_behind_a_jump_host_is_compared_too(make_hosts: MakeHosts, sshd: Any, tmp_path: Path) -> None:
    hosts = make_hosts(door=entry(sshd), app=entry(sshd, jump="door", known_hosts=str(tmp_path / "none")))
    assert refused(only(hosts, "app")).verdict is HostVerdict.HOST_KEY


def test_jump_hosts_in_a_circle_are_a_mistake(make_hosts: MakeHosts, sshd: Any) -> None:
    hosts = make_hosts(a=entry(sshd, jump="b"), b=entry(sshd, jump="a"))
    with pytest.raises(JumpInCircle, match="a -> b -> a"):
        only(hosts, "a").run("true")


def test_a_jump_connection_that_died_is_made_anew(make_hosts: MakeHosts, sshd: Any, forced_sshd: Any) -> None:
    hosts = make_hosts(door=entry(sshd), app=entry(forced_sshd, jump="door"))
    assert only(hosts, "app").run("echo one").stdout == "one\n"
    server = int(only(hosts, "door").run("echo $PPID").stdout)
    os.kill(server, 9)
    assert only(hosts, "app").run("echo two").stdout == "two\n"


@pytest.fixture
def agent(sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent that holds the key of the test's sshd."""
    if shutil.which("ssh-agent") is None:
        pytest.fail("ssh-agent is missing: it belongs to openssh-client")
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        for _ in range(100):
            if subprocess.run(["ssh-add", "-q", str(sshd.key)], check=False, capture_output=True).returncode == 0:
                break
            threading.Event().wait(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("agent")
def test_the_agents_keys_let_us_in_when_they_are_named(make_hosts: MakeHosts, sshd: Any) -> None:
    hosts = make_hosts(named=entry(sshd, private_key="agent"), also=entry(sshd, private_key="", agent=True))
    assert only(hosts, "named").run("echo in").stdout == "in\n"
    assert only(hosts, "also").run("echo in").stdout == "in\n"


@pytest.mark.usefixtures("agent")
def test_the_agent_is_not_asked_unless_it_is_named(make_hosts: MakeHosts, sshd: Any) -> None:
    setback = refused(only(make_hosts(app=entry(sshd, private_key="")), "app"))
    assert "no identity is configured" in str(setback)


def test_the_usual_keys_are_offered_only_when_that_is_written(
    make_hosts: MakeHosts, sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    shutil.copy(sshd.key, tmp_path / ".ssh" / "id_ed25519")
    (tmp_path / ".ssh" / "id_rsa").write_text("rubbish")
    hosts = make_hosts(app=entry(sshd, private_key="", look_for_keys=True), other=entry(sshd, private_key=""))
    assert only(hosts, "app").run("echo in").stdout == "in\n"
    assert refused(only(hosts, "other")).verdict is HostVerdict.AUTH


def test_a_certificate_of_the_right_authority_lets_its_key_in(make_hosts: MakeHosts, server_folder: Path, tmp_path: Path) -> None:
    authority, key = tmp_path / "authority", tmp_path / "id"
    public = ssh.make_key(authority)
    ssh.make_key(key)
    signed = ["ssh-keygen", "-q", "-s", str(authority), "-I", "us", "-n", getpass.getuser(), "-V", "+1h", f"{key}.pub"]
    server = ssh.start(server_folder / "certified", login=f"cert-authority {public}")
    try:
        subprocess.run(signed, check=True)
        good = entry(server, private_key=str(key), certificate=f"{key}-cert.pub")
        shutil.copy(key, tmp_path / "bare")  # OpenSSH's own rule: a certificate beside its key is used with it
        bare = entry(server, private_key=str(tmp_path / "bare"))
        missing = entry(server, private_key=str(key), certificate="gone-cert.pub")
        hosts = make_hosts(good=good, bare=bare, missing=missing)
        assert only(hosts, "good").run("echo in").stdout == "in\n"
        assert refused(only(hosts, "bare")).verdict is HostVerdict.AUTH
        assert "cannot use the certificate" in str(refused(only(hosts, "missing")))
    finally:
        ssh.stop(server.process, server.folder)


def test_many_at_once_get_through_the_door_of_a_host_that_turns_callers_away(
    make_hosts: MakeHosts, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_PAUSE", 0.1)
    server = ssh.start(server_folder / "busy", lines=["MaxStartups 2:50:4"])
    try:
        hosts = make_hosts(**{f"h{number}": entry(server) for number in range(24)})
        outcomes = on_each(hosts.select([f"h{number}" for number in range(24)]), lambda host: host.run("echo in").stdout)
        assert [outcome.detail for outcome in outcomes.values() if outcome.value != "in\n"] == []
    finally:
        ssh.stop(server.process, server.folder)


def test_a_password_never_stands_in_what_a_login_shows() -> None:
    login = Login("app", "10.0.0.1", 22, "crm", Path("known"), password="s3cret")  # noqa: S106 - a test's own
    assert "s3cret" not in repr(login)


def test_closing_connections_that_were_never_opened_is_harmless() -> None:
    Connections(Deadlines()).close()
