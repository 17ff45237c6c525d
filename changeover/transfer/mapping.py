"""What the author writes below `migrate:`: tables, columns, policies. The fields are the YAML keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from changeover.contracts import Value, ValueFunctionName, key
from changeover.transfer.delta_words import Delta
from changeover.transfer.paged_words import Paged

Change = Literal["trim", "lower", "upper", "zero_date_to_null", "empty_to_null"]


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """What becomes of text that the target cannot hold as it is."""

    nul: Literal["reject", "strip"] = key("NUL characters where the target has none: dead letter, or left out", default="reject")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What fills one column of the target: `from`, `sql` or `value`, then `do`, then `map`, then `call`."""

    source: str = key("the source's column; left out: the one of the same name", word="from", default="")
    sql: str = key("or an SQL expression on the source's table", default="")
    value: Value = key("or a constant", default=None)
    do: tuple[Change, ...] = key("changes, in this order: trim, lower, upper, zero_date_to_null, empty_to_null", default=())
    map: Mapping[str, Value] = key("the target's value for each value of the source", default_factory=dict)
    unmapped: Literal["reject", "keep", "null"] = key("what becomes of values that `map` does not name", default="reject")
    call: ValueFunctionName = key(
        "a function of the project, such as `checks.transforms:to_minor_units`, that makes the target's value of the source's, "
        "after `do` and `map`; NULL stays NULL",
        default="",
    )

    @property
    def changes(self) -> bool:
        """Whether its author wants another value than the one read."""
        return bool(self.do or self.map or self.call)

    def problems(self) -> Iterable[str]:
        """One thing fills a column."""
        written = {"from": bool(self.source), "sql": bool(self.sql), "value": self.value is not None}
        given = [word for word, there in written.items() if there]
        if len(given) > 1:
            yield f"`{'` and `'.join(given)}` exclude each other: one thing fills a column"
        if self.unmapped != "reject" and not self.map:
            yield "`unmapped` belongs to `map`"
        if self.call and self.value is not None:
            yield "`call` and `value` exclude each other: write what the function would make of it as `value`"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One table, from where to where."""

    source: str = key("the source's table or view, `schema.name` or `name`", word="from")
    target: str = key("the target's table; left out: the same name", word="to", default="")
    key_columns: tuple[str, ...] = key("columns that tell rows apart; left out: the primary key", word="key", default=())
    where: str = key("an SQL condition on the source's rows", default="")
    columns: Mapping[str, str | ColumnMapping] = key(
        "the target's columns that are not simply filled from the one of the same name: the source's column, or more",
        default_factory=dict,
    )
    chunk_rows: int | None = key("rows of one transaction; left out: the step's", default=None)
    text: TextPolicy | None = key("left out: the step's", default=None)
    delta: Delta | Literal["ignore"] | None = key(
        "how it catches up with what changes in the source; `ignore`: it does not; left out: the step's", default=None
    )

    api: Paged | None = key("how a service hands out its rows, where `from` of the step is one", default=None)

    def problems(self) -> Iterable[str]:
        """A table has a name, and chunks have rows."""
        if not self.source:
            yield "`from` names a table of the source"
        if _below(self.chunk_rows, 1):
            yield "`chunk_rows` is at least 1"

    @property
    def catching_up(self) -> Delta | None:
        """How it catches up; None when it does not."""
        return self.delta if isinstance(self.delta, Delta) else None

    @property
    def into(self) -> str:
        """The target's table."""
        return self.target or self.source

    @property
    def filled(self) -> Mapping[str, ColumnMapping]:
        """The columns, each in full."""
        return {
            name: ColumnMapping(source=column) if isinstance(column, str) else column for name, column in self.columns.items()
        }


@dataclass(frozen=True, slots=True)
class Sequences:
    """What becomes of the counters that make new keys in the target."""

    reset: bool = key("whether they go on after the highest key copied", default=True)
    headroom: int = key("keys left free after the highest", default=1000)

    def problems(self) -> Iterable[str]:
        """A counter never stands below a key that is there."""
        if _below(self.headroom, 0):
            yield "`sequences: headroom` is 0 or more"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A whole migration, from one database to another."""

    tables: tuple[TableMapping, ...]
    chunk_rows: int = 100_000
    max_rejects: int = 0
    order: tuple[str, ...] = ()  # the target's tables, parents first; empty: by foreign keys
    sequences: Sequences = field(default_factory=Sequences)
    text: TextPolicy = field(default_factory=TextPolicy)
    workers: int | str = 1  # processes; `auto`: as many as suit this machine
    indexes: Literal["keep", "after_load"] = "keep"  # of the target
    max_reject_ratio: float | None = None  # of all rows; None: `max_rejects` alone counts
    project: Path | None = None  # the root below which the functions of `call` are

    def may_reject(self, rows: int) -> int:
        """How many of *rows* rows, those of all tables, may become dead letters."""
        if self.max_reject_ratio is None:
            return self.max_rejects
        return min(self.max_rejects, int(rows * Decimal(str(self.max_reject_ratio))))  # 0.29 of 100 rows are 29


@dataclass(frozen=True, slots=True)
class Swap:
    """Three schemas of one database (of MariaDB: three databases of one server)."""

    live: str = key("where everybody looks for the tables")
    loaded: str = key("where the migration wrote them")
    kept: str = key("where the old ones wait meanwhile")


def _below(value: object, least: int) -> bool:
    """False for a `${...}` that only the run will know."""
    return isinstance(value, int) and value < least
