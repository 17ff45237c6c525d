"""Customer channels of the systems file: how each is switched, and which keys each adapter reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from changeover.contracts import HostName, key
from changeover.runbook.position import NOWHERE, Position


@dataclass(frozen=True, slots=True)
class ChannelCommands:
    """Commands that switch a channel. They find `CHANNEL`, `PERCENT`, `SAYS` and `UNTIL` in their environment."""

    state: str = key("prints `open`, `closed`, or how many percent of the customers are let in")
    close: str = key("lets nobody in any more")
    open: str = key("lets everybody in")
    share: str = key("lets `$PERCENT` percent in", default="")
    under_way: str = key("prints how many requests or calls are under way", default="")


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """A customer channel: how it is closed, opened, and seen from outside."""

    adapter: Literal["http", "flag_file", "haproxy", "kamailio", "asterisk", "ssh"] = key("how its state is switched")
    probe: str = key("the public front door, asked after every change: a URL, or sip:ADDRESS:PORT", default="")
    on: tuple[HostName, ...] = key("where it is switched: hosts and groups; left out: the engine's machine", default=())
    url: str = key("http: the control resource", default="")
    headers: Mapping[str, str] = key("http: sent to the control resource; values may be references", default_factory=dict)
    path: str = key("flag_file: the flag that closes it while it exists", default="")
    socket: str = key("haproxy: the runtime socket, a path or ADDRESS:PORT; kamailio: the control socket", default="")
    map: str = key("haproxy: the map file, spelled as in its configuration: how many percent are let in", default="")
    says_map: str = key("haproxy: the map file with what customers read while it is closed", default="")
    backend: str = key("haproxy: the backend behind it, whose requests under way are counted", default="")
    servers: tuple[str, ...] = key("haproxy: instead of `map`, servers of `backend` to drain and make ready", default=())
    state_file: str = key("haproxy: with `servers`, the file from which a restart takes their states", default="")
    table: str = key("kamailio: the hash table; asterisk: the family in its database", default="")
    entry: str = key("its key in the map, table or family; left out: its name", default="")
    file: str = key("kamailio: the file, included by its configuration, from which a restart takes the state", default="")
    address: str = key("asterisk: ADDRESS:PORT of the manager interface", default="")
    user: str = key("asterisk: the manager's user", default="")
    password: str = key("asterisk: the manager's password, a reference", default="")
    commands: ChannelCommands | None = key("ssh: the commands that switch it", default=None)
    under_way: str = key("a page that says how much is under way: a number, or JSON with `in_flight`", default="")
    at: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class AdapterKeys:
    """The keys of an adapter: those it cannot do without, and those it also reads."""

    needed: tuple[str, ...]
    read: tuple[str, ...] = ()


#: What each adapter reads beside `adapter`, `probe` and `under_way`, which all of them do.
KEYS: Final[dict[str, AdapterKeys]] = {
    "http": AdapterKeys(("url",), ("headers",)),
    "flag_file": AdapterKeys(("path",), ("on",)),
    "haproxy": AdapterKeys(("socket",), ("on", "map", "says_map", "backend", "servers", "state_file", "entry")),
    "kamailio": AdapterKeys(("socket", "table"), ("on", "entry", "file")),
    "asterisk": AdapterKeys(("address", "user", "password", "table"), ("entry",)),
    "ssh": AdapterKeys(("on", "commands")),
}
_EVERYBODYS: Final = ("adapter", "probe", "under_way", "at")


def missing_keys(entry: ChannelEntry) -> tuple[str, ...]:
    """The keys that the adapter of *entry* needs and does not find, an empty one counting as not written."""
    missing = [word for word in KEYS[entry.adapter].needed if not getattr(entry, word)]
    if entry.adapter == "haproxy":
        missing += ["map"] if not entry.map and not entry.servers else []
        missing += ["backend"] if entry.servers and not entry.backend else []
    return tuple(missing)


def idle_keys(entry: ChannelEntry) -> tuple[str, ...]:
    """The keys that are written and that the adapter of *entry* does not read."""
    keys = KEYS[entry.adapter]
    heard = {*keys.needed, *keys.read, *_EVERYBODYS}
    if entry.adapter == "haproxy":
        heard -= {"map", "says_map", "entry"} if entry.servers else {"state_file"}
    return tuple(word for word in ChannelEntry.__dataclass_fields__ if word not in heard and getattr(entry, word))
