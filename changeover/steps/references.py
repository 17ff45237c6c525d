"""References to secrets, resolved at the last moment, and to values, found where they must not stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from changeover.contracts import Context

_REFERENCES: Final = ("env:", "file:", "keyring:")
_VALUE: Final = re.compile(r"(?<!\$)\$\{\s*(inputs|captured|services|people|item|systems|run|environment)\b")


def revealed(context: Context, values: Mapping[str, str]) -> dict[str, str]:
    """*values* with every ``env:``, ``file:`` and ``keyring:`` replaced by what is behind it."""
    return {name: context.secret(value) if value.startswith(_REFERENCES) else value for name, value in values.items()}


def takes_values(text: str) -> bool:
    """Whether values of the run would be written into *text*: wrong where they have to be bound or handed over."""
    return _VALUE.search(text) is not None
