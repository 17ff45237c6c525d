"""``channel``: closes, drains and opens what customers come through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from changeover.contracts import ChannelName, Context, Found, OnUnknown, Probe, Result, Value, key, step_kind
from changeover.errors import Setback
from changeover.runbook.channels import ChannelEntry
from changeover.runbook.model import WallTime
from changeover.steps.channels.adapters import adapter_of
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, Standing
from changeover.steps.channels.switching import Switch
from changeover.steps.check import Check
from changeover.steps.dry_run import not_verifiable, would
from changeover.steps.rules import exactly_one, positive

_VERBS: Final = ("close", "drain", "open", "read", "put_back")


@step_kind("channel", timeout=timedelta(minutes=10))
@dataclass(frozen=True, slots=True)
class Channel:
    """Close, drain or open a customer channel, all at once or share by share; save how it stands, and put it back so.

    The change counts when it is seen from outside: the channel's `probe` answers 2xx when it is open, 503 with a
    maintenance answer when it is closed. Doing it again is harmless. `drain` ends when nothing has been under way twice
    in a row. With `share`, each share is watched for `pause` and asked about with `check`; when that is not passed, the
    share before it is put back and the step fails. `read` switches nothing: it saves how the channel stands, for
    `{put_back: NAME, as: '${captured.STEP.saved}'}` in a rollback.

    Output: `{before, after, percent, saved}`: `before` and `after` are `open`, `closed` or `partly open`, `percent` is the
    share of customers let in now, `saved` all that is needed to put it back as it was before.

    Dry run: its state is read, nothing is switched.

    It may have happened: its state decides.
    """

    close: ChannelName = key("the channel to close", default="")
    drain: ChannelName = key("the closed channel to wait for until nothing is under way in it", default="")
    open: ChannelName = key("the channel to open", default="")
    read: ChannelName = key("the channel whose state is saved; nothing is switched", default="")
    put_back: ChannelName = key("the channel to make exactly what it was when it was saved", default="")
    says: str = key("close: what customers read meanwhile", default="")
    until: WallTime | None = key("close: when it opens again, for customers", default=None)
    within: timedelta | None = key("drain: how long it may take; left out: as long as the step", default=None)
    share: tuple[int | str, ...] = key(
        "open: how many percent of the customers are let in, one after the other, such as [10%, 50%, 100%]", default=()
    )
    pause: timedelta | None = key("open: how long each share is watched before it is asked about", default=None)
    check: Check | None = key("open: the check that each share has to pass before the next one", default=None)
    as_: Value = key("put_back: what was saved, such as `${captured.STEP.saved}`", word="as", default=None)

    @property
    def on_unknown(self) -> OnUnknown:
        """Its state decides; looking again is harmless."""
        return OnUnknown.PROBE if self.changes else OnUnknown.RERUN

    @property
    def changes(self) -> bool:
        """Whether it switches anything."""
        return not (self.read or self.drain)

    def problems(self) -> Iterable[str]:
        """One verb, and beside it only what that verb reads."""
        yield from exactly_one(**{verb: getattr(self, verb) for verb in _VERBS})
        if (self.says or self.until) and not self.close:
            yield "`says` and `until` are read while a channel is closed: write them beside `close`"
        if self.within is not None and not self.drain:
            yield "`within` is how long draining may take: write it beside `drain`"
        if (self.share or self.pause or self.check) and not self.open:
            yield "`share`, `pause` and `check` belong to a reopening: write them beside `open`"
        if (self.pause or self.check) and self.open and not self.share:
            yield "`pause` and `check` are for each share: write `share` too, such as [10%, 50%, 100%]"
        if (self.as_ is not None) != bool(self.put_back):
            yield "`put_back` needs what was saved, in `as`, such as `${captured.STEP.saved}`; no other verb reads it"
        yield from positive("within", self.within)
        yield from positive("pause", self.pause)
        yield from _share_problems(self.share)

    def run(self, context: Context) -> Result:
        """Switch it, and look from outside."""
        switch = self._switch(context)
        before = switch.adapter.standing()
        seen = self._act(context, switch)
        after = before if self.read else switch.adapter.standing()
        words = f"{self._name} is {after}" if self.read else f"{self._name} is {after} (it was {before}){seen}"
        output = {"before": str(before.state), "after": str(after.state), "percent": after.percent, "saved": before.saved}
        return Result(f"{self._name} is drained: nothing is under way" if self.drain else words, output)

    def dry_run(self, context: Context) -> Result:
        """Read its state."""
        switch = self._switch(context)
        try:
            standing = switch.adapter.standing()
        except Setback as setback:
            context.check_stopped()
            return not_verifiable(f"the state of {self._name}: {setback}")
        verb = f"put {self._name} back as saved" if self.put_back else f"{self._verb} {self._name}"
        return would(f"{verb}, which is {standing} now")

    def probe(self, context: Context) -> Probe:
        """Compare control and front door with what is wanted."""
        if not self.changes:
            return Probe(Found.CLEAN, f"{self._verb} only looks")
        switch = self._switch(context)
        standing = switch.adapter.standing()
        done = self._is_done(standing)
        outside = switch.outside(self.says)
        if done and (outside is None or outside.fits(standing.state)):
            # What it was before the attempt in doubt nobody knows any more.
            output: Value = {"before": None, "after": str(standing.state), "percent": standing.percent, "saved": None}
            return Probe(Found.DONE, f"{self._name} is {standing}", output)
        words = f"{self._name} is {standing}" + (f", and outside answers {outside.words}" if outside else "")
        return Probe(Found.PARTIAL if done or standing.differs else Found.CLEAN, words)

    def _act(self, context: Context, switch: Switch) -> str:
        """Do what the verb says; what was seen from outside, in words."""
        if self.drain:
            switch.drain(self.within.total_seconds() if self.within else None)
        elif self.close:
            until = None if self.until is None else context.at(self.until.local)
            return switch.to(NOBODY, lambda adapter: adapter.close(Announcement(self.says, until)), self.says)
        elif self.share:
            return switch.by_shares(percents(self.share), self.pause.total_seconds() if self.pause else 0.0, self.check)
        elif self.open:
            return switch.to(EVERYBODY, lambda adapter: adapter.open())
        elif self.put_back:
            return switch.put_back(self.as_)
        return ""

    def _switch(self, context: Context) -> Switch:
        entry: ChannelEntry = context.system("channels", self._name)
        return Switch(context, self._name, entry, adapter_of(self._name, entry, context))

    def _is_done(self, standing: Standing) -> bool:
        if self.put_back:
            return standing.saved == self.as_
        if self.close:
            return standing.is_at(NOBODY)
        wanted = percents(self.share)[-1] if self.share else EVERYBODY
        return standing.percent >= wanted and not standing.differs

    @property
    def _name(self) -> str:
        name: str = getattr(self, self._verb)
        return name

    @property
    def _verb(self) -> str:
        return next(verb for verb in _VERBS if getattr(self, verb))


def percents(written: Iterable[int | str]) -> tuple[int, ...]:
    """Shares as numbers."""
    return tuple(int(str(share).removesuffix("%")) for share in written)


def _share_problems(written: Iterable[int | str]) -> Iterable[str]:
    texts = [str(share) for share in written]
    if any("${" in text for text in texts):
        return
    numbers = [text.removesuffix("%") for text in texts]
    if not all(number.isascii() and number.isdecimal() and 0 < int(number) <= EVERYBODY for number in numbers):
        yield "`share` holds percents above 0 and up to 100, such as [10%, 50%, 100%]"
    elif [int(number) for number in numbers] != sorted({int(number) for number in numbers}):
        yield "`share` rises: each is larger than the one before, such as [10%, 50%, 100%]"
