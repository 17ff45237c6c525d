"""The ``flag_file`` adapter: the channel is closed while a file exists. Web servers look for it at every request."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from changeover.contracts import Context
from changeover.runbook.systems import ChannelEntry
from changeover.steps.channels.contract import Announcement, ChannelBroken, ChannelMisconfigured, ChannelState


@dataclass(frozen=True, slots=True)
class FlagFileChannel:
    """A channel with a flag file on the engine's machine or on a mounted folder."""

    name: str
    entry: ChannelEntry
    context: Context
    _flag: Path = field(init=False)

    def __post_init__(self) -> None:
        if not self.entry.path:
            raise ChannelMisconfigured(self.name, "path")
        object.__setattr__(self, "_flag", self.context.folder / Path(self.entry.path).expanduser())

    def state(self) -> ChannelState:
        """Whether the file is there."""
        try:
            return ChannelState.CLOSED if self._flag.exists() else ChannelState.OPEN
        except OSError as error:
            raise self._broken("look at", error) from error

    def close(self, announcement: Announcement) -> None:
        """Create it in one step: whoever reads it reads all of it."""
        part = self._flag.with_name(f".{self._flag.name}.part-{os.getpid()}")
        told = {"says": announcement.says, "until": announcement.until.isoformat() if announcement.until else None}
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(told, file, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            part.chmod(0o644)  # the web server is somebody else
            part.replace(self._flag)
        except OSError as error:
            with suppress(OSError):  # the first error is the one that matters
                part.unlink(missing_ok=True)
            raise self._broken("create", error) from error

    def open(self) -> None:
        """Remove it."""
        try:
            self._flag.unlink(missing_ok=True)
        except OSError as error:
            raise self._broken("remove", error) from error

    def in_flight(self) -> int | None:
        """A file cannot tell."""
        return None

    def _broken(self, verb: str, error: OSError) -> ChannelBroken:
        return ChannelBroken(self.name, f"cannot {verb} its flag {self._flag}: {error.strerror or error}")
