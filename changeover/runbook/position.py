"""Where something stands in a file."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """A place in a YAML file; lines and columns count from 1."""

    # a named tuple: a runbook of 20,000 steps has half a million places
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Position("", 0, 0)
