"""The chunks of a migration on a Dask cluster: ordered through its scheduler, counted by the target's checkpoint.

The scheduler carries which chunks are to be copied from where to where. Passwords it never sees: each worker finds them by the
references of the systems file.
"""

from __future__ import annotations

import importlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from changeover.errors import Setback
from changeover.transfer.cluster_words import ADDRESS, address_problem, refuse_without_dask
from changeover.transfer.control import ChunkRecord
from changeover.transfer.failing import ConnectionLost
from changeover.transfer.orders import ChunkCopied, Failed, Job, NoneLeft
from changeover.transfer.pace import Allowance

#: Seconds until a scheduler that does not answer is called unreachable, and until a cluster without workers is called so.
_ANSWER_S: Final = 10
_WORKERS_S: Final = 30
#: Seconds that the workers get to give their chunks back.
_GRACE_S: Final = 10.0
#: Seconds between two looks at the checkpoint and at the answers.
_LOOK_EVERY: Final = 0.5
#: Tasks that may be lost with their workers before one chunk comes.
_DEATHS: Final = 8


@dataclass(eq=False)
class ClusterUnfit(Setback):
    """The cluster cannot do the work."""

    address: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"the Dask cluster {self.address} cannot copy: {self.why}"

    @property
    def hint(self) -> str:
        return self.cure


def opened(
    address: str, job: Job, heard: Callable[[int], None], chunks: Callable[[int], Sequence[ChunkRecord]]
) -> ClusterWorkers:
    """The workers of the cluster at *address*; close them.

    Raises:
        DaskMissing, ClusterUnfit: nothing was begun.
    """
    refuse_without_dask()
    dask: Any = importlib.import_module("distributed")  # loads when a cluster is wanted
    from changeover.transfer.cluster_worker import identity  # noqa: PLC0415

    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ClusterUnfit(address, address_problem(address), "the port of a scheduler is usually 8786")
    try:
        client: Any = dask.Client(f"{'tls' if found[1] else 'tcp'}://{found['where']}", timeout=_ANSWER_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        cure = "is its scheduler up, and is the port open from this machine? `workers: auto` copies without a cluster"
        raise ClusterUnfit(address, f"its scheduler does not answer ({type(error).__name__})", cure) from error
    try:
        count = _fit(client, address, identity)
        desk = f"changeover-{uuid.uuid4().hex}"
        return ClusterWorkers(job, client, desk, dask.Variable(desk, client=client), count, heard, chunks)
    except BaseException:
        client.close(timeout=_ANSWER_S)
        raise


def _fit(client: Any, address: str, identity: Callable[[], tuple[str, str]]) -> int:
    """How many workers there are, each with the same changeover as here."""
    same = "install the same version of changeover on every worker, with the drivers of both databases, under the same Python"
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
        found = client.run(identity, on_error="return")
    except TimeoutError as error:
        raise ClusterUnfit(address, f"it has no worker after {_WORKERS_S} s", "start workers: dask worker HOST:PORT") from error
    for worker, versions in found.items():
        if isinstance(versions, BaseException):
            raise ClusterUnfit(address, f"worker {worker} has no changeover ({type(versions).__name__})", same)
        if tuple(versions) != identity():
            theirs, ours = (f"changeover {release} on Python {python}" for release, python in (versions, identity()))
            raise ClusterUnfit(address, f"worker {worker} has {theirs}, and here is {ours}", same)
    return len(found)


@dataclass(slots=True)
class ClusterWorkers:
    """Tasks on a cluster that copy the chunks of one migration. Close them."""

    job: Job
    client: Any
    desk: str
    variable: Any
    count: int  # may change while they copy
    heard: Callable[[int], None]  # is told of rows that went
    chunks: Callable[[int], Sequence[ChunkRecord]]  # what the checkpoint says of a table's
    allowance: Allowance = field(default_factory=Allowance)
    _futures: dict[Any, int] = field(default_factory=dict)  # -> the worker's number
    _beat: int = 0
    _deaths: int = 0  # since the last chunk

    def allow(self, allowance: Allowance) -> None:
        """What all of them together may do from now on."""
        self.allowance = allowance

    def copy(self, table: int) -> Iterator[ChunkCopied | None]:
        """Every chunk of a table as it is committed, and None now and then in between, until no chunk is free.

        Raises:
            Setback: what went wrong on a worker.
            ConnectionLost: the scheduler is gone.
        """
        known = {chunk.number for chunk in self.chunks(table) if chunk.state == "done"}
        some_left = True
        while some_left or self._futures:
            self._say()
            if some_left:
                self._as_many_as_wanted(table)
            time.sleep(_LOOK_EVERY)
            yield None
            ended = [future for future in self._futures if future.done()]
            yield from self._new(table, known)
            for future in ended:
                del self._futures[future]
                some_left = self._goes_on(future) and some_left
        yield from self._new(table, known)

    def _new(self, table: int, known: set[int]) -> Iterator[ChunkCopied]:
        """Chunks that the checkpoint has and nobody was told of."""
        for chunk in self.chunks(table):
            if chunk.state == "done" and chunk.number not in known:
                known.add(chunk.number)
                self._deaths = 0
                self.heard(chunk.read)
                yield ChunkCopied(table, chunk)

    def _say(self, *, over: bool = False) -> None:
        """That we are here, and what is allowed."""
        self._beat += 1
        said = {
            "beat": self._beat,
            "count": self.count,
            "held": self.allowance.held,
            "rows_per_s": self.allowance.rows_per_s,
            "over": over,
        }
        self.variable.set(said, timeout=_ANSWER_S)

    def _as_many_as_wanted(self, table: int) -> None:
        from changeover.transfer.cluster_worker import copy_chunks  # noqa: PLC0415 - loads when a cluster is wanted

        for number in range(self.count):
            if number not in self._futures.values():
                key = f"changeover-{table}-{number}-{uuid.uuid4().hex}"
                future = self.client.submit(copy_chunks, self.job, table, self.desk, number, key=key, pure=False)
                self._futures[future] = number

    def _goes_on(self, future: Any) -> bool:
        """Whether there may be more to copy after this answer."""
        if future.status == "finished":
            answer = future.result(timeout=_ANSWER_S)
            if isinstance(answer, Failed):
                raise answer.error
            return not isinstance(answer, NoneLeft)
        if future.status != "error":
            raise ConnectionLost(self.job.target.name, "the cluster's scheduler was lost")
        self._deaths += 1
        if self._deaths > _DEATHS:
            why = f"{self._deaths} tasks in a row were lost with their workers before a chunk came"
            cure = "the workers' own logs say why; `workers: auto` copies without a cluster; every finished chunk is kept"
            raise ClusterUnfit(self.client.scheduler.address, why, cure)
        return True

    def close(self) -> None:
        """Let them stop, and leave the cluster; whatever they have in the air is rolled back."""
        try:
            if self._futures:
                self._say(over=True)
                until = time.monotonic() + _GRACE_S
                while time.monotonic() < until and not all(future.done() for future in self._futures):
                    time.sleep(_LOOK_EVERY)
                self.client.cancel(list(self._futures))
            self.variable.delete()
        except Exception:  # noqa: BLE001, S110 - the scheduler is gone: they find out that nothing is heard from us
            pass
        finally:
            self._futures.clear()
            self.client.close(timeout=_ANSWER_S)
