"""How a column can travel from MariaDB to PostgreSQL inside a block of text, pair by pair of sorts.

A pair stands here only where PostgreSQL, given the text that MariaDB writes, stores what the row path would have stored, or
refuses it: then the row path looks at the rows. Where PostgreSQL would change a value in silence (a fraction of a second
rounded, text of spaces cut), a *doubt* says in SQL which values these are.
"""

from __future__ import annotations

from dataclasses import dataclass

from changeover.transfer.planning import Feed
from changeover.transfer.shapes import CLOCKS, TAKEN_AS_TEXT, TEMPORAL, Column, Sort
from changeover.transfer.source_made import made_by_source
from changeover.transfer.values import Values, values_of


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the target inside a block."""

    target: str
    expression: str  # SQL for its text
    nullable: bool
    doubt: str = ""  # SQL for values about which the row path decides; empty: none
    values: Values | None = None  # what Python makes of the text; None: it goes on untouched
    counted: str = ""  # SQL that is NULL for the same rows and costs less; empty: there is none
    changed: bool = False  # whether its author wants another value than the source's
    safe: str = ""  # SQL: of which values the source makes what Python would; empty: of all, or of none when there are `values`
    text: str = ""  # SQL for the others' text

    @property
    def made_here(self) -> bool:
        """Whether Python makes every value."""
        return self.values is not None and not self.safe


@dataclass(frozen=True, slots=True)
class _Read:
    """A column of MariaDB, and the SQL that reads it."""

    column: Column
    quoted: str
    text: str  # without loss, as the row path reads it

    @property
    def number(self) -> str:
        """Without the zeros that ZEROFILL puts in front."""
        return f"({self.quoted} + 0)"


_NUMBERS = frozenset({Sort.INTEGER, Sort.DECIMAL, Sort.BOOLEAN})


def field_of(feed: Feed, quoted: str, *, text: bool) -> Field | None:
    """How *feed* travels in a block; None when it cannot. *quoted* is its column in the source, or an expression.

    *text*: it is an expression that yields text.
    """
    if feed.source is None:
        return _computed(feed, quoted) if text else None
    read = _Read(feed.source, quoted, feed.expression)
    found = _untouched(read, feed.target)
    if found is not None and not feed.changed:
        return Field(feed.target.name, found[0], feed.source.nullable, found[1])
    values = values_of(feed)
    made = made_by_source(feed, quoted, found) if feed.changed else None
    if made is not None:
        return Field(
            feed.target.name,
            made.expression,
            made.nullable,
            made.doubt,
            values if made.safe else None,
            made.counted,
            changed=True,
            safe=made.safe,
            text=made.text,
        )
    if values is None:
        return None
    expression = {Sort.BINARY: f"HEX({quoted})", Sort.INTEGER: read.number}.get(feed.source.sort, read.text)
    return Field(feed.target.name, expression, feed.source.nullable, values=values, changed=feed.changed)


def _computed(feed: Feed, expression: str) -> Field | None:
    if feed.changed or feed.target.sort not in TAKEN_AS_TEXT - CLOCKS:
        return None
    unlimited = Column("", Sort.TEXT, "")
    expression = f"CONVERT({expression} USING utf8mb4)"  # without a collation of its author's, which others might contradict
    return Field(feed.target.name, expression, nullable=True, doubt=_cut(unlimited, feed.target, expression))


def _untouched(read: _Read, target: Column) -> tuple[str, str] | None:
    """The text that PostgreSQL takes exactly, and the doubt."""
    source = read.column
    match source.sort:
        case Sort.INTEGER:
            return _integer(read, target)
        case Sort.DECIMAL if target.sort is Sort.DECIMAL:
            return read.quoted, _rounded(source, target, read.quoted)
        case Sort.FLOAT if target.sort is Sort.FLOAT and (source.single or not target.single):
            return read.text, ""
        case Sort.TEXT | Sort.JSON if target.sort in TAKEN_AS_TEXT - CLOCKS:
            return read.quoted, _cut(source, target, read.quoted)
        case Sort.DATE if target.sort in TEMPORAL | TAKEN_AS_TEXT:
            return read.quoted, ""  # CONCAT_WS writes it as CAST does, which costs more
        case Sort.DATETIME if target.sort in (TEMPORAL - {Sort.DATE}) | TAKEN_AS_TEXT:
            return read.quoted, _shortened(source, target, read.quoted)
        case Sort.TIME | Sort.UUID if target.sort in TAKEN_AS_TEXT:
            return read.quoted, _shortened(source, target, read.quoted)
        case Sort.BIT:
            return _bits(read, target)
        case Sort.BINARY if target.sort is Sort.BINARY:
            return f"CONCAT(_utf8mb4 0x5c78, HEX({read.quoted}))", ""
        case _:
            return None


def _integer(read: _Read, target: Column) -> tuple[str, str] | None:
    if target.sort is Sort.TEXT:
        return read.number, ""
    if target.sort in _NUMBERS and (target.scale is None or target.scale >= 0):
        return read.quoted, ""
    return None


def _bits(read: _Read, target: Column) -> tuple[str, str] | None:
    if target.sort in _NUMBERS and (target.scale is None or target.scale >= 0):
        return read.text, ""
    if target.sort is Sort.BIT and target.length is not None and (read.column.length or 1) <= target.length:
        return f"LPAD(BIN({read.text}), {target.length:d}, '0')", ""
    return None


def _rounded(source: Column, target: Column, quoted: str) -> str:
    if target.precision is None or target.scale is None:
        return ""
    if source.scale is not None and source.scale <= target.scale:
        return ""
    return f"{quoted} <> ROUND({quoted}, {target.scale:d})"


def _cut(source: Column, target: Column, quoted: str) -> str:
    """PostgreSQL cuts spaces at the end that are too many, and of CHAR all of them."""
    if target.sort is not Sort.TEXT or target.length is None:
        return ""
    if target.fixed and not source.fixed:
        return f"(CHAR_LENGTH({quoted}) > {target.length:d} OR ASCII(RIGHT({quoted}, 1)) = 32)"
    if source.length is not None and source.length <= target.length:
        return ""
    return f"CHAR_LENGTH({quoted}) > {target.length:d}"


def _shortened(source: Column, target: Column, quoted: str) -> str:
    """PostgreSQL rounds fractions of a second."""
    digits = target.fraction if target.fraction is not None else 6
    loses = (source.fraction if source.fraction is not None else 6) > digits
    if not loses or not (target.sort is Sort.DATETIME or target.short_clock):
        return ""
    return f"MICROSECOND({quoted}) % {10 ** (6 - digits):d} <> 0"
