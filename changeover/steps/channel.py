"""``channel``: closes, drains and opens what customers come through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from changeover.contracts import ChannelName, Context, Found, OnUnknown, Probe, Result, key, step_kind
from changeover.errors import Setback
from changeover.runbook.model import WallTime
from changeover.runbook.systems import ChannelEntry
from changeover.steps.channels.contract import Announcement, ChannelAdapter, ChannelState
from changeover.steps.dry_run import not_verifiable, would
from changeover.steps.rules import exactly_one

if TYPE_CHECKING:
    from changeover.steps.channels.front_door import Seen

_DRAIN_LOOK: Final = 1.0


@dataclass(eq=False)
class CannotDrain(Setback):
    """The channel does not tell what is under way."""

    channel: str
    adapter: str

    def __str__(self) -> str:
        return f"channel {self.channel} ({self.adapter}) does not tell how much is under way: that it is drained cannot be shown"

    @property
    def hint(self) -> str:
        return "Wait a fixed time (`wait`) instead, or let its control resource answer `in_flight`."


@step_kind("channel", timeout=timedelta(minutes=10))
@dataclass(frozen=True, slots=True)
class Channel:
    """Close, drain or open a customer channel.

    The change counts when it is seen from outside: the channel's `probe` answers 2xx when it is open, 503 with a
    maintenance answer when it is closed. Doing it again is harmless. Draining waits until nothing is under way any more.

    Output: `{before, after}`, each `open` or `closed`.

    Dry run: its state is read, nothing is switched.

    It may have happened: its state decides.
    """

    close: ChannelName = key("the channel to close", default="")
    open: ChannelName = key("the channel to open", default="")
    drain: ChannelName = key("the closed channel to wait for until nothing is under way in it", default="")
    says: str = key("what customers read meanwhile", default="")
    until: WallTime | None = key("when it opens again, for customers", default=None)

    @property
    def on_unknown(self) -> OnUnknown:
        """Its state decides."""
        return OnUnknown.PROBE

    def problems(self) -> Iterable[str]:
        """One verb, and words only where somebody reads them."""
        yield from exactly_one(close=self.close, open=self.open, drain=self.drain)
        if (self.says or self.until) and not self.close:
            yield "`says` and `until` are read while a channel is closed: write them beside `close`"

    def run(self, context: Context) -> Result:
        """Switch it, and look from outside."""
        entry = self._entry(context)
        adapter = adapter_of(self._name, entry, context)
        before = adapter.state()
        if self.drain:
            return self._drained(context, adapter, entry, before)
        wanted = ChannelState.CLOSED if self.close else ChannelState.OPEN
        if self.close:
            adapter.close(self._announcement(context))
        else:
            adapter.open()
        after = adapter.state()
        if after is not wanted:
            raise NotSwitched(self._name, wanted, after)
        seen = self._seen(context, entry, wanted)
        return Result(f"{self._name} is {after} (it was {before}){seen}", {"before": str(before), "after": str(after)})

    def dry_run(self, context: Context) -> Result:
        """Read its state."""
        entry = self._entry(context)
        try:
            state = adapter_of(self._name, entry, context).state()
        except Setback as setback:
            context.check_stopped()
            return not_verifiable(f"the state of {self._name}: {setback}")
        return would(f"{self._verb} {self._name}, which is {state} now")

    def probe(self, context: Context) -> Probe:
        """Compare control and front door with what is wanted."""
        if self.drain:
            return Probe(Found.CLEAN, "draining only waits")
        entry = self._entry(context)
        wanted = ChannelState.CLOSED if self.close else ChannelState.OPEN
        state = adapter_of(self._name, entry, context).state()
        outside = self._look(context, entry)
        if state is wanted and (outside is None or outside.state is wanted):
            # What it was before the attempt in doubt nobody knows any more.
            return Probe(Found.DONE, f"{self._name} is {state}", {"before": None, "after": str(state)})
        words = f"{self._name} is {state}" + (f", and outside answers {outside.words}" if outside else "")
        return Probe(Found.PARTIAL if state is wanted else Found.CLEAN, words)

    def _drained(self, context: Context, adapter: ChannelAdapter, entry: ChannelEntry, before: ChannelState) -> Result:
        if before is not ChannelState.CLOSED:
            raise NotSwitched(self._name, ChannelState.CLOSED, before)
        while (under_way := adapter.in_flight()) != 0:
            if under_way is None:
                raise CannotDrain(self._name, entry.adapter)
            context.progress(0, under_way, "under way")
            context.sleep(_DRAIN_LOOK)
        return Result(f"{self._name} is drained: nothing is under way", {"before": str(before), "after": str(before)})

    def _seen(self, context: Context, entry: ChannelEntry, wanted: ChannelState) -> str:
        from changeover.steps.channels.front_door import see  # noqa: PLC0415 - loads httpx

        if not entry.probe:
            return "; not looked at from outside: it has no `probe`"
        return f", seen from outside: {see(context, self._name, entry.probe, wanted, self.says).words}"

    def _look(self, context: Context, entry: ChannelEntry) -> Seen | None:
        from changeover.steps.channels.front_door import look  # noqa: PLC0415 - loads httpx

        return look(context, entry.probe, self.says) if entry.probe else None

    def _announcement(self, context: Context) -> Announcement:
        return Announcement(self.says, None if self.until is None else context.at(self.until.local))

    def _entry(self, context: Context) -> ChannelEntry:
        entry: ChannelEntry = context.system("channels", self._name)
        return entry

    @property
    def _name(self) -> str:
        return self.close or self.open or self.drain

    @property
    def _verb(self) -> str:
        return "close" if self.close else "open" if self.open else "drain"


@dataclass(eq=False)
class NotSwitched(Setback):
    """The control did as if, and the channel is not as wanted."""

    channel: str
    wanted: ChannelState
    found: ChannelState

    def __str__(self) -> str:
        return f"channel {self.channel} is {self.found}, not {self.wanted}"


def adapter_of(name: str, entry: ChannelEntry, context: Context) -> ChannelAdapter:
    """The adapter that the systems file names."""
    if entry.adapter == "http":
        from changeover.steps.channels.http import HttpChannel  # noqa: PLC0415 - loads httpx

        return HttpChannel(name, entry, context)
    from changeover.steps.channels.flag_file import FlagFileChannel  # noqa: PLC0415 - as its sister

    return FlagFileChannel(name, entry, context)
