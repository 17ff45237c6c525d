"""The journal on SQLite or PostgreSQL: everything that parts of changeover may do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from changeover.contracts import Clock, Value
from changeover.journal.audit import Record
from changeover.journal.commands import Commands
from changeover.journal.connections import Connections
from changeover.journal.cursors import Cursors
from changeover.journal.entries import Entries
from changeover.journal.errors import (
    AnsweredAlready,
    CapturedTooLarge,
    CommandTooLarge,
    EventTooLarge,
    JournalAddressWrong,
    JournalEmpty,
    JournalMissing,
    JournalTooNew,
    JournalTooOld,
    JournalUnavailable,
    LeaseLost,
    NoSuchCommand,
    NoSuchRun,
    PassedTwice,
    RunExists,
    RunOwned,
)
from changeover.journal.events import Command, CommandRecord, Draft, Event
from changeover.journal.leases import Leases
from changeover.journal.record_reading import read_record
from changeover.journal.records import Head, Lease, Mark, Owner, Ownership, RunRecord
from changeover.journal.runs import Runs
from changeover.journal.schema import prepare

__all__ = [
    "AnsweredAlready",
    "CapturedTooLarge",
    "CommandTooLarge",
    "EventTooLarge",
    "Head",
    "Journal",
    "JournalAddressWrong",
    "JournalEmpty",
    "JournalMissing",
    "JournalTooNew",
    "JournalTooOld",
    "JournalUnavailable",
    "Lease",
    "LeaseLost",
    "Mark",
    "NoSuchCommand",
    "NoSuchRun",
    "Owner",
    "Ownership",
    "PassedTwice",
    "RunExists",
    "RunOwned",
    "RunRecord",
]


class Journal:
    """An open journal. Thread-safe; use as a context manager, or close it.

    Any method may raise JournalUnavailable.
    """

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self._connections = connections
        self._leases = Leases(connections, clock)
        self._entries = Entries(connections, self._leases, clock)
        self._runs = Runs(connections, self._entries)
        self._commands = Commands(connections, self._entries, clock)
        self._cursors = Cursors(connections)

    @classmethod
    def open(cls, url: str, *, clock: Clock, create: bool = True) -> Journal:
        """Open (and with *create* migrate) the journal at a SQLAlchemy URL.

        Raises JournalUnavailable (path and cure in words), JournalTooNew, JournalAddressWrong; without *create*
        JournalMissing, JournalEmpty and JournalTooOld. Without *create*, a file that may not be written is read all the same.
        """
        connections = Connections(url)
        try:
            prepare(connections, create=create)
        except BaseException:
            connections.close()
            raise
        return cls(connections, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release every connection, and the locks of runs that are still owned."""
        self._leases.close()
        self._connections.close()

    @property
    def where(self) -> str:
        """The journal's file, or its address without the password: for people."""
        return self._connections.where

    # runs
    def create_run(self, run: RunRecord, drafts: Sequence[Draft] = ()) -> None:
        """Record a new run and its first events, in one transaction. Raises RunExists."""
        self._runs.create(run, drafts)

    def run(self, run: str) -> RunRecord:
        """The run, by its id or an unambiguous beginning of it; ``latest`` is the newest. Raises NoSuchRun with near names."""
        return self._runs.find(run)

    def runs(self) -> list[RunRecord]:
        """All runs, newest first (without their sources)."""
        return self._runs.every()

    def changed(self, run: str) -> Mark:
        """How far the run's journal has come, in one cheap query: pollers compare it with what they saw last."""
        return self._runs.mark(run)

    def head(self, run: str) -> Head:
        """The end of the run's hash chain; give its hash to :func:`changeover.journal.chain.verify`."""
        return self._runs.head(run)

    # ownership
    def take_lease(self, run: str, owner: Owner, *, seconds: float, takeover: bool = False) -> Lease:
        """Become the owner. Raises RunOwned (owner's name, host, pid, since when) while another holds a live lease.

        Also holds an OS lock beside a SQLite file, or a session advisory lock on PostgreSQL, until released. An owner of
        this machine that is provably dead is succeeded at once; any other when its lease has run out, or by *takeover*.
        """
        return self._leases.take(run, owner, seconds=seconds, takeover=takeover)

    def renew_lease(self, lease: Lease, *, seconds: float) -> None:
        """Stay the owner. Raises LeaseLost when another took over."""
        self._leases.renew(lease, seconds=seconds)

    def release_lease(self, lease: Lease) -> None:
        """Give the run up at once. Nothing happens when it is another's already."""
        self._leases.release(lease)

    def ownership(self, run: str) -> Ownership:
        """Who holds the run now. An owner that died is named, and not *live*."""
        return self._leases.ownership(run)

    # events
    def append(self, lease: Lease, drafts: Sequence[Draft]) -> list[Event]:
        """Append in one transaction with ``WHERE lease_epoch = :mine``; durable on return. Raises LeaseLost, JournalUnavailable.

        After JournalUnavailable the events may stand or not (the connection may have gone during the commit). Appending
        the same drafts again is right in both cases: they are never written twice.
        """
        return self._entries.append(lease, drafts)

    def events(self, run: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """The events after a sequence number, in order."""
        return self._entries.read(run, after=after, limit=limit)

    def record(self, run: str, *, kept: str = "") -> Record:
        """All that is kept of a run at one moment, for :func:`changeover.journal.audit.audit`: nothing in its rows is read.

        Raises NoSuchRun.
        """
        return read_record(self._connections, self.run(run), kept=kept)

    # commands
    def request(self, command: Command) -> CommandRecord:
        """Append a command. The same key again returns the record that stands. Raises NoSuchRun, CommandTooLarge."""
        return self._commands.request(command)

    def commands(self, run: str, *, unanswered: bool = False) -> list[CommandRecord]:
        """The commands in order."""
        return self._commands.of_run(run, unanswered=unanswered)

    def command(self, number: int) -> CommandRecord:
        """One command, to see what became of it. Raises NoSuchCommand."""
        return self._commands.one(number)

    def answer(
        self, lease: Lease, record: CommandRecord, *, accepted: bool, text: str, drafts: Sequence[Draft] = ()
    ) -> list[Event]:
        """Answer a command, and append the events it led to, in one transaction (COMMAND_ANSWERED comes first).

        Raises LeaseLost, AnsweredAlready. As with :meth:`append`, the same call again after JournalUnavailable is right.
        """
        return self._commands.answer(lease, record, accepted=accepted, text=text, drafts=drafts)

    # chat
    def cursor(self, run: str, reader: str) -> Mapping[str, Value]:
        """What a reader such as chat remembers of a run (its last sequence number, its message's id); empty at first."""
        return self._cursors.read(run, reader)

    def move_cursor(self, run: str, reader: str, data: Mapping[str, Value]) -> None:
        """Remember it durably. Raises NoSuchRun."""
        self._cursors.move(run, reader, data)
