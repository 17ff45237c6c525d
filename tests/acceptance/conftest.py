"""A copy of the project in a folder of its own, with a sandbox that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from changeover.engine.clock import SystemClock
from changeover.journal.events import Command, Event, EventKind, Verb
from changeover.journal.fold import RunRecordState, fold
from changeover.journal.store import Journal
from changeover.sandbox import cast, lifecycle
from changeover.sandbox.databases import Choice
from changeover.sandbox.faults import Fault
from changeover.sandbox.state import State

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-c", "from changeover.cli import main; raise SystemExit(main())")
REHEARSE = (
    "rehearse",
    "runbooks/telecom-crm.yaml",
    "--environment",
    "sandbox",
    "--set",
    "ticket=CHG-4711",
    "--who",
    "zsofia",
    "--lines",
)


@dataclass(slots=True)
class Project:
    """A copy of the project."""

    root: Path
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def sandbox(self) -> Path:
        return self.root / ".changeover" / "sandbox"

    def start_sandbox(self, *, customers: int = 300, fault: Fault | None = None, installed: bool = True) -> State:
        self.sandbox.parent.mkdir(mode=0o700, exist_ok=True)
        return lifecycle.start(
            self.sandbox, customers=customers, fault=fault, choice=Choice(installed=installed), say=lambda _: None
        )

    def run(self, *words: str, timeout: float = 110) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for its end."""
        return subprocess.run(
            [*PROGRAM, *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """Type a command and let it run."""
        with (self.root / "begun.log").open("ab") as log:
            child = subprocess.Popen(
                [*PROGRAM, *words], cwd=self.root, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.children.append(child)
        return child

    @property
    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CHANGEOVER_", "SLACK_", "PREFECT_"))}
        return {**own, "COLUMNS": "200"}

    @property
    def log(self) -> str:
        file = self.root / "begun.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def journal(self) -> Journal:
        return Journal.open(f"sqlite:///{self.root / '.changeover' / 'journal.db'}", clock=SystemClock())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    for name in ("runbooks", "checks", "rollback"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "orchestrate.py", tmp_path)
    made = Project(tmp_path)
    yield made
    for child in made.children:
        if child.poll() is None:
            child.kill()
        child.wait()
    lifecycle.stop(made.sandbox)


@dataclass(slots=True)
class Night:
    """A run that goes on in another process, and people who answer at once unless they are told to leave it."""

    project: Project
    journal: Journal
    run: str = ""
    leave: frozenset[str] = frozenset()  # questions that nobody answers
    seen: list[Event] = field(default_factory=list)

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """Start an engine; the run is known when this returns."""
        engine = self.project.begin(*words)
        deadline = time.monotonic() + 60
        while not self.run:
            runs = self.journal.runs()
            self.run = runs[0].id if runs else ""
            assert time.monotonic() < deadline, self.project.log
            assert engine.poll() is None, self.project.log
            time.sleep(0.05)
        return engine

    def until(self, so: Callable[[list[Event]], bool], *, seconds: float = 100, every: float = 0.05) -> None:
        """Look on, and answer, until it is so."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.journal.events(self.run, after=len(self.seen)):
                self.seen.append(event)
                self._answer(event)
            if so(self.seen):
                return
            assert time.monotonic() < deadline, f"not so in time; the last: {self.seen[-1:]}\n{self.project.log}"
            time.sleep(every)

    def to_the_end(self, engine: subprocess.Popen[bytes]) -> int:
        """Look on until the engine has ended; its exit code."""
        self.until(lambda _: engine.poll() is not None)
        self.until(lambda _: True)
        return engine.returncode

    def _answer(self, event: Event) -> None:
        if event.kind is not EventKind.DECISION_ASKED or event.step in self.leave:
            return
        for act in cast.reactions(event, None):
            verb = Verb.DONE if act.words[0] == "done" else Verb.APPROVE
            typed = str(event.data.get("typed", ""))
            data = {"evidence": "seen", **({"typed": typed} if typed else {})}
            self.journal.request(Command(self.run, verb, act.who, "all well", f"{event.seq}-{act.who}", event.step, data=data))

    @property
    def state(self) -> RunRecordState:
        return fold(self.run, self.journal.events(self.run))

    def started(self, step: str) -> int:
        """How many times *step* has begun."""
        return sum(event.kind is EventKind.STEP_STARTED and event.step == step for event in self.seen)


@pytest.fixture
def night(project: Project) -> Iterator[Night]:
    (project.root / ".changeover").mkdir(mode=0o700, exist_ok=True)
    with project.journal() as journal:
        yield Night(project, journal)
