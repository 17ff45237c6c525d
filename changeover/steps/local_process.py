"""A child process of the engine: in a session of its own, killed as a group, its output pumped as it comes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from changeover.contracts import Completed, Context
from changeover.errors import Setback, TimedOut
from changeover.remote.output import Kept

_PIECE: Final = 64 * 1024
_LOOK_EVERY: Final = 0.1  # seconds between looks at the time-out and at a wish to stop
_SHORTEST: Final = 0.01
_GRACE: Final = 5.0  # seconds between TERM and KILL
_STREAMS_AFTER_END: Final = 0.5  # seconds that a child in the background may hold the streams open

#: Carries ``run:step:attempt`` in the environment of every child, so that an orphan can be found.
TOKEN: Final = "CHANGEOVER_TOKEN"


@dataclass(eq=False)
class CannotStart(Setback):
    """The program does not exist or may not be run."""

    program: str
    why: str

    def __str__(self) -> str:
        return f"cannot start {self.program}: {self.why}"


class Child:
    """A running child process."""

    def __init__(self, context: Context, process: subprocess.Popen[bytes]) -> None:
        self._context = context
        self._process = process
        self._started = time.monotonic()
        self._stdout = Kept()
        self._stderr = Kept()

    def run(self, what: str) -> Completed:
        """Stay with it to its end. *what* is what people call it."""
        try:
            self._pump(what)
        except BaseException:
            self._kill()
            raise
        finally:
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
        self._stdout.add(b"", final=True)
        self._stderr.add(b"", final=True)
        return Completed(self._process.returncode, self._stdout.text(), self._stderr.text())

    def _pump(self, what: str) -> None:
        ended_at: float | None = None
        with selectors.DefaultSelector() as selector:
            for stream, kept in ((self._process.stdout, self._stdout), (self._process.stderr, self._stderr)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, kept)
            while True:
                self._read(selector)
                self._context.check_stopped()
                if self._process.poll() is not None:
                    ended_at = ended_at or time.monotonic()
                    if not selector.get_map() or time.monotonic() - ended_at > _STREAMS_AFTER_END:
                        return
                left = self._context.remaining()
                if left is not None and left <= 0:
                    raise TimedOut(what, round(time.monotonic() - self._started, 1))

    def _read(self, selector: selectors.BaseSelector) -> None:
        if not selector.get_map():  # it closed its streams; only its end is awaited
            time.sleep(_SHORTEST)
            return
        for ready, _ in selector.select(_LOOK_EVERY):
            stream: IO[bytes] = ready.fileobj  # type: ignore[assignment]
            piece = os.read(stream.fileno(), _PIECE)
            if piece:
                self._context.log(ready.data.add(piece))
            else:
                selector.unregister(stream)

    def _kill(self) -> None:
        """TERM, a moment of grace, KILL, to the whole group; returns when the command is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:  # its number is its own only until it is reaped
                os.killpg(self._process.pid, number)
            try:
                self._process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                continue
            return


def run_locally(
    context: Context, arguments: Sequence[str], *, what: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Completed:
    """Run a program and return how it ended; its output goes to the step's log as it comes.

    Raises:
        CannotStart: there is no such program or folder.
        TimedOut: the step's time-out passed; the whole process group is gone.
        Stopped: the engine asked it to stop; the whole process group is gone.
    """
    surroundings = {**os.environ, **(environment or {}), **told(context)}
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=surroundings,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        named = getattr(error, "filename", None) or arguments[0]
        raise CannotStart(str(named), getattr(error, "strerror", None) or str(error)) from error
    return Child(context, process).run(what)


def still_running(token: str) -> bool:
    """Whether the command of the attempt called *token* is alive on this machine. Linux; elsewhere the answer is no.

    The command leads its session; a service that it left behind carries the same token, but does not.
    """
    wanted = f"{TOKEN}={token}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        process = int(entry.parent.name)
        try:
            if wanted in entry.read_bytes().split(b"\0") and os.getsid(process) == process:
                return True
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return False


def told(context: Context) -> dict[str, str]:
    """What every command of a step finds in its environment."""
    return {
        TOKEN: context.token,
        "CHANGEOVER_RUN": context.run_id,
        "CHANGEOVER_STEP": context.step,
        "CHANGEOVER_MODE": str(context.mode),
        "CHANGEOVER_ENVIRONMENT": context.environment,
    }
