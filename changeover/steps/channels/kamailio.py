"""The ``kamailio`` adapter: a hash table switched over the control socket, and a file from which a restart takes it.

The table says how many percent of the new calls are let in. Calls that are under way go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Value
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, ChannelBroken, Standing, percent_of
from changeover.steps.channels.place import Place

_PROGRAM: Final = "kamcmd"
#: States of a call that is under way, as the dialog module counts them.
_UNDER_WAY: Final = ("starting", "connecting", "answering", "ongoing")
_ADVICE: Final = "Does its configuration load ctl and htable, with this table, and is the socket the one of ctl's `binrpc`?"


@dataclass(frozen=True, slots=True)
class KamailioChannel:
    """A call centre behind a SIP proxy."""

    name: str
    entry: ChannelEntry
    place: Place

    def standing(self) -> Standing:
        """What the table says, and whether a restart would keep it."""
        said = _field(self._rpc("htable.get", f"s:{self.entry.table}", f"s:{self._word}"), "value")
        if said is None:
            raise self._broken(f"table {self.entry.table} has no {self._word}")
        percent = percent_of(self.name, said, f"table {self.entry.table}")
        return Standing(percent, percent, self._lost_by_a_restart(percent))

    def close(self, announcement: Announcement) -> None:  # noqa: ARG002 - callers hear a code, not a text
        """Nobody."""
        self.share(NOBODY)

    def open(self) -> None:
        """Everybody."""
        self.share(EVERYBODY)

    def share(self, percent: int) -> None:
        """On disk first: kamailio may be restarted at any moment."""
        if self.entry.file:
            lines = [line for line in (self.place.read(self.entry.file) or "").splitlines() if not self._line.match(line)]
            lines.append(f"$sht({self.entry.table}=>{self._word}) = {percent};")
            self.place.write(self.entry.file, "".join(f"{line}\n" for line in lines))
        self._rpc("htable.seti", f"s:{self.entry.table}", f"s:{self._word}", str(percent))

    def put_back(self, saved: Value) -> None:
        """As many as before."""
        if isinstance(saved, bool) or not isinstance(saved, int):
            raise ChannelBroken(self.name, f"{saved!r} was not saved from kamailio")
        self.share(saved)

    def in_flight(self) -> int | None:
        """Calls under way, as its dialog module counts them; None without that module."""
        answer = self._ended("dlg.stats_active")
        if answer.startswith("error: 500 - command dlg.stats_active not found"):
            return None
        counts = [_field(answer, word) for word in _UNDER_WAY]
        numbers = [int(count) for count in counts if count is not None and count.isdecimal()]
        if len(numbers) != len(_UNDER_WAY):
            raise self._broken(f"dlg.stats_active is answered by: {' '.join(answer.split())[:120]}")
        return sum(numbers)

    def _lost_by_a_restart(self, percent: int) -> str:
        """What a restart would make of it when that is something else, in words."""
        if not self.entry.file:
            return ""
        text = self.place.read(self.entry.file) or ""
        found = [match[1] for line in text.splitlines() if (match := self._line.match(line))]
        if not found:  # then the configuration decides, which lets everybody in as long as nothing was ever switched
            return "" if percent == EVERYBODY else f"{self.entry.file} does not keep that over a restart of kamailio"
        on_disk = percent_of(self.name, found[-1], self.entry.file)
        return "" if on_disk == percent else f"a restart of kamailio would make it {Standing(on_disk)}"

    def _rpc(self, *words: str) -> str:
        answer = self._ended(*words)
        if answer.startswith("error:"):
            raise self._broken(f"{' '.join(words)} is answered by: {answer.splitlines()[0]}")
        return answer

    def _ended(self, *words: str) -> str:
        ended = self.place.run([_PROGRAM, "-s", f"unix:{self.entry.socket}", *words])
        if ended.exit != 0:
            raise self._broken(" ".join((ended.stderr or ended.stdout).split())[:200] or f"{_PROGRAM} ended with {ended.exit}")
        return ended.stdout.strip()

    def _broken(self, why: str) -> ChannelBroken:
        return ChannelBroken(self.name, f"{self.place.name}: kamailio at {self.entry.socket}: {why}", _ADVICE)

    @property
    def _word(self) -> str:
        return self.entry.entry or self.name

    @property
    def _line(self) -> re.Pattern[str]:
        return re.compile(rf"\s*\$sht\({re.escape(self.entry.table)}=>{re.escape(self._word)}\)\s*=\s*(\d+)\s*;")


def _field(answer: str, word: str) -> str | None:
    """The value of *word* in an answer of kamcmd, which writes ``word: value``, one a line."""
    found = re.search(rf"^\s*{re.escape(word)}: (.*)$", answer, re.MULTILINE)
    return found[1].strip() if found else None
