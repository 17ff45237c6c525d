"""What the author writes below `reconcile:`. The fields are the YAML keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from changeover.contracts import DatabaseName, Value, key

Where = Literal["source", "target"]
Sorts = Literal["text", "integer", "decimal", "boolean", "date", "datetime", "float", "json", "binary", "uuid", "time", "bit"]


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """What stands beside one column of the target."""

    source: str = key("the source's column; left out: the one of the same name", word="from", default="")
    sql: str = key("or an SQL expression on the source's table", default="")
    target: str = key("an SQL expression on the target's table, in place of the column", word="to", default="")
    taken_as: Sorts | None = key("what the values are compared as; left out: as what the tables say", word="as", default=None)


@dataclass(frozen=True, slots=True)
class TablePair:
    """Two tables that should say the same."""

    source: str = key("the source's table or view, `schema.name` or `name`", word="from")
    target: str = key("the target's; left out: the same name", word="to", default="")
    key_columns: tuple[str, ...] = key(
        "columns of the target that tell rows apart; left out: its primary key", word="key", default=()
    )
    where: str = key("an SQL condition on the source's rows", default="")
    target_where: str = key("an SQL condition on the target's rows", default="")
    columns: Mapping[str, str | ColumnPair] = key(
        "the target's columns beside which something else stands than the column of the same name", default_factory=dict
    )
    only: tuple[str, ...] = key("compare these columns of the target and no others", default=())
    without: tuple[str, ...] = key("columns of the target that are not compared", default=())
    at_least: int = key("rows that the source must have; with fewer a comparison proves nothing", default=1)

    @property
    def into(self) -> str:
        """The target's table."""
        return self.target or self.source


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is worked out on both sides, where it is not written alike."""

    source: str = key("an SQL aggregate on the source's table")
    target: str = key("an SQL aggregate on the target's table")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Sums, lowest and highest values that must be the same on both sides; of all rows, or of each group."""

    table: str = key("a table of `tables`, by the target's name")
    figures: Mapping[str, str | Figure] = key("label -> SQL aggregate, such as `sum(total)`, or one for each side")
    by: Mapping[str, str | Figure] = key("groups: label -> SQL expression, or one for each side", default_factory=dict)
    tolerance: float = key("by how much a number may differ", default=0)


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows that must belong to a parent."""

    table: str = key("the table")
    column: str = key("what names the parent; NULL belongs to nobody on purpose")
    parent: str = key("the parent's table")
    parent_column: str = key("the parent's column", default="id")
    where: str = key("an SQL condition on the table's rows", default="")
    on: Where = key("in which database", default="target")
    at_most: int = key("rows without a parent that are allowed", default=0)


@dataclass(frozen=True, slots=True)
class Unique:
    """Columns of which no two rows may hold the same values."""

    table: str = key("the table")
    columns: tuple[str, ...] = key("what must be unique together; NULL is never shared")
    where: str = key("an SQL condition on its rows", default="")
    on: Where = key("in which database", default="target")
    at_most: int = key("shared values that are allowed", default=0)


@dataclass(frozen=True, slots=True)
class Domain:
    """What may stand in a column."""

    table: str = key("the table")
    column: str = key("the column")
    values: tuple[Value, ...] = key("the values that may stand there", default=())
    holds: str = key("or an SQL condition that holds for every value", default="")
    nullable: bool = key("whether it may be NULL", default=True)
    where: str = key("an SQL condition on its rows", default="")
    on: Where = key("in which database", default="target")
    at_most: int = key("rows with another value that are allowed", default=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of both sides beside each other, field by field, for the owner to read."""

    table: str = key("a table of `tables`, by the target's name")
    rows: int = key("how many", default=20)
    seed: int = key("another seed picks other rows; the same seed the same", default=1)


@dataclass(frozen=True, slots=True)
class Witness:
    """One system that says something about a thing that others know too."""

    database: DatabaseName = key("the database")
    table: str = key("its table or view")
    known_by: str = key("the column by which the thing is known; left out: `key` of the contradiction", word="key", default="")
    fields: Mapping[str, str] = key(
        "field -> its column or SQL expression, where that is not the field's name", default_factory=dict
    )
    where: str = key("an SQL condition on its rows", default="")


@dataclass(frozen=True, slots=True)
class Survivor:
    """Which system is believed about a field."""

    prefer: tuple[str, ...] = key("systems, the most believed first; one that says nothing is passed over", default=())
    rule: Literal["prefer", "latest", "most"] = key(
        "`prefer`: by that order; `latest`: by the newest `by`; `most`: what most of them say", default="prefer"
    )
    by: str = key("for `latest`: the field that holds when it was changed", default="")


@dataclass(frozen=True, slots=True)
class Routes:
    """Where a process sends a customer next, and so where contradictions would send one round in circles."""

    database: DatabaseName = key("where the table of routes is")
    table: str = key("rows of: where one stands, which system is asked, which answer leads, where to")
    at: str = key("the column with the place, such as a menu of the telephone system", default="at")
    system: str = key("the column with the system that is asked there; empty or NULL: nobody is asked", default="system")
    field: str = key("the column with the field that is asked for", default="field")
    value: str = key("the column with the answer for which this way is taken; `*`: any other", default="value")
    to: str = key("the column with the next place; empty or NULL: the customer has been served", default="to")
    start: str = key("the place where customers come in", default="start")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Several systems, one key, and the fields about which they disagree."""

    systems: Mapping[str, Witness] = key("a name for each system -> where it says so")
    known_by: str = key("the column by which all of them know a thing", word="key")
    fields: tuple[str, ...] = key("what they are compared by")
    ignore: tuple[Literal["case", "blanks"], ...] = key("what means nothing in a text", default=())
    survives: Mapping[str, Survivor] = key("field -> which system is believed", default_factory=dict)
    routes: Routes | None = key("where the processes would send customers of whom systems disagree", default=None)
    limit: int = key("things about which they may disagree", default=0)
    loops: int = key("things that may be sent round in circles", default=0)

    @property
    def compared(self) -> tuple[str, ...]:
        """The fields about which there can be a contradiction: those that only say when others changed are none."""
        clocks = {survivor.by for survivor in self.survives.values()} - set(self.survives)
        return tuple(name for name in self.fields if name not in clocks)
