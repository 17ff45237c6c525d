"""One attached command: sent byte for byte, both streams pumped together, ended at the host when it must end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import paramiko

from changeover.contracts import Completed
from changeover.remote.cut import LOSSES, answers, closed_after, let_go
from changeover.remote.ending import end
from changeover.remote.errors import HostUnclear, HostVerdict
from changeover.remote.login import Deadlines
from changeover.remote.output import Kept

_PIECE: Final = 64 * 1024
_SHORTEST, _LONGEST = 0.005, 0.1  # seconds between looks at a silent command
_HEARTBEAT: Final = 1.0  # seconds between empty pieces


class Attached:
    """A command that runs as long as its channel is open."""

    def __init__(self, host: str, channel: paramiko.Channel, transport: paramiko.Transport, deadlines: Deadlines) -> None:
        self._host = host
        self._channel = channel
        self._transport = transport
        self._deadlines = deadlines
        self._stdout = Kept()
        self._stderr = Kept()
        self._heard = self._exited = time.monotonic()
        self._asked: threading.Thread | None = None

    def run(self, command: str, stdin: bytes, timeout: float | None, output: Callable[[str], None]) -> Completed:
        """Send *command* and stay with it to its end.

        Raises:
            HostUnclear: the connection was lost, or the time-out passed.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        self._channel.settimeout(self._deadlines.transfer)
        try:
            with closed_after(self._transport, self._deadlines.channel):
                self._channel.exec_command(command)
            self._heard = time.monotonic()
            self._pump(memoryview(stdin), ends, output)
        except LOSSES as error:
            raise self._lost("the connection was cut while the command ran") from error
        except HostUnclear:
            raise
        except BaseException as asked:  # output() asks us to stop
            if end(self._transport, self._channel, self._deadlines):
                raise
            what = f"the command was told to end ({asked}), but it may still run there"
            raise HostUnclear(what, self._host, HostVerdict.LOST) from asked
        finally:
            let_go(self._channel)
        return self._completed()

    def _pump(self, stdin: memoryview, ends: float | None, output: Callable[[str], None]) -> None:
        pause, beat = _SHORTEST, time.monotonic()
        fed = False
        while True:
            moved = self._read(output)
            if not fed:
                stdin, fed, sent = self._feed(stdin)
                moved = moved or sent
            now = time.monotonic()
            if now - beat >= _HEARTBEAT:
                beat = now
                output("")
            if moved:
                self._heard, pause = now, _SHORTEST
            if self._over(now, moved=moved):
                return
            if ends is not None and now >= ends:
                raise self._timed_out(ends)
            if moved:
                continue
            self._watch(now)
            # status_event is set once and for all when the command ends; output may still be under way then.
            if not self._channel.status_event.wait(pause):
                pause = min(pause * 1.5, _LONGEST)
            else:
                time.sleep(_SHORTEST)

    def _read(self, output: Callable[[str], None]) -> bool:
        moved = False
        while self._channel.recv_ready():
            moved = True
            output(self._stdout.add(self._channel.recv(_PIECE)))
        while self._channel.recv_stderr_ready():
            moved = True
            output(self._stderr.add(self._channel.recv_stderr(_PIECE)))
        return moved

    def _feed(self, stdin: memoryview) -> tuple[memoryview, bool, bool]:
        """Send a piece of *stdin*: (what is left, whether that was all, whether anything moved)."""
        if stdin and not self._channel.closed:
            if not self._channel.send_ready():
                return stdin, False, False
            sent = self._channel.send(bytes(stdin[:_PIECE]))
            return stdin[sent:], False, sent > 0
        if not self._channel.closed:
            self._channel.shutdown_write()
        return stdin, True, False

    def _over(self, now: float, *, moved: bool) -> bool:
        eof, closed = bool(self._channel.eof_received), self._channel.closed  # looked at first: nothing comes after either
        if not self._channel.exit_status_ready():
            self._exited = now
        if moved or self._channel.recv_ready() or self._channel.recv_stderr_ready():
            return now - self._exited > self._deadlines.transfer
        if not self._channel.exit_status_ready():
            return False
        if closed and not eof and not answers(self._transport, self._deadlines.sign_of_life):
            raise self._lost("the connection was lost")
        # A child left in the background may hold the streams open for ever; the command itself has ended.
        return eof or closed or now - self._heard > self._deadlines.ending

    def _watch(self, now: float) -> None:
        """Ask a silent host for a sign of life; keepalives alone do not notice a stopped one."""
        if self._asked is None and now - self._heard > self._deadlines.silence:
            asking = self._transport, self._deadlines.sign_of_life
            self._asked = threading.Thread(target=answers, args=asking, daemon=True)
            self._asked.start()
        elif self._asked is not None and not self._asked.is_alive():
            self._asked, self._heard = None, now

    def _completed(self) -> Completed:
        status = self._channel.recv_exit_status()
        if status == -1:
            raise self._lost("it ended without an exit status: killed by a signal, or its connection was cut")
        self._stdout.add(b"", final=True)
        self._stderr.add(b"", final=True)
        return Completed(status, self._stdout.text(), self._stderr.text())

    def _timed_out(self, ends: float) -> HostUnclear:
        late = time.monotonic() - ends
        ended = "it was ended there" if end(self._transport, self._channel, self._deadlines) else "it may still run there"
        return HostUnclear(f"the command did not end in time ({late:.1f} s over); {ended}", self._host, HostVerdict.TIME_OUT)

    def _lost(self, what: str) -> HostUnclear:
        return HostUnclear(what, self._host, HostVerdict.LOST)
