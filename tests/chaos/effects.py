"""Step kinds whose effects are counted: a line in a file opened for appending is the truth.

It stands in a trial's `kinds/`, as a team's own kinds do. Its target knows the fence: who has raised it to an attempt
refuses that attempt and every one before, also from an engine that was frozen in the middle.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from changeover.contracts import Context, Found, OnUnknown, Probe, Result, key, step_kind
from changeover.errors import Setback, Unclear


@dataclass(eq=False)
class Failed(Setback):
    """It did not work, as it was told."""

    why: str

    def __str__(self) -> str:
        return self.why


class Target:
    """Where effects happen."""

    def __init__(self, folder: Path) -> None:
        self._ledger = folder / "ledger"
        self._fences = folder / "fences"

    def act(self, step: str, attempt: int) -> None:
        """Have the effect. Raises Failed when the fence stands in the way."""
        with self._alone():
            if attempt <= self._fence(step):
                raise Failed(f"attempt {attempt} was fenced off")
            handle = os.open(self._ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(handle, f"{step} {attempt}\n".encode())
            os.close(handle)

    def seen(self, step: str, attempt: int) -> bool:
        """Let *attempt* come too late from now on; whether the effect is there."""
        with self._alone():
            if attempt > self._fence(step):
                self._fences.mkdir(exist_ok=True)
                (self._fences / step).write_text(str(attempt))
            lines = self._ledger.read_text().split("\n")[:-1] if self._ledger.exists() else []
            return any(line.split()[0] == step for line in lines)

    def _fence(self, step: str) -> int:
        file = self._fences / step
        return int(file.read_text() or 0) if file.exists() else 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self._ledger.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


@step_kind("effect", shorthand="text")
@dataclass(frozen=True, slots=True)
class Effect:
    """An effect that happens once."""

    text: str = key("what", default="")
    fails: int = key("how many attempts fail without an effect", default=0)
    breaks: int = key("how many attempts fail after their effect", default=0)
    unclear: int = key("how many attempts end without an answer, after their effect", default=0)
    takes: float = key("seconds that it takes", default=0.0)
    blind: bool = key("whether only a person can see what happened", default=False)

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.ASK if self.blind else OnUnknown.PROBE

    @property
    def adjustable(self) -> frozenset[str]:
        return frozenset({"rows_per_second"})

    def run(self, context: Context) -> Result:
        if context.attempt <= self.fails:
            raise Failed("it failed, and nothing happened")
        if self.takes:
            context.sleep(self.takes)
        context.progress(1, 1, "effects")
        Target(context.folder).act(context.step, context.attempt)
        if context.attempt <= self.breaks:
            raise Failed("it failed, and something happened")
        if context.attempt <= self.unclear:
            raise Unclear("the connection died")
        return Result("done", {"n": 7})

    def dry_run(self, context: Context) -> Result:
        return Result("would")

    def probe(self, context: Context) -> Probe:
        if self.blind:
            return Probe(Found.CANNOT_TELL, "nothing can be seen from here")
        done = Target(context.folder).seen(context.step, context.attempt)
        return Probe(Found.DONE if done else Found.CLEAN, "looked into the ledger", {"n": 7})


@step_kind("twice", shorthand="text")
@dataclass(frozen=True, slots=True)
class Twice:
    """An effect that may happen twice."""

    text: str = key("what", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:
        Target(context.folder).act(context.step, context.attempt)
        return Result("done")

    def dry_run(self, context: Context) -> Result:
        return Result("would")
