"""Sending blocks that MariaDB has joined, as one COPY."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from changeover.transfer.blocks import BlockReader, Refused
from changeover.transfer.carriers import Stretch
from changeover.transfer.copy_command import copy_in
from changeover.transfer.encoding import MARKED
from changeover.transfer.pace import Pace
from changeover.transfer.slices import Slices


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sends block after block; while PostgreSQL stores one, MariaDB joins the next."""

    reader: BlockReader
    writing: sa.Connection
    slices: Slices
    pace: Pace

    def send(self, stretch: Stretch, *, slices: int | None) -> None:
        table = self.reader.reader.plan.target.name
        copy_in(self.writing, table, self.reader.form.names, self._texts(stretch, slices), options=MARKED)

    def _texts(self, stretch: Stretch, most: int | None) -> Iterator[bytes]:
        sent = 0
        while stretch.left is not None and (most is None or sent < most):
            piece, rest = self.slices.cut(stretch.left)
            block = self.reader.read(piece)
            if block is Refused.TOO_LARGE and self.slices.rows > 1:
                self.slices.halve()
                continue
            stretch.left = rest
            if isinstance(block, Refused):
                stretch.doubtful = piece
                return
            if block.rows:
                yield block.text
                stretch.rows += block.rows
                self.slices.learn(block.rows, len(block.text))
            self.pace.went(block.rows)
            sent += 1
