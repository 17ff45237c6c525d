"""Bringing changed rows into a table that was copied before: ours are updated, new ones inserted, those gone deleted.

Whatever happens to a row, the figures follow in the same transaction: source = target + dead letters holds after each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from changeover.transfer.canonical import canonical
from changeover.transfer.changes import Unfit
from changeover.transfer.chunks import Key
from changeover.transfer.dialects import Complaint, Dialect
from changeover.transfer.ledger import Entry, Ledger
from changeover.transfer.pace import Pace
from changeover.transfer.planning import TablePlan, converted
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import Row, literal
from changeover.transfer.shapes import Sort
from changeover.transfer.updating import update_rows
from changeover.transfer.verifying import one_of, portions
from changeover.transfer.writing import Outcome, Writer

#: A row as it was read, and what the target shall hold of it.
_Ready = tuple[Row, tuple[Any, ...]]
#: A key of the target as bytes that are equal when keys are.
_Same = tuple[bytes | None, ...]


@dataclass(slots=True)
class Upserter:
    """Writes changed rows of one table inside the caller's transactions."""

    connection: sa.Connection
    dialect: Dialect
    plan: TablePlan
    ledger: Ledger
    pace: Pace
    _ours: dict[_Same, tuple[Key, int]] | None = field(default=None, init=False)  # where only keys tell: key -> its chunk

    @property
    def _keeps_keys(self) -> bool:
        return self.ledger.table.keeps_keys

    def forget(self) -> None:
        """A transaction was rolled back: what it knew may not be so."""
        self._ours = None

    def bring(self, rows: Sequence[Row], now: datetime) -> None:
        """Make the target's rows like these, or put them aside."""
        writer = Writer(self.connection, self.dialect, self.plan, keep_keys=self._keeps_keys)
        outcome = Outcome()
        had = self.ledger.forget_letters(self.connection, [writer.key_of(row) for row in rows], now)
        handles = {id(row): self._handle(row, writer) for row in rows}
        there = self._there([handle for handle in handles.values() if handle is not None])
        ready = writer.ready(rows, outcome)
        misfits = {letter.key for letter in outcome.letters}
        ours = [row for row in rows if self._is_ours(handles[id(row)], there, had=writer.key_of(row) in had)]
        known = {id(row) for row in ours}
        refused = self._update([each for each in ready if id(each[0]) in known])
        writer.insert([each for each in ready if id(each[0]) not in known], outcome, self.pace)
        # a row may have been in the way that is gone, or another one, by now
        refused = self._update([each for each, _ in refused])
        outcome.letters += [writer.letter(row, complaint) for (row, _), complaint in refused]
        turned = {id(row) for (row, _), _ in refused}
        gone = [row for row in ours if id(row) in turned or writer.key_of(row) in misfits]
        self._delete([handle for row in gone if (handle := handles[id(row)]) is not None], now)
        entry = Entry(len(rows) - len(ours), outcome.written - len(gone), len(outcome.letters))
        number = self.ledger.enter(self.connection, entry, outcome.keys, outcome.letters, now)
        if self._ours is not None:
            self._ours.update({self._same(key): (key, number) for key in outcome.keys})

    def remove(self, handles: Sequence[Key], now: datetime) -> int:
        """Delete rows of ours that are gone from the source; how many there were."""
        there = self._there(handles)
        ours = [handle for handle in handles if self._is_ours(handle, there, had=False)]
        self._delete(ours, now)
        self.ledger.enter(self.connection, Entry(-len(ours), -len(ours), 0), (), (), now)
        return len(ours)

    def handle_of(self, key: Key) -> Key | None:
        """The target's key of a row with this key of the source; None when the target cannot hold it."""
        by_name = dict(zip([part.name for part in self.plan.key], key, strict=True))
        feeds = [self.plan.feeds[place] for place in self.plan.handle]
        try:
            return tuple(converted(feed, [by_name[feed.source.name if feed.source else ""]])[0] for feed in feeds)
        except Unfit:
            return None

    def _handle(self, row: Row, writer: Writer) -> Key | None:
        return self.handle_of(writer.key_of(row))

    def _same(self, handle: Key) -> _Same:
        feeds = [self.plan.feeds[place] for place in self.plan.handle]
        made = []
        for feed, value in zip(feeds, handle, strict=True):
            plain = value.lower() if feed.target.sort is Sort.UUID and isinstance(value, str) else value
            made.append(canonical(feed.target.sort)(plain))
        return tuple(made)

    def _there(self, handles: Sequence[Key]) -> set[_Same]:
        """Which of these keys the target holds; the rows are locked where that can be."""
        dialect = self.connection.dialect
        feeds = [self.plan.feeds[place].target for place in self.plan.handle]
        reads = [
            literal(self.dialect.transport(feed, quoted(feed.name, dialect))).label(f"h{place}")
            for place, feed in enumerate(feeds)
        ]
        found: set[_Same] = set()
        for some in portions(handles):
            select = sa.select(*reads).select_from(self.plan.target.name.clause).where(one_of(self.plan, some))
            found |= {self._same(tuple(row)) for row in self.connection.execute(select)}
        return found

    def _is_ours(self, handle: Key | None, there: set[_Same], *, had: bool) -> bool:
        """Whether a row of the target is one that this migration wrote."""
        if handle is None or self._same(handle) not in there:
            return False
        return self._same(handle) in self._written if self._keeps_keys else not had

    @property
    def _written(self) -> dict[_Same, tuple[Key, int]]:
        if self._ours is None:
            known = self.ledger.written_keys(self.connection)
            self._ours = {self._same(key): (key, chunk) for key, chunk in known.items()}
        return self._ours

    def written(self) -> list[Key]:
        """The keys that are on record as written; only where chunks keep them."""
        return [key for key, _ in self._written.values()]

    def _update(self, rows: Sequence[_Ready]) -> list[tuple[_Ready, Complaint]]:
        """Update rows that are there; those that the target refuses, with what it says."""
        if not rows:
            return []
        self.pace.went(0)
        try:
            with self.connection.begin_nested():  # a savepoint
                update_rows(self.connection, self.dialect, self.plan, [ready for _, ready in rows])
        except Exception as error:
            complaint = self.dialect.complaint(error)
            if complaint is None:
                raise
            if len(rows) == 1:
                return [(rows[0], complaint)]
        else:
            return []
        half = len(rows) // 2
        return self._update(rows[:half]) + self._update(rows[half:])

    def _delete(self, handles: Sequence[Key], now: datetime) -> None:
        table = self.plan.target.name.clause
        for some in portions(handles):
            self.connection.execute(sa.delete(table).where(one_of(self.plan, some)))
        if self._keeps_keys and handles:
            gone: dict[int, set[Key]] = {}
            for handle in handles:
                key, chunk = self._written.pop(self._same(handle))
                gone.setdefault(chunk, set()).add(key)
            self.ledger.strike(self.connection, gone, now)
