"""What people set for a step while it runs: how fast it may go, with how many workers, whether it goes at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from changeover.contracts import Value
from changeover.counting import counted
from changeover.errors import Mistake

HOLD: Final = "hold"
ROWS_PER_SECOND: Final = "rows_per_second"
WORKERS: Final = "workers"
NAMES: Final = (HOLD, ROWS_PER_SECOND, WORKERS)

#: What takes a limit away again.
_NO_LIMIT: Final = frozenset({"none", "no limit", "unlimited"})


@dataclass(eq=False)
class NotAnAdjustment(Mistake):
    """A value that nobody can set."""

    why: str

    def __str__(self) -> str:
        return self.why

    @property
    def hint(self) -> str:
        return f"what can be set: `{HOLD}` (true or false), `{ROWS_PER_SECOND}` (a number, or none), `{WORKERS}` (from 1 on)"


def changes_of(data: Mapping[str, object]) -> dict[str, Value]:
    """*data* as changes that mean something; None takes a limit away.

    Raises:
        NotAnAdjustment: a name that does not exist, a value that makes no sense, or nothing at all.
    """
    changes: dict[str, Value] = {}
    for name, value in data.items():
        if name not in NAMES:
            near = get_close_matches(str(name), NAMES, n=1)
            raise NotAnAdjustment(f"there is no {str(name)!r} to set" + (f"; did you mean {near[0]!r}?" if near else ""))
        changes[name] = _READ[name](value)
    if not changes:
        raise NotAnAdjustment("there is nothing to set")
    return changes


def words_of(changes: Mapping[str, Value]) -> str:
    """Changes in words, such as ``held, at most 5,000 rows/s``."""
    return ", ".join(_in_words(name, changes[name]) for name in NAMES if name in changes)


def _in_words(name: str, value: Value) -> str:
    if name == HOLD:
        return "held" if value else "released"
    if value is None:
        return "as fast as its runbook allows" if name == ROWS_PER_SECOND else "as many workers as its runbook says"
    if name == WORKERS and isinstance(value, int):
        return counted(value, "worker")
    return f"at most {value:,.10g} rows/s"


def _hold(value: object) -> Value:
    if not isinstance(value, bool):
        raise NotAnAdjustment(f"`{HOLD}` is true or false, not {value!r}")
    return value


def _rows_per_second(value: object) -> Value:
    if value is None or (isinstance(value, str) and value.strip().lower() in _NO_LIMIT):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise NotAnAdjustment(f"`{ROWS_PER_SECOND}` is a number above 0, or none, not {value!r} (`{HOLD}` stops a step)")
    return value


def _workers(value: object) -> Value:
    if value is None or (isinstance(value, str) and value.strip().lower() == "auto"):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise NotAnAdjustment(f"`{WORKERS}` is a whole number from 1 on, not {value!r} (`{HOLD}` stops a step)")
    return value


_READ: Final = {HOLD: _hold, ROWS_PER_SECOND: _rows_per_second, WORKERS: _workers}
