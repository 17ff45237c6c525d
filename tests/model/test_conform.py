"""The replay of real journals on the model: an honest one is allowed, a damaged one is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from changeover.journal.events import Event, EventKind
from tests.model.conform import deviations
from tests.model.conftest import Written


def numbered(events: Iterable[Event]) -> list[Event]:
    """*events* numbered anew, so that only their order and content can give the damage away."""
    return [replace(event, seq=number) for number, event in enumerate(events, start=1)]


def place(written: Written, kind: EventKind, step: str = "", *, nth: int = 0) -> int:
    return [n for n, event in enumerate(written.events) if event.kind is kind and (not step or event.step == step)][nth]


def reasons(written: Written, events: Iterable[Event]) -> list[str]:
    return [str(deviation) for deviation in deviations(written.plan, numbered(events))]


def test_real_journals_are_allowed(forward: Written, backward: Written) -> None:
    assert deviations(forward.plan, forward.events) == []
    assert deviations(backward.plan, backward.events) == []


@pytest.mark.parametrize("which", ["forward", "backward"])
def test_a_gap_in_the_numbers_is_seen(which: str, request: pytest.FixtureRequest) -> None:
    written: Written = request.getfixturevalue(which)
    found = deviations(written.plan, [*written.events[:5], *written.events[6:]])
    assert "number 6 was to follow" in str(found[0])


def test_a_step_does_not_begin_before_what_it_needs_has_passed(forward: Written) -> None:
    events = [*forward.events]
    late = events.pop(place(forward, EventKind.STEP_STARTED, "open"))
    events.insert(place(forward, EventKind.STEP_PASSED, "copy"), late)
    assert "open #1: it waits for cut" in reasons(forward, events)[0]
