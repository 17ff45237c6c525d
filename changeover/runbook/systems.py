"""What a run acts on in one environment: databases, hosts, services, channels. Secrets are references only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from changeover.contracts import Value, key
from changeover.runbook.channels import ChannelEntry
from changeover.runbook.position import NOWHERE, Position


@dataclass(frozen=True, slots=True)
class DatabaseEntry:
    """A database, by SQLAlchemy URL without its password."""

    url: str = key("SQLAlchemy URL without the password, such as mysql+pymysql://crm@db-1/crm")
    password: str = key("a reference: env:NAME, file:PATH or keyring:NAME", default="")
    options: Mapping[str, Value] = key("connect arguments of the driver", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A machine reached over SSH. Its key must be known: there is no trust on first use."""

    address: str = key("name or address")
    port: int = key("SSH port", default=22)
    user: str = key("login", default="")
    private_key: str = key("path of the private key", word="key", default="")
    known_hosts: str = key("path of the known_hosts file; left out: ~/.ssh/known_hosts", default="")
    password: str = key("a reference, where keys are not to be had", default="")
    become: bool = key("commands run under `sudo -n`", default=False)
    become_user: str = key("as whom they run then; left out: root", default="")
    jump: str = key("the host of this file through which it is reached", default="")
    agent: bool = key("the keys of the SSH agent are offered", default=False)
    look_for_keys: bool = key("the usual keys of ~/.ssh are offered", default=False)
    certificate: str = key("path of an OpenSSH certificate for the private key", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """An HTTP service. `${services.NAME}` is its URL."""

    url: str = key("base URL")
    headers: Mapping[str, str] = key("sent with every request; values may be references", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Systems:
    """The systems file of one environment."""

    production: bool = key("whether live customers are behind it", default=False)
    values: str = key("a flat YAML file of values that differ from machine to machine: ${values.NAME}", default="")
    databases: Mapping[str, DatabaseEntry] = key("databases by name", default_factory=dict)
    hosts: Mapping[str, HostEntry] = key("hosts by name", default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = key("host groups: names of hosts and groups", default_factory=dict)
    services: Mapping[str, ServiceEntry] = key("HTTP services by name; a plain URL will do", default_factory=dict)
    channels: Mapping[str, ChannelEntry] = key("channels by name", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)

    def members(self, name: str) -> tuple[str, ...]:
        """The hosts that *name*, a host or a group, stands for, each once, in written order; empty when it is unknown."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            at_hand = waiting.pop(0)
            if at_hand in self.hosts:
                found[at_hand] = None
            elif at_hand not in seen:
                seen.add(at_hand)  # groups may name each other by mistake: lint says so
                waiting[:0] = self.groups.get(at_hand, ())
        return tuple(found)
