"""What a run acts on in one environment: databases, hosts, services, channels. Secrets are references only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from changeover.contracts import Value, key
from changeover.runbook.channels import ChannelEntry
from changeover.runbook.inventory import Inventory
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
    """A machine reached over SSH, with all that its groups and the defaults say. Its key must be known."""

    address: str
    port: int = 22
    user: str = ""
    private_key: str = key("path", word="key", default="")
    known_hosts: str = ""
    password: str = ""
    become: bool = False
    become_user: str = ""
    jump: str = ""
    agent: bool = False
    look_for_keys: bool = False
    certificate: str = ""
    ssh_config: str = ""
    key_alias: str = ""  # the name under which known_hosts has its key; empty: that of its address and port
    needs: tuple[str, ...] = ()
    vars: Mapping[str, Value] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict, compare=False)  # which word was said by whom; others are as usual
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """An HTTP service. `${services.NAME}` is its URL."""

    url: str = key("base URL")
    headers: Mapping[str, str] = key("sent with every request; values may be references", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemsFile(Inventory):
    """The systems file of one environment."""

    production: bool = key("whether live customers are behind it", default=False)
    values: str = key("a flat YAML file of values that differ from machine to machine: ${values.NAME}", default="")
    inventory: tuple[str, ...] = key("inventory files beside it, with further hosts and groups", default=())
    ansible: tuple[str, ...] = key("Ansible inventories beside it, INI or YAML; they are only read", default=())
    databases: Mapping[str, DatabaseEntry] = key("databases by name", default_factory=dict)
    services: Mapping[str, ServiceEntry] = key("HTTP services by name; a plain URL will do", default_factory=dict)
    channels: Mapping[str, ChannelEntry] = key("channels by name", default_factory=dict)


@dataclass(frozen=True, slots=True)
class Systems:
    """What a run acts on, with every host of every inventory."""

    production: bool = False
    databases: Mapping[str, DatabaseEntry] = field(default_factory=dict)
    hosts: Mapping[str, HostEntry] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)  # group -> how many of its hosts are worked on at once
    services: Mapping[str, ServiceEntry] = field(default_factory=dict)
    channels: Mapping[str, ChannelEntry] = field(default_factory=dict)
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
