from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.remote.hosts import Hosts
from changeover.remote.login import login_of
from changeover.runbook.systems import HostEntry, Systems

BASE = Path("/project")


def login(**changed: Any) -> Any:
    return login_of("app-1", HostEntry("10.0.0.1", **changed), base=BASE, secret={"env:P": "s3cret"}.__getitem__)


def test_paths_are_relative_to_the_project_and_home_is_understood() -> None:
    found = login(private_key="keys/id", known_hosts="~/known")
    assert (found.private_key, found.known_hosts) == (BASE / "keys/id", Path.home() / "known")


def test_nothing_is_guessed_but_the_user_and_the_usual_known_hosts() -> None:
    found = login()
    assert (found.user, found.private_key, found.password, found.agent) == (getpass.getuser(), None, "", False)
    assert found.known_hosts == Path.home() / ".ssh/known_hosts"


def test_the_agent_is_asked_only_when_it_is_named() -> None:
    found = login(private_key="agent")
    assert found.agent
    assert found.private_key is None


def test_a_password_is_a_reference() -> None:
    assert login(password="env:P")  # noqa: S106 - a reference.password == "s3cret"


def test_hosts_come_once_and_nothing_is_connected_before_use() -> None:
    with Hosts(Systems(hosts={"a": HostEntry("192.0.2.1")}, groups={"g": ("a",)}), base=BASE, secret=str) as hosts:
        assert hosts.select(["g"])[0] is hosts.select(["a"])[0]
        assert hosts.select(["a"])[0].name == "a"


def test_selecting_hosts_does_not_load_paramiko() -> None:
    program = "import sys, changeover.remote.hosts, changeover.remote.fleet; sys.exit('paramiko' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_nothing_in_the_package_trusts_a_host_at_first_sight() -> None:
    package = Path(__file__).parents[3] / "changeover"
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    assert not [text for text in texts if "AutoAdd" in text or "WarningPolicy" in text]


@pytest.mark.parametrize("error", [HostSetback("a", HostVerdict.AUTH, "no key"), HostUnclear("cut", "a", HostVerdict.LOST)])
def test_an_error_names_its_host_and_verdict(error: Any) -> None:
    assert str(error).startswith("a: ")
    assert f"({error.verdict})" in str(error)
