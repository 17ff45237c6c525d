"""Forked children of this process, and what they leave behind: whatever outlives an engine is handed to us, and counted."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_EVERY: Final = 0.002
#: How a child ends whose work raised something.
CRASHED: Final = 70


class Children:
    """The children of this process, which has to have one thread only."""

    def __init__(self) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.known: set[int] = set()
        self._ended: dict[int, int] = {}
        self._stopped: set[int] = set()

    def fork(self, work: Callable[[], int | None], log: Path) -> int:
        """Start *work* in a process of its own; what it returns is its exit status, what it says stands in *log*."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self.watch(pid)
            return pid
        status = CRASHED
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            status = work() or 0
        except BaseException:  # noqa: BLE001 - it is written down, whatever it is
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def watch(self, pid: int) -> None:
        """Count a new child as one of ours, whoever had its number before: numbers come again within minutes."""
        self.known.add(pid)
        self._ended.pop(pid, None)
        self._stopped.discard(pid)

    def alive(self, pid: int) -> bool:
        """Whether it is."""
        self._reap()
        return pid not in self._ended

    def stopped(self, pid: int) -> bool:
        """Whether it was frozen since it was asked last, or has ended."""
        self._reap()
        return pid in self._stopped or pid in self._ended

    def status(self, pid: int) -> int:
        """How it ended: its exit status, or the number of the signal that killed it with a minus."""
        return os.waitstatus_to_exitcode(self._ended[pid])

    def wait(self, *pids: int, seconds: float) -> bool:
        """Wait until all have ended; whether they have."""
        return self.until(lambda: not any(self.alive(pid) for pid in pids), seconds)

    @staticmethod
    def until(condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for *condition*; whether it came."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send it, if it is still there."""
        if self.alive(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if number is signal.SIGCONT:
            self._stopped.discard(pid)

    def kill(self, *pids: int) -> None:
        """End them with -9, and wait for that."""
        for pid in pids:
            self.signal(pid, signal.SIGKILL)
        self.wait(*pids, seconds=10)

    @property
    def in_the_air(self) -> bool:
        """Whether something that an engine has left is still at work."""
        self._reap()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        return any(int(child) not in self.known for child in children)

    def land(self, seconds: float = 20.0) -> bool:
        """Wait until nothing is in the air; whether nothing is."""
        return self.until(lambda: not self.in_the_air, seconds)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._stopped.add(pid)
            else:
                self.known.discard(pid)
                self._ended[pid] = status
