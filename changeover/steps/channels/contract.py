"""What every adapter of a channel promises. Desired and observed state are two things; applying again is harmless."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from changeover.contracts import Value
from changeover.errors import Setback

#: Percent of the customers that a closed and an open channel let in.
NOBODY: Final = 0
EVERYBODY: Final = 100


class ChannelState(StrEnum):
    """What a channel is."""

    OPEN = "open"
    CLOSED = "closed"
    PARTLY_OPEN = "partly open"

    @classmethod
    def of(cls, percent: int) -> ChannelState:
        """The state of a channel that lets *percent* of its customers in."""
        return cls.CLOSED if percent <= NOBODY else cls.OPEN if percent >= EVERYBODY else cls.PARTLY_OPEN


@dataclass(frozen=True, slots=True)
class Standing:
    """How a channel stands, as its control says; not yet what customers see."""

    percent: int  # of its customers are let in
    saved: Value = None  # all that is needed to put it back exactly as it is
    differs: str = ""  # its parts do not agree, in words: two hosts, or what runs and what a restart would take

    @property
    def state(self) -> ChannelState:
        """Open, closed, or something between."""
        return ChannelState.of(self.percent)

    def is_at(self, percent: int) -> bool:
        """Whether all of it lets in *percent* of the customers."""
        return self.percent == percent and not self.differs

    def __str__(self) -> str:
        words = f"open for {self.percent} %" if self.state is ChannelState.PARTLY_OPEN else str(self.state)
        return f"{words} ({self.differs})" if self.differs else words


@dataclass(frozen=True, slots=True)
class Announcement:
    """What customers read while a channel is closed."""

    says: str = ""
    until: datetime | None = None  # aware


class ChannelAdapter(Protocol):
    """One sort of channel. Doing anything again is harmless; what it did survives a restart of what it controls."""

    def standing(self) -> Standing:
        """What the control says."""
        ...

    def close(self, announcement: Announcement) -> None:
        """Let nobody in any more, and tell them why."""
        ...

    def open(self) -> None:
        """Let everybody in again."""
        ...

    def share(self, percent: int) -> None:
        """Let *percent* of the customers in. Raises CannotShare when this sort knows only all or nothing."""
        ...

    def put_back(self, saved: Value) -> None:
        """Make it exactly what it was when its standing was *saved*. Raises ChannelBroken when that makes no sense."""
        ...

    def in_flight(self) -> int | None:
        """How many requests or calls are still under way; None when this sort cannot tell."""
        ...


@dataclass(eq=False)
class ChannelBroken(Setback):
    """The control of a channel cannot be used, or answers nonsense."""

    channel: str
    why: str
    advice: str = ""

    def __str__(self) -> str:
        return f"channel {self.channel}: {self.why}"

    @property
    def hint(self) -> str:
        return self.advice


@dataclass(eq=False)
class ChannelMisconfigured(Setback):
    """The systems file does not say enough about a channel."""

    channel: str
    missing: str

    def __str__(self) -> str:
        return f"channel {self.channel} has no `{self.missing}` in the systems file"


@dataclass(eq=False)
class CannotShare(Setback):
    """The channel knows only open and closed."""

    channel: str
    adapter: str

    def __str__(self) -> str:
        return f"channel {self.channel} ({self.adapter}) is open or closed: it cannot let a part of the customers in"

    @property
    def hint(self) -> str:
        return "Open it without `share`, or put it behind haproxy: see docs/how-to/channels.md."


def percent_of(channel: str, written: object, where: str) -> int:
    """*written* in a control, `open`, `closed` or a percentage, as percent. Raises ChannelBroken."""
    text = str(written).strip().removesuffix("%").strip()
    words = {str(ChannelState.OPEN): EVERYBODY, str(ChannelState.CLOSED): NOBODY}
    if text in words:
        return words[text]
    if text.isascii() and text.isdecimal() and len(text) <= len(str(EVERYBODY)) and int(text) <= EVERYBODY:
        return int(text)
    raise ChannelBroken(channel, f"{where} says {str(written)[:80]!r}, which is neither open, closed nor a percentage")
