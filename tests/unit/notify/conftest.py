from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from changeover.contracts import Mode, Value
from changeover.journal.events import Event, EventKind
from changeover.journal.store import Journal
from changeover.notify.blocks import header
from changeover.notify.correspondent import Card, Correspondent
from changeover.notify.outlet import Outlet, Place, Post
from changeover.notify.thread import Teller

START = datetime(2027, 3, 13, 18, 0, tzinfo=UTC)


@dataclass
class Time:
    seconds: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds


@dataclass
class Notebook:
    """A journal in memory, as far as chat reads it."""

    clock: Time
    written: list[Event] = field(default_factory=list)
    cursors: dict[str, Mapping[str, Value]] = field(default_factory=dict)

    def write(self, kind: EventKind, step: str = "", **data: Value) -> None:
        seq = len(self.written) + 1
        self.written.append(Event("crm-1", seq, self.clock.now(), 1, kind, step, 1, "", data))

    def events(self, run: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        found = [event for event in self.written if event.seq > after]
        return found if limit is None else found[:limit]

    def cursor(self, run: str, reader: str) -> Mapping[str, Value]:
        return self.cursors.get(reader, {})

    def move_cursor(self, run: str, reader: str, data: Mapping[str, Value]) -> None:
        self.cursors[reader] = dict(data)


@dataclass
class Wall:
    """A chat in memory that fails as it is told."""

    posts: list[tuple[Post, Place | None]] = field(default_factory=list)
    updates: list[Post] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)  # raised one by one before anything happens
    swallow: list[Exception] = field(default_factory=list)  # raised after the message has arrived
    lost: bool = False

    def post(self, post: Post, *, thread: Place | None = None) -> Place:
        self._fail()
        self.posts.append((post, thread))
        if thread is not None and self.swallow:
            raise self.swallow.pop(0)
        return Place("C1", f"ts-{len(self.posts)}")

    def update(self, place: Place, post: Post) -> None:
        self._fail()
        self.updates.append(post)

    def find(self, mark: Mapping[str, str | int], *, thread: Place | None = None) -> Place | None:
        if any(post.mark == mark for post, _ in self.posts):
            return Place("C1", "found")
        return None

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    @property
    def lines(self) -> list[str]:
        """What the thread says, line by line, without the head of each message."""
        return [line for post, thread in self.posts if thread for line in post.text.splitlines()[1:]]


@dataclass
class Desk:
    """Everything around a correspondent."""

    clock: Time
    journal: Notebook
    wall: Wall
    reports: list[str] = field(default_factory=list)
    mood: str = "running"
    text: str = "card"

    def correspondent(self) -> Correspondent:
        return Correspondent(
            journal=cast("Journal", self.journal),
            run="crm-1",
            outlet=cast("Outlet", self.wall),
            teller=teller(),
            card=lambda: Card(Post(f"{self.text} {len(self.journal.written)}", [header("card")]), (self.mood,)),
            clock=self.clock,
            report=lambda text, _hint: self.reports.append(text),
        )


def teller(members: Sequence[str] = (), **changes: Any) -> Teller:
    given: dict[str, Any] = {
        "run": "crm-1",
        "mode": Mode.REHEARSE,
        "zone": ZoneInfo("Europe/Budapest"),
        "sentence": lambda event: f"{event.seq} {event.step} {event.kind.value} {event.data.get('line', '')}".strip(),
        "members": lambda event: members if event.kind is EventKind.DECISION_ASKED else (),
        "announces": lambda event: event.step == "announce",
    }
    return Teller(**(given | changes))


@pytest.fixture
def desk() -> Desk:
    clock = Time()
    return Desk(clock, Notebook(clock), Wall())
