"""``adjust``: how fast a step may go while it runs, or that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from changeover.cli.asking import Wish, ask
from changeover.cli.commands import AsJson, FirstWord, Key, SecondWord, Wait, Who, Why
from changeover.contracts import Value
from changeover.errors import Mistake
from changeover.journal.adjustments import HOLD, ROWS_PER_SECOND, WORKERS, changes_of, words_of
from changeover.journal.events import Verb

if TYPE_CHECKING:
    from changeover.status.model import RunStatus


@dataclass(eq=False)
class Contradiction(Mistake):
    """Two options that cannot both be meant."""

    one: str
    other: str

    def __str__(self) -> str:
        return f"{self.one} and {self.other} cannot both be meant"

    @property
    def hint(self) -> str:
        return "say one of them"


@dataclass(eq=False)
class NothingToAdjust(Mistake):
    """No option says what is to change."""

    def __str__(self) -> str:
        return "say what is to change"

    @property
    def hint(self) -> str:
        return "--rows-per-second 5000, --no-limit, --workers 1, --hold or --release"


def adjust(
    first: FirstWord = "",
    second: SecondWord = "",
    *,
    rows_per_second: Annotated[
        float | None, typer.Option("--rows-per-second", help="No faster than this.", show_default=False)
    ] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="As fast as its runbook allows again.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", help="So many processes copy side by side.", show_default=False)
    ] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Stop between two blocks; everything finished is kept.")] = False,
    release: Annotated[bool, typer.Option("--release", help="Let it go on.")] = False,
    why: Why = "",
    who: Who = "",
    key: Key = "",
    wait: Wait = 5.0,
    as_json: AsJson = False,
) -> int:
    """Slow a running step down, hold it in the middle, or release it: a migration, between two blocks of rows.

    `hold RUN` lets no new step start, and what runs goes on; this holds the step itself. What is set stays set when the step is
    tried again or another engine takes the run. Without a step: the one that runs and can be adjusted.
    """
    if rows_per_second is not None and no_limit:
        raise Contradiction("--rows-per-second", "--no-limit")
    if hold and release:
        raise Contradiction("--hold", "--release")
    said: dict[str, object] = {}
    if rows_per_second is not None or no_limit:
        said[ROWS_PER_SECOND] = int(rows_per_second) if rows_per_second and rows_per_second.is_integer() else rows_per_second
    if workers is not None:
        said[WORKERS] = workers
    if hold or release:
        said[HOLD] = hold
    if not said:
        raise NothingToAdjust
    changes: dict[str, Value] = changes_of(said)
    wish = Wish(Verb.ADJUST, first, second, why, who, changes, wait, as_json, key=key)
    return ask(wish, means=lambda aim: f"{aim.step}: {words_of(changes)}", candidates=_running)


def _running(status: RunStatus) -> tuple[str, ...]:
    return tuple(step.key for step in status.running if step.kind in _ADJUSTABLE)


#: Kinds that look at it; of any other the engine says so when it is named.
_ADJUSTABLE = frozenset({"migrate"})
