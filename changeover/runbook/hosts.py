"""From hosts as they are written to hosts as they are: ranges spread out, groups resolved, the nearest word taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from changeover.contracts import Value
from changeover.runbook.binder import nearest
from changeover.runbook.inventory import HostSettings, Inventory, WrittenGroup, WrittenHost
from changeover.runbook.position import Position
from changeover.runbook.ranges import RangeInvalid, expanded
from changeover.runbook.systems import HostEntry
from changeover.runbook.tree import Mapping_, Node
from changeover.runbook.tree import Sequence as ListNode

#: ``report(code, message, hint, place)``
Report = Callable[[str, str, str, Position], object]
_LISTED: Final = 10
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Layer:
    """The hosts of one file, and the tree that says where everything stands in it."""

    inventory: Inventory
    tree: Node
    shared: tuple[str, ...] = ()  # groups that other files may have too, such as `all`: their members are put together

    def place(self, *words: str | int) -> Position:
        """Where the value below *words* stands, as near as it can be found."""
        node, at = self.tree, self.tree.at
        for word in words:
            if isinstance(node, Mapping_) and word in node.entries:
                node = node.entries[str(word)]
            elif isinstance(node, ListNode) and isinstance(word, int) and word < len(node.items):
                node = node.items[word]
            elif word != "members":  # a list is its members
                break
            at = node.at
        return at


@dataclass(frozen=True, slots=True)
class Resolved:
    """All hosts and groups of one environment."""

    hosts: Mapping[str, HostEntry] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)  # group -> how many of its hosts at once


@dataclass(slots=True)
class _Known:
    """What was found so far."""

    hosts: dict[str, tuple[WrittenHost, Layer]] = field(default_factory=dict)
    groups: dict[str, tuple[WrittenGroup, Layer]] = field(default_factory=dict)
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)


def resolved(layers: Sequence[Layer], report: Report) -> Resolved:
    """The hosts and groups of all *layers* together; what is wrong with them is reported."""
    known = _Known()
    for layer in layers:
        for name, host in layer.inventory.hosts.items():
            _spread(known, name, host, layer, report)
    for layer in layers:
        for name, group in layer.inventory.groups.items():
            _gather(known, name, group, layer, report)
    _check_members(known, report)
    above = _groups_above(known)
    depths = _depths(known)
    hosts = {
        name: _entry(known, name, sorted(above.get(name, ()), key=lambda group: depths[group]), depths, report)
        for name in known.hosts
    }
    _check_jumps(hosts, report)
    limits = {name: group.concurrency for name, (group, _) in known.groups.items() if group.concurrency is not None}
    for name in [name for name, limit in limits.items() if limit < 1]:
        at = known.groups[name][1].place("groups", name, "concurrency")
        report("invalid-value", "`concurrency` is at least 1", "write how many hosts may be worked on at once", at)
        del limits[name]
    return Resolved(hosts, dict(known.members), limits)


def _spread(known: _Known, name: str, host: WrittenHost, layer: Layer, report: Report) -> None:
    """Add the hosts that *name* stands for."""
    try:
        names = expanded(name)
    except RangeInvalid as problem:
        report("bad-range", str(problem), problem.hint, host.at)
        return
    try:
        addresses = expanded(host.address or name) if "${" not in host.address else (host.address,)
    except RangeInvalid:
        addresses = (host.address,)  # an IPv6 address in brackets, or nonsense that the connection will name
    if len(addresses) != len(names):
        at = layer.place("hosts", name, "address")
        message = f"`{name}` stands for {len(names)} hosts and its address for {len(addresses)}"
        report("bad-range", message, "give the address as many ranges of the same length", at)
        return
    for one, address in zip(names, addresses, strict=True):
        if one in known.hosts:
            report("duplicate-id", f"there are two hosts `{one}`", "remove one of them, or give it another name", host.at)
        else:
            known.hosts[one] = (_with_address(host, address), layer)


def _with_address(host: WrittenHost, address: str) -> WrittenHost:
    return WrittenHost(**host.said(), vars=host.vars, address=address, at=host.at)


def _gather(known: _Known, name: str, group: WrittenGroup, layer: Layer, report: Report) -> None:
    before = known.groups.get(name)
    together = before is not None and name in before[1].shared and name in layer.shared
    if before is not None and not together:
        report("duplicate-id", f"there are two groups `{name}`", "remove one of them, or give it another name", group.at)
        return
    members: list[str] = []
    for number, member in enumerate(group.members):
        try:
            members += expanded(member)
        except RangeInvalid as problem:
            report("bad-range", str(problem), problem.hint, layer.place("groups", name, "members", number))
    known.groups[name] = (group, layer)
    known.members[name] = tuple(dict.fromkeys((*known.members.get(name, ()), *members)))


def _check_members(known: _Known, report: Report) -> None:
    there = {*known.hosts, *known.groups}
    for name, (group, layer) in known.groups.items():
        for number, member in enumerate(group.members):
            at = layer.place("groups", name, "members", number)
            for one in _spread_quietly(member):
                if one not in there and "${" not in one:
                    report("unknown-host", f"there is no host or group `{one}`", _known_ones(one, there), at)
                    break
        if name in _below(known, name):
            at = layer.place("groups", name)
            report("cycle", f"group `{name}` contains itself", "remove it from its members", at)
        if name in known.hosts:
            at = layer.place("groups", name)
            report("duplicate-id", f"`{name}` is a host and a group", "give one of them another name", at)


def _spread_quietly(member: str) -> tuple[str, ...]:
    try:
        return expanded(member)
    except RangeInvalid:
        return ()  # reported already


def _known_ones(name: str, there: set[str]) -> str:
    near = nearest(name, there)
    listed = ", ".join(f"`{one}`" for one in sorted(there)[:_LISTED])
    return f"did you mean `{near}`?" if near else f"known are {listed}" if listed else "no host is known at all"


def _below(known: _Known, name: str) -> set[str]:
    """Every host and group below the group *name*."""
    seen: set[str] = set()
    waiting = list(known.members.get(name, ()))
    while waiting:
        at_hand = waiting.pop()
        if at_hand not in seen:
            seen.add(at_hand)
            waiting += known.members.get(at_hand, ())
    return seen


def _groups_above(known: _Known) -> dict[str, list[str]]:
    above: dict[str, list[str]] = {}
    for name in known.groups:
        for member in _below(known, name):
            above.setdefault(member, []).append(name)
    return above


def _depths(known: _Known) -> dict[str, int]:
    """How deep each group lies below the outermost one that contains it: the deeper, the nearer to its hosts."""
    depths = dict.fromkeys(known.groups, 0)
    for _ in known.groups:  # longest paths in as many rounds; groups in a circle just stop growing
        changed = False
        for name, members in known.members.items():
            for member in members:
                if member in depths and depths[member] < depths[name] + 1 <= len(depths):
                    depths[member] = depths[name] + 1
                    changed = True
        if not changed:
            break
    return depths


def _entry(known: _Known, name: str, groups: Sequence[str], depths: Mapping[str, int], report: Report) -> HostEntry:
    host, layer = known.hosts[name]
    settings: dict[str, Any] = layer.inventory.defaults.said()
    whose = dict.fromkeys(settings, "defaults")
    values: dict[str, Value] = dict(layer.inventory.defaults.vars)
    said_by: dict[str, str] = {}
    for group in groups:
        written = known.groups[group][0]
        for word, value in _words(written):
            before = said_by.get(word)
            own = word.removeprefix("vars.") in host.vars if word.startswith("vars.") else word in host.said()
            if (
                before is not None
                and depths[before] == depths[group]
                and _value(known.groups[before][0], word) != value
                and not own
            ):
                message = f"`{name}` gets `{word}` from the groups `{before}` and `{group}`, which differ"
                report("invalid-value", message, "write it at the host, or let one group contain the other", host.at)
            said_by[word] = group
        settings |= written.said()
        whose |= dict.fromkeys(written.said(), f"group {group}")
        values |= written.vars
    settings |= host.said()
    whose |= dict.fromkeys(host.said(), "host")
    values |= host.vars
    if settings.get("jump") == name and "jump" not in host.said():
        settings["jump"] = ""  # what holds for all behind it does not hold for the jump host itself
    return HostEntry(address=host.address, vars=values, said=whose, at=host.at, **settings)


def _words(written: HostSettings) -> Iterator[tuple[str, Any]]:
    yield from written.said().items()
    yield from ((f"vars.{word}", value) for word, value in written.vars.items())


def _value(written: HostSettings, word: str) -> Any:
    return written.vars.get(word.removeprefix("vars.")) if word.startswith("vars.") else getattr(written, word)


def _check_jumps(hosts: Mapping[str, HostEntry], report: Report) -> None:
    for name, entry in hosts.items():
        if not entry.jump or "${" in entry.jump:
            continue
        if entry.jump not in hosts:
            hint = _known_ones(entry.jump, set(hosts))
            report("unknown-host", f"`{name}` is reached through `{entry.jump}`, and there is no such host", hint, entry.at)
            continue
        path, at_hand = [name], entry.jump
        while at_hand and at_hand not in path:
            path.append(at_hand)
            at_hand = hosts[at_hand].jump if at_hand in hosts else ""
        if at_hand == name:
            report(
                "cycle",
                f"`{name}` is reached through itself: {' -> '.join([*path, name])}",
                "let one of them need no jump",
                entry.at,
            )
