"""From an entry of the systems file to its adapter, and one channel made of several machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from changeover.contracts import Context, Value
from changeover.errors import Setback, Stopped, Unclear
from changeover.runbook.channels import ChannelEntry, missing_keys
from changeover.steps.channels.contract import Announcement, ChannelAdapter, ChannelBroken, ChannelMisconfigured, Standing
from changeover.steps.channels.flag_file import FlagFileChannel
from changeover.steps.channels.haproxy import HaproxyChannel
from changeover.steps.channels.haproxy_servers import HaproxyServers
from changeover.steps.channels.kamailio import KamailioChannel
from changeover.steps.channels.place import Here, Place, There
from changeover.steps.channels.ssh import SshChannel


def adapter_of(name: str, entry: ChannelEntry, context: Context) -> ChannelAdapter:
    """The adapter that the systems file names, on every machine that it names.

    Raises:
        ChannelMisconfigured: a key is missing.
    """
    for word in missing_keys(entry):
        raise ChannelMisconfigured(name, word)
    if entry.adapter == "http":
        from changeover.steps.channels.http import HttpChannel  # noqa: PLC0415 - loads httpx

        return HttpChannel(name, entry, context)
    if entry.adapter == "asterisk":
        from changeover.steps.channels.asterisk import AsteriskChannel  # noqa: PLC0415 - as its sister

        return AsteriskChannel(name, entry, context)
    places: tuple[Place, ...] = tuple(There(context, host) for host in context.hosts(entry.on)) if entry.on else (Here(context),)
    return Everywhere(name, {place.name: _at(name, entry, place) for place in places})


def _at(name: str, entry: ChannelEntry, place: Place) -> ChannelAdapter:
    match entry.adapter:
        case "haproxy":
            return HaproxyServers(name, entry, place) if entry.servers else HaproxyChannel(name, entry, place)
        case "kamailio":
            return KamailioChannel(name, entry, place)
        case "ssh" if entry.commands is not None:
            return SshChannel(name, entry, entry.commands, place)
    return FlagFileChannel(name, entry, place)


@dataclass(frozen=True, slots=True)
class Everywhere:
    """A channel that is switched on one machine or several: as one, and closed only when all of them are."""

    name: str
    places: Mapping[str, ChannelAdapter]

    def standing(self) -> Standing:
        """What all of them say; the most open of them counts, for customers come through that one."""
        found = {place: adapter.standing() for place, adapter in self.places.items()}
        percents = {standing.percent for standing in found.values()}
        differs = [
            f"{place}: {standing.differs}" if len(found) > 1 else standing.differs
            for place, standing in found.items()
            if standing.differs
        ]
        if len(percents) > 1:
            differs.insert(0, ", ".join(f"{place} is {standing}" for place, standing in found.items()))
        return Standing(max(percents), {place: standing.saved for place, standing in found.items()}, "; ".join(differs))

    def close(self, announcement: Announcement) -> None:
        """On all of them."""
        self._on_each(lambda adapter, _place: adapter.close(announcement))

    def open(self) -> None:
        """On all of them."""
        self._on_each(lambda adapter, _place: adapter.open())

    def share(self, percent: int) -> None:
        """On all of them."""
        self._on_each(lambda adapter, _place: adapter.share(percent))

    def put_back(self, saved: Value) -> None:
        """Each of them as it was."""
        if not isinstance(saved, Mapping) or set(saved) != set(self.places):
            there = ", ".join(self.places)
            raise ChannelBroken(self.name, f"{saved!r} was not saved from this channel: it is switched at {there}")
        self._on_each(lambda adapter, place: adapter.put_back(saved[place]))

    def in_flight(self) -> int | None:
        """Of all of them together."""
        counts = [adapter.in_flight() for adapter in self.places.values()]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def _on_each(self, act: Callable[[ChannelAdapter, str], None]) -> None:
        """A machine that fails does not keep the others from being switched; the worst of what went wrong is raised."""
        failures: list[Setback] = []
        for place, adapter in self.places.items():
            try:
                act(adapter, place)
            except Stopped:
                raise
            except Setback as setback:
                failures.append(setback)
        if failures:
            raise next((failure for failure in failures if isinstance(failure, Unclear)), failures[0])
