"""Writes docs/kinds.md, the reference of the step kinds, from their dataclasses: ``python -m changeover.steps.reference``."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from changeover.contracts import Kind, Names, Quoted, Value, registered_kinds
from changeover.runbook.model import WallTime
from changeover.runbook.readers import FieldPlan, field_plans

_HEAD: Final = """\
# Step kinds

A step has exactly one of these words as a key; what stands below it are the keys of its table. Every kind says what its
output is (`$` in `capture:`), what it does in a dry run, and what it means that nobody knows whether it happened.
A default time-out holds where `timeout:` is not written beside the kind.

This page is made from the code: `python -m changeover.steps.reference`.
"""
_NAMED: Final = {
    "databases": "database",
    "services": "service",
    "sources": "database or service",
    "channels": "channel",
    "hosts": "host or group",
    "people": "person or role",
    "steps": "step",
    "functions": "function",
    "functions of a value": "function of one value",
    "files": "file",
    "runbooks": "file of a runbook",
}
_SPOKEN: Final[dict[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
    WallTime: "wall-clock time",
    Any: "any value",
}


def page(kinds: Mapping[str, Kind]) -> str:
    """The reference page of *kinds*."""
    contents = " · ".join(f"[`{word}`](#{word})" for word in sorted(kinds))
    return "\n".join([_HEAD, contents, "", *(line for word in sorted(kinds) for line in _section(kinds[word]))])


def _section(kind: Kind) -> Iterator[str]:
    yield f"## {kind.word}"
    yield ""
    yield from inspect.cleandoc(kind.python.__doc__ or "").splitlines()
    yield ""
    yield from _facts(kind)
    yield ""
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from _rows(kind.python, "")
    yield ""


def _facts(kind: Kind) -> Iterator[str]:
    timeout = (
        f"Default time-out: {_duration(kind.timeout)}."
        if kind.timeout
        else "No time-out of its own: it takes as long as it takes."
    )
    word = next((plan.word for plan in field_plans(kind.python) if plan.name == kind.shorthand), "")
    short = f" A plain value below `{kind.word}:` is its `{word}`." if word else ""
    yield f"{timeout}{short}"


def _rows(python: type[Any], before: str) -> Iterator[str]:
    defaults = {field.name: field for field in dataclasses.fields(python)}
    for plan in field_plans(python):
        default = "required" if plan.required else _default(defaults[plan.name])
        yield f"| `{before}{plan.word}` | {spoken(plan.hint)} | {default} | {_cell(plan)} |"
        nested = _nested(plan.hint)
        if nested is not None and nested not in {kind.python for kind in registered_kinds().values()}:
            yield from _rows(nested, f"{before}{plan.word}.")


def _cell(plan: FieldPlan) -> str:
    return plan.meaning.replace("|", "\\|")


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return ""
    value = field.default
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f"`{_duration(value)}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def spoken(hint: Any) -> str:
    """A type hint in words."""
    if hint in _SPOKEN:
        return _SPOKEN[hint]
    if hint == Value:
        return "any value"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(spoken(part) for part in arguments if part is not type(None)))
    if origin in {tuple, list}:
        return f"list of {spoken(arguments[0])}"
    if origin is not None and len(arguments) == 2:  # noqa: PLR2004 - a mapping's key and value
        return f"mapping of {spoken(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " or ".join(f"`{member.value}`" for member in hint)
    word = next((kind.word for kind in registered_kinds().values() if kind.python is hint), "")
    return f"as [`{word}`](#{word})" if word else "mapping"


def _annotated(arguments: tuple[Any, ...]) -> str:
    for mark in arguments[1:]:
        if isinstance(mark, Names):
            return _NAMED.get(mark.sort, mark.sort)
        if isinstance(mark, Quoted):
            return "shell text"
    return spoken(arguments[0])


def _nested(hint: Any) -> type[Any] | None:
    """The dataclass that a hint holds, alone, in a union or in a list."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint is not WallTime:
        return hint
    return next((found for part in get_args(hint) if (found := _nested(part)) is not None), None)


def _duration(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def main(target: str = "docs/kinds.md") -> None:
    """Write the page."""
    import changeover.steps  # noqa: F401, PLC0415 - registers the kinds

    Path(target).write_text(page(registered_kinds()), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
