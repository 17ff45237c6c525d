"""What the parts promise each other: words, protocols and the register of step kinds. No I/O, nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeVar, runtime_checkable

from changeover.errors import Mistake

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy


#: What YAML and JSON can hold.
Value = str | int | float | bool | None | list[Any] | dict[str, Any]


class Mode(StrEnum):
    """How much of a run is real. It stands on every message; live is never the default."""

    DRY_RUN = "dry-run"
    REHEARSE = "rehearse"
    LIVE_TEST = "live-test"
    LIVE = "live"


class Phase(StrEnum):
    """Whether a step goes towards the new system or back to the old one."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class RunState(StrEnum):
    """Where a run stands. *Held* is a flag beside it, not a state."""

    PLANNED = "planned"
    RUNNING = "running"
    STOPPING = "stopping"  # a rollback was asked for; what is in the air lands first
    ROLLING_BACK = "rolling_back"
    ABORTING = "aborting"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"

    @property
    def final(self) -> bool:
        """Whether nothing begins any more."""
        return self in {RunState.SUCCEEDED, RunState.ROLLED_BACK, RunState.ABORTED}


class StepState(StrEnum):
    """Where a step stands, forward or in rollback."""

    PENDING = "pending"
    RUNNING = "running"  # its intent is durable
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it may have happened
    ASKS_HUMAN = "asks_human"  # only a person can find out
    RETRYING = "retrying"  # tainted: something of an earlier attempt may be out there
    FAILED_DIRTY = "failed_dirty"  # failed, and proven to have left something behind
    SKIPPED = "skipped"
    WAIVED = "waived"  # an undo that two people gave up, on the record


class OnUnknown(StrEnum):
    """What becomes of a step of which nobody knows whether it happened."""

    PROBE = "probe"  # ask the target
    RERUN = "rerun"  # doing it twice is harmless
    ASK = "ask"  # a person finds out


class Clock(Protocol):
    """Time, so that tests can bring their own."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC: for records."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for durations."""
        ...


class Answer(StrEnum):
    """What a check found out."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIABLE = "not verifiable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a check, and the figures behind it. 0 of 0 is not verifiable, unless its author says otherwise."""

    answer: Answer
    summary: str
    expected: Value = None
    found: Value = None
    figures: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, passed: bool, summary: str, *, expected: Value = None, found: Value = None, **figures: Value) -> Verdict:  # noqa: FBT001 - the answer itself
        """Passed or failed, by a comparison."""
        return cls(Answer.PASSED if passed else Answer.FAILED, summary, expected, found, figures)


@dataclass(frozen=True, slots=True)
class Result:
    """What a step did: a line for people, its output (``$`` in ``capture:``), and a verdict if it was a check."""

    summary: str
    output: Value = None
    verdict: Verdict | None = None
    warns: bool = False  # a verdict that is a no is said and recorded, and the step passes


class Found(StrEnum):
    """What a probe found at the target."""

    DONE = "done"
    CLEAN = "clean"  # nothing of it is there, and it can no longer arrive
    PARTIAL = "partial"  # something of it is there
    IN_PROGRESS = "in progress"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe found, in words, with the output that the step would have given.

    *resumable*: it is there in part, and another attempt goes on where this one ended: what is done is not done again.
    """

    found: Found
    summary: str
    output: Value = None
    resumable: bool = False


class QuestionForm(StrEnum):
    """How people answer."""

    APPROVAL = "approval"  # approve or refuse
    TASK = "task"  # done, with evidence
    TYPED = "typed"  # a word to type, so that nobody clicks it away


@dataclass(frozen=True, slots=True)
class Question:
    """What a step asks people before it passes."""

    ask: str
    form: QuestionForm
    deciders: tuple[str, ...]  # persons or roles; empty: anybody
    quorum: int = 1
    excluded: tuple[str, ...] = ()  # persons, roles, or the word ``runner``: who started the run
    by: datetime | None = None  # what happens then is always: the run holds
    typed: str = ""  # the word to type
    evidence: str = ""  # what has to be shown, in words


class Database(Protocol):
    """A database of the systems file, opened lazily and closed by the engine."""

    @property
    def name(self) -> str:
        """Its name in the systems file."""
        ...

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The SQLAlchemy engine behind it."""
        ...

    def scalar(self, statement: str, /, **values: object) -> Any:
        """Run *statement* with bound *values* (``:name``) and return its only value."""
        ...

    def rows(self, statement: str, /, **values: object) -> list[dict[str, Any]]:
        """Run *statement* with bound *values* and return its rows."""
        ...

    def execute(self, statement: str, /, **values: object) -> int:
        """Run *statement* in a transaction of its own and return the number of affected rows."""
        ...


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended."""

    exit: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that is in its place, verified on the host."""

    sha256: str
    changed: bool  # False: it was there already


class Host(Protocol):
    """A machine reached over SSH; its connection is opened lazily, reused, and closed by the engine.

    Errors are Setbacks that carry the host's name and a verdict: unreachable, auth, host key, incompatible, time-out, lost.
    *Lost* (the connection died after the command was sent) is an Unclear.
    """

    @property
    def name(self) -> str:
        """Its name in the systems file."""
        ...

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        """Run *command* in the login shell, attached; *output* gets every piece as it comes.

        It also gets an empty piece about once a second, so that it can raise :class:`~changeover.errors.Stopped`:
        the command is then ended at the host before the error goes on.
        """
        ...

    def upload(self, content: bytes | Path, target: str, *, mode: int = 0o644) -> Uploaded:
        """Put *content* at *target* by way of a temporary name, verified by SHA-256; nothing is sent when it is there already."""
        ...


class Context(Protocol):
    """What a step, a check or a rollback function is given by the engine."""

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def step(self) -> str:
        """The step's key in the plan."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        ...

    @property
    def token(self) -> str:
        """``run:step:attempt``: the fencing token and idempotency key handed to targets."""
        ...

    @property
    def mode(self) -> Mode:
        """How much of the run is real."""
        ...

    @property
    def environment(self) -> str:
        """The environment's name."""
        ...

    @property
    def runner(self) -> str:
        """The person who started the run."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def folder(self) -> Path:
        """The project's root, to which relative paths of the runbook refer."""
        ...

    def say(self, line: str) -> None:
        """Put one line for people into the journal (secrets masked)."""
        ...

    def log(self, text: str) -> None:
        """Append output to the step's log file: as much as it likes, not in the journal (secrets masked)."""
        ...

    def progress(self, done: int, total: int | None, unit: str, **figures: Value) -> None:
        """Tell how far it is. Call as often as you like; the engine thins it out."""
        ...

    def sleep(self, seconds: float) -> None:
        """Sleep; raise :class:`~changeover.errors.Stopped` at once when the step has to stop."""
        ...

    def check_stopped(self) -> None:
        """Raise :class:`~changeover.errors.Stopped` when the step has to stop."""
        ...

    def on_stop(self, action: Callable[[], None]) -> None:
        """Call *action* (from another thread) when the step has to stop: kill the child, close the socket."""
        ...

    def adjusted(self) -> Mapping[str, Value]:
        """What people have set for this step while it runs: ``hold``, ``rows_per_second``, ``workers``; None: no limit.

        The last word counts. Ask as often as you like; whoever asks is :class:`Adjustable`.
        """
        ...

    def rehearsed(self) -> Mapping[str, Value]:
        """The figures that this step told last in the latest rehearsal of the runbook in which it passed; ``at``: when, ISO.

        Empty when it was never rehearsed.
        """
        ...

    @property
    def control_file(self) -> Path:
        """The file by which people can adjust this step as well as by a command."""
        ...

    def remaining(self) -> float | None:
        """Seconds until the step's time-out; None when its author set none."""
        ...

    def at(self, local: datetime) -> datetime:
        """The moment a naive wall-clock time of the runbook means in this run, in UTC (a rehearsal moves the window)."""
        ...

    def since(self, step: str) -> float | None:
        """Seconds since *step* passed; None when it has not."""
        ...

    def database(self, name: str) -> Database:
        """The database called *name*."""
        ...

    def system(self, sort: str, name: str) -> Any:
        """The entry *name* of the systems file: *sort* is ``hosts``, ``services``, ``channels`` or ``databases``."""
        ...

    def hosts(self, names: Sequence[str]) -> tuple[Host, ...]:
        """The hosts that *names* (hosts and groups) stand for, each once, in written order."""
        ...

    def secret(self, reference: str) -> str:
        """The value behind ``env:``, ``file:`` or ``keyring:``; from now on it is masked everywhere."""
        ...

    def function(self, reference: str) -> Callable[..., Any]:
        """The project's function ``folder.module:name``."""
        ...

    def include(self, file: str, inputs: Mapping[str, Value]) -> Result:
        """Run another runbook to its end as a run of its own, in this mode and environment."""
        ...

    def parameters_of(self, step: str) -> StepKind:
        """The kind instance of another step of this run: what an undo needs to know about what it undoes."""
        ...


@runtime_checkable
class StepKind(Protocol):
    """One thing a step can do. The fields of the dataclass are the YAML keys below its word.

    ``run`` raises a :class:`~changeover.errors.Setback` when it could not be done, and
    :class:`~changeover.errors.Unclear` when nobody can say.
    """

    @property
    def on_unknown(self) -> OnUnknown:
        """What "it may have happened" means for this step, unless its author says otherwise."""
        ...

    def run(self, context: Context) -> Result:
        """Do it."""
        ...

    def dry_run(self, context: Context) -> Result:
        """Say what would be done, and check what can be checked, without any effect."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A kind that can find out at the target whether an earlier attempt happened."""

    def probe(self, context: Context) -> Probe:
        """Look; *context* carries the attempt in doubt."""
        ...


@runtime_checkable
class Validating(Protocol):
    """A kind with rules that types cannot say, such as "exactly one of close, open, drain".

    Lint and materialise call it once the fields are bound. In lint a text that contains ``${`` may still stand in any
    field, whatever its type: a rule looks only at what is written.
    """

    def problems(self) -> Iterable[str]:
        """What is wrong, a sentence each, without a position; nothing when all is well."""
        ...


@runtime_checkable
class Adjustable(Protocol):
    """A kind that looks at :meth:`Context.adjusted` while it runs."""

    @property
    def adjustable(self) -> frozenset[str]:
        """The names that mean something to it; none when this step of the kind does not look."""
        ...


@runtime_checkable
class Asking(Protocol):
    """A kind that people answer. The engine waits, without a thread, as long as it takes; ``run`` is called after."""

    def question(self, context: Context) -> Question:
        """What to ask."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Marks a text that names something, so that lint can resolve it."""

    sort: str


DatabaseName = Annotated[str, Names("databases")]
ServiceName = Annotated[str, Names("services")]
SourceName = Annotated[str, Names("sources")]  # a database or a service
ChannelName = Annotated[str, Names("channels")]
HostName = Annotated[str, Names("hosts")]  # a host or a group
PersonName = Annotated[str, Names("people")]  # a person or a role
StepName = Annotated[str, Names("steps")]
FunctionName = Annotated[str, Names("functions")]
ValueFunctionName = Annotated[str, Names("functions of a value")]  # takes one value, and no context
FileName = Annotated[str, Names("files")]
RunbookName = Annotated[str, Names("runbooks")]  # the file of another runbook; its `inputs` stand beside it


@dataclass(frozen=True, slots=True)
class Quoted:
    """Marks a text in which substituted ``${...}`` values are quoted for a POSIX shell, so that no value is ever a command."""


ShellText = Annotated[str, Quoted()]


def key(meaning: str, *, word: str = "", default: Any = MISSING, default_factory: Any = MISSING) -> Any:
    """A dataclass field that is a YAML key: what it means, and its word where that is not the field's name."""
    metadata = {"meaning": meaning, "word": word}
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered step kind."""

    word: str
    python: type[Any]
    shorthand: str  # the field that a plain scalar or list fills; empty: a mapping is needed
    changes: bool  # whether it may change something outside
    timeout: timedelta | None  # when its author wrote none; None: as long as it takes

    @property
    def title(self) -> str:
        """The first line of its docstring."""
        return (self.python.__doc__ or self.word).strip().splitlines()[0]


@dataclass(eq=False)
class KindTaken(Mistake):
    """Two classes want the same word."""

    word: str
    by: str

    def __str__(self) -> str:
        return f"step kind {self.word!r} is already {self.by}"


_KINDS: Final[dict[str, Kind]] = {}

K = TypeVar("K", bound=StepKind)


def step_kind(
    word: str, *, shorthand: str = "", changes: bool = True, timeout: timedelta | None = timedelta(minutes=10)
) -> Callable[[type[K]], type[K]]:
    """Register a frozen dataclass as the step kind that runbooks call *word*."""

    def register(cls: type[K]) -> type[K]:
        taken = _KINDS.get(word)
        if taken is not None and taken.python.__qualname__ != cls.__qualname__:
            raise KindTaken(word, taken.python.__qualname__)
        _KINDS[word] = Kind(word, cls, shorthand, changes, timeout)
        return cls

    return register


def registered_kinds() -> dict[str, Kind]:
    """The kinds known now, by word. Import :mod:`changeover.steps` (and the project) first."""
    return dict(_KINDS)


#: ``expect`` when nobody wrote the worst case: half as long again.
WORST_OVER_LIKELY: Final = 1.5


@dataclass(frozen=True, slots=True)
class Expected:
    """How long something is expected to take."""

    likely: timedelta
    worst: timedelta
