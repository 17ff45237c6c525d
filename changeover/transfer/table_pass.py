"""One pass over one table: what changed since the watermark is brought, what is gone is deleted, the watermark moves.

Each batch of rows and the place behind it are one transaction of the target, and so is the end of the pass with the new
watermark: whatever dies goes on behind the last batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from changeover.transfer.changed_rows import BATCH_ROWS, Batch, ChangedRows, Place
from changeover.transfer.chunk_work import ChunkWork
from changeover.transfer.chunks import Key
from changeover.transfer.control import TableRecord
from changeover.transfer.delta_words import Delta
from changeover.transfer.failing import CopyFailed
from changeover.transfer.ledger import Ledger
from changeover.transfer.lost_keys import LostKeys, lost_keys, lost_of_ours, same_key, still_there
from changeover.transfer.planning import TablePlan
from changeover.transfer.positions import Positions
from changeover.transfer.reading import Reader
from changeover.transfer.sessions import transaction
from changeover.transfer.upserting import Upserter
from changeover.transfer.watermarks import Marks, Watermarks, reaching_back

T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """What a pass found in a table, so far."""

    changed: int = 0  # rows that say that they changed since the last pass began
    gone: int = 0  # rows deleted
    missed: int = 0  # rows that the watermark does not show, and the keys did
    stuck: tuple[tuple[Key, str], ...] = ()  # rows that cannot be deleted, and why

    @property
    def rows(self) -> int:
        """What the target was behind by."""
        return self.changed + self.gone + self.missed


@dataclass(slots=True)
class TablePass:
    """Brings one table up to date, again and again, on the connections of *work*.

    Attributes:
        migration: its name, in which nothing may be written once it was taken back.
        told: is told of every batch that is committed.
    """

    work: ChunkWork
    plan: TablePlan
    record: TableRecord
    told: Callable[[int], None]
    check_stopped: Callable[[], None]
    _position: dict[str, Any] = field(default_factory=dict, init=False)
    _upserter: Upserter = field(init=False)

    def __post_init__(self) -> None:
        far = self.work.far
        ledger = Ledger(self.work.control, self.record)
        self._upserter = Upserter(far.connection, far.dialect, self.plan, ledger, self.work.pace)

    @property
    def _delta(self) -> Delta:
        delta = self.plan.mapping.catching_up
        if delta is None:
            raise AssertionError  # nobody makes a pass over such a table
        return delta

    @property
    def _reader(self) -> Reader:
        return Reader(self.work.near.connection, self.plan)

    @property
    def _marks(self) -> Watermarks:
        return Watermarks(self.work.near, self.plan)

    @property
    def _positions(self) -> Positions:
        return Positions(self.work.control.migration)

    def lag(self) -> tuple[int, Marks]:
        """Rows that changed since the last pass began, and where the source stands."""
        with self.work.far.connection.begin():
            position = self._positions.read(self.work.far.connection, self.plan.number) or {}
        return self._marks.changed_after(position.get("mark")), self._marks.look()

    def bring_changes(self, found: Found, marks: Marks) -> None:
        """Bring what changed since the watermark; then the watermark is where the source stood in *marks*."""
        self._begin(marks)
        position = self._position
        low = reaching_back(position["mark"], self._delta.overlap)
        rows = ChangedRows(self._reader, self._marks)
        for batch in rows.since(low, position["mark"], Place.of(position["place"])):
            self._write(batch)
            found.changed += batch.fresh
            self.told(batch.fresh)
        for keys in rows.buried(low):
            found.gone += self._removed(keys, found)
        self._moved(lambda position: {"mark": position["next"], "passes": position["passes"] + 1})

    def compare_keys(self, found: Found) -> list[Key]:
        """Delete what is gone from the source; the keys of rows that the target has never seen."""
        if self._delta.deletes != "compare_keys":
            return []
        while True:
            lost = self._lost()
            present = still_there(self._reader, lost.extra)
            before = found.gone
            found.gone += self._removed([key for key in lost.extra if same_key(self.plan, key) not in present], found)
            if lost.complete or found.gone == before:
                return list(lost.missing)

    def _lost(self) -> LostKeys:
        near, far = self.work.near, self.work.far
        with far.connection.begin():
            letters = self._upserter.ledger.letter_keys(far.connection)
            ours = self._upserter.written() if self.record.keeps_keys else []
        if self.record.keeps_keys:
            return lost_of_ours(self._reader, [self._key_of(handle) for handle in ours], letters, self.check_stopped)
        return lost_keys(self.plan, near, far, letters, self.check_stopped)

    def bring_missed(self, keys: Sequence[Key], found: Found) -> None:
        """Bring rows that the watermark does not show: they came with an older one."""
        for start in range(0, len(keys), BATCH_ROWS):
            rows = self._reader.rows_at(keys[start : start + BATCH_ROWS])
            self._transaction(lambda now, rows=rows: self._upserter.bring(rows, now))  # type: ignore[misc] # mypy cannot infer such a default
            found.missed += len(rows)

    def try_letters_again(self) -> None:
        """Bring dead letters whose row was in order after all: its parent has come, or another row made way."""
        while self._has_letters() and self.work.try_letters_again(self.plan, self.record):
            self._upserter.forget()  # it did not see these rows arrive

    def _has_letters(self) -> bool:
        with self.work.far.connection.begin():
            return self.work.control.tally(self.work.far.connection, self.plan.number).rejected > 0

    def remarks(self, marks: Marks) -> list[str]:
        """What people should know of the watermark."""
        return self._marks.remarks(marks)

    def _begin(self, marks: Marks) -> None:
        """Put on record what this pass reads, or go on with the one that was interrupted."""

        def begin(position: dict[str, Any]) -> dict[str, Any]:
            if position.get("running"):
                return position
            known = position.get("mark")
            next_ = known if marks.high is None or (known is not None and known > marks.high) else marks.high
            begun = {"mark": known, "passes": position.get("passes", 0), "next": next_, "running": True}
            return {**begun, "place": Place().text}

        far = self.work.far

        def act() -> dict[str, Any]:
            with transaction(far.connection, far.dialect):
                position = begin(self._positions.lock(far.connection, self.plan.number, far.dialect) or {})
                self._positions.put(far.connection, self.plan.number, position, self.work.clock.now())
                return position

        self._position = self.work.at_its_pace(act)

    def _write(self, batch: Batch) -> None:
        self.work.pace.went(0)

        def act(now: datetime) -> None:
            self._upserter.bring(batch.rows, now)

        self._transaction(act, {"place": batch.place.text})
        self.work.pace.went(len(batch.rows))

    def _moved(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        done = {**change(self._position), "running": False, "place": Place().text}
        self._transaction(lambda _now: None, done)

    def _transaction(self, act: Callable[[datetime], T], moves: dict[str, Any] | None = None) -> T:
        """Do something of this pass, and move its place, in one transaction of the target."""
        far = self.work.far

        def once() -> T:
            now = self.work.clock.now()
            with transaction(far.connection, far.dialect):
                there = self._positions.lock(far.connection, self.plan.number, far.dialect) or {}
                if self.work.control.undone(far.connection):
                    raise CopyFailed(self.plan.into, "the migration was taken back meanwhile")
                if there != self._position:
                    raise CopyFailed(self.plan.into, "somebody else makes the same pass")
                found = act(now)
                if moves:
                    self._positions.put(far.connection, self.plan.number, {**there, **moves}, now)
            self._position = {**there, **(moves or {})}
            return found

        try:
            return self.work.at_its_pace(once)
        except BaseException:
            self._upserter.forget()
            raise

    def _key_of(self, handle: Key) -> Key:
        """The source's key of a row of the target."""
        sources = [self.plan.feeds[place].source for place in self.plan.handle]
        return tuple(handle[sources.index(part)] for part in self.plan.key)

    def _removed(self, keys: Sequence[Key], found: Found) -> int:
        handles = [handle for key in keys if (handle := self._upserter.handle_of(key)) is not None]
        stuck: list[tuple[Key, str]] = []
        number = 0
        for start in range(0, len(handles), BATCH_ROWS):
            some = handles[start : start + BATCH_ROWS]
            number += self._transaction(lambda now, some=some: self._remove(some, now, stuck))  # type: ignore[misc] # as above
        found.stuck += tuple(stuck)
        return number

    def _remove(self, handles: Sequence[Key], now: datetime, stuck: list[tuple[Key, str]]) -> int:
        connection = self.work.far.connection
        try:
            with connection.begin_nested():  # a savepoint
                return self._upserter.remove(handles, now)
        except Exception as error:
            self._upserter.forget()
            complaint = self.work.far.dialect.complaint(error)
            if complaint is None:
                raise
            if len(handles) == 1:
                stuck.append((handles[0], complaint.reason))
                return 0
        half = len(handles) // 2
        return self._remove(handles[:half], now, stuck) + self._remove(handles[half:], now, stuck)
