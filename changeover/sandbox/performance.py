"""A run of the shipped runbook with an audience: the engine is one process, the people are others, we only look on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from changeover.errors import Setback
from changeover.journal.events import Event
from changeover.journal.fold import fold
from changeover.journal.store import Journal
from changeover.sandbox import cast
from changeover.sandbox.cast import Act
from changeover.sandbox.faults import Fault
from changeover.sandbox.hosts import COOKIE

RUNBOOK: Final = Path("runbooks/telecom-crm.yaml")
ENVIRONMENT: Final = "sandbox"
TICKET: Final = "CHG-4711"

_PROGRAM: Final = (sys.executable, "-c", "from changeover.cli import main; raise SystemExit(main())")
_LOOK_EVERY: Final = 0.15
_STOPS_WITHIN: Final = 15.0
_COMMAND_WITHIN: Final = 60.0
#: So many seconds without any event mean that nobody in the script knows what to do.
_SILENCE: Final = 120.0


@dataclass(eq=False)
class NothingHappens(Setback):
    """The run waits for something that is not in the script."""

    run: str
    seconds: float
    log: Path

    def __str__(self) -> str:
        return f"nothing has happened in {self.run} for {self.seconds:.0f} s; the demonstration gave up"

    @property
    def hint(self) -> str:
        return f"see `changeover status {self.run}`; the engine's words are in {self.log}"


class Audience(Protocol):
    """Whoever is shown what happens."""

    def begins(self, run: str) -> None:
        """The run has a name now."""
        ...

    def sees(self, event: Event) -> None:
        """Something stands in the journal."""
        ...

    def types(self, act: Act, words: Sequence[str]) -> None:
        """A person types a command."""
        ...

    def refuses(self, act: Act, answer: str) -> None:
        """The program did not do what a person wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the performance takes place."""

    root: Path  # the project
    sandbox: Path  # its sandbox's folder
    journal: Journal
    fault: Fault | None = None

    @property
    def log(self) -> Path:
        """What the engine's process says."""
        return self.sandbox.parent / "demo.log"

    def environment(self) -> Mapping[str, str]:
        """For the engine and the people: the sandbox's own chat, and the mark by which `sandbox stop` finds them."""
        own = {name: value for name, value in os.environ.items() if name != "CHANGEOVER_WHO"}
        return {**own, COOKIE: str(self.sandbox), "SLACK_BOT_TOKEN": "xoxb-sandbox"}


@dataclass(frozen=True, slots=True)
class Performed:
    """How it ended."""

    run: str
    exit: int


def perform(stage: Stage, audience: Audience) -> Performed:
    """Rehearse the runbook to its end. Raises NothingHappens; whatever is raised, the engine has ended then."""
    known = {run.id for run in stage.journal.runs()}
    alone = all(fold(run, stage.journal.events(run)).state.final for run in known)
    with _engine(stage) as engine, ThreadPoolExecutor(max_workers=1) as hands:
        run = _named(stage, engine, known)
        if not run:
            return Performed("", engine.wait())
        audience.begins(run)
        _follow(stage, run, engine, _People(stage, audience, hands, "" if alone else run))
        return Performed(run, engine.wait())


def command(stage: Stage, words: Sequence[str]) -> tuple[int, str]:
    """Type a command, as a person at another terminal would: its exit code and all it says."""
    completed = subprocess.run(
        [*_PROGRAM, *words],
        cwd=stage.root,
        env=dict(stage.environment()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_COMMAND_WITHIN,
        check=False,
    )
    return completed.returncode, (completed.stdout + completed.stderr).strip()


@contextmanager
def _engine(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """The engine's process; it has ended when this returns. Ctrl-C reaches only us: it is told to stop in order."""
    words = ("rehearse", RUNBOOK, "--environment", ENVIRONMENT, "--set", f"ticket={TICKET}", "--who", "zsofia", "--lines")
    with stage.log.open("wb") as log:
        engine = subprocess.Popen(
            [*_PROGRAM, *map(str, words)],
            cwd=stage.root,
            env=dict(stage.environment()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield engine
    finally:
        if engine.poll() is None:
            engine.send_signal(signal.SIGTERM)
            try:
                engine.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                engine.kill()
                engine.wait()


def _named(stage: Stage, engine: subprocess.Popen[bytes], known: set[str]) -> str:
    """The new run's id; empty when the engine ended without making one."""
    while True:
        ended = engine.poll() is not None
        new = [run.id for run in stage.journal.runs() if run.id not in known]
        if new or ended:
            return new[0] if new else ""
        time.sleep(_LOOK_EVERY)


def _follow(stage: Stage, run: str, engine: subprocess.Popen[bytes], people: _People) -> None:
    """Show every event, and let people react, until the engine has ended."""
    seen, heard = 0, time.monotonic()
    while True:
        ended = engine.poll() is not None
        for event in stage.journal.events(run, after=seen):
            seen, heard = event.seq, time.monotonic()
            people.audience.sees(event)
            people.see(event)
        people.act()
        if ended:
            return
        silent = time.monotonic() - heard
        if silent > _SILENCE:
            raise NothingHappens(run, silent, stage.log)
        time.sleep(_LOOK_EVERY)


@dataclass(slots=True)
class _People:
    """They act one after the other, each a moment after being asked."""

    stage: Stage
    audience: Audience
    hands: ThreadPoolExecutor
    run: str  # typed in each command; empty: only one run can be meant
    waiting: deque[tuple[float, Act]] = field(default_factory=deque)
    typing: tuple[Act, Future[tuple[int, str]]] | None = None

    def see(self, event: Event) -> None:
        """Somebody may have to do something about *event*."""
        due = time.monotonic() + cast.MOMENT
        self.waiting.extend((due, act) for act in cast.reactions(event, self.stage.fault))

    def act(self) -> None:
        """Begin the next command when its moment has come and the one before has been answered."""
        if self.typing is not None:
            act, answer = self.typing
            if not answer.done():
                return
            self.typing = None
            code, said = answer.result()
            if code != 0:
                self.audience.refuses(act, said)
        if self.waiting and self.waiting[0][0] <= time.monotonic():
            _, act = self.waiting.popleft()
            words = cast.command_line(act, self.run)
            self.audience.types(act, words)
            self.typing = act, self.hands.submit(command, self.stage, words)
