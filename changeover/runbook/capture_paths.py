"""Paths into a step's output: ``$``, ``$.id``, ``$.a.b[0]``, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from changeover.contracts import Value
from changeover.errors import Mistake, Setback

_PART: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,9})\]", re.ASCII)


@dataclass(eq=False)
class CapturePathInvalid(Mistake):
    """A text that is no path into an output."""

    text: str

    def __str__(self) -> str:
        return f"`{self.text}` is not a path into the output"

    @property
    def hint(self) -> str:
        return "write `$` for the whole output, or a path such as `$.id` or `$.hosts[0].name`"


@dataclass(eq=False)
class OutputLacks(Setback):
    """The step's output has nothing at the path of a ``capture:``."""

    path: str
    missing: str
    has: str

    def __str__(self) -> str:
        return f"the output has no `{self.missing}`, asked for by `{self.path}`; it is {self.has}"

    @property
    def hint(self) -> str:
        return "look at the step's log for what it really answered, and correct the path in the runbook"


@lru_cache(maxsize=4096)
def parse(text: str) -> tuple[str | int, ...]:
    """The keys and indexes that *text* leads along; CapturePathInvalid when it is no path."""
    if not text.startswith("$"):
        raise CapturePathInvalid(text)
    parts: list[str | int] = []
    place = 1
    while place < len(text):
        match = _PART.match(text, place)
        if match is None:
            raise CapturePathInvalid(text)
        parts.append(match[1] if match[1] is not None else int(match[2]))
        place = match.end()
    return tuple(parts)


def extract(path: str, output: Value) -> Value:
    """What stands in *output* at *path*; OutputLacks when nothing does."""
    found: Any = output
    walked = "$"
    for part in parse(path):
        walked += f"[{part}]" if isinstance(part, int) else f".{part}"
        if not _has(found, part):
            raise OutputLacks(path, walked, _described(found))
        found = found[part]
    result: Value = found
    return result


def _has(found: Any, part: str | int) -> bool:
    if isinstance(found, list):
        return isinstance(part, int) and part < len(found)
    return isinstance(found, Mapping) and part in found


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return "a mapping of " + (", ".join(map(str, list(found)[:8])) or "nothing")
    if isinstance(found, list):
        return f"a list of {len(found)}"
    return "nothing" if found is None else f"a {type(found).__name__}"
