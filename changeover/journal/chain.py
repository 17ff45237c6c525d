"""The hash chain: every row is bound to the one before, so a flipped, dropped or reordered row is found."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from changeover.journal.canonical import moment_text, quoted, text_of
from changeover.journal.events import Event

#: What stands before the first row of a run.
START: Final = ""


#: Run, seq, at (as text), epoch, kind, step, attempt, who.
Row = tuple[str, int, str, int, str, str, int, str]


def link(previous: str, row: Row, data: str) -> str:
    """The hash that *row* must carry after the one with the hash *previous*; *data* is its data as canonical JSON."""
    return linked(previous, text_of_row(row, data))


def text_of_row(row: Row, data: str) -> str:
    """What is hashed of *row*: a JSON list without blanks, its last entry *data* as it stands."""
    run, seq, at, epoch, kind, step, attempt, who = row
    return f"[{quoted(run)},{seq},{quoted(at)},{epoch},{quoted(kind)},{quoted(step)},{attempt},{quoted(who)},{data}]"


def linked(previous: str, text: str) -> str:
    """The hash of a row whose *text* stands after the one with the hash *previous*."""
    return sha256(f"{previous}\n{text}".encode()).hexdigest()


def hash_of(previous: str, event: Event) -> str:
    """The hash that *event* must carry after the one with the hash *previous*."""
    at = moment_text(event.at)
    row = (event.run, event.seq, at, event.epoch, event.kind.value, event.step, event.attempt, event.who)
    return link(previous, row, text_of(event.data))


def verify(events: Iterable[Event], *, head: str | None = None) -> int | None:
    """The sequence number at which the chain breaks, or None when it is whole.

    *events* are all of a run, in order. Rows cut off at the end can only be seen with *head*, the hash of the last row
    as it was noted elsewhere: in the run's row, in chat, in a report.
    """
    previous, expected = START, 1
    for event in events:
        if event.seq != expected or event.hash != hash_of(previous, event):
            return expected
        previous, expected = event.hash, expected + 1
    return expected if head is not None and head != previous else None
