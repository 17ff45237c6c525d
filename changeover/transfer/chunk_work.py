"""The work of one worker: claim a chunk, carry it, write its checkpoint, all in one transaction of the target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Clock
from changeover.counting import counted
from changeover.transfer.carriers import Carrier
from changeover.transfer.chunks import Key
from changeover.transfer.control import ChunkRecord, Control, DeadLetter, TableRecord, packed, unpacked
from changeover.transfer.failing import CopyFailed
from changeover.transfer.pace import ChunkGivenBack, Pace
from changeover.transfer.paths import Path, carrier_of
from changeover.transfer.planning import Side, TablePlan
from changeover.transfer.reading import Reader
from changeover.transfer.sessions import transaction
from changeover.transfer.writing import Outcome, Writer

T = TypeVar("T")

#: Seconds for which a deadlock or a lock time-out is tried again.
_PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class ChunkWork:
    """Copies chunks of one migration, one at a time, on two connections of its own."""

    control: Control
    near: Side
    far: Side
    pace: Pace
    clock: Clock
    sleep: Callable[[float], None]

    def carrier(self, path: Path, plan: TablePlan, record: TableRecord) -> Carrier:
        """What carries the rows of one table its way."""
        return carrier_of(path, plan, self.near, self.far, self.pace, keeps_keys=record.keeps_keys)

    def copy_next(self, plan: TablePlan, record: TableRecord, carrier: Carrier) -> ChunkRecord | None:
        """Copy the next chunk that nobody holds; None when there is none.

        Raises:
            Stopped: the step has to stop; the chunk is free again.
            CopyFailed: somebody wrote the chunk's checkpoint in our place.
        """
        while True:
            done = self.at_its_pace(lambda: self._copy(plan, record, carrier))
            if done is None or done.state == "done":
                return done

    def at_its_pace(self, act: Callable[[], T]) -> T:
        """Do it when a chunk may be claimed; anew when it was given back because the copy is held."""
        while True:
            self.pace.between_chunks()
            try:
                return self._patiently(act)
            except ChunkGivenBack:
                continue

    def _patiently(self, act: Callable[[], T]) -> T:
        """Do it again for a while when a deadlock or a lock was in the way."""
        since = self.clock.monotonic()
        while True:
            try:
                return act()
            except SQLAlchemyError as error:
                if not self.far.dialect.transient(error) or self.clock.monotonic() - since > _PATIENCE_S:
                    raise
            self.sleep(0.2)

    def _copy(self, plan: TablePlan, record: TableRecord, carrier: Carrier) -> ChunkRecord | None:
        """The chunk that was copied; one that is still pending was cut in two instead, and is claimed anew."""
        with transaction(self.far.connection, self.far.dialect):
            chunk = self.control.claim(self.far.connection, plan.number, self.far.dialect)
            if chunk is None or self._cut(plan, chunk):
                return chunk
            outcome = Outcome()
            carrier.carry(chunk.range, outcome)
            done = replace(
                chunk,
                state="done",
                read=outcome.read,
                written=outcome.written,
                rejected=len(outcome.letters),
                keys=packed(outcome.keys) if record.keeps_keys else None,
            )
            self._checkpoint(plan, record, done, outcome.letters, was="pending")
        return done

    def _cut(self, plan: TablePlan, chunk: ChunkRecord) -> bool:
        """Make two of a chunk that would hold its transaction open for too long at this pace; whether that was so."""
        rows = self.pace.longest_chunk()
        if rows is None or rows >= plan.chunk_rows:
            return False
        boundary = Reader(self.near.connection, plan).boundary(chunk.range, rows)
        if boundary is None or boundary == chunk.range.upto:
            return False
        self.control.cut(self.far.connection, plan.number, chunk, boundary, self.clock.now(), dialect=self.far.dialect)
        return True

    def _checkpoint(
        self, plan: TablePlan, record: TableRecord, chunk: ChunkRecord, letters: Sequence[DeadLetter], *, was: str
    ) -> None:
        now = self.clock.now()
        if not self.control.finish(self.far.connection, plan.number, chunk, now, was=was):
            raise CopyFailed(plan.into, f"chunk {chunk.number} was taken by somebody else meanwhile")
        self.control.reject(self.far.connection, record, chunk.number, letters, now)

    def try_letters_again(self, plan: TablePlan, record: TableRecord) -> bool:
        """Whether a rejected row could be written after all: its source was corrected, or its parent has come."""
        with self.far.connection.begin():
            chunks = self.control.chunks(self.far.connection, plan.number)
        dirty = [chunk.number for chunk in chunks if chunk.state == "done" and chunk.rejected]
        found = [self.at_its_pace(lambda number=number: self._letters_of(plan, record, number)) for number in dirty]  # type: ignore[misc] # mypy cannot infer such a default
        return any(found)

    def put_aside(self, plan: TablePlan, record: TableRecord, keys: Sequence[Key]) -> None:
        """Write rows anew that were written and are deleted again: the target now refuses them, and they become dead letters.

        In the caller's transaction, with the checkpoints of their chunks. Only keys of one integer can be found this way.

        Raises:
            CopyFailed: the source does not have one of them any more.
        """
        connection = self.far.connection
        for held in self.control.chunks(connection, plan.number):
            mine = [key for key in keys if held.range.holds(key)]
            if not mine:
                continue
            chunk = self.control.lock(connection, plan.number, held.number, self.far.dialect)
            rows = Reader(self.near.connection, plan).rows_at(mine)
            if len(rows) != len(mine):
                gone = counted(len(mine) - len(rows), "row")
                raise CopyFailed(plan.into, f"{gone} of chunk {chunk.number} left the source meanwhile")
            outcome = Outcome()
            Writer(connection, self.far.dialect, plan, keep_keys=record.keeps_keys).write(rows, outcome, self.pace)
            letters = [*self.control.letters(connection, plan.number, chunk.number), *outcome.letters]
            after = replace(
                chunk, written=chunk.written - len(mine) + outcome.written, rejected=chunk.rejected + len(outcome.letters)
            )
            self._checkpoint(plan, record, after, letters, was=chunk.state)

    def _letters_of(self, plan: TablePlan, record: TableRecord, number: int) -> bool:
        connection = self.far.connection
        with transaction(connection, self.far.dialect):
            chunk = self.control.lock(connection, plan.number, number, self.far.dialect)
            letters = self.control.letters(connection, plan.number, number)
            rows = Reader(self.near.connection, plan).rows_at([letter.key for letter in letters])
            outcome = Outcome()
            Writer(connection, self.far.dialect, plan, keep_keys=record.keeps_keys).write(rows, outcome, self.pace)
            keys = packed([*unpacked(chunk.keys), *outcome.keys]) if record.keeps_keys else None
            after = replace(
                chunk,
                read=chunk.read - len(letters) + outcome.read,
                written=chunk.written + outcome.written,
                rejected=len(outcome.letters),
                keys=keys,
            )
            self._checkpoint(plan, record, after, outcome.letters, was="done")
        return len(outcome.letters) < len(letters)
