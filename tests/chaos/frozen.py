"""An owner that is frozen at a failpoint, succeeded by another, and thawed when it is too late."""

from __future__ import annotations

import os
import random
import signal
import threading
from typing import Any, Final

from changeover.cli.exit_codes import ExitCode
from changeover.engine import failpoints
from changeover.journal.fold import fold
from tests.chaos.children import CRASHED, Children
from tests.chaos.judging import ledger_of
from tests.chaos.templates import Copy, forgotten

_LEASE: Final = 0.6
_SECONDS: Final = 40.0


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
    """Freeze an owner somewhere, let another take the run when the lease is out (or by word before), and thaw the first."""
    dice = random.Random(seed)  # noqa: S311 - it has to repeat itself
    place, by_word = dice.randint(1, 60), dice.random() < 0.5

    def first() -> int:
        freeze_at(place)
        return copy.engine(lease_seconds=_LEASE)

    zombie = children.fork(first, copy.log)
    complaints: list[str] = []
    told: dict[str, Any] = {"kills": [], "place": place}
    if not children.until(lambda: children.stopped(zombie), _SECONDS):
        children.kill(zombie)
        return {**told, "frozen": False, **forgotten(copy, ["it was not frozen, and does not end"])}
    frozen = children.alive(zombie)
    with copy.journal() as journal:
        over = fold(copy.run, journal.events(copy.run)).state.final
    if frozen and not over:
        heir = _succeed(copy, children, by_word=by_word)
        if heir != ExitCode.FINE:
            complaints.append(f"its heir ended with {heir}: {copy.said()[-2000:]}")
    with copy.journal() as journal:
        before = (len(journal.events(copy.run)), ledger_of(copy.folder))
    children.signal(zombie, signal.SIGCONT)
    if not children.wait(zombie, seconds=_SECONDS):
        children.kill(zombie)
        complaints.append("it does not end when it is thawed")
    with copy.journal() as journal:
        after = (len(journal.events(copy.run)), ledger_of(copy.folder))
    code = children.status(zombie)
    if frozen and not over:
        if code != ExitCode.OWNERSHIP_LOST:
            complaints.append(f"thawed, it ended with {code}: {copy.said()[-2000:]}")
        if before != after:
            complaints.append(f"thawed, it acted: {before} became {after}")
    elif code != ExitCode.FINE:
        complaints.append(f"it ended with {code}")
    complaints += copy.judged()
    return {**told, "frozen": frozen and not over, **forgotten(copy, complaints)}


def _succeed(copy: Copy, children: Children, *, by_word: bool) -> int:
    """Let others try until one has the run and brings it to its end; its exit code."""
    for _ in range(200):
        changes = {"takeover": True, "who": "bela"} if by_word else {"who": "bela"}
        heir = children.fork(lambda changes=changes: copy.engine(**changes), copy.log)  # type: ignore[misc]
        if not children.wait(heir, seconds=_SECONDS):
            children.kill(heir)
            return CRASHED
        if children.status(heir) != ExitCode.OWNED:
            return children.status(heir)
        children.until(lambda: False, 0.05)
    return ExitCode.OWNED
