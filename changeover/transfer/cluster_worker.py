"""What runs on a worker of a Dask cluster: it copies chunks of one table until none is free.

It is given the databases without their passwords, and finds these itself, where it runs. Once nothing is heard any more from the
migration that ordered it, it rolls its chunk back and ends: nobody would know of it.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

import changeover
from changeover.errors import Mistake, Setback, Stopped
from changeover.transfer.databases import reason
from changeover.transfer.failing import ConnectionLost, CopyFailed
from changeover.transfer.orders import Failed, Job, NoneLeft, Rest
from changeover.transfer.pace import Allowance, Paced
from changeover.transfer.sessions import lost
from changeover.transfer.worker import SystemClock, at_work, copied

#: Seconds between two looks at what the migration says, and for which it may say nothing.
_LOOK_EVERY: Final = 1.0
_GONE_S: Final = 30.0


@dataclass(eq=False)
class CannotBegin(Setback):
    """A worker of the cluster cannot begin."""

    worker: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"a worker of the cluster ({self.worker}) cannot begin: {self.why}"

    @property
    def hint(self) -> str:
        return self.cure


def identity() -> tuple[str, str]:
    """The versions that have to be the same everywhere: changeover's, and Python's."""
    return changeover.__version__, ".".join(str(part) for part in sys.version_info[:2])


@dataclass(slots=True)
class _Desk:
    """What the migration says, from its desk on the cluster's scheduler."""

    variable: Any
    number: int  # of this worker among those of the migration
    allowance: Allowance = field(default_factory=Allowance)
    resting: bool = False
    _beat: object = None
    _heard: float = field(default_factory=time.monotonic)
    _why: str = ""
    _over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Look until it is over."""
        while not self._over.wait(_LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """Take in what is said now."""
        try:
            said = self.variable.get(timeout=_LOOK_EVERY * 5)
        except Exception:  # noqa: BLE001 - whatever it is, nothing was heard
            said = None
        if said is not None and said["beat"] != self._beat:
            self._beat, self._heard = said["beat"], time.monotonic()
            count = max(1, said["count"])
            self.allowance = Allowance(said["held"], said["rows_per_s"]).share(count)
            self.resting = self.number >= count
            if said["over"]:
                self._why = "the migration is over"
        if time.monotonic() - self._heard > _GONE_S:
            self._why = "nothing is heard from the migration any more"

    def check(self) -> None:
        """Raise Stopped when there is nobody to work for."""
        if self._why:
            raise Stopped(self._why)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
        self.check()

    def close(self) -> None:
        """Listen no more."""
        self._over.set()


def copy_chunks(job: Job, table: int, desk: str, number: int) -> NoneLeft | Rest | Failed:
    """Copy chunks until none is free, or until it shall rest. What goes wrong is an answer, so that no log has it.

    Runs in a thread of a Dask worker.
    """
    dask: Any = importlib.import_module("distributed")  # only a cluster has it
    with _listening(_Desk(dask.Variable(desk, client=dask.get_client()), number)) as heard:
        pace = Paced(lambda: heard.allowance, heard.check, heard.sleep, SystemClock(), lambda _rows: None)
        try:
            with at_work(job, pace) as (work, plans):
                for _ in copied(work, plans[table]):
                    if heard.resting:
                        return Rest()
                return NoneLeft(table)
        except Setback as setback:
            return Failed(setback)
        except Mistake as mistake:
            return Failed(CannotBegin(str(dask.get_worker().address), str(mistake), mistake.hint))
        except SQLAlchemyError as error:
            kind = ConnectionLost if lost(error) else CopyFailed
            return Failed(kind(job.target.name, reason(error)))


@contextmanager
def _listening(desk: _Desk) -> Iterator[_Desk]:
    desk.look()
    thread = threading.Thread(target=desk.listen, name="desk", daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        desk.close()
