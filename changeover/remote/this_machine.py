"""The engine's own machine, asked like any other host; what runs detached on it outlives the engine."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from changeover.contracts import Completed
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.remote.output import Kept

_PIECE: Final = 64 * 1024
_HEARTBEAT: Final = 0.2


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """Implements :class:`changeover.remote.job.Asked`; it has no connection to lose.

    Attributes:
        folder: where commands run.
        environment: all of their environment.
    """

    folder: Path
    environment: Mapping[str, str] = field(repr=False)  # it may hold secrets
    name: str = "this machine"

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        """Run *command* in ``/bin/sh``; see :meth:`changeover.contracts.Host.run`."""
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.folder,
                env=dict(self.environment),
                start_new_session=True,
            )
        except OSError as error:
            detail = f"cannot start a command in {self.folder}: {error.strerror}"
            raise HostSetback(self.name, HostVerdict.FAILED, detail, "Check `folder:`.") from error
        with process:
            try:
                return self._pumped(process, stdin, timeout, output or _ignore)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise

    def _pumped(
        self, process: subprocess.Popen[bytes], stdin: bytes, timeout: float | None, output: Callable[[str], None]
    ) -> Completed:
        ends = None if timeout is None else time.monotonic() + timeout
        out, err, left = Kept(), Kept(), memoryview(stdin)
        with selectors.DefaultSelector() as selector:
            _watch(selector, process.stdout, selectors.EVENT_READ, out)
            _watch(selector, process.stderr, selectors.EVENT_READ, err)
            _watch(selector, process.stdin, selectors.EVENT_WRITE, None)
            while selector.get_map():
                ready = selector.select(_HEARTBEAT)
                if not ready:
                    output("")
                for at, _ in ready:
                    stream: IO[bytes] = at.fileobj  # type: ignore[assignment]
                    if at.data is None:
                        left = _fed(stream, left)
                        if left:
                            continue
                    elif piece := os.read(stream.fileno(), _PIECE):
                        output(at.data.add(piece))
                        continue
                    selector.unregister(stream)
                    stream.close()
                if ends is not None and time.monotonic() > ends:
                    raise HostUnclear(f"no answer within {timeout:g} s", self.name, HostVerdict.TIME_OUT)
        code = process.wait()
        for kept in (out, err):
            kept.add(b"", final=True)
        return Completed(code, out.text(), err.text())


def _watch(selector: selectors.BaseSelector, stream: IO[bytes] | None, event: int, kept: Kept | None) -> None:
    if stream is not None:
        selector.register(stream, event, kept)


def _fed(stream: IO[bytes], left: memoryview) -> memoryview:
    """Send a piece of *left*; what is left of it."""
    try:
        return left[os.write(stream.fileno(), left[:4096]) :] if left else left
    except BrokenPipeError:  # it does not want to know
        return left[:0]


def _ignore(_piece: str) -> None:
    pass
