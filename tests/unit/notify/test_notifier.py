from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any, cast

from changeover.engine.clock import SystemClock
from changeover.journal.errors import JournalUnavailable
from changeover.notify.correspondent import Correspondent
from changeover.notify.notifier import Notifier


class Busy:
    """A correspondent that needs some turns."""

    def __init__(self, turns: int = 3) -> None:
        self.turns = turns
        self.taken = threading.Event()

    def turn(self, *, last: bool = False) -> bool:
        self.taken.set()
        self.turns -= 1
        return self.turns <= 0


def notifier(make: Any, reports: list[str] | None = None) -> Notifier:
    told = reports if reports is not None else []
    return Notifier(make, clock=SystemClock(), report=lambda text, _: told.append(text), poll=0.01, recover=0.01)


def test_the_rest_is_told_before_it_stops() -> None:
    busy = Busy(10**9)
    chat = notifier(lambda _: cast("Correspondent", busy))
    chat.start()
    assert busy.taken.wait(5)
    busy.turns = 3
    assert chat.stop(5)


def test_it_gives_up_when_the_time_is_over_and_says_that_something_is_left() -> None:
    chat = notifier(lambda _: cast("Correspondent", Busy(10**9)))
    chat.start()
    assert not chat.stop(0.05)


def test_what_it_cannot_open_is_said_once_and_tried_again() -> None:
    attempts: list[int] = []
    reports: list[str] = []
    opened = threading.Event()

    def make(_stack: ExitStack) -> Correspondent:
        attempts.append(1)
        if len(attempts) < 4:
            raise JournalUnavailable("journal.db", "the disk is full")
        opened.set()
        return cast("Correspondent", Busy(1))

    chat = notifier(make, reports)
    chat.start()
    assert opened.wait(5)
    assert chat.stop(5)
    assert reports == ["chat: the journal journal.db cannot be used: the disk is full"]


def test_a_fault_of_chat_never_reaches_the_run() -> None:
    reports: list[str] = []

    def make(_stack: ExitStack) -> Correspondent:
        raise ZeroDivisionError

    chat = notifier(make, reports)
    chat.start()
    assert not chat.stop(0.1)
    assert len(reports) == 1
    assert "ZeroDivisionError" in reports[0]


def test_what_it_opened_is_closed() -> None:
    closed: list[int] = []

    def make(stack: ExitStack) -> Correspondent:
        stack.callback(closed.append, 1)
        return cast("Correspondent", Busy(1))

    chat = notifier(make)
    chat.start()
    chat.stop(5)
    assert closed == [1]
