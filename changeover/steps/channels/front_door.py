"""The public front door of a channel: what a customer gets who comes now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from changeover.contracts import Context
from changeover.errors import Setback, Unclear
from changeover.steps.channels.contract import ChannelState
from changeover.steps.channels.sip import options
from changeover.steps.exchange import Reply, Request, exchange

#: Seconds in which a change has to be seen from outside, and between two looks.
WITHIN: Final = 10.0
_EVERY: Final = 0.2
_ANSWER: Final = 5.0
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Seen:
    """What the front door answers."""

    state: ChannelState | None  # None: neither open nor properly closed
    words: str

    def fits(self, wanted: ChannelState) -> bool:
        """Whether a channel that is *wanted* may look so; a partly open one is open to one customer and closed to the next."""
        return self.state is wanted or (self.state is not None and wanted is ChannelState.PARTLY_OPEN)


@dataclass(eq=False)
class NotSeenOutside(Setback):
    """The control says one thing, and customers see another."""

    channel: str
    wanted: ChannelState
    probe: str
    seen: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"channel {self.channel} is to be {self.wanted}, but after {self.seconds:g} s {self.probe} still answers {self.seen}"
        )

    @property
    def hint(self) -> str:
        return "Open means 2xx; closed means 503 with Retry-After or the word maintenance, or what the channel says."


def look(context: Context, probe: str, says: str = "") -> Seen:
    """Come to the front door once, as a customer would."""
    return _called(context, probe) if probe.startswith("sip:") else _visited(context, probe, says)


def _called(context: Context, probe: str) -> Seen:
    try:
        reply = options(context, probe, seconds=_ANSWER)
    except Setback as setback:
        context.check_stopped()
        return Seen(None, f"nothing ({setback})")
    if 200 <= reply.status < 300:  # noqa: PLR2004 - SIP's own figures
        return Seen(ChannelState.OPEN, str(reply.status))
    if reply.status == _UNAVAILABLE and "retry-after" in reply.headers:
        return Seen(ChannelState.CLOSED, "503, in maintenance")
    return Seen(None, f"{reply.status} {reply.reason}")


def _visited(context: Context, probe: str, says: str) -> Seen:
    try:
        reply = exchange(context, Request("GET", probe, {"Cache-Control": "no-cache"}), seconds=_ANSWER)
    except Unclear:
        raise
    except Setback as setback:
        context.check_stopped()
        return Seen(None, f"nothing ({setback})")
    if 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own figures
        return Seen(ChannelState.OPEN, str(reply.status))
    if reply.status == _UNAVAILABLE and _is_maintenance(reply, says):
        return Seen(ChannelState.CLOSED, "503, in maintenance")
    return Seen(None, f"{reply.status}: {reply.beginning}")


def see(context: Context, channel: str, probe: str, wanted: ChannelState, says: str = "") -> Seen:
    """Look until the front door shows *wanted*.

    Raises:
        NotSeenOutside: it did not within ten seconds.
    """
    began = context.clock.monotonic()
    while True:
        seen = look(context, probe, says)
        waited = context.clock.monotonic() - began
        if seen.fits(wanted):
            return seen
        if waited > WITHIN:
            raise NotSeenOutside(channel, wanted, probe, seen.words, round(waited, 1))
        context.sleep(_EVERY)


def _is_maintenance(reply: Reply, says: str) -> bool:
    """A broken back end answers 503 too; a maintenance answer says that it is one."""
    if "retry-after" in reply.headers or any("maintenance" in f"{name}{value}".lower() for name, value in reply.headers.items()):
        return True
    text = reply.content[:65536].decode(errors="replace")
    return "maintenance" in text.lower() or bool(says and says in text)
