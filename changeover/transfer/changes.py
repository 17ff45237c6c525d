"""What `do` and `map` make of a value: pure functions of one value that is not NULL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from changeover.contracts import Value
from changeover.errors import Setback
from changeover.transfer.mapping import Change, ColumnMapping

Convert = Callable[[Any], Any]
#: The same for a whole column at once; None stands for NULL and stays.
Batch = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(eq=False)
class Unfit(Setback):
    """A value that cannot stand in its column: its row becomes a dead letter."""

    why: str

    def __str__(self) -> str:
        return self.why


def _trim(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _zero_date_to_null(value: Any) -> Any:
    return None if isinstance(value, str) and value.startswith("0000-00-00") else value


def _empty_to_null(value: Any) -> Any:
    return None if value == "" else value


_CHANGES: Final[Mapping[Change, Convert]] = {
    "trim": _trim,
    "lower": _lower,
    "upper": _upper,
    "zero_date_to_null": _zero_date_to_null,
    "empty_to_null": _empty_to_null,
}


def changes_of(mapping: ColumnMapping) -> list[Convert]:
    """What happens to a value on its way, in order."""
    steps = [_CHANGES[change] for change in mapping.do]
    if mapping.map:
        steps.append(_mapped(mapping.map, mapping.unmapped))
    return steps


def _mapped(table: Mapping[str, Value], unmapped: str) -> Convert:
    def look_up(value: Any) -> Any:
        word = value if isinstance(value, str) else written(value)
        if word in table:
            return table[word]
        if unmapped == "keep":
            return value
        if unmapped == "null":
            return None
        raise Unfit(f"`map` does not name {shown(value)}")

    return look_up


def written(value: Any) -> str:
    """A value as YAML would write it, so that `map` can name it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def shown(value: Any, limit: int = 60) -> str:
    """A value for people."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return repr(text if len(text) <= limit else f"{text[:limit]}…") if isinstance(value, str) else text[:limit]


def in_order(steps: list[Convert]) -> Convert | None:
    """One function that does them all; None when there is nothing to do. A NULL on the way ends it."""
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def through(value: Any) -> Any:
        for step in steps:
            if value is None:
                return None
            value = step(value)
        return value

    return through


#: The same changes for columns of text.
_BATCHES: Final[Mapping[Change, Batch]] = {
    "trim": lambda values: [value and value.strip() for value in values],
    "lower": lambda values: [value and value.lower() for value in values],
    "upper": lambda values: [value and value.upper() for value in values],
    "zero_date_to_null": lambda values: [None if value and value.startswith("0000-00-00") else value for value in values],
    "empty_to_null": lambda values: [value or None for value in values],
}


def batch_of(mapping: ColumnMapping | None) -> Batch:
    """What happens to a column of text on its way. It raises Unfit when a single value would."""
    steps = [_BATCHES[change] for change in mapping.do] if mapping is not None else []
    if mapping is not None and mapping.map:
        steps.append(_looked_up(mapping.map, mapping.unmapped))

    def through(values: Sequence[Any]) -> Sequence[Any]:
        for step in steps:
            values = step(values)
        return values

    return through


def _looked_up(table: Mapping[str, Value], unmapped: str) -> Batch:
    known: dict[str | None, Value] = {None: None}
    known.update(table)

    def look_up(values: Sequence[Any]) -> Sequence[Any]:
        if unmapped == "keep":
            return [known.get(value, value) for value in values]
        if unmapped == "null":
            return [known.get(value) for value in values]
        try:
            return [known[value] for value in values]
        except KeyError as missing:
            raise Unfit(f"`map` does not name {shown(missing.args[0])}") from None

    return look_up
