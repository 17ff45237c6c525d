"""``wait``: for a while, until a time of day, or for the rest of a while that began with another step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from changeover.contracts import Context, OnUnknown, Result, StepName, key, step_kind
from changeover.errors import Setback
from changeover.runbook.model import WallTime
from changeover.steps.dry_run import would
from changeover.steps.rules import exactly_one

#: Seconds between two looks at the clock, which may be set meanwhile.
_LOOK_EVERY: Final = 5.0


@dataclass(eq=False)
class NotBegun(Setback):
    """A wait counts from a step that has not passed."""

    step: str

    def __str__(self) -> str:
        return f"the wait counts from {self.step}, which has not passed in this run"

    @property
    def hint(self) -> str:
        return f"Let this step need {self.step}."


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of a while that began when another step passed."""

    since: StepName = key("the step from whose end it counts")
    duration: timedelta = key("how long after it", word="for")


@step_kind("wait", shorthand="duration", changes=False, timeout=None)
@dataclass(frozen=True, slots=True)
class Wait:
    """Wait. A time that has passed already is no wait at all.

    Output: `{waited}`, seconds.

    Dry run: it says how long it would wait.

    It may have happened: `until` and `rest_of` go on where they were; `for` begins again.
    """

    duration: timedelta | None = key("how long", word="for", default=None)
    until: WallTime | None = key("until this time of day", default=None)
    rest_of: Rest | None = key("for the rest of a while that began with another step: {since: STEP, for: 10m}", default=None)
    why: str = key("what people read meanwhile", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Waiting again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """Exactly one way to wait."""
        yield from exactly_one(for_=self.duration, until=self.until, rest_of=self.rest_of)
        if isinstance(self.duration, timedelta) and self.duration < timedelta():
            yield "`for` cannot be negative"

    def run(self, context: Context) -> Result:
        """Wait, and tell how far it is."""
        began = context.clock.monotonic()
        first = self._left(context, 0.0)
        if first > 0:
            context.say(f"waiting {_spoken(first)}{self._reason}")
        while (left := self._left(context, context.clock.monotonic() - began)) > 0:
            waited = context.clock.monotonic() - began
            context.progress(round(waited), round(waited + left), "s")
            context.sleep(min(left, _LOOK_EVERY))
        waited = round(context.clock.monotonic() - began, 1)
        return Result(f"waited {_spoken(waited)}{self._reason}" if first > 0 else "no wait was left", {"waited": waited})

    def dry_run(self, context: Context) -> Result:
        """Say how long."""
        if self.rest_of is not None:
            return would(f"wait until {_spoken(self.rest_of.duration.total_seconds())} after {self.rest_of.since}{self._reason}")
        if self.until is not None:
            return would(f"wait until {context.at(self.until.local).isoformat(timespec='minutes')}{self._reason}")
        return would(f"wait {_spoken(self._left(context, 0.0))}{self._reason}")

    def _left(self, context: Context, waited: float) -> float:
        """Seconds that are left, *waited* seconds after the beginning."""
        if self.until is not None:
            return (context.at(self.until.local) - context.clock.now()).total_seconds()
        if self.rest_of is not None:
            since = context.since(self.rest_of.since)
            if since is None:
                raise NotBegun(self.rest_of.since)
            return self.rest_of.duration.total_seconds() - since
        return (self.duration or timedelta()).total_seconds() - waited

    @property
    def _reason(self) -> str:
        return f": {self.why}" if self.why else ""


def _spoken(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.3g} s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return " ".join(part for part, value in ((f"{hours} h", hours), (f"{minutes} min", minutes), (f"{rest} s", rest)) if value)
