"""Asks a host about one detached job: the verbs of ``job.sh``, which may be repeated blindly, and its answers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, Protocol

from changeover.contracts import Completed
from changeover.remote.errors import CommandRefused, HostSetback, HostVerdict
from changeover.remote.output import Kept

#: Kilobytes of each stream that the host keeps from its beginning (and 64 from its end).
ROOM: Final = 8 * 1024
#: The shell of whoever logs in, instead of a named one.
LOGIN_SHELL: Final = "-"
#: Seconds that one question may take beyond what it is told to wait.
_ANSWERS_WITHIN: Final = 60.0
_KILLS_WITHIN: Final = 30.0


class Stage(StrEnum):
    """Where a job stands on its host."""

    ABSENT = "absent"  # nothing of it is there; it may still arrive, unless it is fenced
    FENCED = "fenced"  # it never began, and never will
    RUNNING = "running"
    DONE = "done"
    LOST = "lost"  # it began, and nobody can say how it ended


@dataclass(frozen=True, slots=True)
class JobState:
    """What the host says about one attempt."""

    attempt: int
    stage: Stage
    digest: str = ""  # of the command that was claimed
    exit: int | None = None
    word: str = ""  # of a done job: ``time-out`` or ``killed``; of a lost one: why


@dataclass(frozen=True, slots=True)
class Order:
    """A command to run detached, once.

    Attributes:
        command: a text for *interpreter*; it travels on standard input and never stands in a process list before it runs.
        interpreter: the program that gets it after ``-c``.
        limit: seconds after which the host ends it, whoever is listening; None: never.
        what: tells two orders under one name apart, where the command itself does not; empty: the command.
    """

    command: str
    interpreter: str = LOGIN_SHELL
    limit: float | None = None
    what: str = ""

    @property
    def digest(self) -> str:
        """A short digest of what it does."""
        return hashlib.sha256((self.what or self.command).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class JobName:
    """Names one attempt of one step of one run on one host."""

    slot: str
    attempt: int

    def at(self, attempt: int) -> JobName:
        """Another attempt of the same step."""
        return JobName(self.slot, attempt)


def job_name(run_id: str, step: str, attempt: int, host: str) -> JobName:
    """The name of an attempt: readable, and unlike any other's. Two names of one machine are two hosts."""
    key = hashlib.sha256(f"{run_id}\0{step}\0{host}".encode()).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{run_id}.{step}")[:80].strip("-")
    return JobName(f"{readable}.{key}", attempt)


@dataclass(slots=True)
class Heard:
    """What has been heard of a job's output so far; bytes are counted, so that another question goes on exactly there.

    Attributes:
        hear: gets every new piece of text, and an empty one about once a second.
    """

    hear: Callable[[str], None]
    out: Kept = field(default_factory=Kept)
    err: Kept = field(default_factory=Kept)
    out_bytes: int = 0
    err_bytes: int = 0

    def completed(self, code: int) -> Completed:
        """The command's end as an attached one would have told it."""
        for kept in (self.out, self.err):
            kept.add(b"", final=True)
        return Completed(code, self.out.text(), self.err.text())

    def _take(self, stream: str, content: bytes) -> None:
        match stream:
            case "o":
                self.out_bytes += len(content)
                self.hear(self.out.add(content))
            case "e":
                self.err_bytes += len(content)
                self.hear(self.err.add(content))
            case "o+" | "e+":
                kept = self.out if stream == "o+" else self.err
                self.hear(kept.add(b"\n... more than the host keeps was left out ...\n" + content))
            case _:
                raise NotUnderstood(stream)


class Asked(Protocol):
    """What a job needs of its machine: a :class:`changeover.contracts.Host`, or the engine's own."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        """Run *command*, attached."""
        ...


class NotUnderstood(Exception):
    """An answer that is none."""


class _Answer:
    """Takes an answer in as it comes: whole lines, each with its mark. What a login shell greets us with has none."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._open = ""
        self.states: list[JobState] = []

    def __call__(self, piece: str) -> None:
        if not piece:
            self._heard.hear("")
        *lines, self._open = (self._open + piece).split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        mark, _, rest = line.partition(" ")
        if mark == "@=":
            self.states.append(_state(rest))
        elif mark in {"@o", "@e", "@o+", "@e+"}:
            try:
                content = base64.b64decode(rest, validate=True)
            except binascii.Error as error:
                raise NotUnderstood(line[:80]) from error
            self._heard._take(mark[1:], content)  # noqa: SLF001 - its other half


def _state(line: str) -> JobState:
    words = line.split()
    try:
        attempt, digest, stage = int(words[0]), words[1].strip("-"), Stage(words[2])
        if stage is Stage.DONE:
            return JobState(attempt, stage, digest, int(words[3]), " ".join(words[4:]))
    except (IndexError, ValueError) as error:
        raise NotUnderstood(line[:80]) from error
    return JobState(attempt, stage, digest, None, " ".join(words[3:]))


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt on one host. Every method is one question; all may be asked again after any error.

    All raise HostSetback when the host cannot be asked or cannot do it, HostUnclear when the connection was lost meanwhile.
    """

    host: Asked
    name: JobName

    def start(self, order: Order, heard: Heard, *, wait: int) -> JobState:
        """Begin it, unless anybody has already or it is fenced; then listen for up to *wait* seconds."""
        content = _bytes_of(order.command, self.host.name)
        limit = 0 if order.limit is None else max(1, round(order.limit))
        arguments = [len(content), order.digest, order.interpreter, limit, ROOM * 2, wait]
        return self._ask("start", arguments, heard, stdin=content, seconds=wait + _ANSWERS_WITHIN)[-1]

    def tail(self, heard: Heard, *, wait: int) -> JobState:
        """Listen from where *heard* ended, for up to *wait* seconds or until it ends."""
        return self._ask("tail", [heard.out_bytes, heard.err_bytes, wait], heard, seconds=wait + _ANSWERS_WITHIN)[-1]

    def kill(self, heard: Heard) -> JobState:
        """End it and everything that it started; if it never began, it never will."""
        return self._ask("kill", [heard.out_bytes, heard.err_bytes], heard, seconds=_KILLS_WITHIN + _ANSWERS_WITHIN)[-1]

    def fence(self, heard: Heard) -> tuple[JobState, ...]:
        """Make sure that neither this attempt nor an earlier one begins from now on; where each of them stands."""
        return tuple(self._ask("fence", [], heard, seconds=_ANSWERS_WITHIN))

    def _ask(self, verb: str, arguments: Sequence[object], heard: Heard, *, stdin: bytes = b"", seconds: float) -> list[JobState]:
        answer = _Answer(heard)
        words = [verb, self.name.slot, str(self.name.attempt), *map(str, arguments)]
        command = f"exec /bin/sh -c {_LOADER} changeover {shlex.quote(_runner())} {shlex.join(words)}"
        try:
            completed = self.host.run(command, stdin=stdin, timeout=seconds, output=answer)
        except NotUnderstood as error:
            raise self._setback(f"it gave an answer that makes no sense: {error}") from error
        if completed.exit != 0 or not answer.states:
            raise self._setback(_last_line(completed) or f"it could not do its work (exit status {completed.exit})")
        return answer.states

    def _setback(self, detail: str) -> HostSetback:
        return HostSetback(self.host.name, HostVerdict.FAILED, detail, "Write `mode: attached` if it cannot be helped.")


def _bytes_of(command: str, host: str) -> bytes:
    if "\0" in command:
        raise CommandRefused(host, "contains a NUL character, which no shell can receive")
    try:
        return command.encode()
    except UnicodeEncodeError:
        raise CommandRefused(host, "contains a character that is not valid Unicode") from None


_LOADER: Final = shlex.quote('script=$1; shift; eval "$script"')


@cache
def _runner() -> str:
    """The text of ``job.sh``, without the lines that are only for its readers."""
    lines = files("changeover.remote").joinpath("job.sh").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _last_line(completed: Completed) -> str:
    lines = [line for line in completed.stderr.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
