"""Many people at once while the engine dies: a hundred of the same word, and readers who never look away."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any, Final

from changeover.cli import main
from changeover.contracts import RunState
from changeover.engine.clock import SystemClock
from changeover.journal.events import Command, EventKind, Verb
from changeover.journal.fold import RunRecordState, fold
from changeover.journal.store import Journal
from changeover.status.read import StatusReader
from tests.chaos.children import Children
from tests.chaos.templates import Copy, forgotten

_SECONDS: Final = 40.0
_SENDERS: Final = 10
_TIMES: Final = 10
_READERS: Final = 3
#: What one word leads to, and when it is said.
_LEADS_TO: Final = {
    Verb.HOLD: EventKind.RUN_HELD,
    Verb.APPROVE: EventKind.DECISION_GIVEN,
    Verb.ABORT: EventKind.ABORT_REQUESTED,
    Verb.ROLLBACK: EventKind.ROLLBACK_REQUESTED,
}


def crowd(copy: Copy, children: Children, seed: int, verb: str) -> dict[str, Any]:
    """Say the same a hundred times from ten processes while engine after engine is killed: it has one effect."""
    said, dice = Verb(verb), random.Random(seed)  # noqa: S311 - it has to repeat itself
    command = Command(copy.run, said, "anna", "a hundred clicks", "one-click", "go" if said is Verb.APPROVE else "", "chaos")
    engine = children.fork(copy.engine, copy.log)
    _look_until(copy, children, lambda state: "go" in state.decisions if said is Verb.APPROVE else bool(state.steps))
    senders = [children.fork(lambda: _send(copy, command), copy.folder / "senders.log") for _ in range(_SENDERS)]
    kills = 0
    for _ in range(3):
        children.until(lambda: False, dice.uniform(0.0, 0.08))
        children.kill(engine)
        kills += children.status(engine) < 0
        engine = children.fork(copy.engine, copy.log)
    complaints: list[str] = []
    if not children.wait(*senders, seconds=_SECONDS) or any(children.status(sender) for sender in senders):
        complaints.append(f"not everybody could say it: {(copy.folder / 'senders.log').read_text(encoding='utf-8')[-2000:]}")
    _look_until(copy, children, lambda state: state.held or state.state.final or not children.alive(engine))
    with copy.journal() as journal:
        if fold(copy.run, journal.events(copy.run)).held:
            journal.request(Command(copy.run, Verb.RELEASE, "bela", "false alarm", "release", "", "chaos"))
    if not children.wait(engine, seconds=_SECONDS):
        children.kill(engine)
        complaints.append("the run comes to no end")
    if children.status(engine) < 0:
        complaints.append("the last engine was not to be killed")
    with copy.journal() as journal:
        late = bool(journal.commands(copy.run, unanswered=True))  # asked when everything was over
    if late:
        children.wait(children.fork(copy.engine, copy.log), seconds=_SECONDS)
    with copy.journal() as journal:
        events = journal.events(copy.run)
        records = [one for one in journal.commands(copy.run) if one.command.verb is said]
    effects = sum(event.kind is _LEADS_TO[said] for event in events)
    accepted = bool(records and records[0].accepted)
    if len(records) != 1 or effects != int(accepted):
        complaints.append(f"{len(records)} commands stand there, accepted: {accepted}, and it happened {effects} times")
    complaints += copy.judged()
    return {"kills": [verb] * kills, **forgotten(copy, complaints)}


def _send(copy: Copy, command: Command) -> int:
    for _ in range(_TIMES):
        with Journal.open(copy.url, clock=SystemClock(), create=False) as journal:
            journal.request(command)
    return 0


def readers(copy: Copy, children: Children, seed: int) -> dict[str, Any]:
    """Let readers look without a pause while engines are killed: they never fail, and no engine waits for them."""
    dice = random.Random(seed)  # noqa: S311 - it has to repeat itself
    looking = [children.fork(lambda n=n: _look(copy, n), copy.folder / f"reader-{n}.log") for n in range(_READERS)]  # type: ignore[misc]
    kills = 0
    for _ in range(4):
        engine = children.fork(copy.engine, copy.log)
        children.until(lambda engine=engine: not children.alive(engine), dice.uniform(0.05, 0.4))  # type: ignore[misc]
        children.kill(engine)
        kills += children.status(engine) < 0
    engine = children.fork(copy.engine, copy.log)
    complaints: list[str] = []
    if not children.wait(engine, seconds=_SECONDS):
        children.kill(engine)
        complaints.append("the run comes to no end")
    if not children.wait(*looking, seconds=_SECONDS):
        children.kill(*looking)
        complaints.append("the readers do not see the end")
    for number, reader in enumerate(looking):
        if children.status(reader):
            log = (copy.folder / f"reader-{number}.log").read_text(encoding="utf-8")
            complaints.append(f"a reader ended with {children.status(reader)}: {log[-2000:]}")
    if "no step starts until" in copy.said():
        complaints.append(f"an engine had to wait: {copy.said()[-1000:]}")
    complaints += copy.judged()
    return {"kills": ["read"] * kills, **forgotten(copy, complaints)}


def _look(copy: Copy, number: int) -> int:
    """Look until the run is over: as a status page does, and as the command line does."""
    os.chdir(copy.folder)
    os.environ["CHANGEOVER_JOURNAL"] = copy.url
    with copy.journal() as journal:
        reader = StatusReader(journal, copy.run, clock=SystemClock(), kinds=copy.kinds)
        last = 0
        for turn in range(10**6):
            status = reader.refresh()
            if status.seq < last:
                return 3
            last = status.seq
            if turn % 10 == number:
                code = main(["status", copy.run, *(["--json"] if number else [])]) or main(["events", copy.run])
                if code:
                    return code
            if RunState(status.state).final:
                return 0
    return 4


def _look_until(copy: Copy, children: Children, condition: Callable[[RunRecordState], object]) -> None:
    with copy.journal() as journal:
        children.until(lambda: bool(condition(fold(copy.run, journal.events(copy.run)))), _SECONDS)
