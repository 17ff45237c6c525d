"""An owner that is frozen at a failpoint, succeeded by another, and thawed when it is too late."""

from __future__ import annotations

import os
import random
import signal
import threading
from functools import partial
from typing import Any, Final

from changeover.cli.exit_codes import ExitCode
from changeover.engine import failpoints
from changeover.journal.fold import fold
from tests.chaos.children import Children
from tests.chaos.judging import ledger_of
from tests.chaos.templates import Copy, forgotten

_LEASE: Final = 0.6
_SECONDS: Final = 40.0
_BLOCKED: Final = "another process has been writing to it all the time"


def freeze_at(number: int) -> None:
    """In the engine: stop this process, all its threads, when the *number*-th failpoint is passed."""
    left = [number]
    lock = threading.Lock()

    def passed(_name: str) -> None:
        with lock:
            left[0] -= 1
            stop = left[0] == 0
        if stop:
            os.kill(os.getpid(), signal.SIGSTOP)

    failpoints.listen(passed)


def freeze(copy: Copy, children: Children, seed: int) -> dict[str, Any]:
    """Freeze an owner somewhere, let another take the run when the lease is out (or by word before), and thaw the first.

    It is thawed when its heir has ended the run, or while the heir is at work. Frozen in the middle of a transaction on
    SQLite it keeps everybody from writing: then nobody can take the run, they are told why, and it goes on when thawed.
    """
    dice = random.Random(seed)  # noqa: S311 - it has to repeat itself
    place, by_word, early = dice.randint(1, 60), dice.random() < 0.5, dice.random() < 0.5

    def first() -> int:
        freeze_at(place)
        return copy.engine(lease_seconds=_LEASE)

    zombie = children.fork(first, copy.log)
    told: dict[str, Any] = {"kills": [], "place": place, "early": early}
    if not children.until(lambda: children.stopped(zombie), _SECONDS):
        children.kill(zombie)
        return {**told, "frozen": False, **forgotten(copy, ["it was not frozen, and does not end"])}
    if not children.alive(zombie) or _is_over(copy):
        children.signal(zombie, signal.SIGCONT)
        children.wait(zombie, seconds=_SECONDS)
        ended = children.status(zombie)
        return {**told, "frozen": False, **forgotten(copy, copy.judged() if not ended else [f"it ended with {ended}"])}
    heir = _heir(copy, children, {"takeover": True, "who": "bela"} if by_word else {"who": "bela"}, early=early)
    early = children.alive(heir)  # or frozen with the target's door in its hand, and its heir waits for that
    before = _seen(copy)
    children.signal(zombie, signal.SIGCONT)
    complaints: list[str] = []
    if not children.wait(zombie, heir, seconds=_SECONDS):
        children.kill(zombie, heir)
        complaints.append("they do not end")
    codes = (children.status(zombie), children.status(heir))
    blocked = codes == (ExitCode.FINE, ExitCode.JOURNAL_UNAVAILABLE) and _BLOCKED in copy.said()
    if not blocked:
        if codes != (ExitCode.OWNERSHIP_LOST, ExitCode.FINE):
            complaints.append(f"it and its heir ended with {codes}: {copy.said()[-2000:]}")
        if not early and before != _seen(copy):
            complaints.append(f"thawed, it acted: {before} became {_seen(copy)}")
    return {**told, "frozen": not blocked, **forgotten(copy, complaints + copy.judged())}


def _heir(copy: Copy, children: Children, changes: dict[str, Any], *, early: bool) -> int:
    """Let others try until one has the run; when it has begun (*early*), or ended."""
    epoch, work = _seen(copy)[0], partial(copy.engine, **changes)
    while True:
        heir = children.fork(work, copy.log)
        children.until(partial(_has_begun, copy, children, heir, epoch if early else -1), _SECONDS)
        if children.alive(heir) or children.status(heir) != ExitCode.OWNED:
            return heir
        children.until(lambda: False, 0.05)


def _seen(copy: Copy) -> tuple[int, int, list[str]]:
    """The last epoch that wrote, how many events there are, and what the target saw."""
    with copy.journal() as journal:
        events = journal.events(copy.run)
    return max(event.epoch for event in events), len(events), ledger_of(copy.folder)


def _is_over(copy: Copy) -> bool:
    with copy.journal() as journal:
        return fold(copy.run, journal.events(copy.run)).state.final


def _has_begun(copy: Copy, children: Children, heir: int, after: int) -> bool:
    """Whether *heir* has written something, where *after* is the last epoch before; or, without one, has ended."""
    return not children.alive(heir) or (after >= 0 and _seen(copy)[0] > after)
