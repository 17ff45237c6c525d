"""A detached command on one host, from its start to its end: whatever becomes of the connection, it happens once.

Every question may be repeated, so a lost answer is simply asked for again. What the host calls *lost* is never a success,
and never a reason to start it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from changeover.contracts import Completed
from changeover.errors import Stopped
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.remote.job import Asked, Heard, Job, JobName, JobState, Order, Stage

#: Seconds without any answer from a host after which nobody can say how it goes there.
PATIENCE: Final = 300.0
#: Verdicts of a host that may answer again in a moment.
_PASSING: Final = {HostVerdict.UNREACHABLE, HostVerdict.TIME_OUT, HostVerdict.LOST, HostVerdict.KEY_EXCHANGE}
#: Seconds that one question listens; seconds between two tries when there is no answer, doubled up to the longest.
_LISTENS: Final = 20
_SHORTEST, _LONGEST = 0.2, 5.0
_HEARTBEAT: Final = 0.2
#: Starts of which the host says that nothing came of them, before that is believed.
_STARTS: Final = 5
_KILLS: Final = 4


@dataclass(slots=True)
class Detached:
    """One attempt on one host.

    Attributes:
        hear: gets the output as it comes, and an empty piece about once a second; raises Stopped to end the command.
    """

    host: Asked
    name: JobName
    order: Order
    hear: Callable[[str], None]
    _heard: Heard = field(init=False)
    _job: Job = field(init=False)
    _asked: bool = False  # something may be on its way
    _sent: bool = False  # something has gone out

    def __post_init__(self) -> None:
        self._heard = Heard(self.hear)
        self._job = Job(self.host, self.name)

    def run(self) -> Completed:
        """Start it, unless it has been started already, and stay with it to its end.

        Raises:
            HostSetback: it never began.
            HostUnclear: its time-out ended it there, it is lost, or the host has not answered for too long.
            Stopped: it was ended at the host, and nothing of it is left; or only the engine ends, and it goes on.
        """
        return self._stay(self._start_or_listen)

    def resume(self) -> Completed:
        """Stay with one that is known to have been started, or get the result of one that is done. Raises as :meth:`run`."""
        self._sent = True
        return self._stay(self._listen)

    def _stay(self, ask: Callable[[], JobState]) -> Completed:
        try:
            return self._judged(self._to_its_end(ask))
        except Stopped as stopped:
            if not stopped.engine_ends:
                self._kill(stopped)
            raise

    def _start_or_listen(self) -> JobState:
        if self._heard.out_bytes or self._heard.err_bytes:  # then it has begun
            return self._listen()
        return self._job.start(self.order, self._heard, wait=_LISTENS)

    def _listen(self) -> JobState:
        return self._job.tail(self._heard, wait=_LISTENS)

    def _to_its_end(self, ask: Callable[[], JobState]) -> JobState:
        answered, pause, absent = time.monotonic(), _SHORTEST, 0
        while True:
            self.hear("")
            self._asked = True
            try:
                state = ask()
            except HostUnclear as error:
                self._sent = True
                trouble: Exception = error
            except HostSetback as error:
                if not self._sent:
                    raise
                if error.verdict not in _PASSING:
                    raise self._unclear(f"it was sent, and now {error.detail}", error.verdict) from error
                trouble = error
            else:
                self._sent = True
                answered, pause = time.monotonic(), _SHORTEST
                absent += state.stage is Stage.ABSENT
                if state.stage is Stage.RUNNING or (state.stage is Stage.ABSENT and absent < _STARTS):
                    continue
                return state
            if time.monotonic() - answered > PATIENCE:
                what = f"the host has not answered for {PATIENCE:g} s ({trouble}); the command may still run there"
                raise self._unclear(what, HostVerdict.LOST) from trouble
            self._pause(pause)
            pause = min(pause * 2, _LONGEST)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.hear("")
            time.sleep(min(left, _HEARTBEAT))

    def _judged(self, state: JobState) -> Completed:
        match state.stage:
            case Stage.DONE if state.digest != self.order.digest:
                raise self._unclear("another command was started there under the name of this attempt", HostVerdict.FAILED)
            case Stage.DONE if state.exit is not None and not (state.word and state.exit):
                return self._heard.completed(state.exit)
            case Stage.DONE if state.word == "time-out":
                what = "the command did not end in time; it was ended there, with all that it had started"
                raise self._unclear(what, HostVerdict.TIME_OUT)
            case Stage.DONE:
                raise self._unclear("somebody ended the command there", HostVerdict.LOST)
            case Stage.FENCED:
                detail = "it was not started: a later attempt has begun, or somebody found out that this one never did"
                raise HostSetback(self.host.name, HostVerdict.FAILED, detail)
            case Stage.LOST:
                raise self._unclear(f"nobody can say how the command ended: {state.word}", HostVerdict.LOST)
            case _:
                raise HostSetback(self.host.name, HostVerdict.FAILED, "the command could not be started there")

    def _kill(self, stopped: Stopped) -> None:
        """End it at the host, and prove it. Raises HostUnclear when that cannot be proven."""
        if not self._asked:
            return
        silent = Heard(_ignore, out_bytes=self._heard.out_bytes, err_bytes=self._heard.err_bytes)
        trouble: Exception | None = None
        for turn in range(_KILLS):
            try:
                state = self._job.kill(silent)
            except (HostUnclear, HostSetback) as error:
                trouble = error
                time.sleep(_SHORTEST * 2**turn)
                continue
            if state.stage in {Stage.DONE, Stage.FENCED}:
                return
            trouble = HostSetback(self.host.name, HostVerdict.FAILED, f"it is {state.stage} there {state.word}".strip())
            if state.stage is not Stage.RUNNING:
                break
        what = f"the command was told to end ({stopped.why}), but it may still run there: {trouble}"
        raise self._unclear(what, HostVerdict.LOST) from trouble

    def _unclear(self, what: str, verdict: HostVerdict) -> HostUnclear:
        return HostUnclear(what, self.host.name, verdict)


def _ignore(_piece: str) -> None:
    pass
