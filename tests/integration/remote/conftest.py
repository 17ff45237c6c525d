"""Hosts of a systems file that all live on one real sshd."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from changeover.remote.hosts import Hosts, RemoteHost
from changeover.remote.job import JobName, job_name
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


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@dataclass
class Housed:
    """A real sshd whose account has a home of its own, where jobs are kept and commands leave their traces."""

    server: Any
    home: Path
    base: Path
    opened: list[Hosts] = field(default_factory=list)

    def host(self, deadlines: Deadlines | None = None, name: str = "app-1", **changed: Any) -> RemoteHost:
        """A host on it, with a connection of its own."""
        entry = {
            "address": self.server.address,
            "port": self.server.port,
            "user": self.server.user,
            "private_key": str(self.server.key),
        }
        address, port = changed.get("address", self.server.address), changed.get("port", self.server.port)
        known = self.base / f"known-{address}-{port}"
        key = self.server.known_hosts.read_text().split(" ", 1)[1]
        known.write_text(f"[{address}]:{port} {key}")
        systems = Systems(hosts={name: HostEntry(**{**entry, "known_hosts": str(known), **changed})})
        hosts = Hosts(systems, base=self.base, secret=lambda _reference: "s3cret", deadlines=deadlines)
        self.opened.append(hosts)
        return hosts.select([name])[0]

    def job(self, name: JobName) -> Path:
        """The folder of a job."""
        return self.home / ".changeover" / "jobs" / name.slot / str(name.attempt)

    def ledger(self, word: str) -> int:
        """How often a command has written *word*."""
        path = self.home / "ledger"
        return path.read_text().split().count(word) if path.exists() else 0


@pytest.fixture
def housed(forced_sshd: Any, server_folder: Path, tmp_path: Path) -> Iterator[Housed]:
    """The server behind forced commands, as the sandbox's hosts are."""
    made = Housed(forced_sshd, server_folder / "forced-home", tmp_path)
    yield made
    for hosts in made.opened:
        hosts.close()


@pytest.fixture
def job() -> JobName:
    """The first attempt of a step of a run of its own."""
    return job_name(f"run-{uuid.uuid4()}", "step", 1, "app-1")
