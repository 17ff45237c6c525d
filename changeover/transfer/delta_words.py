"""What the author writes below `delta:`: how a copy catches up with what changed since. The fields are the YAML keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from changeover.contracts import key


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Rows of the source that say of themselves that they are deleted: they are not copied, and those copied before go."""

    column: str = key("the column that is filled when its row is deleted, such as `deleted_at`", default="")
    where: str = key("or an SQL condition on the source's rows", default="")


@dataclass(frozen=True, slots=True)
class Buried:
    """Deleted rows are still in the source, and say so."""

    tombstones: Tombstones = key("how they say it")


@dataclass(frozen=True, slots=True)
class Until:
    """When a copy has caught up: its last pass was as small and as short as this."""

    rows: int = key("changed rows that the last pass found, at most", default=1000)
    seconds: float = key("seconds that it took, at most", default=60.0)
    passes: int = key("passes after which it is given up for this time", default=20)


@dataclass(frozen=True, slots=True)
class Delta:
    """How a copy catches up."""

    by: str = key("the source's column that says when a row was last changed, a date with a time")
    overlap: timedelta = key(
        "how far each pass reaches back before the last one began: longer than the longest transaction of the source",
        default=timedelta(minutes=5),
    )
    deletes: Literal["compare_keys", "ignore"] | Buried = key(
        "how rows that are gone from the source are found: by comparing the keys of both sides, by `{tombstones: ...}`, or not",
        default="compare_keys",
    )
    until: Until = key("when it has caught up", default_factory=Until)

    @property
    def tombstones(self) -> Tombstones | None:
        """What says that a row is deleted; None when nothing does."""
        return self.deletes.tombstones if isinstance(self.deletes, Buried) else None

    def problems(self) -> Iterable[str]:
        """What makes no sense; a `${...}` is left alone."""
        if _below(self.overlap, timedelta()):
            yield "`delta: overlap` is 0s or more"
        for word, value, least in (
            ("rows", self.until.rows, 0),
            ("seconds", self.until.seconds, 0.001),
            ("passes", self.until.passes, 1),
        ):
            if _below(value, least):
                yield f"`delta: until: {word}` is {'more than 0' if word == 'seconds' else f'{least} or more'}"
        if self.tombstones is not None and bool(self.tombstones.column) == bool(self.tombstones.where):
            yield "`delta: deletes: tombstones` has either a `column` or a `where`"


def _below(value: object, least: float | timedelta) -> bool:
    """False for a `${...}` that only the run will know."""
    if isinstance(least, timedelta):
        return isinstance(value, timedelta) and value < least
    return isinstance(value, int | float) and value < least
