"""What the systems have in common that make no hash of a row: whoever compares with them reads their rows."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.transfer.forms import Field, Form
from changeover.transfer.shapes import Column


class RowsRead:
    """The part of a dialect that has no SQL for comparing."""

    __slots__ = ()

    def canonical(self, column: Column, quoted: str, form: Form) -> str:  # noqa: ARG002 - its rows are read
        return ""

    def digest(self, fields: Sequence[Field]) -> str:  # noqa: ARG002 - as above
        return ""

    def number(self, digits: str) -> str:  # noqa: ARG002 - as above
        return ""
