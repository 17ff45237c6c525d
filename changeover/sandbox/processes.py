"""Child processes that outlive their starter, and how they are ended for certain."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changeover.errors import Mistake

#: How often something awaited is looked at, in seconds.
LOOK_EVERY: Final = 0.05

#: Fields of ``/proc/PID/stat`` after the command's closing bracket.
_STATE, _PARENT, _BORN = 0, 1, 19

# Kept so that ended children are reaped, and none is reported as forgotten.
_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}


@dataclass(eq=False)
class DidNotStart(Mistake):
    """A server of the sandbox did not become ready."""

    name: str
    why: str
    log: Path

    def __str__(self) -> str:
        return f"{self.name} did not start: {self.why}"

    @property
    def hint(self) -> str:
        return f"its own words are in {self.log}"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that we started. Its birth tells it from a later one that got the same number."""

    name: str
    pid: int
    born: int  # clock ticks since boot


@dataclass(frozen=True, slots=True)
class Account:
    """An ordinary user of this machine."""

    name: str
    uid: int
    gid: int


def ordinary_account(*preferred: str) -> Account | None:
    """Whom a server runs as that refuses to be root: None when we are no root ourselves. LookupError when there is nobody."""
    if os.geteuid() != 0:
        return None
    for name in (*preferred, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise LookupError(preferred)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def spawn(
    name: str,
    arguments: Sequence[str | Path],
    *,
    log: Path,
    folder: Path | None = None,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
) -> ProcessRecord:
    """Start a program in a session of its own, its words going to *log*."""
    with log.open("ab") as words:
        child = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=None if environment is None else dict(environment),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    _CHILDREN[child.pid] = child
    stat = _stat(child.pid)
    return ProcessRecord(name, child.pid, int(stat[_BORN]) if stat else 0)


def is_alive(record: ProcessRecord) -> bool:
    """Whether it still runs. An ended child of ours is reaped on the way."""
    child = _CHILDREN.get(record.pid)
    if child is not None and child.poll() is not None:
        del _CHILDREN[record.pid]
        return False
    stat = _stat(record.pid)
    return stat is not None and stat[_STATE] not in {"Z", "X"} and int(stat[_BORN]) == record.born


def end(record: ProcessRecord, *, first: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> None:
    """End it and all that it started: politely, and after *seconds* by force. Returns when none of them runs."""
    family = (record, *descendants(record.pid)) if is_alive(record) else ()
    if not family:
        return
    send(record, first)
    if not _gone([record], seconds):
        send(record, signal.SIGKILL)
    for process in family:
        send(process, signal.SIGTERM)
    if not _gone(family, 2.0):
        for process in family:
            send(process, signal.SIGKILL)
        _gone(family, 5.0)


def send(record: ProcessRecord, what: signal.Signals) -> None:
    """Send a signal, if it is still the process that we mean."""
    if is_alive(record):
        try:
            os.kill(record.pid, what)
        except ProcessLookupError:
            return


def descendants(pid: int) -> list[ProcessRecord]:
    """All processes below *pid*, now."""
    parents: dict[int, list[tuple[int, int]]] = {}
    for number in every_pid():
        stat = _stat(number)
        if stat is not None:
            parents.setdefault(int(stat[_PARENT]), []).append((number, int(stat[_BORN])))
    found: list[ProcessRecord] = []
    waiting = [pid]
    while waiting:
        for number, born in parents.get(waiting.pop(), ()):
            found.append(ProcessRecord("", number, born))
            waiting.append(number)
    return found


def every_pid() -> Iterator[int]:
    """The numbers of all processes of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def record_of(pid: int, name: str = "") -> ProcessRecord | None:
    """The process that has this number now."""
    stat = _stat(pid)
    return None if stat is None else ProcessRecord(name, pid, int(stat[_BORN]))


def wait_until_ready(record: ProcessRecord, ready: Callable[[], bool], *, seconds: float, log: Path) -> None:
    """Return as soon as *ready* says yes. Raises DidNotStart when the process ends before, or the time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not is_alive(record):
            raise DidNotStart(record.name, last_words(log), log)
        if time.monotonic() > deadline:
            end(record, seconds=1.0)
            raise DidNotStart(record.name, f"not ready after {seconds:g} s", log)
        time.sleep(LOOK_EVERY)


def run_to_end(
    name: str, arguments: Sequence[str | Path], *, log: Path, folder: Path, account: Account | None = None, seconds: float = 60.0
) -> None:
    """Run a program of a server's set-up. Raises DidNotStart with its last words when it fails."""
    try:
        completed = subprocess.run(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=folder,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            timeout=seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C", "HOME": str(folder)},
        )
    except subprocess.TimeoutExpired:
        raise DidNotStart(name, f"its set-up did not end within {seconds:g} s", log) from None
    with log.open("ab") as words:
        words.write(completed.stdout + completed.stderr)
    if completed.returncode != 0:
        raise DidNotStart(name, last_words(log) or f"its set-up ended with {completed.returncode}", log)


def last_words(log: Path) -> str:
    """The last line that a program left in its log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it left no words"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no words")


def _gone(processes: Sequence[ProcessRecord], seconds: float) -> bool:
    """Wait until none of them runs, at most *seconds*."""
    deadline = time.monotonic() + seconds
    while any(is_alive(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY)
    return True


def _stat(pid: int) -> list[str] | None:
    """The fields of ``/proc/PID/stat`` after the command, which may hold any character."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
