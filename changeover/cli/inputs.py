"""The values given with `--set`, checked against what the runbook declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Final

from changeover.contracts import Value
from changeover.errors import Mistake
from changeover.runbook.model import Input

_FLAGS: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(eq=False)
class NotAnAssignment(Mistake):
    """Something else than NAME=VALUE."""

    text: str
    option: str

    def __str__(self) -> str:
        return f"{self.option} {self.text!r} is not NAME=VALUE"

    @property
    def hint(self) -> str:
        return f"for example {self.option} wave=residential"


@dataclass(eq=False)
class GivenTwice(Mistake):
    """One name with two values."""

    name: str
    values: tuple[str, str]
    option: str

    def __str__(self) -> str:
        return f"{self.option} {self.name} is given twice: {self.values[0]!r} and {self.values[1]!r}"

    @property
    def hint(self) -> str:
        return "only one of them can be meant: leave the other one out"


@dataclass(eq=False)
class UnknownInput(Mistake):
    """The runbook has no such input."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"the runbook has no input {self.name!r}"

    @property
    def hint(self) -> str:
        near = get_close_matches(self.name, self.known)
        if near:
            return f"did you mean {near[0]!r}?"
        return f"it has {', '.join(self.known)}" if self.known else "it takes none"


@dataclass(eq=False)
class MissingInputs(Mistake):
    """Inputs without a default that nobody gave."""

    missing: Mapping[str, Input]

    def __str__(self) -> str:
        names = ", ".join(f"{name} ({entry.title})" if entry.title else name for name, entry in self.missing.items())
        return f"the runbook needs {'an input' if len(self.missing) == 1 else 'inputs'} that nobody gave: {names}"

    @property
    def hint(self) -> str:
        return "add " + " ".join(f"--set {name}={_example(entry)}" for name, entry in self.missing.items())


@dataclass(eq=False)
class InvalidInput(Mistake):
    """A value that the input does not take."""

    name: str
    value: str
    takes: str

    def __str__(self) -> str:
        return f"input {self.name!r} does not take {self.value!r}"

    @property
    def hint(self) -> str:
        return f"it takes {self.takes}"


def assignments(texts: Iterable[str], option: str = "--set") -> dict[str, str]:
    """The ``NAME=VALUE`` texts of *option* by name. Raises NotAnAssignment, GivenTwice."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise NotAnAssignment(text, option)
        if given.setdefault(name.strip(), value) != value:
            raise GivenTwice(name.strip(), (given[name.strip()], value), option)
    return given


def inputs_of(declared: Mapping[str, Input], given: Mapping[str, str]) -> dict[str, Value]:
    """The inputs of a run, typed; defaults stay with the runbook. Raises UnknownInput, InvalidInput, MissingInputs."""
    for name in given:
        if name not in declared:
            raise UnknownInput(name, tuple(declared))
    values = {name: _typed(name, declared[name], text) for name, text in given.items()}
    missing = {name: entry for name, entry in declared.items() if name not in given and entry.default is None}
    if missing:
        raise MissingInputs(missing)
    return values


def _typed(name: str, entry: Input, text: str) -> Value:
    match entry.type:
        case "choice":
            if text not in entry.of:
                raise InvalidInput(name, text, f"one of {', '.join(entry.of)}")
        case "number":
            return _number(name, text)
        case "flag":
            if text.lower() not in _FLAGS:
                raise InvalidInput(name, text, "true or false")
            return _FLAGS[text.lower()]
        case "date":
            _date(name, text)
        case "text":
            pass
    if entry.matches and re.fullmatch(entry.matches, text) is None:
        raise InvalidInput(name, text, f"a text that matches {entry.matches}")
    return text


def _number(name: str, text: str) -> Value:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        raise InvalidInput(name, text, "a number") from None
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - only NaN differs from itself
        raise InvalidInput(name, text, "a number")
    return value


def _date(name: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(name, text, "a date such as 2027-03-13") from None


def _example(entry: Input) -> str:
    return entry.of[0] if entry.of else {"number": "1", "flag": "true", "date": "2027-03-13"}.get(entry.type, "VALUE")
