"""``${...}``: plain substitution of named values, without any template language. ``$${`` is a literal ``${``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from changeover.contracts import Value
from changeover.errors import Mistake

_REFERENCE: Final = re.compile(r"\$(\$?)\{([^{}]*)\}")
_PATH: Final = re.compile(r"[A-Za-z0-9_-]+(?:\[[^\]]*\])?(?:\.[A-Za-z0-9_-]+(?:\[[^\]]*\])?)*")
_PART: Final = re.compile(r"[A-Za-z0-9_-]+(?:\[[^\]]*\])?")


class Lookup(Protocol):
    """Whoever knows the values that names stand for."""

    def lookup(self, path: tuple[str, ...]) -> Value:
        """The value called *path*; ValueMissing when there is none."""
        ...


@dataclass(eq=False)
class ValueMissing(Mistake):
    """A ``${...}`` names a value that is not there. Nothing is guessed."""

    name: str
    why: str = "there is no value of that name"
    cure: str = ""

    def __str__(self) -> str:
        return f"`${{{self.name}}}`: {self.why}"

    @property
    def hint(self) -> str:
        return self.cure


def paths(text: str) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Each name written as ``${name}`` in *text* with its path; None for a path that is none."""
    for match in _REFERENCE.finditer(text):
        if not match[1]:
            yield match[2].strip(), path_of(match[2].strip())


@lru_cache(maxsize=8192)
def path_of(name: str) -> tuple[str, ...] | None:
    """``captured.copy.id`` in parts; None when it is no name."""
    return tuple(_PART.findall(name)) if _PATH.fullmatch(name) else None


def whole(text: str) -> str | None:
    """The name when *text* is one ``${name}`` and nothing else."""
    match = _REFERENCE.fullmatch(text.strip())
    return match[2].strip() if match is not None and not match[1] else None


def substitute(text: str, names: Lookup, *, shell: bool = False) -> Value:
    """*text* with its values put in: typed when it is one ``${name}``, else a text. With *shell* each value is quoted."""
    if "${" not in text:
        return text
    alone = whole(text)
    if alone is not None and not shell:
        return _look_up(alone, names)

    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        name = match[2].strip()
        value = _look_up(name, names)
        return _quoted(value, name) if shell else as_text(value, name)

    return _REFERENCE.sub(value_of, text)


def fill(value: Value, names: Lookup) -> Value:
    """*value* with the values put into every text in it, at any depth."""
    if isinstance(value, str):
        return substitute(value, names)
    if isinstance(value, Mapping):
        return {word: fill(entry, names) for word, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(entry, names) for entry in value]
    return value


def as_text(value: object, name: str) -> str:
    """How *value*, called *name*, reads inside a text. ValueMissing for null: an empty place in a text is a trap."""
    if value is None:
        raise ValueMissing(name, "the value is null, which cannot stand inside a text")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _quoted(value: object, name: str) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(shlex.quote(as_text(item, name)) for item in value)
    return shlex.quote(as_text(value, name))


def _look_up(name: str, names: Lookup) -> Value:
    path = path_of(name)
    if path is None:
        raise ValueMissing(
            name, "this is not a name", "write a name such as ${inputs.ticket}; for the shell's own ${...} write $${...}"
        )
    return names.lookup(path)
