"""What several systems say about the same things, kept on disk so that memory stays small however many there are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Self

from changeover.contracts import Value

#: What one system says of one thing: its fields, in order.
Said = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that one or more systems know."""

    key: str
    said: Mapping[str, Said]  # by system


class Testimony:
    """Close it: with ``with``."""

    def __init__(self, systems: Sequence[str]) -> None:
        self._systems = list(systems)
        self._kept = sqlite3.connect("", isolation_level=None)  # a file that SQLite deletes by itself
        self._kept.execute(
            "CREATE TABLE said (thing TEXT, system INTEGER, fields TEXT, PRIMARY KEY (thing, system)) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kept.close()

    def hear(self, system: str, rows: Iterable[tuple[str, Said]]) -> tuple[int, int]:
        """Keep what *system* says; how many things it knows, and how many rows are about a thing that it has named before."""
        place = self._systems.index(system)
        before = self._kept.total_changes
        heard = 0

        def counted() -> Iterator[tuple[str, int, str]]:
            nonlocal heard
            for key, fields in rows:
                heard += 1
                yield key, place, json.dumps(fields)

        self._kept.execute("BEGIN")
        self._kept.executemany("INSERT OR IGNORE INTO said VALUES (?, ?, ?)", counted())
        self._kept.execute("COMMIT")
        known = self._kept.total_changes - before
        return known, heard - known

    def things(self) -> Iterator[Thing]:
        """Everything that anybody knows, in the order of the keys."""
        with closing(self._kept.execute("SELECT thing, system, fields FROM said ORDER BY thing, system")) as cursor:
            for key, rows in groupby(cursor, key=lambda row: row[0]):
                yield Thing(key, {self._systems[place]: tuple(json.loads(fields)) for _, place, fields in rows})
