"""Switching a channel, and believing it only when its control and its front door both say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from changeover.contracts import Answer, Context, Value
from changeover.errors import Setback
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, ChannelAdapter, ChannelState, Standing
from changeover.steps.check import Check

if TYPE_CHECKING:
    from changeover.steps.channels.front_door import Seen

#: Seconds between two looks at what is under way.
DRAIN_LOOK: Final = 1.0
_SOON: Final = 0.2
#: Readings of nothing in a row that count as drained: a request may have been let in just before the channel closed.
_EMPTY_READINGS: Final = 2


@dataclass(eq=False)
class NotSwitched(Setback):
    """The control did as if, and the channel is not as wanted."""

    channel: str
    wanted: str
    found: Standing

    def __str__(self) -> str:
        return f"channel {self.channel} is {self.found}, not {self.wanted}"


@dataclass(eq=False)
class CannotDrain(Setback):
    """The channel does not tell what is under way."""

    channel: str
    adapter: str

    def __str__(self) -> str:
        return f"channel {self.channel} ({self.adapter}) does not tell how much is under way: that it is drained cannot be shown"

    @property
    def hint(self) -> str:
        return "Wait a fixed time (`wait`) instead, or name a page that says it: `under_way:` of the channel."


@dataclass(eq=False)
class NotDrained(Setback):
    """Something is still under way."""

    channel: str
    under_way: int
    seconds: float

    def __str__(self) -> str:
        return f"channel {self.channel} is not drained: {self.under_way} are still under way after {self.seconds:g} s"

    @property
    def hint(self) -> str:
        return "It stays closed. Retry to wait on, or find out what does not end."


@dataclass(eq=False)
class ShareRefused(Setback):
    """A share of the customers was let in, and the check said that they fare ill."""

    channel: str
    percent: int
    verdict: str
    now: str

    def __str__(self) -> str:
        return f"channel {self.channel} with {self.percent} % of its customers: {self.verdict}; it is {self.now} again"

    @property
    def hint(self) -> str:
        return "Find out why; a retry asks about the share before it once more, and goes on from there."


@dataclass(frozen=True, slots=True)
class Switch:
    """One channel at hand."""

    context: Context
    name: str
    entry: ChannelEntry
    adapter: ChannelAdapter

    def to(self, percent: int, act: Callable[[ChannelAdapter], None], says: str = "") -> str:
        """Do *act*, after which *percent* of the customers are let in; what was seen from outside, in words.

        Raises:
            NotSwitched: its control does not say so.
            NotSeenOutside: its front door does not.
        """
        act(self.adapter)
        standing = self.adapter.standing()
        if not standing.is_at(percent):
            raise NotSwitched(self.name, str(Standing(percent)), standing)
        return self._seen(standing.state, says)

    def put_back(self, saved: Value) -> str:
        """Make it what it was; what was seen from outside, in words."""
        self.adapter.put_back(saved)
        standing = self.adapter.standing()
        if standing.saved != saved:
            raise NotSwitched(self.name, "as it was saved", standing)
        return self._seen(standing.state, "")

    def by_shares(self, percents: Sequence[int], pause: float, check: Check | None) -> str:
        """Let more and more customers in.

        It goes on from where the channel is: the share that is let in already is asked about again, none is taken back.

        Raises:
            ShareRefused: the check of a share did not pass; the share before it was put back.
        """
        began = self.adapter.standing()
        good = NOBODY if began.differs else began.percent
        seen = ""
        for percent in (percent for percent in percents if percent >= good):
            seen = self.to(percent, partial(_let_in, percent=percent))
            self.context.say(f"{self.name} is {Standing(percent)}")
            self.context.progress(percent, EVERYBODY, "% of the customers")
            if pause:
                self.context.sleep(pause)
            if check is not None:
                self._asked(check, percent, good, began)
            good = percent
        return seen or self._seen(began.state, "")

    def drain(self, within: float | None) -> None:
        """Wait until nothing has been under way for two readings.

        Raises:
            NotSwitched: it is not closed.
            CannotDrain: it does not tell.
            NotDrained: *within* seconds have passed.
        """
        began = self.context.clock.monotonic()
        empty = 0
        while True:
            standing = self.adapter.standing()
            if standing.state is not ChannelState.CLOSED or standing.differs:
                raise NotSwitched(self.name, str(ChannelState.CLOSED), standing)
            under_way = self._under_way()
            self.context.progress(0, under_way, "under way")
            empty = empty + 1 if under_way == 0 else 0
            if empty >= _EMPTY_READINGS:
                return
            waited = self.context.clock.monotonic() - began
            if within is not None and waited >= within:
                raise NotDrained(self.name, under_way, round(waited, 1))
            self.context.sleep(_SOON if under_way == 0 else DRAIN_LOOK)

    def outside(self, says: str) -> Seen | None:
        """What the front door answers now; None when it has none."""
        from changeover.steps.channels.front_door import look  # noqa: PLC0415 - loads httpx

        return look(self.context, self.entry.probe, says) if self.entry.probe else None

    def _asked(self, check: Check, percent: int, good: int, began: Standing) -> None:
        """Raise when *check* does not pass, with the share before it in force again."""
        result = check.run(self.context)
        if result.verdict is None or result.verdict.answer is Answer.PASSED:
            return
        if good == began.percent:
            self.adapter.put_back(began.saved)
        else:
            _let_in(self.adapter, good)
        raise ShareRefused(self.name, percent, f"{result.verdict.answer}: {result.summary}", str(self.adapter.standing()))

    def _under_way(self) -> int:
        if self.entry.under_way:
            from changeover.steps.channels.under_way import count_at  # noqa: PLC0415 - loads httpx

            return count_at(self.context, self.name, self.entry.under_way)
        count = self.adapter.in_flight()
        if count is None:
            raise CannotDrain(self.name, self.entry.adapter)
        return count

    def _seen(self, wanted: ChannelState, says: str) -> str:
        if not self.entry.probe:
            return "; not looked at from outside: it has no `probe`"
        from changeover.steps.channels.front_door import see  # noqa: PLC0415 - loads httpx

        return f", seen from outside: {see(self.context, self.name, self.entry.probe, wanted, says).words}"


def _let_in(adapter: ChannelAdapter, percent: int) -> None:
    if percent == EVERYBODY:
        adapter.open()
    else:
        adapter.share(percent)
