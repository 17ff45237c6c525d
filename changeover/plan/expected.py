"""How long a step takes when its author wrote nothing, and what can be read from its parameters.

| the step's kind | likely | worst | why |
|---|---|---|---|
| `notify` | 5 s | 10 s | one message |
| `gate`, `confirm`, `manual` | 5 min | 15 min | people have to be found |
| `wait` | what it says | the same | its `for:`; `until:` and `rest_of:` end by the clock |
| `poll` | 1 min | its `limit:` | the limit is the author's worst case |
| any other | 1 min | 90 s | |

A step on which the end depends should say `expect:`; lint tells where one is missing on the critical path.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from changeover.contracts import Expected
from changeover.plan.parameters import duration_in, entry, text_in, wall_time_in
from changeover.runbook.model import Step

#: For every kind that is not named below.
ASSUMED: Final = Expected(timedelta(minutes=1), timedelta(seconds=90))

_PEOPLE: Final = Expected(timedelta(minutes=5), timedelta(minutes=15))

#: By the kind's word.
DEFAULTS: Final = {
    "notify": Expected(timedelta(seconds=5), timedelta(seconds=10)),
    "gate": _PEOPLE,
    "confirm": _PEOPLE,
    "manual": _PEOPLE,
}

_NOTHING: Final = Expected(timedelta(), timedelta())


@dataclass(frozen=True, slots=True)
class Rest:
    """A wait that ends a while after another step has passed."""

    since: str  # a step's id
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class FixedTimes:
    """What a step's parameters say about the clock, as far as they can be read before the run."""

    ends_at: datetime | None = None  # naive: it does not end earlier
    rest: Rest | None = None
    by: datetime | None = None  # naive: a gate's deadline


NO_FIXED_TIMES: Final = FixedTimes()


def expected_of(step: Step) -> Expected:
    """What its author wrote, or the default of its kind; a `verify:` that says how long it takes comes on top."""
    expected = step.expect or _default(step)
    proof = step.verify.expect if step.verify is not None else None
    return Expected(expected.likely + proof.likely, expected.worst + proof.worst) if proof is not None else expected


def is_assumed(step: Step) -> bool:
    """Whether nobody wrote how long it takes, and its parameters do not say it either."""
    return step.expect is None and step.kind not in {"wait", "notify"}


def fixed_times(step: Step) -> FixedTimes:
    """The clock times in the parameters of a `wait` or a `gate`; none where they are only known in the run."""
    if step.kind == "wait":
        written = entry(step.parameters, "rest_of")
        since, lasts = text_in(written, "since"), duration_in(written, "for")
        rest = Rest(since, lasts) if since and lasts is not None else None
        return FixedTimes(ends_at=wall_time_in(step.parameters, "until"), rest=rest)
    if step.kind == "gate":
        return FixedTimes(by=wall_time_in(step.parameters, "by"))
    return NO_FIXED_TIMES


def _default(step: Step) -> Expected:
    if step.kind == "wait":
        lasts = duration_in(step.parameters, "for", shorthand=True)
        return Expected(lasts, lasts) if lasts is not None else _NOTHING
    if step.kind == "poll":
        limit = duration_in(step.parameters, "limit")
        return Expected(min(ASSUMED.likely, limit), limit) if limit is not None else ASSUMED
    return DEFAULTS.get(step.kind, ASSUMED)
