"""Dropping what is made after the load, and making it again: each in a transaction of its own, word for word as it was.

An index and the record that it is back are committed together, so whoever dies in between leaves the one that is not
back for the next attempt. A statement that runs for long is cancelled when the step has to stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from changeover.contracts import Context, Database
from changeover.errors import Setback
from changeover.transfer.databases import reason
from changeover.transfer.deferred import Deferred, DeferredControl, State
from changeover.transfer.definitions import Definition, Made, text_now
from changeover.transfer.dialects import Dialect
from changeover.transfer.quoting import run
from changeover.transfer.sessions import lost, session, transaction

#: Seconds for which a lock is waited for, each time, and for which it is tried again.
_LOCK_S: Final = 10
_PATIENCE_S: Final = 120.0
#: Indexes that are made side by side at most.
MOST: Final = 4
_AUTO: Final = 2
#: Seconds between two looks at whether the step has to stop.
_LOOK_EVERY: Final = 0.2
#: What PostgreSQL answers when rows contradict a foreign key.
_ORPHANS: Final = "23503"
#: The first version that notices by itself, in the middle of a statement, that its client is gone.
_NOTICES: Final = 14


@dataclass(eq=False)
class CannotDefer(Setback):
    """An index or foreign key could not be dropped, or not be made again."""

    what: str
    why: str
    back: bool  # whether it was being made again

    def __str__(self) -> str:
        return f"{self.what} could not be {'made again' if self.back else 'dropped for the load'}: {self.why}"

    @property
    def hint(self) -> str:
        if not self.back:
            return "nothing was dropped; who uses the table? Try the step again, or load with `indexes: keep`"
        return (
            "its definition stands in the target's table changeover_deferred and no row is lost: clear the cause and try the "
            "step again, it goes on with this one"
        )


@dataclass(eq=False)
class Contradicted(Setback):
    """Rows contradict a foreign key that was made after the load."""

    deferred: Deferred
    why: str

    def __str__(self) -> str:
        return f"foreign key {self.deferred.words} of {self.deferred.definition.relation} does not hold: {self.why}"


@dataclass(slots=True)
class _Hands:
    """The connections on which statements run, so that they can be stopped."""

    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _at_work: set[Any] = field(default_factory=set)

    @contextmanager
    def on(self, connection: sa.Connection) -> Iterator[None]:
        """*connection* is at work."""
        raw = connection.connection.driver_connection
        with self._lock:
            self._at_work.add(raw)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.discard(raw)

    def stopped(self) -> bool:
        """Whether nothing more may begin."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Begin nothing more, and cancel what runs."""
        self._stopped.set()
        with self._lock:
            for raw in self._at_work:
                with suppress(Exception):  # it may be gone already
                    raw.cancel()


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Drops and makes again what one migration has on record."""

    control: DeferredControl
    target: Database
    dialect: Dialect
    context: Context

    def drop(self, connection: sa.Connection, wanted: Sequence[Deferred], may: Callable[[], bool]) -> bool:
        """Drop all of *wanted* at once, when *may* says so in the same transaction; whether they are gone.

        Raises:
            CannotDefer: somebody holds the table; all are in place.
        """
        definition = wanted[0].definition
        since = self.context.clock.monotonic()
        while True:
            try:
                with transaction(connection, self.dialect):
                    return self._dropped(connection, wanted, may)
            except SQLAlchemyError as error:
                if lost(error):
                    raise
                if not self.dialect.transient(error) or self.context.clock.monotonic() - since > _PATIENCE_S:
                    what = f"{wanted[0].words} of {definition.relation}"
                    raise CannotDefer(what, reason(error), back=False) from error
            self.context.sleep(1.0)

    def _dropped(self, connection: sa.Connection, wanted: Sequence[Deferred], may: Callable[[], bool]) -> bool:
        now = self.context.clock.now()
        held = [self.control.lock(connection, each.number) for each in wanted]
        held = [each for each in held if each.state is State.RECORDED]
        drop = may()
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
        for each in held:
            text = each.definition
            as_recorded = text_now(connection, text.sort, text.relation, text.name) == text.text
            if drop and not as_recorded:
                raise CannotDefer(f"{each.words} of {text.relation}", "it was changed since the copy was planned", back=False)
            if drop:
                run(connection, _drop(text))
            self.control.set_state(connection, each.number, State.DROPPED if drop else State.BACK, now)
        return drop

    def make(self, wanted: Sequence[Deferred], at_once: int, told: Callable[[Deferred | None], None]) -> None:
        """Make all of *wanted* again, *at_once* of them side by side; *told* of each that is back, and of None in between.

        Raises:
            CannotDefer, Contradicted: one cannot be made; those that are back stay.
            Stopped: the step has to stop.
        """
        hands = _Hands()
        pool = ThreadPoolExecutor(max(1, at_once), thread_name_prefix="index")
        running: dict[Future[None], Deferred] = {pool.submit(self._make, each, hands): each for each in wanted}
        try:
            left = set(running)
            while left:
                done, left = wait(left, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    told(running[future])
                self.context.check_stopped()
                told(None)
        finally:
            hands.stop()
            pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, deferred: Deferred, hands: _Hands) -> None:
        if hands.stopped():
            return
        since = time.monotonic()
        while True:
            try:
                with session(self.target, self.dialect) as connection, hands.on(connection):
                    if _notices(connection):
                        connection.exec_driver_sql(f"SET client_connection_check_interval = '{_LOCK_S}s'")
                        connection.commit()
                    for act in (self._exists, self._is_valid):
                        with transaction(connection, self.dialect):
                            act(connection, deferred, since)
            except SQLAlchemyError as error:
                if lost(error):
                    raise
                if _state(error) == _ORPHANS:
                    raise Contradicted(deferred, reason(error)) from error
                if not self.dialect.transient(error) or hands.stopped() or time.monotonic() - since > _PATIENCE_S:
                    what = f"{deferred.definition.sort.value} {deferred.words} of {deferred.definition.relation}"
                    raise CannotDefer(what, reason(error), back=True) from error
            else:
                return
            time.sleep(_LOOK_EVERY)

    def _exists(self, connection: sa.Connection, deferred: Deferred, since: float) -> None:
        """An index is back after this; a foreign key holds for new rows."""
        held = self.control.lock(connection, deferred.number)
        text = held.definition
        if held.state is State.BACK:
            return
        connection.exec_driver_sql("SET LOCAL default_tablespace = ''")
        now = text_now(connection, text.sort, text.relation, text.name)
        if now is None:
            if text.sort is Made.FOREIGN_KEY:  # an index waits as long as it takes: it holds nobody up meanwhile
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
            made_again(connection, text)
            now = text_now(connection, text.sort, text.relation, text.name)
        known = {text.text} if text.sort is Made.INDEX else {text.text, f"{text.text} NOT VALID"}
        if now not in known:
            what = f"{text.sort.value} {deferred.words} of {text.relation}"
            raise CannotDefer(what, f"another one of that name is there: {now}", back=True)
        if text.sort is Made.INDEX:
            self._back(connection, deferred, since)

    def _is_valid(self, connection: sa.Connection, deferred: Deferred, since: float) -> None:
        """A foreign key is back after this: it holds for the rows that were there before it, too."""
        text = deferred.definition
        if text.sort is Made.INDEX or self.control.lock(connection, deferred.number).state is State.BACK:
            return
        run(connection, f"ALTER TABLE {text.relation} VALIDATE CONSTRAINT {text.name}")
        self._back(connection, deferred, since)

    def _back(self, connection: sa.Connection, deferred: Deferred, since: float) -> None:
        seconds = round(time.monotonic() - since, 3)
        self.control.set_state(connection, deferred.number, State.BACK, self.context.clock.now(), seconds=seconds)


def side_by_side(workers: int | str, wanted: int) -> int:
    """How many indexes are made at once: it is the target that works, so `auto` does not ask for our processors."""
    return max(1, min(workers if isinstance(workers, int) else _AUTO, MOST, wanted))


def bring_back(rebuilder: Rebuilder, at_once: int, told: Callable[[Deferred | None], None]) -> None:
    """Make everything again that one migration has taken and not brought back; indexes first.

    Raises:
        CannotDefer, Contradicted: something cannot be made; what is back stays.
        Stopped: the step has to stop.
    """
    with session(rebuilder.target, rebuilder.dialect) as connection, connection.begin():
        left = [each for each in rebuilder.control.all(connection) if each.state is not State.BACK]
    for sort, together in ((Made.INDEX, at_once), (Made.FOREIGN_KEY, 1)):  # two keys of a table lock each other out
        rebuilder.make([each for each in left if each.definition.sort is sort], together, told)


def made_again(connection: sa.Connection, text: Definition) -> None:
    """Make it, with its comment; a foreign key holds for new rows only. In the caller's transaction."""
    run(connection, _create(text))
    if text.comment is not None:
        run(connection, _comment(connection, text))


def _drop(text: Definition) -> str:
    if text.sort is Made.INDEX:
        return f"DROP INDEX {text.name}"
    return f"ALTER TABLE {text.relation} DROP CONSTRAINT {text.name}"


def _create(text: Definition) -> str:
    if text.sort is Made.INDEX:
        return text.text
    return f"ALTER TABLE {text.relation} ADD CONSTRAINT {text.name} {text.text} NOT VALID"


def _comment(connection: sa.Connection, text: Definition) -> str:
    words = connection.execute(sa.text("SELECT quote_literal(:words)"), {"words": text.comment}).scalar_one()
    what = f"INDEX {text.name}" if text.sort is Made.INDEX else f"CONSTRAINT {text.name} ON {text.relation}"
    return f"COMMENT ON {what} IS {words}"


def _state(error: SQLAlchemyError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "") if isinstance(error, DBAPIError) else ""


def _notices(connection: sa.Connection) -> bool:
    found: Any = connection.dialect.server_version_info
    return bool(found) and found[0] >= _NOTICES
