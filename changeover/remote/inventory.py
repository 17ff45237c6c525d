"""From names to hosts: groups of the systems file are resolved here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from changeover.remote.errors import GroupInCircle, HostNotListed
from changeover.runbook.systems import Systems


def hosts_of(systems: Systems, names: Iterable[str]) -> tuple[str, ...]:
    """The hosts that *names* (hosts and groups) stand for, each once, in the order in which they are written.

    Raises:
        HostNotListed: a name is neither a host nor a group.
        GroupInCircle: a group contains itself.
    """
    return tuple(dict.fromkeys(host for name in names for host in _members(systems, name, ())))


def _members(systems: Systems, name: str, above: tuple[str, ...]) -> Iterator[str]:
    if name in above:
        raise GroupInCircle((*above, name))
    if name in systems.hosts:
        yield name
    elif name in systems.groups:
        for member in systems.groups[name]:
            yield from _members(systems, member, (*above, name))
    else:
        raise HostNotListed(name, tuple(sorted({*systems.hosts, *systems.groups})))
