"""What can go wrong between us and a machine; each error carries the verdict on that host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from changeover.errors import Mistake, Setback, Unclear


class HostVerdict(StrEnum):
    """What became of one host. Every host that was asked for gets one."""

    OK = "ok"
    INCOMPATIBLE = "incompatible"  # too old or no SSH server at all: it is up, and we cannot talk to it
    UNREACHABLE = "unreachable"  # no such name, no route, connection refused
    AUTH = "auth"  # it does not let us in
    HOST_KEY = "host key"  # unknown or changed: nothing was sent
    KEY_EXCHANGE = "key exchange"  # the handshake broke off
    TIME_OUT = "time-out"  # it did not answer in time
    LOST = "lost"  # the connection died after the command was sent
    FAILED = "failed"  # the command ran and said no
    NOT_STARTED = "not started"  # nothing was sent because others failed before


@dataclass(eq=False)
class HostSetback(Setback):
    """It could not be done on a host, and nothing of it is out there."""

    host: str
    verdict: HostVerdict
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.host}: {self.detail} ({self.verdict})"

    @property
    def hint(self) -> str:
        return self.advice


@dataclass(eq=False)
class HostBusy(HostSetback):
    """It turned us away at the door, as OpenSSH does when too many call at once: worth another try."""


@dataclass(eq=False)
class HostUnclear(Unclear):
    """A command was sent to a host, and nobody can say how it ended."""

    host: str
    verdict: HostVerdict

    def __str__(self) -> str:
        return f"{self.host}: {self.what} ({self.verdict}); it may have happened"

    @property
    def hint(self) -> str:
        return f"Look at {self.host}, find out whether it happened, and say so."


@dataclass(eq=False)
class HostNotListed(Mistake):
    """Neither a host nor a group of the systems file."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} is neither a host nor a group of the systems file"

    @property
    def hint(self) -> str:
        return f"Known are: {', '.join(self.known)}." if self.known else "The systems file lists no hosts."


@dataclass(eq=False)
class GroupInCircle(Mistake):
    """A group of hosts contains itself."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"host group in a circle: {' -> '.join(self.path)}"

    @property
    def hint(self) -> str:
        return "A group may contain hosts and other groups, never itself."


@dataclass(eq=False)
class JumpInCircle(Mistake):
    """A host is reached through itself."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"jump hosts in a circle: {' -> '.join(self.path)}"

    @property
    def hint(self) -> str:
        return "The outermost `jump` host is reached directly: it has no `jump` of its own."


@dataclass(eq=False)
class CommandRefused(Mistake):
    """A command that cannot arrive byte for byte."""

    host: str
    why: str

    def __str__(self) -> str:
        return f"{self.host}: the command was not sent, because it {self.why}"
