"""Keeps the beginning and the end of an output of any size, decoded as it comes."""

from __future__ import annotations

import codecs
from collections import deque
from typing import Final

#: Characters kept from the beginning and from the end each.
KEPT: Final = 128 * 1024


class Kept:
    """An output of which only so much stays in memory. UTF-8; what is not becomes U+FFFD."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0

    def add(self, piece: bytes, *, final: bool = False) -> str:
        """Take *piece* in and return it as text. A character cut in two comes with the piece that completes it."""
        text = self._decoder.decode(piece, final=final)
        room = self._limit - self._head_size
        if room > 0 and text:
            self._head.append(text[:room])
            self._head_size += len(self._head[-1])
        if rest := text[max(room, 0) :]:
            self._tail.append(rest)
            self._tail_size += len(rest)
            self._trim()
        return text

    def text(self) -> str:
        """What was kept, with a line in between that tells how much was not."""
        head, tail = "".join(self._head), "".join(self._tail)
        return f"{head}\n... {self._left_out} characters left out ...\n{tail}" if self._left_out else head + tail

    def _trim(self) -> None:
        while self._tail_size > self._limit:
            first = self._tail.popleft()
            surplus = min(self._tail_size - self._limit, len(first))
            if surplus < len(first):
                self._tail.appendleft(first[surplus:])
            self._tail_size -= surplus
            self._left_out += surplus
