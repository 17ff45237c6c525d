"""The ``flag_file`` adapter: the channel is closed while a file exists. Web servers look for it at every request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Value
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, CannotShare, ChannelBroken, Standing
from changeover.steps.channels.place import Place

_ABSENT: Final = None  # what is saved of a flag that is not there


@dataclass(frozen=True, slots=True)
class FlagFileChannel:
    """A channel with a flag file. The web server is never reloaded: that would cut connections."""

    name: str
    entry: ChannelEntry
    place: Place

    def standing(self) -> Standing:
        """Whether the file is there."""
        flag = self.place.read(self.entry.path)
        return Standing(EVERYBODY if flag is None else NOBODY, flag)

    def close(self, announcement: Announcement) -> None:
        """Create it in one step: whoever reads it reads all of it."""
        told = {"says": announcement.says, "until": announcement.until.isoformat() if announcement.until else None}
        self.place.write(self.entry.path, json.dumps(told, ensure_ascii=False) + "\n")

    def open(self) -> None:
        """Remove it."""
        self.place.remove(self.entry.path)

    def share(self, percent: int) -> None:  # noqa: ARG002 - the contract's
        """A file is there or not."""
        raise CannotShare(self.name, self.entry.adapter)

    def put_back(self, saved: Value) -> None:
        """The file as it was, or none."""
        if saved is _ABSENT:
            self.open()
        elif isinstance(saved, str):
            self.place.write(self.entry.path, saved)
        else:
            raise ChannelBroken(self.name, f"{saved!r} was not saved from a flag file")

    def in_flight(self) -> int | None:
        """A file cannot tell."""
        return None
