"""Group commit: many ask, one thread writes, and everybody is told when it is durable.

A draft is admitted and applied to the projection when it is handed over, and appended in that order. So the outcome of
a step and the intents that it allows share a transaction, and no rule can be broken between the two.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from changeover.contracts import Clock, Value
from changeover.engine import failpoints
from changeover.engine.projection import Projection
from changeover.engine.threads import Worker
from changeover.engine.transitions import MoveNotAllowed
from changeover.journal.events import CommandRecord, Draft, EventKind
from changeover.journal.records import Lease
from changeover.journal.store import Journal, JournalUnavailable, LeaseLost

#: Seconds between attempts to write when the journal cannot be written; the last one repeats.
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
#: Drafts in one transaction at most, so that a flood of notes cannot delay an outcome for long.
_BATCH: Final = 500
#: Turns of the event loop that others get before a transaction is made up.
_TURNS: Final = 4


@dataclass(slots=True)
class _Entry:
    drafts: Sequence[Draft]
    durable: asyncio.Future[None]
    answers: CommandRecord | None = None
    accepted: bool = False
    text: str = ""
    turn: int = 0  # of the event loop: what is put in one was decided together


@dataclass(slots=True)
class Recorder:
    """The only way from the engine into the journal."""

    journal: Journal
    lease: Lease
    lease_seconds: float
    projection: Projection
    clock: Clock
    mask: Callable[[str], str]
    tell: Callable[[str], None]
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None  # why nothing is written any more
    _queue: deque[_Entry] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _worker: Worker = field(default_factory=lambda: Worker("journal-writer"))
    _renewed: float = -math.inf  # monotonic; nobody knows how long ago the lease was taken: it is renewed at once
    _trouble: JournalUnavailable | None = None  # why the journal cannot be written just now
    _turn: int = 0
    _turn_lasts: bool = False

    def put(self, *drafts: Draft) -> asyncio.Future[None]:
        """Admit *drafts* and queue them; the future is done when they are durable. Raises MoveNotAllowed at once."""
        return self._hand_over([self._masked(draft) for draft in drafts], None)

    def answer(self, record: CommandRecord, *, accepted: bool, text: str, drafts: Sequence[Draft] = ()) -> asyncio.Future[None]:
        """Answer a command, and append what it led to, in one transaction."""
        return self._hand_over([self._masked(draft) for draft in drafts], record, accepted=accepted, text=self.mask(text))

    async def run(self) -> None:
        """Write until cancelled, or until the lease is lost or the journal refuses for good."""
        try:
            while True:
                await self._write_all()
                await self._renew()
                try:
                    async with asyncio.timeout(self.lease_seconds / 3):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()
        except LeaseLost as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a fault of the store ends the engine, in drive()
            self._fail(error)

    async def flush(self, *, seconds: float | None = None) -> None:
        """Wait until all that was put is durable, at most *seconds*. Raises what keeps it from being so."""
        try:
            async with asyncio.timeout(seconds):
                while self._queue:
                    await self._queue[-1].durable
        except TimeoutError:
            if self._trouble is not None:
                raise self._trouble from None
            raise
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """End the writer's thread."""
        self._worker.close()

    def _hand_over(
        self, drafts: Sequence[Draft], answers: CommandRecord | None, *, accepted: bool = False, text: str = ""
    ) -> asyncio.Future[None]:
        if self.failure is not None:
            raise self.failure
        now = self.clock.now()
        for number, draft in enumerate(drafts):
            try:
                self.projection.take(draft, at=now, epoch=self.lease.epoch)
            except MoveNotAllowed as refusal:
                if number:  # half of it is in the projection and none in the journal: no rule can be kept any more
                    self.failure = refusal
                raise
        entry = _Entry(drafts, asyncio.get_running_loop().create_future(), answers, accepted, text, self._this_turn())
        entry.durable.add_done_callback(_look_at)
        self._queue.append(entry)
        self._wake.set()
        return entry.durable

    def _this_turn(self) -> int:
        if not self._turn_lasts:
            self._turn += 1
            self._turn_lasts = True
            asyncio.get_running_loop().call_soon(self._end_turn)
        return self._turn

    def _end_turn(self) -> None:
        self._turn_lasts = False

    async def _write_all(self) -> None:
        while self._queue:
            for _ in range(_TURNS):  # an outcome lets the intents that it allows share its transaction
                await asyncio.sleep(0)
            entries = self._next_batch()
            await self._write(entries)
            for entry in entries:
                self._queue.popleft()
                if not entry.durable.done():  # whoever waited for it may have been cancelled
                    entry.durable.set_result(None)
            await self._renew()  # while there is always more to write, too

    def _next_batch(self) -> list[_Entry]:
        """What stands before the next answer; at most one answer leads it, and what follows from that shares its transaction.

        A crash never comes between things that were decided together, such as a failure and what its author wants then.
        """
        batch: list[_Entry] = []
        size = 0
        for entry in self._queue:
            full = batch and size + len(entry.drafts) > _BATCH and entry.turn != batch[-1].turn
            if batch and (entry.answers is not None or full):
                break
            batch.append(entry)
            size += len(entry.drafts)
        return batch

    async def _write(self, entries: Sequence[_Entry]) -> None:
        for attempt in range(10**9):
            try:
                await self._worker.call(lambda: self._commit(entries))
            except JournalUnavailable as error:
                self._trouble = error
                if attempt == 0:
                    cure = f" ({error.hint})" if error.hint else ""
                    self.tell(f"{error}{cure}; no step starts until it can be, what runs goes on, `hold` and `abort` still work")
                await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            else:
                self._trouble = None
                if attempt:
                    self.tell("the journal can be written again")
                return

    def _commit(self, entries: Sequence[_Entry]) -> None:
        """On the writer's thread: one transaction."""
        drafts = [draft for entry in entries for draft in entry.drafts]
        first = entries[0]
        kinds = _kinds(first, drafts) if failpoints.armed() else ()
        for kind in kinds:
            failpoints.reach(f"before.{kind}")
        if first.answers is not None:
            self.journal.answer(self.lease, first.answers, accepted=first.accepted, text=first.text, drafts=drafts)
        elif drafts:
            self.journal.append(self.lease, drafts)
        for kind in kinds:
            failpoints.reach(f"after.{kind}")

    async def _renew(self) -> None:
        if self.clock.monotonic() - self._renewed < self.lease_seconds / 3:
            return
        try:
            await self._worker.call(lambda: self.journal.renew_lease(self.lease, seconds=self.lease_seconds))
        except JournalUnavailable:
            return  # the next write says so, and tries again
        failpoints.reach("renewed")
        self._renewed = self.clock.monotonic()

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.lost.set()
        for entry in self._queue:
            if not entry.durable.done():
                entry.durable.set_exception(error)

    def _masked(self, draft: Draft) -> Draft:
        data = _mask(draft.data, self.mask)
        return draft if data is draft.data else replace(draft, data=data)


def _kinds(first: _Entry, drafts: Sequence[Draft]) -> list[EventKind]:
    """The kinds of all events of a transaction: an answer is one as well."""
    return [EventKind.COMMAND_ANSWERED] * (first.answers is not None) + [draft.kind for draft in drafts]


def _mask(value: Any, mask: Callable[[str], str]) -> Any:
    """*value* with no secret in it; the same object when there was none."""
    if isinstance(value, str):
        masked = mask(value)
        return value if masked == value else masked
    if isinstance(value, Mapping):
        entries: dict[str, Value] = {name: _mask(item, mask) for name, item in value.items()}
        return entries if any(entries[name] is not item for name, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [_mask(item, mask) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _look_at(future: asyncio.Future[None]) -> None:
    """Whoever does not wait for durability need not look: the engine notices that the recorder has failed."""
    if not future.cancelled():
        future.exception()
