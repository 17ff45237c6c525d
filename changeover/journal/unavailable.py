"""Why a journal cannot be read or written, in one sentence, and what to do about it. Never with a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from changeover.journal.errors import JournalUnavailable


@dataclass(frozen=True, slots=True)
class Trouble:
    """Words in a driver's message, and what they mean to people."""

    words: str
    why: str
    cure: str


_SQLITE: Final = (
    Trouble("disk is full", "the disk is full", "free some space there; the run goes on from the same point with `resume`"),
    Trouble("readonly database", "it is read-only", "make the file and its folder writable for you, or set CHANGEOVER_JOURNAL"),
    Trouble(
        "unable to open",
        "the file or its folder cannot be opened or written",
        "look at the permissions of the file and its folder, or set CHANGEOVER_JOURNAL",
    ),
    Trouble(
        "database is locked",
        "another process has been writing to it all the time",
        "look for a stopped or hung changeover process on this machine, and let it go on or end it",
    ),
    Trouble("not a database", "the file is not a journal", "name the journal's file, or move this one out of the way"),
    Trouble("malformed", "the file is damaged", "bring it back from a copy; `sqlite3 FILE .recover` saves what can be read"),
    Trouble("disk i/o error", "the disk reports an error", "look at the disk and at the system's log"),
    Trouble("no such table", "its tables are gone", "bring the file back from a copy"),
)

_POSTGRESQL: Final = (
    Trouble("connection refused", "nothing answers there", "start PostgreSQL, or correct host and port in CHANGEOVER_JOURNAL"),
    Trouble("password authentication failed", "it refuses the user or the password", "correct them in CHANGEOVER_JOURNAL"),
    Trouble("no password supplied", "it wants a password", "write it into CHANGEOVER_JOURNAL or into ~/.pgpass"),
    Trouble("pg_hba.conf", "it does not let this user in from here", "add a line for it to the server's pg_hba.conf"),
    Trouble("peer authentication failed", "it does not let this user in", "correct the user in CHANGEOVER_JOURNAL"),
    Trouble("does not exist", "the database or the user does not exist there", "create it, or correct CHANGEOVER_JOURNAL"),
    Trouble("permission denied", "the user has no rights there", "let it create and write tables in the database"),
    Trouble("resolve host", "its host name is unknown", "correct the host in CHANGEOVER_JOURNAL, or look at the name service"),
    Trouble("translate host name", "its host name is unknown", "correct the host in CHANGEOVER_JOURNAL"),
    Trouble("name or service not known", "its host name is unknown", "correct the host in CHANGEOVER_JOURNAL"),
    Trouble("timeout expired", "it does not answer in time", "look at the server and at the network between"),
    Trouble("connection timeout", "it does not answer in time", "look at the server and at the network between"),
    Trouble("lock timeout", "somebody else holds a lock in it", "look for a hung session in pg_stat_activity"),
    Trouble("statement timeout", "it is too slow", "look at the server's load"),
    Trouble("too many", "it takes no more connections", "raise max_connections, or close other programs' connections"),
    Trouble("no space left", "the server's disk is full", "free some space there; the run goes on with `resume`"),
    Trouble("could not extend file", "the server's disk is full", "free some space there; the run goes on with `resume`"),
    Trouble("read-only transaction", "the server is read-only", "name the primary server, not a standby"),
    Trouble("starting up", "it is just starting", "try again in a moment"),
    Trouble("shutting down", "it is shutting down", "start PostgreSQL, then `resume` the run"),
    Trouble("terminating connection", "the server closed the connection", "start PostgreSQL, then `resume` the run"),
    Trouble("server closed", "the server closed the connection", "start PostgreSQL, then `resume` the run"),
    Trouble("connection is closed", "the connection is gone", "start PostgreSQL, then `resume` the run"),
    Trouble("connection is lost", "the connection is gone", "start PostgreSQL, then `resume` the run"),
)


def explained(error: sa.exc.SQLAlchemyError, where: str, *, sqlite: bool) -> JournalUnavailable:
    """The error for people behind what a driver or the pool raised."""
    if isinstance(error, sa.exc.TimeoutError):
        return JournalUnavailable(where, "all its connections are busy", "this is a bug or a very slow disk; try again")
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    text = str(original).strip()
    for trouble in _SQLITE if sqlite else _POSTGRESQL:
        if trouble.words in text.lower():
            return JournalUnavailable(where, trouble.why, trouble.cure)
    return JournalUnavailable(where, text.splitlines()[0] if text else type(original).__name__)


@contextmanager
def explaining(where: str, *, sqlite: bool) -> Iterator[None]:
    """Turn what drivers raise into JournalUnavailable. A violated constraint stays what it is: the caller knows why."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise explained(error, where, sqlite=sqlite) from error


@contextmanager
def legible(where: str) -> Iterator[None]:
    """Turn what is raised over a row that no changeover has written into JournalUnavailable."""
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        cure = "somebody or the disk has altered it: bring it back from a copy, and compare its head with the one that chat shows"
        raise JournalUnavailable(where, f"it has a row that no changeover wrote: {error}", cure) from error
