"""For tests of runbooks, checks and step kinds: a clock to set, a journal to throw away, a context without an engine."""

from __future__ import annotations

import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from changeover.contracts import Clock, Database, Host, Kind, Mode, Result, StepKind, Value
from changeover.engine.clock import SystemClock
from changeover.engine.create import create_run
from changeover.engine.drive import drive
from changeover.engine.options import Ended, Options
from changeover.errors import Mistake, Stopped
from changeover.journal.events import Command, CommandRecord, Event, EventKind, Verb
from changeover.journal.fold import RunRecordState, fold
from changeover.journal.store import Journal
from changeover.plan.graph import build_plan
from changeover.project import Project
from changeover.runbook.load import load

T = TypeVar("T")

#: When a FakeClock starts, unless told otherwise: the evening of a cutover.
EVENING = datetime(2027, 3, 13, 18, 0, tzinfo=UTC)


@dataclass(eq=False)
class NotFaked(Mistake):
    """The code under test asked its context for something that the test did not give."""

    what: str

    def __str__(self) -> str:
        return f"the test gave no {self.what}"


class FakeClock:
    """A clock that stands still until it is moved. Sleeping moves it, and takes no time. Thread-safe."""

    def __init__(self, now: datetime = EVENING) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time of day it was set to."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds that have passed on it."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the time of day forward or back, as an administrator would: no time passes."""
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let *seconds* pass, unless *event* is set already; whether it is."""
        if event.is_set():
            return True
        self.advance(max(0.0, seconds))
        return event.is_set()


@contextmanager
def temporary_journal(clock: Clock | None = None) -> Iterator[Journal]:
    """A journal of its own in a folder that is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="changeover-") as folder:
        url = f"sqlite:///{Path(folder) / 'journal.db'}"
        with Journal.open(url, clock=clock or FakeClock()) as journal:
            yield journal


@dataclass(slots=True)
class FakeContext:
    """A context without an engine: give it what the code under test asks for, and look at what it said.

    Attributes:
        adjustments: what ``context.adjusted()`` answers.
        rehearsal: what ``context.rehearsed()`` answers.
        databases, host_names, systems, secrets, functions, steps: what ``context.database("crm")`` and its like answer.
        said, logged, progressed: what the code under test has told.
        stopped: set a reason, and the next look at it raises Stopped.
    """

    run_id: str = "run"
    step: str = "step"
    attempt: int = 1
    mode: Mode = Mode.REHEARSE
    environment: str = "test"
    runner: str = "runner"
    clock: Clock = field(default_factory=FakeClock)
    folder: Path = field(default_factory=Path.cwd)
    databases: Mapping[str, Database] = field(default_factory=dict)
    host_names: Mapping[str, Host] = field(default_factory=dict)
    systems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    steps: Mapping[str, StepKind] = field(default_factory=dict)
    passed_at: Mapping[str, float] = field(default_factory=dict)  # step -> reading of clock.monotonic()
    seconds_left: float | None = None
    adjustments: dict[str, Value] = field(default_factory=dict)
    rehearsal: Mapping[str, Value] = field(default_factory=dict)
    stopped: str = ""
    said: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    progressed: list[tuple[int, int | None, str]] = field(default_factory=list)
    on_stopping: list[Callable[[], None]] = field(default_factory=list)

    @property
    def token(self) -> str:
        return f"{self.run_id}:{self.step}:{self.attempt}"

    def say(self, line: str) -> None:
        self.said.append(line)

    def log(self, text: str) -> None:
        self.logged.append(text)

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:  # noqa: ARG002 - the protocol's
        self.progressed.append((done, total, unit))

    def sleep(self, seconds: float) -> None:
        self.check_stopped()
        if isinstance(self.clock, FakeClock):
            self.clock.advance(seconds)

    def check_stopped(self) -> None:
        if self.stopped:
            raise Stopped(self.stopped)

    def on_stop(self, action: Callable[[], None]) -> None:
        self.on_stopping.append(action)

    def adjusted(self) -> Mapping[str, Value]:
        return dict(self.adjustments)

    def rehearsed(self) -> Mapping[str, Value]:
        return self.rehearsal

    @property
    def control_file(self) -> Path:
        return self.folder / f"{self.step}.yaml"

    def remaining(self) -> float | None:
        return self.seconds_left

    def at(self, local: datetime) -> datetime:
        return local.replace(tzinfo=UTC)

    def since(self, step: str) -> float | None:
        moment = self.passed_at.get(step)
        return None if moment is None else self.clock.monotonic() - moment

    def database(self, name: str) -> Database:
        return _given(self.databases, name, "database")

    def system(self, sort: str, name: str) -> Any:
        return _given(self.systems.get(sort, {}), name, f"entry of {sort}")

    def hosts(self, names: Sequence[str]) -> tuple[Host, ...]:
        return tuple(_given(self.host_names, name, "host") for name in names)

    def secret(self, reference: str) -> str:
        return _given(self.secrets, reference, "secret")

    def function(self, reference: str) -> Callable[..., Any]:
        return _given(self.functions, reference, "function")

    def include(self, file: str, inputs: Mapping[str, Value]) -> Result:  # noqa: ARG002 - the protocol's
        raise NotFaked(f"run of {file}")

    def parameters_of(self, step: str) -> StepKind:
        return _given(self.steps, step, "step")


def _given(entries: Mapping[str, T], name: str, what: str) -> T:
    if name not in entries:
        raise NotFaked(f"{what} {name!r}")
    return entries[name]


@dataclass(slots=True, weakref_slot=True)
class Trial:
    """A runbook in a project of its own, driven by the real engine in a thread, and commanded like one in production.

    Attributes:
        root: an empty folder; the journal stands there too.
        runbook: its YAML.
        kinds: the step kinds it may use; None means those of changeover.
        files: further files of the project, path -> text, such as ``people.yaml``.
        address: the journal's URL; empty: a SQLite file in the project's folder.
    """

    root: Path
    runbook: str
    kinds: Mapping[str, Kind] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    environment: str = "test"
    inputs: Mapping[str, Value] = field(default_factory=dict)
    mode: Mode = Mode.REHEARSE
    runner: str = "runner"
    clock: Clock = field(default_factory=SystemClock)
    told: list[str] = field(default_factory=list)
    run_id: str = ""
    address: str = ""
    _open: Journal | None = None
    _thread: threading.Thread | None = None
    _ended: list[Ended | BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _number: int = 0

    @property
    def journal_url(self) -> str:
        """Where the journal is."""
        return self.address or f"sqlite:///{self.root / 'journal.db'}"

    def journal(self) -> Journal:
        """The journal, opened; close it."""
        return Journal.open(self.journal_url, clock=self.clock)

    def create(self) -> str:
        """Write the project's files and record the run; its id. Raises AssertionError when the runbook has errors."""
        (self.root / "runbooks").mkdir(parents=True, exist_ok=True)
        for name, text in {"runbooks/trial.yaml": self.runbook, **self.files}.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        path = self.root / "runbooks" / "trial.yaml"
        loaded = load(path, environment=self.environment, kinds=self._kinds(), root=self.root)
        if loaded.bundle is None or loaded.findings:
            raise AssertionError("\n".join(f"{finding.at}: {finding.message}" for finding in loaded.findings))
        plan = build_plan(loaded.bundle, inputs=self.inputs, mode=self.mode)
        with self.journal() as journal:
            record = create_run(
                journal,
                loaded.bundle,
                plan,
                file=next(iter(loaded.bundle.sources)),
                mode=self.mode,
                runner=self.runner,
                inputs=self.inputs,
                clock=self.clock,
                root=self.root,
            )
        self.run_id = record.id
        return record.id

    def drive(self, **changes: Any) -> Ended:
        """Drive the run here, and wait for its end. Keyword arguments are those of Options."""
        if not self.run_id:
            self.create()
        return drive(self.journal_url, self.run_id, self.options(**changes), stop=self._stop)

    def options(self, **changes: Any) -> Options:
        """Options that fit a test: local, with short graces."""
        chosen = Options(
            engine="local",
            root=self.root,
            clock=self.clock,
            kinds=self._kinds(),
            tell=self.told.append,
            stop_grace=1.0,
            quiesce_grace=0.5,
        )
        return replace(chosen, **changes)

    def start(self, **changes: Any) -> Trial:
        """Drive the run in a thread; command it meanwhile, and :meth:`wait` for its end."""
        if not self.run_id:
            self.create()
        self._stop, self._ended = threading.Event(), []
        self._thread = threading.Thread(target=self._work, kwargs=changes, name="engine", daemon=True)
        self._thread.start()
        return self

    def interrupt(self) -> Ended:
        """Stop the engine as Ctrl-C does; how it ended."""
        self._stop.set()
        ended = self.wait()
        self._stop = threading.Event()  # the next one is not told to stop
        return ended

    def wait(self, seconds: float = 20.0) -> Ended:
        """Wait for the engine to end; raise what it raised."""
        if self._thread is None:
            raise AssertionError("start() it first")
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise AssertionError(f"the engine still works after {seconds:g} s: {self.state()}")
        ended = self._ended[0]
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def command(self, verb: Verb, step: str = "", *, who: str = "", why: str = "because", **data: Value) -> CommandRecord:
        """Ask something of the run and wait for the answer."""
        self._number += 1
        asked = Command(self.run_id, verb, who or self.runner, why, f"key-{self._number}-{id(self)}", step, "test", data)
        journal = self._reader()
        number = journal.request(asked).id
        return self._until(lambda: self._answered(journal, number), f"the answer to {verb.value} {step}")

    @property
    def driven(self) -> bool:
        """Whether the engine that was started is still at work."""
        return self._thread is not None and self._thread.is_alive()

    def state(self) -> RunRecordState:
        """What the journal says now."""
        return fold(self.run_id, self.events())

    def events(self, *kinds: EventKind, step: str = "") -> list[Event]:
        """The events of the run, of these *kinds* and of *step* when they are given."""
        events = self._reader().events(self.run_id)
        return [event for event in events if (not kinds or event.kind in kinds) and (not step or event.step == step)]

    def until(self, condition: Callable[[RunRecordState], object], what: str = "the condition", seconds: float = 10.0) -> None:
        """Wait until *condition* holds of the journal's state."""
        self._until(lambda: condition(self.state()) or None, what, seconds)

    def _reader(self) -> Journal:
        """Opened once, for a test looks many times; closed when nobody has the trial any more."""
        if self._open is None:
            self._open = self.journal()
            weakref.finalize(self, self._open.close)
        return self._open

    def _kinds(self) -> Mapping[str, Kind]:
        return Project(self.root).load_kinds() if self.kinds is None else self.kinds

    def _work(self, **changes: Any) -> None:
        try:
            self._ended.append(self.drive(**changes))
        except BaseException as error:  # noqa: BLE001 - raised again where the test waits
            self._ended.append(error)

    def _until(self, look: Callable[[], T | None], what: str, seconds: float = 10.0) -> T:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = look()
            if found is not None:
                return found
            if self._ended and isinstance(self._ended[0], BaseException):
                raise self._ended[0]
            time.sleep(0.01)
        raise AssertionError(f"{what} did not come within {seconds:g} s: {self.state()}")

    def _answered(self, journal: Journal, number: int) -> CommandRecord | None:
        record = journal.command(number)
        return record if record.accepted is not None else None
