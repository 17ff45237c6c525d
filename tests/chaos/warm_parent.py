"""Forks engines, lets them be killed, plays the people meanwhile, and goes on until each run is over.

A child is a real process that dies by SIGKILL; forking it from here saves the seconds of importing everything anew.
Orders come in as JSON lines, what became of each goes out as one: see `Order` and `run`. The argument is a folder.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from changeover.contracts import RunState
from changeover.engine import failpoints
from changeover.engine.clock import SystemClock
from changeover.engine.drive import drive, load_run
from changeover.engine.options import Options
from changeover.journal.events import Event
from changeover.journal.fold import RunRecordState, apply
from changeover.journal.store import Journal
from changeover.plan.model import Plan
from changeover.project import Project
from changeover.testing import Trial
from tests.chaos.cast import View
from tests.chaos.judging import judge, ledger_of, waits_for
from tests.chaos.nights import BY_NAME, Night

#: Seconds that one engine may take: a run that has come to no end by then is stuck.
PATIENCE: Final = 30.0
#: Engines that are killed at random after the ordered one, and that may follow undisturbed.
RANDOM_KILLS: Final = 2
LEFT_ALONE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_LOOK_EVERY: Final = 0.004
_CRASHED: Final = 70


@dataclass(frozen=True, slots=True)
class Order:
    """What to go through: the night, a seed, and where the first engine dies; without a point nothing is killed."""

    night: str
    seed: int
    point: str = ""
    list_points: bool = False  # say which failpoints an undisturbed run passes


@dataclass(slots=True)
class Watched:
    """A run as its people see it."""

    run: str
    plan: Plan
    state: RunRecordState
    events: list[Event] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def catch_up(self, journal: Journal) -> None:
        """Take in what is new."""
        for event in journal.events(self.run, after=self.state.seq):
            apply(self.state, event)
            self.events.append(event)


class Engines:
    """The children of this process: one engine at a time, and what its predecessors left in the air."""

    def __init__(self) -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.pid = 0
        self.status = 0

    def start(self, work: Callable[[], None], log: Path) -> None:
        """Fork one."""
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            work()
        except BaseException:  # noqa: BLE001 - it is written down, whatever it is
            traceback.print_exc()
            os._exit(_CRASHED)
        os._exit(0)

    @property
    def alive(self) -> bool:
        """Whether the engine is."""
        self._reap()
        return self.pid != 0

    @property
    def in_the_air(self) -> bool:
        """Whether a child of an engine that died is still at work."""
        self._reap()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        return any(int(child) != self.pid for child in children)

    def kill(self) -> None:
        """End the engine with -9."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        while self.alive:
            time.sleep(_LOOK_EVERY / 4)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.pid = 0
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.pid, self.status = 0, status


class Template:
    """A night's project with its run created, copied for each time that the night is gone through."""

    def __init__(self, night: Night, folder: Path) -> None:
        self.night = night
        self.folder = folder
        self.trial = Trial(folder, night.runbook, files=night.files)
        for name, text in night.files.items():  # the project's kinds have to be there before they are loaded
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        self.trial.create()
        if night.changed:
            (folder / "runbooks" / "trial.yaml").write_text(f"{night.runbook}# edited\n", encoding="utf-8")
        self.kinds = Project(folder).load_kinds()

    def copied_to(self, folder: Path) -> str:
        """The address of the journal of a fresh copy."""
        shutil.copytree(self.folder, folder)
        return f"sqlite:///{folder / 'journal.db'}"


class Chaos:
    """Goes through nights."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engines = Engines()
        self.number = 0
        self._templates: dict[str, Template] = {}

    def template(self, night: str) -> Template:
        """The night's project, made once."""
        if night not in self._templates:
            self._templates[night] = Template(BY_NAME[night], self.folder / f"template-{night}")
        return self._templates[night]

    def run(self, order: Order) -> dict[str, Any]:
        """Go through a night once, to its end; what became of it."""
        self.number += 1
        folder = self.folder / f"{order.night}-{self.number}"
        template = self.template(order.night)
        passage = Passage(template, folder, template.copied_to(folder), self.engines, order.seed)
        began = time.monotonic()
        complaints = passage.go_through(order)
        told: dict[str, Any] = {
            "night": order.night,
            "seed": order.seed,
            "point": order.point,
            "kills": passage.kills,
            "state": passage.ended_as,
            "complaints": complaints,
            "seconds": round(time.monotonic() - began, 3),
        }
        if order.list_points:
            told["points"] = (folder / "points").read_text(encoding="utf-8").split()
        if complaints:
            told["folder"] = str(folder)
        else:
            shutil.rmtree(folder)
        return told


class Passage:
    """One run of one night."""

    def __init__(self, template: Template, folder: Path, url: str, engines: Engines, seed: int) -> None:
        self.template = template
        self.night = template.night
        self.folder = folder
        self.url = url
        self.engines = engines
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311 - it has to repeat itself
        self.kills: list[str] = []
        self.ended_as = ""
        self._watched: dict[str, Watched] = {}

    def go_through(self, order: Order) -> list[str]:
        """Let engine after engine drive it until it is over; everything that is wrong then."""
        disturbed = [order.point] + [""] * RANDOM_KILLS if order.point else []
        for number in range(len(disturbed) + LEFT_ALONE):
            point, after = disturbed[number] if number < len(disturbed) else "", None
            if number < len(disturbed) and not point:
                point, after = self._chance()
            trouble = self._incarnation(point, after, list_points=order.list_points)
            if trouble:
                return [trouble]
            if self._over():
                break
        while self.engines.in_the_air:
            time.sleep(_LOOK_EVERY)
        return self._judged()

    def _chance(self) -> tuple[str, float | None]:
        """Where the next engine dies: at a failpoint, after a moment, or not at all."""
        which = self.dice.random()
        if which < 0.6:
            return f"*:{self.dice.randint(1, 40)}", None
        return "", self.dice.uniform(0.0, 0.25) if which < 0.95 else None

    def _incarnation(self, point: str, after: float | None, *, list_points: bool) -> str:
        """Drive in a process of its own, with the people beside it; why nothing can go on, if so."""
        self.engines.start(lambda: self._engine(point, list_points=list_points), self.folder / "engine.log")
        until, dies = time.monotonic() + PATIENCE, None if after is None else time.monotonic() + after
        with Journal.open(self.url, clock=SystemClock(), create=False) as journal:
            while self.engines.alive:
                self._people(journal)
                time.sleep(_LOOK_EVERY)
                if dies is not None and time.monotonic() > dies:
                    self.engines.kill()
                if time.monotonic() > until:
                    self.engines.kill()
                    watched = self._watch(journal)[0]
                    watched.catch_up(journal)
                    return f"stuck: {waits_for(watched.plan, watched.state)}"
            if self.dice.random() < 0.5:
                self._people(journal)  # they speak to a journal that nobody owns
        if os.WIFSIGNALED(self.engines.status):
            self.kills.append(point or f"after {after} s")
            return ""
        if os.WEXITSTATUS(self.engines.status) == _CRASHED:
            return f"the engine crashed: {(self.folder / 'engine.log').read_text(encoding='utf-8')[-3000:]}"
        return ""

    def _engine(self, point: str, *, list_points: bool) -> None:
        """In the child."""
        failpoints.arm(point)
        if list_points:
            handle = os.open(self.folder / "points", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            failpoints.listen(lambda name: _note(handle, name))
        options = Options(
            engine="local",
            root=self.folder,
            tell=lambda line: _note(1, line),
            stop_grace=2,
            quiesce_grace=1,
            accept_change="anna",
        )
        drive(self.url, self.template.trial.run_id, options)

    def _people(self, journal: Journal) -> None:
        """Let everybody look, and say what they have to say."""
        if not self.night.cast:
            return
        for watched in self._watch(journal):
            watched.catch_up(journal)
            ledger = [line.split()[0] for line in ledger_of(self.folder)]
            in_the_air = self.engines.in_the_air
            view = View(watched.run, watched.state, watched.events, watched.plan, ledger, in_the_air, self.seed)
            if watched.state.state.final:
                continue
            for person in self.night.cast:
                for command in list(person.words(view)):
                    if command.key in watched.said:
                        continue
                    watched.said.add(command.key)
                    for _ in range(self.dice.choice((1, 1, 1, 3))):  # who is nervous presses thrice
                        journal.request(command)

    def _watch(self, journal: Journal) -> list[Watched]:
        for record in journal.runs() if self.night.more or not self._watched else ():
            if record.id not in self._watched:
                _, plan = load_run(journal.run(record.id), self.template.kinds, self.folder)
                self._watched[record.id] = Watched(record.id, plan, RunRecordState(record.id))
        return list(self._watched.values())

    def _over(self) -> bool:
        """Whether the run is, and everybody has an answer."""
        with Journal.open(self.url, clock=SystemClock(), create=False) as journal:
            watched = next(one for one in self._watch(journal) if one.run == self.template.trial.run_id)
            watched.catch_up(journal)
            return watched.state.state.final and not journal.commands(watched.run, unanswered=True)

    def _judged(self) -> list[str]:
        with Journal.open(self.url, clock=SystemClock(), create=False) as journal:
            found: list[str] = []
            for watched in self._watch(journal):
                watched.catch_up(journal)
                found += [f"{watched.run}: {text}" for text in judge(journal, watched.run, watched.plan, self.folder)]
                if watched.run == self.template.trial.run_id:
                    self.ended_as = watched.state.state.value
                    if RunState(self.ended_as) not in self.night.ends:
                        found.append(f"it ended as {self.ended_as}: {waits_for(watched.plan, watched.state)}")
        return found


def _note(handle: int, line: str) -> None:
    """Write *line* at once: this process may be killed at any moment."""
    os.write(handle, f"{line}\n".encode())


def orders() -> Iterator[Order]:
    """What is asked for, until nobody asks any more."""
    for line in sys.stdin:
        yield Order(**json.loads(line))


@contextmanager
def warmed(folder: Path) -> Iterator[Chaos]:
    """With everything imported that an engine imports when it needs it: a child would do it again and again."""
    chaos = Chaos(folder)
    template = chaos.template("forward")
    copy = folder / "warm"
    url = template.copied_to(copy)

    def work() -> None:
        drive(url, template.trial.run_id, Options(engine="local", root=copy, tell=lambda _: None))
        (copy / "modules").write_text("\n".join(sys.modules), encoding="utf-8")

    chaos.engines.start(work, copy / "engine.log")
    while chaos.engines.alive:
        time.sleep(_LOOK_EVERY)
    for name in (copy / "modules").read_text(encoding="utf-8").split():
        if name.startswith(("changeover.", "sqlalchemy.")):
            __import__(name)
    yield chaos


def main() -> None:
    """Take orders from standard input."""
    with warmed(Path(sys.argv[1])) as chaos:
        for order in orders():
            sys.stdout.write(json.dumps(chaos.run(order)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
