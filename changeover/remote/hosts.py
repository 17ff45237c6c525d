"""The machines of a run. Each has one connection: opened when first needed, used again, closed at the end.

paramiko is loaded with the first connection, not with this module.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from changeover.contracts import Completed, Uploaded
from changeover.remote.connections import Connections
from changeover.remote.errors import CommandRefused, HostNotListed, HostSetback, HostVerdict, JumpInCircle
from changeover.remote.inventory import hosts_of
from changeover.remote.known_hosts import KnownKey
from changeover.remote.login import ROOT, Deadlines, Login, login_of
from changeover.remote.ssh_config import Completed as Written
from changeover.remote.ssh_config import Hop, SshConfigs
from changeover.runbook.systems import HostEntry, Systems

if TYPE_CHECKING:
    import paramiko

#: Commands and transfers at once on one host: OpenSSH allows ten by default.
SESSIONS: Final = 8
_PORT: Final = 22


def _ignore(_piece: str) -> None:
    pass


class RemoteHost:
    """One machine; implements :class:`changeover.contracts.Host`. May be used by several threads at once."""

    def __init__(
        self, name: str, login: Callable[[], Login], connections: Connections, crowds: Sequence[threading.Semaphore] = ()
    ) -> None:
        """Take what works out the login when it is first needed: only then are secrets resolved."""
        self._name = name
        self._login = cache(login)
        self._connections = connections
        self._deadlines = connections.deadlines
        # always taken in this order, so that nobody waits in a circle
        self._turns = (threading.BoundedSemaphore(SESSIONS), *crowds)
        self._sending = threading.Lock()  # uploads, one at a time: two of the same file would share a temporary name

    @property
    def name(self) -> str:
        return self._name

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        """Run *command*; see :meth:`changeover.contracts.Host.run`.

        Raises:
            CommandRefused: it cannot arrive byte for byte.
            HostSetback: nothing was sent.
            HostUnclear: it was sent, and the connection was lost or the time-out passed.
        """
        wire = self._wire(command)
        hear = output or _ignore
        started = time.monotonic()
        with self._taking_turns(timeout, hear):
            left = None if timeout is None else max(timeout - (time.monotonic() - started), 0.1)
            return self._attached(wire, stdin, left, hear)

    def upload(self, content: bytes | Path, target: str, *, mode: int = 0o644) -> Uploaded:
        """Put *content* at *target*; see :meth:`changeover.contracts.Host.upload`."""
        from changeover.remote.transfer import Remote, upload  # noqa: PLC0415 - loads paramiko

        path = target.removeprefix("~/")  # SFTP starts in the home directory
        if not path or "\0" in path or path.endswith("/"):
            raise CommandRefused(self._name, f"names no file to write: {target!r}")
        with self._sending, self._taking_turns(None, _ignore):
            remote = Remote(self._name, self._connected, self._deadlines, bool(self._login().become), self._short)
            return upload(remote, content, path, mode)

    def close(self) -> None:
        """Close the connection; a later command opens a new one."""
        self._connections.close(self._login())

    def _attached(self, wire: str, stdin: bytes, timeout: float | None, hear: Callable[[str], None]) -> Completed:
        from changeover.remote.command import Attached  # noqa: PLC0415 - loads paramiko

        transport, channel = self._session()
        return Attached(self._name, channel, transport, self._deadlines).run(wire, stdin, timeout, hear)

    def _short(self, command: str) -> Completed:
        """Within the turn of an upload. Hashing a big file takes its time."""
        return self._attached(self._wire(command), b"", self._deadlines.transfer * 4, _ignore)

    def _wire(self, command: str) -> str:
        if "\0" in command:
            raise CommandRefused(self._name, "contains a NUL character, which no shell can receive")
        try:
            command.encode()
        except UnicodeEncodeError:
            raise CommandRefused(self._name, "contains a character that is not valid Unicode") from None
        become = self._login().become
        if not become:
            return command
        who = "" if become == ROOT else f"-u {shlex.quote(become)} "
        return f"sudo -n {who}-- /bin/sh -c {shlex.quote(command)}"

    @contextmanager
    def _taking_turns(self, timeout: float | None, hear: Callable[[str], None]) -> Iterator[None]:
        with ExitStack() as turns:
            for turn in self._turns:
                self._take_turn(turn, timeout, hear)
                turns.callback(turn.release)
            yield

    def _take_turn(self, turn: threading.Semaphore, timeout: float | None, hear: Callable[[str], None]) -> None:
        ends = None if timeout is None else time.monotonic() + timeout
        while not turn.acquire(timeout=1):
            hear("")
            if ends is not None and time.monotonic() > ends:
                detail = f"other commands there, or on hosts of its groups, kept it waiting for {timeout:g} s; nothing was sent"
                raise HostSetback(self._name, HostVerdict.TIME_OUT, detail)

    def _connected(self) -> paramiko.Transport:
        return self._connections.transport(self._login())

    def _session(self) -> tuple[paramiko.Transport, paramiko.Channel]:
        """Open a session; a connection that died unnoticed since its last use is replaced once: nothing was sent on it yet."""
        from changeover.remote.cut import LOSSES, let_go  # noqa: PLC0415 - loads paramiko

        for again in (True, False):
            transport = self._connected()
            try:
                return transport, transport.open_session(timeout=self._deadlines.channel)
            except LOSSES as error:
                let_go(transport)
                if not again:
                    detail = f"it opened no session: {str(error) or 'the connection was cut'}"
                    raise HostSetback(self._name, HostVerdict.LOST, detail, "Is it overloaded?") from error
        raise AssertionError  # pragma: no cover - the second round returns or raises


class Hosts:
    """All hosts of one environment. Nothing is connected before a host is used."""

    def __init__(self, systems: Systems, *, base: Path, secret: Callable[[str], str], deadlines: Deadlines | None = None) -> None:
        """Take hosts and groups of *systems*; relative paths are relative to *base*; *secret* resolves references."""
        self._systems = systems
        self._base = base
        self._secret = secret
        self._connections = Connections(deadlines or Deadlines())
        self._configs = SshConfigs(base)
        self._making = threading.Lock()
        self._hosts: dict[str, RemoteHost] = {}
        self._crowds = {group: threading.BoundedSemaphore(limit) for group, limit in sorted(systems.limits.items())}
        self._members = {group: frozenset(systems.members(group)) for group in self._crowds}

    def select(self, names: Iterable[str]) -> tuple[RemoteHost, ...]:
        """The hosts that *names* (hosts and groups) stand for, each once, in written order.

        Raises:
            HostNotListed: a name is neither a host nor a group.
        """
        return tuple(self._host(name) for name in hosts_of(self._systems, names))

    def host_key(self, name: str) -> KnownKey:
        """The key that the host called *name* shows now; nobody logs in there. Raises HostSetback."""
        return self._connections.host_key(self._login(name))

    def login(self, name: str) -> Login:
        """How to get into the host called *name*."""
        return self._login(name)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _host(self, name: str) -> RemoteHost:
        self._entry(name)  # hosts_of() found it, but it may be a group that names a host nobody describes
        with self._making:
            if name not in self._hosts:
                crowds = [crowd for group, crowd in self._crowds.items() if name in self._members[group]]
                self._hosts[name] = RemoteHost(name, partial(self._login, name), self._connections, crowds)
            return self._hosts[name]

    def settings(self, name: str) -> HostEntry:
        """How to get into the host called *name*, and who said so, its OpenSSH configuration included."""
        return self._written(name).entry

    def _login(self, name: str, inside: tuple[str, ...] = ()) -> Login:
        if name in inside:
            raise JumpInCircle((*inside, name))
        return self._login_of(name, self._written(name), (*inside, name))

    def _written(self, name: str) -> Written:
        entry = self._entry(name)
        return self._configs.completed(name, entry) if entry.ssh_config else Written(entry)

    def _login_of(self, name: str, written: Written, inside: tuple[str, ...]) -> Login:
        entry = written.entry
        if written.hops:
            jump: Login | None = self._on_the_way(written.hops, entry, inside)
        else:
            jump = self._login(entry.jump, inside) if entry.jump else None
        return login_of(name, entry, base=self._base, secret=self._secret, jump=jump)

    def _on_the_way(self, hops: Sequence[Hop], behind: HostEntry, inside: tuple[str, ...]) -> Login:
        """The last of *hops*, through those before it. A host of the inventory is reached as that says."""
        *before, hop = hops
        if hop.host in self._systems.hosts:
            return self._login(hop.host, inside)
        if hop.host in inside:
            raise JumpInCircle((*inside, hop.host))
        asked = replace(
            behind,
            address=hop.host,
            user=hop.user,
            port=hop.port or _PORT,
            private_key="",
            certificate="",
            password="",
            become=False,
            jump="",
            said=_said_of(hop, behind),
        )
        own = self._configs.completed(hop.host, asked)
        entry = own.entry
        if "private_key" not in entry.said:  # then with what lets us into the host behind it
            entry = replace(entry, private_key=behind.private_key, certificate=behind.certificate)
        return self._login_of(hop.host, Written(entry, tuple(before) or own.hops), (*inside, hop.host))

    def _entry(self, name: str) -> HostEntry:
        entry = self._systems.hosts.get(name)
        if entry is None:
            raise HostNotListed(name, tuple(sorted(self._systems.hosts)))
        return entry


def _said_of(hop: Hop, behind: HostEntry) -> dict[str, str]:
    """What is settled about a host on the way before its configuration is asked."""
    said = {word: behind.ssh_config for word, value in (("user", hop.user), ("port", hop.port)) if value}
    if behind.said.get("known_hosts", behind.ssh_config) != behind.ssh_config:
        said["known_hosts"] = behind.said["known_hosts"]
    return said
