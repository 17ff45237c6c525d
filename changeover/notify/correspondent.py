"""Decides what chat is told and when, one turn at a time; its memory is a cursor in the journal, so nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Clock, Value
from changeover.journal.events import Event
from changeover.journal.store import Journal
from changeover.notify.outlet import ChatAway, ChatBusy, ChatGone, ChatRefused, Outlet, Place, Post
from changeover.notify.thread import URGENT, Teller, told

#: The name of chat's cursor in the journal.
READER: Final = "chat"

#: Events read from the journal at a time.
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Card:
    """The run card: what it says, and the part of it whose change cannot wait."""

    post: Post
    mood: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between messages."""

    card: float = 2.0  # updates of the card, unless the mood changes
    refresh: float = 60.0  # updates of the card when nothing happens: the forecast moves with the clock
    thread: float = 10.0  # events are collected that long, unless one of them is urgent
    post: float = 1.1  # Slack takes one message a second into a channel
    away: tuple[float, ...] = (1, 2, 4, 8, 15, 30)  # after the first, second ... failure in a row
    refused: float = 60.0


class Correspondent:
    """Tells one chat about one run. Not thread-safe: one thread takes the turns."""

    def __init__(
        self,
        *,
        journal: Journal,
        run: str,
        outlet: Outlet,
        teller: Teller,
        card: Callable[[], Card],
        clock: Clock,
        report: Callable[[str, str], None],
        pace: Pace | None = None,
    ) -> None:
        self._journal = journal
        self._run = run
        self._outlet = outlet
        self._teller = teller
        self._card = card
        self._clock = clock
        self._report = report
        self._pace = pace or Pace()
        self._memory: dict[str, Value] = dict(journal.cursor(run, READER))
        self._seen = self._told  # the last event looked at
        self._waiting_since: float | None = None  # since when an event waits to be told
        self._urgent = False
        self._stale = True  # the card may say something that is no longer so
        self._shown: Card | None = None
        self._card_at = float("-inf")
        self._post_at = float("-inf")
        self._post_later = float("-inf")  # chat asked us not to post before
        self._update_later = float("-inf")
        self._failures = 0
        self._complaint = ""

    def turn(self, *, last: bool = False) -> bool:
        """Send what is due, or with *last* everything. True when chat knows all there is."""
        more = self._look()
        try:
            self._show(last=last)
            self._tell(last=last)
        except ChatBusy as busy:
            self._post_later = self._clock.monotonic() + busy.seconds
        except ChatAway as away:
            pause = self._pace.away[min(self._failures, len(self._pace.away) - 1)]
            self._fail(pause, str(away), "nothing is lost: it follows when chat is back")
        except ChatRefused as refused:
            self._fail(self._pace.refused, str(refused), refused.hint)
        return not (more or self._stale or self._waiting_since is not None)

    @property
    def untold(self) -> int:
        """How many events chat has not been told."""
        return sum(told(event) for event in self._journal.events(self._run, after=self._told))

    @property
    def _told(self) -> int:
        seq = self._memory.get("seq", 0)
        return seq if isinstance(seq, int) else 0

    @property
    def _place(self) -> Place | None:
        channel, message = self._memory.get("channel"), self._memory.get("card")
        return Place(str(channel), str(message)) if channel and message else None

    def _look(self) -> bool:
        """Take note of new events (what they say is read again when it is sent); whether there are more."""
        events = self._journal.events(self._run, after=self._seen, limit=_PAGE)
        if events:
            self._seen = events[-1].seq
            self._note(events)
        elif self._clock.monotonic() - self._card_at >= self._pace.refresh:
            self._stale = True
        return len(events) == _PAGE

    def _note(self, events: list[Event]) -> None:
        self._stale = True
        if any(told(event) for event in events):
            self._waiting_since = self._clock.monotonic() if self._waiting_since is None else self._waiting_since
            self._urgent = self._urgent or any(self._cannot_wait(event) for event in events)

    def _cannot_wait(self, event: Event) -> bool:
        return event.kind in URGENT or self._teller.announces(event)

    def _show(self, *, last: bool) -> None:
        now = self._clock.monotonic()
        if not self._stale or now < self._update_later or (self._place is None and now < self._post_later):
            return
        due = last or now - self._card_at >= self._pace.card
        if not (due or self._urgent):
            return
        card = self._card()
        if not due and self._shown is not None and card.mood == self._shown.mood:
            return
        if self._shown is None or card.post != self._shown.post:
            try:
                self._put(card.post)
            except ChatBusy as busy:
                if self._place is None:
                    raise
                self._update_later = now + busy.seconds  # a limit of its own: the thread goes on
                return
            self._succeed()
        self._shown, self._card_at, self._stale = card, now, False

    def _put(self, post: Post) -> None:
        """Update the card, or post it when there is none or somebody deleted it."""
        place = self._place
        if place is not None:
            try:
                self._outlet.update(place, post)
            except ChatGone:
                self._memory.pop("card")
            else:
                return
        self._remember(place=self._outlet.post(post))
        self._post_at = self._clock.monotonic()

    def _tell(self, *, last: bool) -> None:
        now = self._clock.monotonic()
        place = self._place
        if self._waiting_since is None or place is None or now < self._post_later or now - self._post_at < self._pace.post:
            return
        if not (last or self._urgent or now - self._waiting_since >= self._pace.thread):
            return
        page = self._journal.events(self._run, after=self._told, limit=_PAGE)
        begun = self._memory.get("sending")  # that message had these events and no later ones
        group = [event for event in page if event.seq <= begun] if isinstance(begun, int) else page
        message = next(self._teller.messages(group), None)
        if message is None:
            seq = group[-1].seq if group else self._told
        else:
            post, seq = message
            if not self._deliver(post, seq, place):
                return
        self._remember(seq=seq)
        self._settle([event for event in page if event.seq > seq], more=len(page) == _PAGE)

    def _deliver(self, post: Post, seq: int, place: Place) -> bool:
        """Post one message of the thread. One that may have arrived before a time-out or a crash is looked for first."""
        doubtful = self._memory.get("sending") == seq
        if not doubtful:
            self._remember(sending=seq)
        try:
            if not (doubtful and self._outlet.find(post.mark, thread=place)):
                self._outlet.post(post, thread=place)
        except ChatBusy:
            self._memory.pop("sending", None)  # refused for certain
            raise
        except ChatGone:
            self._memory.pop("card")
            self._stale = True
            return False
        self._post_at = self._clock.monotonic()
        self._succeed()
        return True

    def _settle(self, rest: list[Event], *, more: bool) -> None:
        """Decide whether something still waits, now that some of it has been told."""
        waiting = [event for event in rest if told(event)]
        self._urgent = more or any(self._cannot_wait(event) for event in waiting)
        if not waiting and not more:
            self._waiting_since = None

    def _remember(self, *, seq: int | None = None, sending: int | None = None, place: Place | None = None) -> None:
        if seq is not None:
            self._memory["seq"] = seq
            self._memory.pop("sending", None)
        if sending is not None:
            self._memory["sending"] = sending
        if place is not None:
            self._memory |= {"channel": place.channel, "card": place.message}
        self._journal.move_cursor(self._run, READER, self._memory)

    def _fail(self, pause: float, complaint: str, hint: str) -> None:
        self._failures += 1
        later = self._clock.monotonic() + pause
        self._post_later, self._update_later = max(self._post_later, later), max(self._update_later, later)
        if complaint != self._complaint:
            self._complaint = complaint
            self._report(complaint, hint)

    def _succeed(self) -> None:
        if self._complaint:
            self._report("chat is back; what it missed follows in order", "")
        self._failures = 0
        self._complaint = ""
