"""A run of which events are told by hand, and a journal that only remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from changeover.contracts import Kind, Mode, Value, key
from changeover.journal.events import Event, EventKind
from changeover.journal.records import Owner, Ownership, RunRecord
from changeover.status.model import RunStatus
from changeover.status.read import StatusReader
from changeover.testing import EVENING, FakeClock

RUNBOOK = """
changeover: 1
id: crm
title: Customers move
timezone: Europe/Budapest
window: {opens: 2027-03-13 19:00, closes: 2027-03-14 01:00, margin: 30m}
people: people.yaml
clocks:
  closed: {title: Shop closed, from: close, to: open, budget: 3h}
stages:
  freeze:
    title: Stop taking orders
    owner: crm-lead
    steps:
      - id: silence
        shell: a
        expect: 2m
        suspend: {what: alerts, resume_by: unsilence}
        undo: {shell: b, expect: 1m}
      - {id: close, title: Close the shop, shell: a, expect: 10m, undo: {shell: b, expect: {likely: 5m, worst: 10m}}}
    rollback: {none: its steps undo themselves}
  copy:
    owner: data-lead
    steps:
      - {id: load, shell: a, expect: {likely: 2h, worst: 3h}, background: true}
      - {id: watch, shell: a, expect: 10m, optional: true}
      - {id: elsewhere, shell: a, only: [production]}
    rollback: {policy: delete-new, loses: orders since the freeze, steps: [{id: empty, shell: a, expect: 30m}]}
  decide:
    owner: release-manager
    steps: [{id: go, shell: a, expect: 10m, point_of_no_return: true}]
    rollback: {none: nothing is changed}
  reopen:
    steps: [{id: open, shell: a, expect: 5m}, {id: unsilence, shell: a, expect: 1m}]
    rollback: {policy: fix-forward, steps: [{id: close-again, shell: a}]}
"""

PEOPLE = """
persons:
  anna: {name: Kovács Anna}
  bela: {name: Nagy Béla}
roles:
  release-manager: {person: anna, deputy: bela}
  data-lead: {person: bela}
"""


@dataclass(frozen=True, slots=True)
class Does:
    """Anything that needs a text."""

    what: str = key("what")


KINDS = {"shell": Kind("shell", Does, "what", changes=True, timeout=None)}


@dataclass
class Told:
    """A run whose events a test tells; also the journal that a status reads."""

    clock: FakeClock
    record: RunRecord
    kinds: Mapping[str, Kind]
    told: list[Event] = field(default_factory=list)
    asked_for: list[int] = field(default_factory=list)  # the sequence numbers after which events were wanted
    live: bool = True

    def say(self, kind: EventKind, step: str = "", *, who: str = "", attempt: int = 0, **data: Value) -> None:
        """An event, now."""
        self.told.append(Event("run", len(self.told) + 1, self.clock.now(), 1, kind, step, attempt, who, data))

    def plan(self) -> None:
        """The run is planned for the window of the runbook."""
        self.say(
            EventKind.RUN_PLANNED,
            window_opens="2027-03-13T18:00:00+00:00",
            window_closes="2027-03-14T00:00:00+00:00",
            digest="d",
        )

    def start(self) -> None:
        """The engine starts and so does the run."""
        self.plan()
        self.say(EventKind.ENGINE_STARTED, engine="local", host="ops-1", pid=7, version="0")
        self.say(EventKind.RUN_STARTED)

    def does(self, step: str, minutes: float, *, summary: str = "done") -> None:
        """A step starts, takes its time and passes."""
        self.begins(step)
        self.clock.advance(minutes * 60)
        self.say(EventKind.STEP_PASSED, step, attempt=1, summary=summary)

    def begins(self, step: str, *, attempt: int = 1) -> None:
        """A step starts."""
        self.say(EventKind.STEP_STARTED, step, attempt=attempt)

    def reader(self) -> StatusReader:
        """A reader that has read nothing yet."""
        return StatusReader(self, "run", clock=self.clock, kinds=self.kinds)

    def status(self) -> RunStatus:
        """The status, read from the beginning."""
        return self.reader().refresh()

    # what the journal promises

    def run(self, run: str) -> RunRecord:
        assert run == "run"
        return self.record

    def events(self, run: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        self.asked_for.append(after)
        return self.told[after:]

    def ownership(self, run: str) -> Ownership:
        now = self.clock.now()
        return Ownership(Owner("anna", "ops-1", 7), 1, now, now + timedelta(seconds=30), self.live)


@pytest.fixture
def told() -> Told:
    """A planned run of which nothing has been said yet."""
    return make(RUNBOOK)


def make(runbook: str, *, created: datetime = EVENING) -> Told:
    """A run of *runbook*."""
    record = RunRecord(
        id="run",
        runbook="crm",
        title="Customers move",
        environment="sandbox",
        mode=Mode.REHEARSE,
        runner="anna",
        created_at=created,
        digest="d",
        file="crm.yaml",
        sources={"crm.yaml": runbook, "people.yaml": PEOPLE},
        values={},
        inputs={},
    )
    return Told(FakeClock(created), record, KINDS)
