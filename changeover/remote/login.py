"""How to reach one host and get in, worked out from the systems file. Nothing is guessed that it does not say."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from changeover.remote.known_hosts import spelled
from changeover.runbook.systems import HostEntry

#: The word in place of a key's path that allows the SSH agent's keys.
AGENT: Final = "agent"
ROOT: Final = "root"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which a host counts as gone."""

    connect: float = 10
    key_exchange: float = 20  # with the greeting
    authenticate: float = 20
    channel: float = 15  # opening one, and the answer to "run this"
    transfer: float = 30  # without a single byte moving
    silence: float = 15  # of a running command, before the host is asked for a sign of life
    sign_of_life: float = 10  # until its answer
    ending: float = 2  # a command that was told to end, per signal


@dataclass(frozen=True, slots=True)
class Login:
    """Everything a connection needs."""

    host: str
    address: str
    port: int
    user: str
    known_hosts: Path
    private_key: Path | None = None
    certificate: Path | None = None  # OpenSSH's, for the private key
    password: str = field(default="", repr=False)
    agent: bool = False  # the agent's keys are offered
    look_for_keys: bool = False  # the usual keys of ~/.ssh are offered
    become: str = ""  # the user that commands run as, by `sudo -n`; empty: the one that logs in
    jump: Login | None = None  # the host through which it is reached
    key_alias: str = ""  # known_hosts has its key under this name, whatever its address and port

    @property
    def spoken(self) -> str:
        """The address as people write it."""
        return f"{self.user}@{self.address}:{self.port}"

    @property
    def known_as(self) -> str:
        """The name under which known_hosts has its key."""
        return self.key_alias or spelled(self.address, self.port)


def login_of(host: str, entry: HostEntry, *, base: Path, secret: Callable[[str], str], jump: Login | None = None) -> Login:
    """Work out the login of *host*, reached through *jump*; relative paths are relative to *base*."""
    agent = entry.private_key == AGENT
    return Login(
        host=host,
        address=entry.address,
        port=entry.port,
        user=entry.user or getpass.getuser(),
        known_hosts=_path(entry.known_hosts or "~/.ssh/known_hosts", base),
        private_key=None if agent or not entry.private_key else _path(entry.private_key, base),
        password=secret(entry.password) if entry.password else "",
        agent=agent or entry.agent,
        certificate=_path(entry.certificate, base) if entry.certificate else None,
        look_for_keys=entry.look_for_keys,
        become=(entry.become_user or ROOT) if entry.become else "",
        jump=jump,
        key_alias=entry.key_alias,
    )


def _path(written: str, base: Path) -> Path:
    return base / Path(written).expanduser()
