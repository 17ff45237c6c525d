"""Worker processes, side by side: started, told what to copy, replaced when they die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, Protocol

from changeover.errors import Setback
from changeover.transfer.orders import ChunkCopied, CopyTable, Failed, Job, NoneLeft, Rest, RowsWent
from changeover.transfer.pace import Allowance

#: Seconds between two looks at whether the step has to stop.
_LOOK_EVERY: Final = 0.2
#: Workers that may end in a row without one chunk between them.
_DEATHS: Final = 8
#: Seconds that a worker gets to end by itself once its pipe is closed.
_GRACE_S: Final = 5.0
#: A worker brings its own memory; more of them than this wait for each other in most databases.
_MOST: Final = 8


@dataclass(eq=False)
class WorkersDie(Setback):
    """One worker after the other ended before it had copied anything."""

    deaths: int
    exit: int

    def __str__(self) -> str:
        return (
            f"{self.deaths} workers in a row ended without a word (the last one with {self.exit}) before they had copied a chunk"
        )

    @property
    def hint(self) -> str:
        return "is there enough memory? `workers: 1` copies without processes of its own; every finished chunk is kept"


def how_many(wanted: int | str, chunks: int) -> int:
    """How many workers: a number, or `auto`, which leaves half of the processors to the databases."""
    if isinstance(wanted, int):
        return max(1, min(wanted, chunks))
    return max(1, min((os.cpu_count() or 1) // 2, _MOST, chunks))


class SideBySide(Protocol):
    """Several that copy the chunks of one migration, wherever they run. Close them."""

    count: int  # may change while they copy

    def copy(self, table: int) -> Iterator[ChunkCopied | None]:
        """Every chunk of a table as it is committed, and None now and then in between, until no chunk is free."""
        ...

    def allow(self, allowance: Allowance) -> None:
        """What all of them together may do from now on."""
        ...

    def close(self) -> None:
        """End them all."""
        ...


@dataclass(slots=True)
class _Worker:
    """One process, and the pipe to it."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    resting: bool = False


@dataclass(slots=True)
class Workers:
    """Processes that copy the chunks of one migration. Close them."""

    job: Job
    count: int  # may change while they copy
    heard: Callable[[int], None]  # is told of rows that went
    allowance: Allowance = field(default_factory=Allowance)  # of all of them together
    running: list[_Worker] = field(default_factory=list)
    deaths: int = 0  # since the last chunk

    def copy(self, table: int) -> Iterator[ChunkCopied | None]:
        """Every chunk of a table as it is committed, and None now and then in between, until no chunk is free.

        Raises:
            Setback, Mistake: what went wrong in a worker.
            WorkersDie: they end without a word.
        """
        busy: list[_Worker] = []
        some_left = True
        while some_left or busy:
            if some_left:
                self._as_many_as_wanted(busy, table)
            ready = wait([worker.pipe for worker in busy], timeout=_LOOK_EVERY)
            yield None
            for worker in [worker for worker in busy if worker.pipe in ready]:
                answer = self._answer(worker)
                if isinstance(answer, ChunkCopied):
                    self.deaths = 0
                    yield answer
                elif isinstance(answer, RowsWent):
                    self.heard(answer.rows)
                else:
                    busy.remove(worker)
                    if answer is None:
                        busy.append(self._replaced(worker, table))
                    elif not worker.resting:
                        some_left = False

    def allow(self, allowance: Allowance) -> None:
        """What all of them together may do from now on."""
        if allowance != self.allowance:
            self.allowance = allowance
            self._share()

    def _share(self) -> None:
        for worker in self.running:
            self._send(worker, self.allowance.share(self.count))

    def _as_many_as_wanted(self, busy: list[_Worker], table: int) -> None:
        """Let some more copy, or let the last ones rest once their chunk is done."""
        working = [worker for worker in busy if not worker.resting]
        for worker in working[self.count :]:
            worker.resting = True
            self._send(worker, Rest())
        if len(working) == self.count:
            return
        for worker in [worker for worker in self.running if worker not in busy][: max(self.count - len(busy), 0)]:
            worker.resting = False
            self._tell(worker, table)
            busy.append(worker)
        while len(busy) < self.count:
            self.running.append(self._start())
            self._tell(self.running[-1], table)
            busy.append(self.running[-1])
        self._share()

    def _answer(self, worker: _Worker) -> ChunkCopied | NoneLeft | RowsWent | None:
        """None when it is gone without a word, and another one shall go on."""
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(answer, Failed):
            raise answer.error
        found: ChunkCopied | NoneLeft | RowsWent = answer
        return found

    def _replaced(self, worker: _Worker, table: int) -> _Worker:
        self._end(worker)
        self.running.remove(worker)
        self.deaths += 1
        if self.deaths > _DEATHS:
            raise WorkersDie(self.deaths, worker.process.returncode)
        other = self._start()
        self.running.append(other)
        self._tell(other, table)
        return other

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        with theirs:
            root = str(Path(__file__).parents[2])
            known = os.environ.get("PYTHONPATH")
            process = subprocess.Popen(
                [sys.executable, "-m", "changeover.transfer.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *([known] if known else [])])},
            )
        worker = _Worker(process, ours)
        self._send(worker, self.job)
        self._send(worker, self.allowance.share(self.count))
        return worker

    def _tell(self, worker: _Worker, table: int) -> None:
        self._send(worker, CopyTable(table))

    @staticmethod
    def _send(worker: _Worker, message: Job | CopyTable | Allowance | Rest) -> None:
        try:
            worker.pipe.send(message)
        except OSError:
            return  # it has died: its pipe will say so when it is read

    @staticmethod
    def _end(worker: _Worker) -> None:
        """Its pipe ends, and so does it; whatever it had in the air is rolled back by the server."""
        worker.pipe.close()
        try:
            worker.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()

    def close(self) -> None:
        """End them all."""
        for worker in self.running:
            self._end(worker)
        self.running.clear()
