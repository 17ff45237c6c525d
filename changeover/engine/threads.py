"""Blocking code on daemon threads: a step that hangs for ever can never keep the engine from ending."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final, TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """Start *work* on a thread of its own; the future has its result, or the error it raised."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def body() -> None:
        threading.current_thread().name = name
        try:
            result = context.run(work)
        except BaseException as error:  # noqa: BLE001 - it is handed on, whatever it is
            _tell(loop, future, None, error)
        else:
            _tell(loop, future, result, None)

    _hand_to_a_thread(body)
    return future


#: Seconds that a thread without work stays: starting one costs as much as a small step.
_IDLE_SECONDS: Final = 5.0
_Lane = queue.SimpleQueue[Callable[[], None]]
_idle: Final[list[_Lane]] = []
_idle_lock: Final = threading.Lock()


def _hand_to_a_thread(body: Callable[[], None]) -> None:
    """To one that is idle, or to a new one: never behind other work, which may hang."""
    with _idle_lock:
        lane = _idle.pop() if _idle else None
    if lane is None:
        lane = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(lane,), name="idle", daemon=True).start()
    lane.put(body)


def _serve(lane: _Lane) -> None:
    while True:
        try:
            body = lane.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            with _idle_lock:
                if lane not in _idle:  # somebody took it just now: its work is on the way
                    continue
                _idle.remove(lane)
            return
        body()
        threading.current_thread().name = "idle"
        with _idle_lock:
            _idle.append(lane)


async def first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of *futures* is done, whatever it comes to."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


class Worker:
    """One thread that does one thing after another, in the order asked for."""

    def __init__(self, name: str) -> None:
        self._jobs: Final[queue.SimpleQueue[Callable[[], None] | None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, work: Callable[[], T]) -> T:
        """Do *work* after all that was asked for before; give its result, or raise its error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is handed on, whatever it is
                _tell(loop, future, None, error)
            else:
                _tell(loop, future, result, None)

        self._jobs.put(job)
        return await future

    def close(self) -> None:
        """End the thread after what it has been asked for."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, Exception):
            future.set_exception(error)
        else:  # SystemExit or KeyboardInterrupt of a step's code must not end the engine
            future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
