"""Hosts of a systems file that all live on one real sshd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changeover.remote.hosts import Hosts, RemoteHost
from changeover.remote.login import Deadlines
from changeover.runbook.systems import HostEntry, Systems
from changeover.sandbox.servers import ssh

MakeHost = Callable[..., RemoteHost]


@pytest.fixture
def make_host(sshd: Any, tmp_path: Path) -> Iterator[MakeHost]:
    """A host on the test's sshd; keyword arguments change its entry or its deadlines."""
    opened: list[Hosts] = []

    def make(deadlines: Deadlines | None = None, **changed: Any) -> RemoteHost:
        entry = {
            "address": sshd.address,
            "port": sshd.port,
            "user": sshd.user,
            "private_key": str(sshd.key),
            "known_hosts": str(sshd.known_hosts),
        }
        systems = Systems(hosts={"app-1": HostEntry(**{**entry, **changed})})
        hosts = Hosts(systems, base=tmp_path, secret=lambda _reference: "s3cret", deadlines=deadlines)
        opened.append(hosts)
        return hosts.select(["app-1"])[0]

    yield make
    for hosts in opened:
        hosts.close()


@pytest.fixture(scope="session")
def forced_sshd(server_folder: Path, sshd: Any) -> Iterator[Any]:
    """A server that wraps every command, as the sandbox's hosts do; OpenSSH refuses signals there."""
    home = server_folder / "forced-home"
    home.mkdir()
    server = ssh.start(server_folder / "forced-sshd", home=home)
    yield server
    ssh.stop(server.process, server.folder)
