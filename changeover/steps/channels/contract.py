"""What every adapter of a channel promises. Desired and observed state are two things; applying again is harmless."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from changeover.errors import Setback


class ChannelState(StrEnum):
    """What a channel is."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What customers read while a channel is closed."""

    says: str = ""
    until: datetime | None = None  # aware


class ChannelAdapter(Protocol):
    """One sort of channel."""

    def state(self) -> ChannelState:
        """What the control says; not yet what customers see."""
        ...

    def close(self, announcement: Announcement) -> None:
        """Let nobody in any more, and tell them why."""
        ...

    def open(self) -> None:
        """Let everybody in again."""
        ...

    def in_flight(self) -> int | None:
        """How many requests or calls are still under way; None when this sort cannot tell."""
        ...


@dataclass(eq=False)
class ChannelBroken(Setback):
    """The control of a channel cannot be used, or answers nonsense."""

    channel: str
    why: str

    def __str__(self) -> str:
        return f"channel {self.channel}: {self.why}"


@dataclass(eq=False)
class ChannelMisconfigured(Setback):
    """The systems file does not say enough about a channel."""

    channel: str
    missing: str

    def __str__(self) -> str:
        return f"channel {self.channel} has no `{self.missing}` in the systems file"
