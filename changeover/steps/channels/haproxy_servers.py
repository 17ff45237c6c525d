"""The ``haproxy`` adapter where the channel is a set of servers: drained one and all, and made ready again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Value
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, CannotShare, ChannelBroken, Standing
from changeover.steps.channels.haproxy import Runtime, under_way
from changeover.steps.channels.place import Place

#: Bits of ``srv_admin_state``: what was set by hand, and what it is called when it is set.
_MAINTENANCE, _DRAINED = 0x01, 0x08
_WORDS: Final = ("ready", "drain", "maint")


@dataclass(frozen=True, slots=True)
class HaproxyServers:
    """A channel that is closed while its servers take nothing new; what they work on goes on."""

    name: str
    entry: ChannelEntry
    place: Place

    def standing(self) -> Standing:
        """What the servers are set to, and whether a restart would keep it."""
        words = self._words()
        ready = [server for server, word in words.items() if word == "ready"]
        differs = ""
        if 0 < len(ready) < len(words):
            others = ", ".join(f"{server} is {word}" for server, word in words.items() if word != "ready")
            differs = f"{', '.join(ready)} ready, but {others}"
        elif self.entry.state_file:
            kept = self._kept()
            others = ", ".join(f"{server} {kept[server]}" for server, word in words.items() if kept[server] != word)
            differs = f"a restart of haproxy would make {others}" if others else ""
        return Standing(EVERYBODY if ready else NOBODY, dict(words), differs)

    def close(self, announcement: Announcement) -> None:  # noqa: ARG002 - haproxy's own error page speaks
        """Drain them all."""
        self._set(dict.fromkeys(self.entry.servers, "drain"))

    def open(self) -> None:
        """Make them all ready."""
        self._set(dict.fromkeys(self.entry.servers, "ready"))

    def share(self, percent: int) -> None:  # noqa: ARG002 - the contract's
        """A server takes requests or not."""
        raise CannotShare(self.name, self.entry.adapter)

    def put_back(self, saved: Value) -> None:
        """Each server as it was."""
        if not isinstance(saved, Mapping) or set(saved) != set(self.entry.servers) or not set(saved.values()) <= set(_WORDS):
            raise ChannelBroken(self.name, f"{saved!r} was not saved from these servers")
        self._set({str(server): str(word) for server, word in saved.items()})

    def in_flight(self) -> int | None:
        """What the servers still work on."""
        return under_way(self._runtime, self.entry.backend, self.entry.servers)

    def _words(self) -> dict[str, str]:
        runtime = self._runtime
        found = self._read(runtime.ask(f"show servers state {self.entry.backend}"))
        missing = [server for server in self.entry.servers if server not in found]
        if missing:
            raise runtime.broken(f"backend {self.entry.backend} has no server {', '.join(missing)}")
        return found

    def _kept(self) -> dict[str, str]:
        """What a restart would go by: the file, and for servers that it does not name the configuration, which has them ready."""
        return dict.fromkeys(self.entry.servers, "ready") | self._read(self.place.read(self.entry.state_file) or "")

    def _read(self, table: str) -> dict[str, str]:
        found = {}
        for line in table.splitlines():
            fields = line.split()
            if len(fields) > 6 and fields[1] == self.entry.backend and fields[3] in self.entry.servers:  # noqa: PLR2004 - its columns
                bits = int(fields[6])
                found[fields[3]] = "maint" if bits & _MAINTENANCE else "drain" if bits & _DRAINED else "ready"
        return found

    def _set(self, words: Mapping[str, str]) -> None:
        for server, word in words.items():
            self._runtime.tell(f"set server {self.entry.backend}/{server} state {word}")
        if self.entry.state_file:
            self.place.write(self.entry.state_file, self._runtime.ask("show servers state") + "\n")

    @property
    def _runtime(self) -> Runtime:
        return Runtime(self.name, self.entry.socket, self.place)
