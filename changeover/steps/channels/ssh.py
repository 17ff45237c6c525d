"""The ``ssh`` adapter: commands of its author switch the channel on hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.contracts import Value
from changeover.runbook.channels import ChannelCommands, ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, CannotShare, ChannelBroken, Standing, percent_of
from changeover.steps.channels.place import Place

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class SshChannel:
    """A channel with commands."""

    name: str
    entry: ChannelEntry
    commands: ChannelCommands
    place: Place

    def standing(self) -> Standing:
        """What its ``state`` command prints."""
        percent = percent_of(self.name, self._run(self.commands.state), f"`state` on {self.place.name}")
        return Standing(percent, percent)

    def close(self, announcement: Announcement) -> None:
        """Its ``close`` command."""
        until = announcement.until.isoformat() if announcement.until else ""
        self._run(self.commands.close, PERCENT=str(NOBODY), SAYS=announcement.says, UNTIL=until)

    def open(self) -> None:
        """Its ``open`` command."""
        self._run(self.commands.open, PERCENT=str(EVERYBODY))

    def share(self, percent: int) -> None:
        """Its ``share`` command, if it has one."""
        if not self.commands.share:
            raise CannotShare(self.name, self.entry.adapter)
        self._run(self.commands.share, PERCENT=str(percent))

    def put_back(self, saved: Value) -> None:
        """Open, closed, or the same share."""
        if isinstance(saved, bool) or not isinstance(saved, int) or not NOBODY <= saved <= EVERYBODY:
            raise ChannelBroken(self.name, f"{saved!r} was not saved from its `state` command")
        if saved == NOBODY:
            self.close(Announcement())
        elif saved == EVERYBODY:
            self.open()
        else:
            self.share(saved)

    def in_flight(self) -> int | None:
        """What its ``under_way`` command prints."""
        if not self.commands.under_way:
            return None
        said = self._run(self.commands.under_way)
        if not said.isdecimal():
            raise ChannelBroken(self.name, f"`under_way` on {self.place.name} prints {said[:_SHOWN]!r}, which is no number")
        return int(said)

    def _run(self, command: str, **environment: str) -> str:
        ended = self.place.command(command, {"CHANNEL": self.name, **environment})
        if ended.exit != 0:
            said = " ".join((ended.stderr or ended.stdout).split())[:_SHOWN]
            raise ChannelBroken(self.name, f"{self.place.name}: `{command}` ended with {ended.exit}: {said or 'without a word'}")
        return ended.stdout.strip()
