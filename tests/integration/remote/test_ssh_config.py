"""What an OpenSSH configuration adds to the inventory, as the real `ssh` reads it."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changeover.errors import Mistake
from changeover.remote.errors import HostSetback, JumpInCircle
from changeover.remote.fleet import on_each
from changeover.remote.hosts import Hosts
from changeover.runbook.systems import HostEntry, Systems
from tests.integration.remote.test_job_script import not_installed

MakeHosts = Callable[..., Hosts]


@pytest.fixture(autouse=True)
def ssh_program() -> None:
    if shutil.which("ssh") is None:
        not_installed("ssh")


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[MakeHosts]:
    """Hosts whose configuration is `config` in the test's folder."""
    opened: list[Hosts] = []

    def make(config: str, **entries: HostEntry) -> Hosts:
        (tmp_path / "config").write_text(config)
        hosts = Hosts(Systems(hosts=entries), base=tmp_path, secret=str)
        opened.append(hosts)
        return hosts

    yield make
    for hosts in opened:
        hosts.close()


def entry(address: str, **said: Any) -> HostEntry:
    """A host as an inventory gives it: what is said there is marked so."""
    return HostEntry(address, ssh_config="config", said=dict.fromkeys(said, "host"), **said)


def test_a_host_is_reached_as_the_configuration_says(make_hosts: MakeHosts, sshd: Any, tmp_path: Path) -> None:
    (tmp_path / "more").write_text(f"Host app-*\n  Port {sshd.port}\n  UserKnownHostsFile {sshd.known_hosts} /dev/null\n")
    shutil.copy(sshd.key, tmp_path / f"{sshd.user}-key")
    config = f"""Include {tmp_path}/more
Match host app-1
  HostName {sshd.address}
  User {sshd.user}
  IdentityFile {tmp_path}/%r-key
"""
    hosts = make_hosts(config, **{"app-1": entry("app-1")})
    assert hosts.select(["app-1"])[0].run("echo in").stdout == "in\n"
    told = hosts.settings("app-1")
    assert (told.address, told.port, told.private_key) == (sshd.address, sshd.port, f"{tmp_path}/{sshd.user}-key")
    assert set(told.said) == {"address", "port", "private_key", "known_hosts"}  # the user is who asks anyway
    assert set(told.said.values()) == {"config"}


def test_a_host_key_is_looked_up_under_the_alias_and_no_other_name(make_hosts: MakeHosts, sshd: Any, tmp_path: Path) -> None:
    _, sort, key = sshd.known_hosts.read_text().split()[:3]
    (tmp_path / "known").write_text(f"The-App {sort} {key}\n")
    way = (f"HostName {sshd.address}", f"Port {sshd.port}", f"IdentityFile {sshd.key}", f"UserKnownHostsFile {tmp_path}/known")
    config = "\n  ".join(("Host *", *way, ""))
    aliased = make_hosts(f"Host app-1\n  HostKeyAlias the-app\n{config}", **{"app-1": entry("app-1")})
    assert aliased.select(["app-1"])[0].run("echo in").stdout == "in\n"
    assert aliased.settings("app-1").said["key_alias"] == "config"
    for other in (config, f"Host app-1\n  HostKeyAlias another\n{config}"):
        with pytest.raises(HostSetback, match="its host key is not known"):
            make_hosts(other, **{"app-1": entry("app-1")}).select(["app-1"])[0].run("echo in")


def test_what_the_inventory_says_wins(make_hosts: MakeHosts) -> None:
    lines = ["Host *", "HostName 10.9.9.9", "Port 2222", "User them", "IdentityFile x", "UserKnownHostsFile x", "ProxyJump x", ""]
    written = entry("10.0.0.1", port=22, user="us", private_key="ours", known_hosts="known", jump="")
    told = make_hosts("\n".join(lines), app=written).settings("app")
    assert told == written
    assert set(told.said.values()) == {"host"}


def test_what_openssh_says_by_itself_is_not_taken_for_said(make_hosts: MakeHosts) -> None:
    told = make_hosts("Host other\n  User them\n", App=entry("App")).settings("App")
    assert (told.address, told.port, told.user, told.private_key, told.known_hosts, told.jump) == ("App", 22, "", "", "", "")
    assert told.said == {}


def test_only_the_named_configuration_counts(make_hosts: MakeHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  Port 2222\n")
    assert make_hosts("", app=entry("app")).settings("app").port == 22
    plain = Hosts(Systems(hosts={"app": HostEntry("app")}), base=tmp_path, secret=str)
    assert plain.settings("app").port == 22


def test_jump_hosts_of_the_configuration_are_gone_through_one_after_another(
    make_hosts: MakeHosts, sshd: Any, forced_sshd: Any, tmp_path: Path
) -> None:
    (tmp_path / "known").write_text(sshd.known_hosts.read_text() + forced_sshd.known_hosts.read_text())
    config = f"""Host first
  HostName {sshd.address}
  Port {sshd.port}
  IdentityFile {sshd.key}
  UserKnownHostsFile {sshd.known_hosts}
Host second app
  HostName {forced_sshd.address}
  Port {forced_sshd.port}
  UserKnownHostsFile {forced_sshd.known_hosts}
Host second
  ProxyJump first
Host app
  IdentityFile {forced_sshd.key}
  ProxyJump {getpass.getuser()}@second
Host straight
  HostName {forced_sshd.address}
  ProxyJump first,second
"""
    known = {"private_key": str(forced_sshd.key), "known_hosts": "known", "port": forced_sshd.port}
    hosts = make_hosts(config, app=entry("app"), straight=entry("straight", **known))
    answers = on_each(hosts.select(["app", "straight"]), lambda host: host.run("echo in").stdout)
    assert {name: outcome.value or outcome.detail for name, outcome in answers.items()} == {"app": "in\n", "straight": "in\n"}
    first = hosts.login("app").jump
    assert first is not None
    assert (first.host, first.jump and first.jump.host, first.jump and first.jump.port) == ("second", "first", sshd.port)


def test_a_jump_host_that_the_inventory_knows_is_reached_as_that_says(make_hosts: MakeHosts) -> None:
    hosts = make_hosts("Host app\n  ProxyJump door:77\n", app=entry("app"), door=HostEntry("10.0.0.7", user="keeper"))
    jump = hosts.login("app").jump
    assert jump is not None
    assert jump.spoken == "keeper@10.0.0.7:22"


def test_jump_hosts_in_a_circle_are_refused(make_hosts: MakeHosts) -> None:
    with pytest.raises(JumpInCircle, match="app -> door -> app"):
        make_hosts("Host app\n  ProxyJump door\nHost door\n  ProxyJump app\n", app=entry("app")).login("app")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("ops@10.1.1.1:2222", "ops@10.1.1.1:2222"),
        ("ssh://ops@door:2222", "ops@door:2222"),
        ("ops@[fd00::1]:2222", "ops@fd00::1:2222"),
        ("ops@door", "ops@door:22"),
    ],
)
def test_a_jump_host_is_understood_however_it_is_written(make_hosts: MakeHosts, written: str, spoken: str) -> None:
    jump = make_hosts(f"Host app\n  ProxyJump {written}\n", app=entry("app")).login("app").jump
    assert jump is not None
    assert jump.spoken == spoken


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("Host app\n  ProxyCommand nc %h %p\n", "wants a ProxyCommand for app"),
        ("Host app\n  IdentityFile ~/%i\n", "%i is not understood here"),
        ("Hast app\n", "Bad configuration option: hast"),
    ],
)
def test_what_is_not_done_is_refused_with_what_to_write_instead(make_hosts: MakeHosts, config: str, words: str) -> None:
    with pytest.raises(Mistake, match=words) as caught:
        make_hosts(config, app=entry("app")).login("app")
    assert str(caught.value).startswith("app: ")
    assert caught.value.hint


def test_a_machine_without_ssh_is_told_so(make_hosts: MakeHosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Mistake, match="the program ssh, which is not installed"):
        make_hosts("", app=entry("app")).login("app")


def test_the_list_tells_where_each_setting_comes_from(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host app-1\n  HostName 10.0.0.9\n  User them\n  ProxyJump door\n")
    (tmp_path / "systems.yaml").write_text(
        "defaults: {ssh_config: config, known_hosts: known}\nhosts: {app-1: {}, app-2: {address: 10.0.0.2}}\n"
        "groups: {apps: {members: [app-1], port: 2222}}\n"
    )

    def listed(*options: str) -> str:
        command = [str(Path(sys.executable).with_name("changeover")), "hosts", "list", "systems.yaml", *options]
        environment = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    assert "An OpenSSH configuration completes 1 host: --sources tells how." in listed()
    told = listed("--sources")
    assert (
        "app-1: address 10.0.0.9 (config), port 2222 (group apps), user them (config), known_hosts known (defaults), "
        "jump door (config)\n"
    ) in told
    assert "app-2: address 10.0.0.2 (host), port 22 (usual), known_hosts known (defaults)\n" in told
    said = json.loads(listed("--json"))["hosts"]["app-1"]["said"]
    assert said == {
        **dict.fromkeys(("address", "user", "jump"), "config"),
        **dict.fromkeys(("known_hosts", "ssh_config"), "defaults"),
        "port": "group apps",
    }
