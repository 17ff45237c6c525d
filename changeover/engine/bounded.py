"""Blocking work that is no attempt of its own (a question, a probe, a proof): it never lasts longer than its author expects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from changeover.engine.context import AttemptContext
from changeover.engine.endings import Cause
from changeover.engine.runtime import Runtime
from changeover.engine.threads import first_of, in_thread
from changeover.errors import TimedOut

T = TypeVar("T")

#: Seconds between being asked to stop and being given up.
_GRACE: Final = 5.0


async def bounded(runtime: Runtime, context: AttemptContext, work: Callable[[], T], *, what: str, seconds: float | None) -> T:
    """The result of *work*, on a thread; *context* is told to stop after *seconds*. Raises what it raises, or TimedOut."""
    thread = in_thread(work, name=f"{what}-{context.step}")
    if seconds is None:
        return await thread
    expired: asyncio.Future[None] = runtime.loop.create_future()
    why = f"{Cause.TIMEOUT.value}: the {what} did not end within {seconds:g} s"
    timers = [
        runtime.timers.after(seconds, lambda: context.stop.request(why)),
        runtime.timers.after(seconds + _GRACE, lambda: expired.set_result(None)),
    ]
    try:
        await first_of(thread, expired)
    finally:
        for timer in timers:
            timer.cancel()
    if not thread.done():
        raise TimedOut(f"the {what} of {context.step}", seconds)
    return thread.result()
