"""What the systems have in common that make no hash of a row: whoever compares with them reads their rows."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from changeover.transfer.dialects import Extent, Joiner
from changeover.transfer.forms import Field, Form
from changeover.transfer.shapes import Column, TableName


class RowsRead:
    """The part of a dialect that has no SQL for comparing."""

    __slots__ = ()

    @property
    def joiner(self) -> Joiner | None:
        return None

    def canonical(self, column: Column, quoted: str, form: Form) -> str:  # noqa: ARG002 - its rows are read
        return ""

    def digest(self, fields: Sequence[Field]) -> str:  # noqa: ARG002 - as above
        return ""

    def number(self, digits: str) -> str:  # noqa: ARG002 - as above
        return ""

    def extent(self, connection: sa.Connection, table: TableName) -> Extent | None:  # noqa: ARG002 - its rows are counted
        return None
