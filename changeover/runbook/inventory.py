"""Hosts as they are written: defaults, groups of groups, ranges, and what each says of how to get in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.contracts import Value, key
from changeover.runbook.position import NOWHERE, Position

#: Hosts worked on at once.
AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """How to get in; what is left out is taken from the nearest group, then from the defaults of the file."""

    user: str | None = key("login; left out everywhere: who runs the engine", default=None)
    port: int | None = key("SSH port; left out everywhere: 22", default=None)
    private_key: str | None = key("path of the private key, or `agent`", word="key", default=None)
    certificate: str | None = key("path of an OpenSSH certificate for the private key", default=None)
    known_hosts: str | None = key("path of the known_hosts file; left out everywhere: ~/.ssh/known_hosts", default=None)
    password: str | None = key("a reference, where keys are not to be had; beside `key`, its passphrase", default=None)
    become: bool | None = key("commands run under `sudo -n`", default=None)
    become_user: str | None = key("as whom they run then; left out: root", default=None)
    jump: str | None = key("the host through which it is reached; empty: none", default=None)
    agent: bool | None = key("the keys of the SSH agent are offered", default=None)
    look_for_keys: bool | None = key("the usual keys of ~/.ssh are offered", default=None)
    ssh_config: str | None = key(
        "path of an OpenSSH configuration, which `ssh -G` is asked about whatever is left out here; empty: none", default=None
    )
    needs: tuple[str, ...] | None = key("programs that have to be there, for `hosts check`", default=None)
    vars: Mapping[str, Value] = key(
        "values of your own: `${systems.hosts.NAME.vars.WORD}`; nearer ones win", default_factory=dict
    )

    def said(self) -> dict[str, Any]:
        """What is written, without `vars`."""
        words = (word for word in HostSettings.__dataclass_fields__ if word != "vars")
        return {word: value for word in words if (value := getattr(self, word)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenHost(HostSettings):
    """A machine reached over SSH. Its key must be known: there is no trust on first use."""

    address: str = key("name or address, with as many ranges as its name has; left out: its name", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenGroup(HostSettings):
    """Hosts and groups under one name, and what holds for all of them. A list is its members."""

    members: tuple[str, ...] = key("hosts and groups; ranges such as seat[001:200]", default=())
    concurrency: int | None = key("how many of its hosts are worked on at once", default=None)
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """An inventory file: hosts and groups, for one systems file or several."""

    defaults: HostSettings = key("what holds for every host of this file", default_factory=HostSettings)
    hosts: Mapping[str, WrittenHost] = key(
        "hosts by name; a name such as seat[001:200] stands for many, and a plain address will do", default_factory=dict
    )
    groups: Mapping[str, WrittenGroup] = key("groups by name; a list of members will do", default_factory=dict)
    at: Position = field(default=NOWHERE, compare=False)
