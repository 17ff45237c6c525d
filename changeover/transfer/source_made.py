"""Changes that MariaDB makes while it joins a block, where what it makes is proven to be what Python would have made.

Equal is what has the same bytes; MariaDB's idea of equal texts is another one. `trim`, `lower` and `upper` are made there of
values on which both agree, which a pattern tells; any other value comes as it is, between marks of its own, and is made here.
Everything is spelt in hexadecimal digits, so that no `sql_mode` and no collation gives it another meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from changeover.transfer.changes import Unfit
from changeover.transfer.encoding import written_column
from changeover.transfer.mapping import Change, ColumnMapping
from changeover.transfer.planning import Feed
from changeover.transfer.shapes import CLOCKS, TAKEN_AS_TEXT, TEMPORAL, Column, Sort

#: Characters of which MariaDB and Python make the same capital and small letters, one by one, each again such a character.
_SAME_LETTERS: Final = r"\x01-\x08\x0e-\x1b\x20-\x7f\xa1-\xb4\xb6-\xde\xe0-\x{12f}\x{131}-\x{148}\x{14a}-\x{17f}"
#: What Python's `strip` takes away besides the blank, of ASCII and beyond. Python documents it as `str.isspace`.
_SPACE: Final = r"\x09-\x0d\x1c-\x1f"
_FAR_SPACE: Final = r"\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
#: So long an expression, in characters, costs the source more than it saves.
_LONGEST: Final = 20_000
#: So many values of a map are looked for one after the other; a dictionary is faster with more.
_MOST_VALUES: Final = 50
_ZERO_DATE: Final = "0000-00-00"


@dataclass(frozen=True, slots=True)
class Making:
    """SQL that makes a column's values."""

    expression: str
    nullable: bool
    counted: str  # is NULL for the same rows; as cheap as can be
    doubt: str = ""  # values about which the row path decides
    safe: str = ""  # of which values the source makes what Python would; empty: of all
    text: str = ""  # the others as they are


def made_by_source(feed: Feed, quoted: str, untouched: tuple[str, str] | None) -> Making | None:
    """How MariaDB makes *feed*'s values of the column *quoted*; None when it is not known to make the same.

    *untouched*: the column's text and doubt, where it can travel as it is.
    """
    if feed.source is None or feed.mapping is None or feed.called:
        return None
    if feed.source.sort is Sort.TEXT:
        making = _text(feed, feed.source, feed.mapping, quoted)
    elif feed.mapping.map:
        making = _number(feed, feed.source, feed.mapping, quoted, untouched)
    else:
        making = _without_letters(feed.source, feed.mapping, quoted, untouched)
    return making if making is not None and len(making.expression) + len(making.doubt) <= _LONGEST else None


def _without_letters(source: Column, mapping: ColumnMapping, quoted: str, untouched: tuple[str, str] | None) -> Making | None:
    """Neither `trim` nor `lower` nor `upper` changes a number or a moment, and none is empty."""
    if untouched is None or source.sort in {Sort.UUID, Sort.JSON, Sort.BINARY}:
        return None
    text, doubt = untouched
    if "zero_date_to_null" in mapping.do and source.sort in TEMPORAL:
        text = f"NULLIF({text}, '{_ZERO_DATE}')"
        return Making(text, nullable=True, counted=text, doubt=doubt)
    return Making(text, source.nullable, quoted, doubt)


# --- map ---


@dataclass(frozen=True, slots=True)
class _Map:
    """A map as the target's column has it."""

    known: dict[str, str | None]  # the target's text by the source's; None: NULL
    unfit: tuple[str, ...]  # the source's texts of which the map makes what the column cannot hold
    unmapped: str

    @property
    def empties(self) -> bool:
        """Whether it makes NULL of a value."""
        return self.unmapped == "null" or None in self.known.values()


def _map_of(feed: Feed, mapping: ColumnMapping) -> _Map | None:
    """None when it is too large, or has a value that no column is made of."""
    if len(mapping.map) > _MOST_VALUES:
        return None
    known: dict[str, str | None] = {}
    unfit = []
    for word, value in mapping.map.items():
        if not _encodable(word):
            continue  # no value of the source is equal to it
        try:
            known[word] = _target_text(feed, value)
        except Unfit:
            unfit.append(word)
        except TypeError:
            return None
    return _Map(known, tuple(unfit), mapping.unmapped)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _target_text(feed: Feed, value: Any) -> str | None:
    """A value of a map as COPY would have it, before anything is escaped."""
    fitted = value if value is None or feed.fits is None else feed.fits(value)
    (text,) = written_column([fitted])
    return text


def _looked_up(operand: str, known: dict[str, str | None], written: Sequence[str], otherwise: str) -> str:
    """SQL for what a map makes. *written*: its words, as *operand* is compared with them."""
    cases = [f"WHEN {word} THEN {_literal(text)}" for word, text in zip(written, known.values(), strict=True)]
    return f"CASE {operand} {' '.join(cases)} ELSE {otherwise} END" if cases else otherwise


def _map_doubt(table: _Map, operand: str, known: Sequence[str], unfit: Sequence[str]) -> str:
    if table.unmapped == "reject":
        return f"{operand} NOT IN ({', '.join(known)})" if known else f"{operand} IS NOT NULL"
    return f"{operand} IN ({', '.join(unfit)})" if unfit else ""


def _number(feed: Feed, source: Column, mapping: ColumnMapping, quoted: str, untouched: tuple[str, str] | None) -> Making | None:
    """A map of whole numbers; what else is done to a number changes nothing."""
    table = _map_of(feed, mapping) if source.sort in {Sort.INTEGER, Sort.BIT} else None
    if table is None or (table.unmapped == "keep" and (untouched is None or untouched[1])):
        return None
    known = {word: text for word, text in table.known.items() if _whole(word)}  # any other word names no number
    unfit = [word for word in table.unfit if _whole(word)]
    operand = f"({quoted} + 0)"
    kept = untouched[0] if untouched is not None else operand
    expression = _looked_up(operand, known, list(known), "NULL" if table.unmapped == "null" else kept)
    doubt = _map_doubt(table, operand, list(known), unfit)
    return Making(expression, source.nullable or table.empties, expression if table.empties else quoted, doubt)


def _whole(word: str) -> bool:
    """Whether a whole number of MariaDB, of 20 digits at most, is written like this."""
    return re.fullmatch("0|-?[1-9][0-9]{0,19}", word) is not None


# --- text ---


def _text(feed: Feed, source: Column, mapping: ColumnMapping, quoted: str) -> Making | None:
    total = bool(mapping.map) and mapping.unmapped != "keep"
    if not total and (feed.target.sort not in TAKEN_AS_TEXT - CLOCKS or feed.target.fixed):
        return None
    text = quoted if source.utf8 else f"CONVERT({quoted} USING utf8mb4)"
    table = _map_of(feed, mapping) if mapping.map else None
    if mapping.map and table is None:
        return None
    changed = _changed(text, mapping.do)
    empties = bool({"zero_date_to_null", "empty_to_null"} & {*mapping.do}) or (table is not None and table.empties)
    doubts = []
    made = changed
    if table is not None:
        operand = f"CAST({changed} AS BINARY)"
        known, unfit = [_bytes(word) for word in table.known], [_bytes(word) for word in table.unfit]
        made = _looked_up(operand, table.known, known, "NULL" if table.unmapped == "null" else changed)
        doubts.append(_map_doubt(table, operand, known, unfit))
    limit = feed.target.length if feed.target.sort is Sort.TEXT else None
    if not total and limit is not None and (source.length is None or source.length > limit):
        doubts.append(f"CHAR_LENGTH({made}) > {limit:d}")
    doubt = " OR ".join(filter(None, doubts))
    safe = _safe(text, mapping.do)
    if not safe:
        return Making(made, source.nullable or empties, made if empties else quoted, doubt)
    counted = f"IF({safe}, {made}, {text})" if empties else quoted
    return Making(made, source.nullable or empties, counted, f"{safe} AND ({doubt})" if doubt else "", safe, text)


def _changed(text: str, do: Sequence[Change]) -> str:
    for change in do:
        match change:
            case "trim":
                text = f"TRIM({text})"
            case "lower" | "upper":
                text = f"{change.upper()}({text} COLLATE utf8mb4_bin)"
            case "zero_date_to_null":
                text = f"IF(LEFT(CAST({text} AS BINARY), {len(_ZERO_DATE):d}) = {_bytes(_ZERO_DATE)}, NULL, {text})"
            case "empty_to_null":
                text = f"IF(LENGTH({text}) = 0, NULL, {text})"
    return text


def _safe(text: str, do: Sequence[Change]) -> str:
    """SQL for values of which MariaDB makes what Python would; empty for all."""
    text = f"{text} COLLATE utf8mb4_bin"  # any other may take two letters for one
    trims, cases = "trim" in do, bool({"lower", "upper"} & {*do})
    other_letters = f"[^{_SAME_LETTERS}{_SPACE}]"
    if not trims:
        return f"{text} NOT REGEXP {_literal(other_letters)}" if cases else ""
    spaces = f"[{_SPACE}{_FAR_SPACE}]"
    # TRIM knows no space but the blank; what the others hold is kept by both
    edges = [rf"\A\x20*{spaces}", rf"{spaces}\x20*\z"]
    usual, further = (f"[^{_SAME_LETTERS}]", [other_letters, *edges]) if cases else (spaces, edges)
    looked_at = " AND ".join(f"{text} NOT REGEXP {_literal(pattern)}" for pattern in further)
    return f"({text} NOT REGEXP {_literal(usual)} OR ({looked_at}))"


def _literal(text: str | None) -> str:
    return "NULL" if text is None else f"_utf8mb4 x'{text.encode().hex()}'"


def _bytes(text: str) -> str:
    return f"x'{text.encode().hex()}'"
