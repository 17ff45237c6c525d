"""One clear sentence for every event."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from changeover.contracts import Value
from changeover.journal.events import Event, EventKind
from changeover.status.words import sentence
from changeover.testing import EVENING

Told = Any  # of conftest.py, which no module can import

BUDAPEST = ZoneInfo("Europe/Budapest")


def event(kind: EventKind, step: str = "", *, who: str = "", attempt: int = 1, **data: Value) -> Event:
    return Event("run", 1, EVENING, 1, kind, step, attempt, who, data)


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_has_a_sentence_even_with_nothing_in_it(kind: EventKind) -> None:
    for data in ({}, {"answer": None, "figures": 3, "deciders": "x", "by": "soon", "pause": "y", "total": None}):
        text = sentence(Event("run", 1, EVENING, 1, kind, "copy", 2, "anna", data))
        assert text
        assert not text.endswith((".", ":", " "))
        assert "  " not in text
        assert "None" not in text


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (
            event(EventKind.RUN_PLANNED, window_opens="2027-03-13T18:00:00+00:00", window_closes="2027-03-28T18:00:00+00:00"),
            "the run was planned for the window from 2027-03-13 19:00+01:00 to 2027-03-28 20:00+02:00",
        ),
        (
            event(EventKind.ENGINE_STARTED, engine="prefect", host="ops-1", pid=7),
            "the engine started on ops-1 through Prefect (process 7)",
        ),
        (event(EventKind.RUN_HELD, who="anna", why="storm"), "anna held the run: storm"),
        (event(EventKind.RUN_HELD, why="the deadline has passed"), "the engine held the run: the deadline has passed"),
        (event(EventKind.ROLLBACK_STARTED, steps=1), "the rollback started: 1 step to undo"),
        (event(EventKind.STEP_STARTED, "copy", title="Copy the rows"), "`copy` (Copy the rows) started"),
        (event(EventKind.STEP_STARTED, "copy", attempt=3), "`copy` started, attempt 3"),
        (event(EventKind.STEP_PASSED, "copy", summary="200 rows"), "`copy` passed: 200 rows"),
        (
            event(EventKind.STEP_PASSED, "copy", by="person", who="anna", summary="seen"),
            "`copy` passed, on the word of anna: seen",
        ),
        (event(EventKind.STEP_PASSED, "copy", by="probe"), "`copy` passed, found out by looking at the target"),
        (event(EventKind.STEP_FAILED, "copy", reason="disk full"), "`copy` failed: disk full"),
        (
            event(EventKind.STEP_RETRYING, "copy", reason="no answer", pause=90),
            "`copy` is tried again in 1m30s: no answer",
        ),
        (
            event(EventKind.STEP_SKIPPED, "copy", who="anna", reason="not needed"),
            "`copy` was skipped by anna: not needed",
        ),
        (
            event(EventKind.STEP_PROGRESSED, "copy", done=12_345, total=2_000_000, unit="rows", figures={"rate": 1234.5}),
            "`copy`: 12 345 of 2 000 000 rows, 1 234 a second",
        ),
        (
            event(
                EventKind.DECISION_ASKED,
                "go",
                ask="Reopen?",
                form="approval",
                deciders=["anna", "bela"],
                quorum=2,
                by="2027-03-13T19:00:00+00:00",
            ),
            "`go` asks anna, bela (2 of them have to agree), by 2027-03-13 20:00+01:00: Reopen?",
        ),
        (
            event(EventKind.DECISION_ASKED, "ring", ask="Ring the shops", form="task"),
            "`ring` is a task for anybody: Ring the shops",
        ),
        (event(EventKind.DECISION_GIVEN, "go", who="anna", answer="refuse", why="rows"), "anna said no-go to `go`: rows"),
        (
            event(EventKind.DECISION_GIVEN, "ring", who="anna", answer="done", evidence="ticket 7"),
            "anna did `ring`; shown: ticket 7",
        ),
        (
            event(EventKind.COMMAND_ANSWERED, "copy", who="anna", verb="skip", accepted=False, text="it has passed"),
            "`skip copy` by anna was refused: it has passed",
        ),
        (
            event(EventKind.SUSPENSION_OPENED, "silence", what="alerts", resume_by="on", expires="2027-03-13T19:00:00+00:00"),
            "alerts: switched off by `silence` (until `on`, expires 2027-03-13 20:00+01:00)",
        ),
        (
            event(EventKind.SUSPENSION_LEFT, "", who="anna", what="alerts", why="hypercare"),
            "alerts: left switched off, on the word of anna: hypercare",
        ),
    ],
)
def test_an_event_says_who_what_and_why_with_times_in_the_runbooks_zone(happened: Event, words: str) -> None:
    assert sentence(happened, None, BUDAPEST) == words


def test_a_step_is_called_by_the_title_that_the_plan_knows(told: Told) -> None:
    plan = told.reader().plan
    assert sentence(event(EventKind.STEP_FAILED, "close", reason="x"), plan) == "`close` (Close the shop) failed: x"
    assert sentence(event(EventKind.STEP_FAILED, "gone", reason="x"), plan) == "`gone` failed: x"


def test_people_are_called_by_their_names_and_roles_by_all_who_may_answer(told: Told) -> None:
    people = told.reader().bundle.people
    asked = event(EventKind.DECISION_ASKED, "go", ask="Reopen?", deciders=["release-manager", "somebody"], quorum=1)
    assert sentence(asked, None, BUDAPEST, people) == "`go` asks Kovács Anna or Nagy Béla or somebody: Reopen?"
    asked = event(EventKind.DECISION_ASKED, "go", ask="Reopen?", deciders=["release-manager", "data-lead"], quorum=2)
    assert sentence(asked, None, BUDAPEST, people).startswith("`go` asks Kovács Anna, Nagy Béla (2 of them have to agree)")
    held = event(EventKind.RUN_HELD, who="anna", why="storm")
    assert sentence(held, None, BUDAPEST, people) == "Kovács Anna held the run: storm"
    skipped = event(EventKind.STEP_SKIPPED, "copy", who="bela", reason="not needed")
    assert sentence(skipped, None, BUDAPEST, people) == "`copy` was skipped by Nagy Béla: not needed"
    assert sentence(event(EventKind.RUN_HELD, why="late"), None, BUDAPEST, people) == "the engine held the run: late"
