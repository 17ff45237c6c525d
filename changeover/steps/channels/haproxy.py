"""The ``haproxy`` adapter: a map switched over the runtime socket, and its file on disk, so that a restart keeps the state.

The map says for each channel how many percent of its customers are let in. Nothing is ever reloaded.
"""

from __future__ import annotations

import csv
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Value
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, ChannelBroken, Standing, percent_of
from changeover.steps.channels.place import Place

_NO_ENTRY: Final = "entry not found"
_RAW: Final = "percent", "says"
#: What the runtime socket says when it has nothing to say but "done".
_SILENT: Final = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The runtime socket of one haproxy."""

    channel: str
    socket: str
    place: Place

    def ask(self, question: str) -> str:
        """One command and its answer."""
        return self.place.ask(self.socket, f"{question}\n").strip()

    def tell(self, command: str) -> None:
        """One command that answers nothing when it is obeyed."""
        answer = self.ask(command)
        if answer != _SILENT:
            raise self.broken(f"`{command}` is answered by: {answer.splitlines()[0]}")

    def broken(self, why: str) -> ChannelBroken:
        """Haproxy does not do it."""
        return ChannelBroken(self.channel, f"{self.place.name}: haproxy at {self.socket}: {why}", _ADVICE)


_ADVICE: Final = "Does its `stats socket` have `level admin`, and are map and backend spelled as in its configuration?"


@dataclass(frozen=True, slots=True)
class HaproxyMap:
    """One map of a haproxy: in its memory, where it acts, and on disk, whence a restart takes it."""

    runtime: Runtime
    file: str

    def running(self, word: str) -> str | None:
        """What haproxy goes by now; None when it has no such entry."""
        answer = self.runtime.ask(f"show map {self.file}")
        if answer.startswith(("Unknown map", "Unknown command", "Permission denied")):
            raise self.runtime.broken(f"map {self.file}: {answer.splitlines()[0]}")
        found = [line.split(" ", 2)[1:] for line in answer.splitlines() if line.startswith("0x")]
        return next((" ".join(rest) for name, *rest in found if name == word), None)

    def on_disk(self, word: str) -> str | None:
        """What a restart would go by."""
        text = self.runtime.place.read(self.file)
        if text is None:
            raise self.runtime.broken(f"there is no map file {self.file}")
        return _entries(text).get(word)

    def set(self, word: str, value: str) -> None:
        """On disk first: haproxy may be restarted at any moment."""
        text = self.runtime.place.read(self.file)
        if text is None:
            raise self.runtime.broken(f"there is no map file {self.file}")
        written = _with_entry(text, word, value)
        if written != text:
            self.runtime.place.write(self.file, written)
        told = _escaped(value)
        answer = self.runtime.ask(f"set map {self.file} {word} {told}")
        if answer.startswith(_NO_ENTRY):
            self.runtime.tell(f"add map {self.file} {word} {told}")
        elif answer != _SILENT:
            raise self.runtime.broken(f"map {self.file}: {answer.splitlines()[0]}")

    def forget(self, word: str) -> None:
        """As if it had never been set."""
        text = self.runtime.place.read(self.file)
        if text is not None and word in _entries(text):
            self.runtime.place.write(self.file, _with_entry(text, word, None))
        answer = self.runtime.ask(f"del map {self.file} {word}")
        if answer != _SILENT and not answer.startswith(_NO_ENTRY):
            raise self.runtime.broken(f"map {self.file}: {answer.splitlines()[0]}")


@dataclass(frozen=True, slots=True)
class HaproxyChannel:
    """A channel whose customers haproxy lets in, or answers itself."""

    name: str
    entry: ChannelEntry
    place: Place

    def standing(self) -> Standing:
        """What runs, and whether a restart would keep it."""
        running, on_disk = self._map.running(self._word), self._map.on_disk(self._word)
        percent = self._percent(running)
        differs = ""
        if running != on_disk:
            differs = f"a restart of haproxy would make it {Standing(self._percent(on_disk))}"
        saved: dict[str, Value] = {"percent": running}
        if self._says is not None:
            saved["says"] = self._says.running(self._word)
        return Standing(percent, saved, differs)

    def close(self, announcement: Announcement) -> None:
        """Words first, so that nobody is sent away with those of the last time."""
        if self._says is not None and announcement.says:
            self._says.set(self._word, html.escape(" ".join(announcement.says.split())))
        self.share(NOBODY)

    def open(self) -> None:
        """Everybody."""
        self.share(EVERYBODY)

    def share(self, percent: int) -> None:
        """So many of a hundred."""
        self._map.set(self._word, str(percent))

    def put_back(self, saved: Value) -> None:
        """Both maps, an entry that was not there included."""
        if not isinstance(saved, Mapping) or "percent" not in saved or not set(saved) <= set(_RAW):
            raise ChannelBroken(self.name, f"{saved!r} was not saved from haproxy")
        for map_, word in ((self._map, "percent"), (self._says, "says")):
            if map_ is None or word not in saved:
                continue
            if saved[word] is None:
                map_.forget(self._word)
            else:
                map_.set(self._word, str(saved[word]))

    def in_flight(self) -> int | None:
        """Requests that the backend works on or that wait for it; idle connections are none."""
        return under_way(self._runtime, self.entry.backend) if self.entry.backend else None

    def _percent(self, written: str | None) -> int:
        return EVERYBODY if written is None else percent_of(self.name, written, f"map {self.entry.map}")

    @property
    def _word(self) -> str:
        return self.entry.entry or self.name

    @property
    def _runtime(self) -> Runtime:
        return Runtime(self.name, self.entry.socket, self.place)

    @property
    def _map(self) -> HaproxyMap:
        return HaproxyMap(self._runtime, self.entry.map)

    @property
    def _says(self) -> HaproxyMap | None:
        return HaproxyMap(self._runtime, self.entry.says_map) if self.entry.says_map else None


def under_way(runtime: Runtime, backend: str, servers: tuple[str, ...] = ()) -> int:
    """Requests under way in *backend*, or in some *servers* of it."""
    rows = csv.DictReader(runtime.ask("show stat").removeprefix("# ").splitlines())
    wanted = servers or ("BACKEND",)
    found = [row for row in rows if row.get("pxname") == backend and row.get("svname") in wanted]
    if len(found) != len(set(wanted)):
        raise runtime.broken(f"it has no backend {backend}" + (f" with {', '.join(servers)}" if servers else ""))
    return sum(int(row.get("scur") or 0) + int(row.get("qcur") or 0) for row in found)


def _entries(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        word, _, value = line.strip().partition(" ")
        if word and not word.startswith("#"):
            found.setdefault(word, value.strip())  # haproxy takes the first
    return found


def _with_entry(text: str, word: str, value: str | None) -> str:
    """*text* of a map file with *word* set to *value*, or without it; everything else stays as it is written."""
    lines: list[str] = []
    written = value is None
    for line in text.splitlines():
        if line.strip().partition(" ")[0] != word:
            lines.append(line)
        elif not written:
            lines.append(f"{word} {value}")
            written = True
    if not written:
        lines.append(f"{word} {value}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(value: str) -> str:
    """For the runtime socket, which splits at blanks and semicolons."""
    return "".join(f"\\{letter}" if letter in "\\ ;'\"\t<" else letter for letter in value)
