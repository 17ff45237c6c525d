"""What is said between a migration and its workers, through a pipe or any other way that carries Python values."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.errors import Mistake, Setback
from changeover.transfer.control import ChunkRecord
from changeover.transfer.databases import Address, Reference
from changeover.transfer.mapping import Mapped


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs, wherever it runs: a migration by its name, its mapping, and both databases."""

    migration: str
    mapped: Mapped
    source: Address | Reference
    target: Address | Reference


@dataclass(frozen=True, slots=True)
class CopyTable:
    """An order: copy chunks of this table until nobody has any left to give."""

    number: int


@dataclass(frozen=True, slots=True)
class Rest:
    """An order: finish the chunk, then claim none until there is another order to copy."""


@dataclass(frozen=True, slots=True)
class RowsWent:
    """News: so many rows went since the last news. They are not committed yet."""

    rows: int


@dataclass(frozen=True, slots=True)
class ChunkCopied:
    """An answer: a chunk and its checkpoint are committed."""

    table: int
    chunk: ChunkRecord


@dataclass(frozen=True, slots=True)
class NoneLeft:
    """An answer: no chunk of the table is free."""

    table: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer, the last one: what went wrong."""

    error: Setback | Mistake
