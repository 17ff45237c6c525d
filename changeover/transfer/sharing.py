"""Giving the chunks of a table to whoever copies them: this process, or workers of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from changeover.contracts import Context
from changeover.counting import counted
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.cluster import ClusterUnfit
from changeover.transfer.cluster import opened as clusters_workers
from changeover.transfer.cluster_words import is_cluster
from changeover.transfer.control import ChunkRecord, TableRecord
from changeover.transfer.databases import Address
from changeover.transfer.governing import Governor
from changeover.transfer.mapping import Mapped
from changeover.transfer.orders import Job
from changeover.transfer.paths import Path, path_of
from changeover.transfer.planning import TablePlan
from changeover.transfer.workers import SideBySide, Workers, how_many


class Sharing:
    """Has the chunks of one migration copied. Close it."""

    def __init__(self, work: ChunkWork, mapped: Mapped, governor: Governor, context: Context) -> None:
        self._work = work
        self._mapped = mapped
        self._governor = governor
        self._context = context
        self._workers: SideBySide | None = None
        self._planned_workers = 1

    def prepare(self) -> None:
        """Reach the cluster, where one is to copy.

        Raises:
            DaskMissing, ClusterUnfit, SecretNotSent: it cannot.
        """
        if is_cluster(self._mapped.workers):
            self._on_cluster()

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()

    def chunks(self, plan: TablePlan, record: TableRecord) -> Iterator[ChunkRecord]:
        """Copy every chunk that is left, and tell of each. Waits while others hold the last ones."""
        path = path_of(plan, self._work.near, self._work.far, keeps_keys=record.keeps_keys)
        self._work.far.connection.rollback()
        if path.words:
            self._context.say(path.words)
        while True:
            self._context.check_stopped()
            with self._work.far.connection.begin():
                tally = self._work.control.tally(self._work.far.connection, plan.number)
            if tally.done == tally.chunks:
                return
            workers = self._side_by_side(tally.chunks - tally.done)
            copied = 0
            for chunk in self._by_workers(plan, workers) if workers is not None else self._by_ourselves(plan, record, path):
                copied += 1
                yield chunk
            if not copied:
                self._context.sleep(0.5)

    def _by_ourselves(self, plan: TablePlan, record: TableRecord, path: Path) -> Iterator[ChunkRecord]:
        carrier = self._work.carrier(path, plan, record)
        while (chunk := self._work.copy_next(plan, record, carrier)) is not None:
            yield chunk
            self._context.check_stopped()
            if self._more_are_wanted:
                return

    def _by_workers(self, plan: TablePlan, workers: SideBySide) -> Iterator[ChunkRecord]:
        for answer in workers.copy(plan.number):
            self._context.check_stopped()
            workers.allow(self._governor.allowed())
            workers.count = self._governor.workers or self._planned_workers
            if answer is not None:
                yield answer.chunk

    def _on_cluster(self) -> SideBySide:
        """The workers of a cluster: they copy, and we look at the checkpoint."""
        if self._workers is None:
            source, target = self._addresses
            address = str(self._mapped.workers)
            servers = self._work.far.dialect.skips_locked and self._work.near.dialect.name != "sqlite"
            if source is None or target is None or not servers:
                raise ClusterUnfit(address, "both databases have to be servers that every worker reaches", "write `workers: 1`")
            job = Job(self._work.control.migration, self._mapped, source.by_reference(), target.by_reference())
            cluster = clusters_workers(address, job, self._governor.meter.went, self._chunks_of)
            cluster.allow(self._governor.allowed())
            self._workers, self._planned_workers = cluster, cluster.count
            self._context.say(f"{counted(cluster.count, 'worker')} of the cluster {address}")
        self._workers.count = self._governor.workers or self._planned_workers
        return self._workers

    def _chunks_of(self, table: int) -> Sequence[ChunkRecord]:
        with self._work.far.connection.begin():
            return self._work.control.chunks(self._work.far.connection, table)

    def _side_by_side(self, chunks: int) -> SideBySide | None:
        """Processes to copy with, when there is enough to do for more than one and the target lets several write."""
        self._governor.allowed()
        if is_cluster(self._mapped.workers):
            return self._on_cluster()
        self._planned_workers = how_many(self._mapped.workers, chunks)
        count = how_many(self._governor.workers or self._planned_workers, chunks)
        source, target = self._addresses
        if count == 1 or source is None or target is None or not self._work.far.dialect.skips_locked:
            return None
        if self._workers is None:
            job = Job(self._work.control.migration, self._mapped, source, target)
            self._workers = Workers(job, count, self._governor.meter.went, self._governor.allowed())
            self._context.say(f"{counted(count, 'worker')} side by side")
        self._workers.count = count
        return self._workers

    @property
    def _more_are_wanted(self) -> bool:
        """Whether people have asked for more than one worker, and there can be more."""
        wanted = self._governor.workers or 1
        if wanted > 1 and (not self._work.far.dialect.skips_locked or None in self._addresses):
            name = self._work.far.database.name
            self._governor.say_once(f"{wanted} workers were asked for; it stays at one: {name} lets one write at a time")
            return False
        return wanted > 1

    @property
    def _addresses(self) -> tuple[Address | None, Address | None]:
        return getattr(self._work.near.database, "address", None), getattr(self._work.far.database, "address", None)
