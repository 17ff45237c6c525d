"""Where a step's coroutine runs: bare, or as a task of Prefect. Neither decides anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from changeover.engine.endings import Outcome
from changeover.plan.model import PlannedStep


class Executor(Protocol):
    """Runs the work of one attempt exactly once, and does not change what it comes to."""

    async def perform(self, planned: PlannedStep, work: Callable[[], Awaitable[Outcome]]) -> None:
        """Run *work* and wait for it."""
        ...


class LocalExecutor:
    """Runs it here."""

    async def perform(self, planned: PlannedStep, work: Callable[[], Awaitable[Outcome]]) -> None:  # noqa: ARG002
        """Run *work* and wait for it."""
        await work()
