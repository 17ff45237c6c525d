"""The replay of real journals on the model: an honest one is allowed, a damaged one is not, whatever the damage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from changeover.contracts import Phase
from changeover.journal.events import Event, EventKind
from tests.model import moves
from tests.model.conform import deviations
from tests.model.conftest import Written

#: What changes nothing by itself, or may be said again: a journal with or without it says the same.
_SAYINGS = frozenset(
    {
        EventKind.STEP_SAID,
        EventKind.STEP_PROGRESSED,
        EventKind.WARNED,
        EventKind.SUSPENSION_OPENED,
        EventKind.SUSPENSION_CLOSED,
        EventKind.SUSPENSION_LEFT,
    }
)
#: What nothing rests on when it stands at the end.
_LAST = frozenset({EventKind.ENGINE_STOPPED, EventKind.RUN_SUCCEEDED, EventKind.RUN_ROLLED_BACK})


def numbered(events: Iterable[Event]) -> list[Event]:
    """*events* numbered anew, so that only their order and their content can give the damage away."""
    return [replace(event, seq=number) for number, event in enumerate(events, start=1)]


def place(written: Written, kind: EventKind, step: str = "", *, nth: int = 0) -> int:
    return [n for n, event in enumerate(written.events) if event.kind is kind and (not step or event.step == step)][nth]


def reasons(written: Written, events: Iterable[Event]) -> list[str]:
    return [str(deviation) for deviation in deviations(written.plan, numbered(events))]


@pytest.fixture(params=["forward", "backward"])
def written(request: pytest.FixtureRequest) -> Written:
    found: Written = request.getfixturevalue(request.param)
    return found


def test_real_journals_are_allowed(written: Written) -> None:
    assert deviations(written.plan, written.events) == []
    assert len({event.kind for event in written.events}) > 12


def test_a_gap_in_the_numbers_is_seen(written: Written) -> None:
    found = deviations(written.plan, [*written.events[:5], *written.events[6:]])
    assert "number 6 was to follow" in str(found[0])


def every(written: Written, damage: Callable[[int], Sequence[Event] | None]) -> list[str]:
    """The events at which *damage* is not seen."""
    unseen: list[str] = []
    for at, event in enumerate(written.events):
        damaged = damage(at)
        if damaged is not None and not reasons(written, damaged):
            unseen.append(f"{event.seq} {event.kind} {event.step}")
    return unseen


def test_whatever_is_dropped_is_missed(written: Written) -> None:
    def dropped(at: int) -> Sequence[Event] | None:
        event = written.events[at]
        nothing_came_of_it = event.kind is EventKind.COMMAND_ANSWERED and not event.data.get("accepted")
        if event.kind in _SAYINGS | _LAST or nothing_came_of_it or event.data.get("answer") == "refuse":
            return None
        return [*written.events[:at], *written.events[at + 1 :]]

    assert every(written, dropped) == []


def test_whatever_stands_twice_is_seen(written: Written) -> None:
    def doubled(at: int) -> Sequence[Event] | None:
        if written.events[at].kind in _SAYINGS or written.events[at].data.get("answer") == "refuse":
            return None
        return [*written.events[: at + 1], *written.events[at:]]

    assert every(written, doubled) == []


def test_whatever_is_said_of_another_attempt_is_seen(written: Written) -> None:
    def of_another(at: int) -> Sequence[Event] | None:
        event = written.events[at]
        if not event.kind.value.startswith(("step_", "decision_")):
            return None
        return [*written.events[:at], replace(event, attempt=event.attempt + 1), *written.events[at + 1 :]]

    assert every(written, of_another) == []


def test_whatever_an_earlier_engine_writes_is_seen(written: Written) -> None:
    def stale(at: int) -> Sequence[Event] | None:
        event = written.events[at]
        if event.epoch == 1:
            return None
        return [*written.events[:at], replace(event, epoch=event.epoch - 1), *written.events[at + 1 :]]

    unseen = every(written, stale)
    assert [line for line in unseen if EventKind.ENGINE_STARTED not in line] == []


def test_no_person_does_what_only_the_engine_does_and_the_other_way_round(written: Written) -> None:
    def exchanged(at: int) -> Sequence[Event] | None:
        event = written.events[at]
        if event.kind is EventKind.COMMAND_ANSWERED or event.kind in {EventKind.RUN_PLANNED, EventKind.WARNED}:
            return None
        other = replace(event, who="" if event.who else "csilla")
        return [*written.events[:at], other, *written.events[at + 1 :]]

    unseen = every(written, exchanged)
    either = {event for (_, event), move in (*moves.RUN.items(), *moves.STEPS["forward"].items()) if move.who == "either"}
    assert [line for line in unseen if line.split()[1] not in either] == []


@given(data=st.data())
def test_no_step_begins_before_what_it_needs(forward: Written, backward: Written, data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([forward, backward]))
    started = [at for at, event in enumerate(written.events) if event.kind is EventKind.STEP_STARTED]
    at = data.draw(st.sampled_from(started))
    needs = written.plan.step(written.events[at].step).needs
    assume(needs)
    over = {EventKind.STEP_PASSED, EventKind.STEP_SKIPPED, EventKind.STEP_WAIVED}
    ends = [n for n, event in enumerate(written.events[:at]) if event.step in needs and event.kind in over]
    assume(ends)
    events = [*written.events]
    events.insert(data.draw(st.integers(0, max(ends))), events.pop(at))
    assert reasons(written, events)


@given(data=st.data())
def test_nothing_begins_while_the_run_is_held(forward: Written, backward: Written, data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([forward, backward]))
    started = [at for at, event in enumerate(written.events) if event.kind is EventKind.STEP_STARTED]
    at = data.draw(st.sampled_from(started))
    held = Event(written.events[0].run, 0, written.events[at].at, written.events[at].epoch, EventKind.RUN_HELD, "", 0, "", {})
    assert any("is held" in why for why in reasons(written, [*written.events[:at], held, *written.events[at:]]))


@given(data=st.data())
def test_nothing_begins_when_the_run_is_over(forward: Written, backward: Written, data: st.DataObject) -> None:
    written = data.draw(st.sampled_from([forward, backward]))
    again = data.draw(st.sampled_from([event for event in written.events if event.kind is EventKind.STEP_STARTED]))
    assert any("the run is" in why for why in reasons(written, [*written.events, replace(again, epoch=written.events[-1].epoch)]))


@given(data=st.data())
def test_no_undo_begins_before_what_came_after_is_undone(backward: Written, data: st.DataObject) -> None:
    undos = [
        at
        for at, event in enumerate(backward.events)
        if event.kind is EventKind.STEP_STARTED and backward.plan.step(event.step).phase is Phase.ROLLBACK
    ]
    later = data.draw(st.sampled_from(undos[2:]))  # the first two stand side by side
    events = [*backward.events]
    events.insert(place(backward, EventKind.ROLLBACK_STARTED) + 1, events.pop(later))
    assert reasons(backward, events)


def test_no_undo_begins_while_the_way_forward_is_not_resolved(backward: Written) -> None:
    events = [*backward.events]
    turned = events.pop(place(backward, EventKind.ROLLBACK_STARTED))
    events.insert(place(backward, EventKind.ROLLBACK_REQUESTED) + 1, turned)
    assert "not resolved: count is failed" in reasons(backward, events)[0]


def test_a_new_engine_does_not_know_what_became_of_a_running_step(forward: Written) -> None:
    passed = place(forward, EventKind.STEP_PASSED, "copy")
    engine = next(event for event in reversed(forward.events) if event.kind is EventKind.ENGINE_STARTED)
    started = replace(engine, epoch=engine.epoch + 1)
    later = [replace(event, epoch=event.epoch + 1) for event in forward.events[passed:]]
    assert "its intent is of an earlier engine" in reasons(forward, [*forward.events[:passed], started, *later])[0]


def test_past_the_point_of_no_return_one_person_is_not_enough(forward: Written) -> None:
    at = place(forward, EventKind.STEP_PASSED, "cut")
    for second in ("", "bela", "csilla"):
        event = replace(forward.events[at], data={**forward.events[at].data, "second": second})
        found = reasons(forward, [*forward.events[:at], event, *forward.events[at + 1 :]])
        assert found, f"{second!r} does as the second"


def test_past_the_point_of_no_return_nobody_turns_the_run_back_alone(forward: Written) -> None:
    at = place(forward, EventKind.STEP_STARTED, "cut") + 1
    epoch = forward.events[at].epoch
    answered = replace(
        forward.events[place(forward, EventKind.COMMAND_ANSWERED)],
        epoch=epoch,
        step="",
        data={"command": 99, "verb": "rollback", "accepted": True},
    )
    asked = replace(answered, kind=EventKind.ROLLBACK_REQUESTED, data={"why": "late"})
    found = reasons(forward, [*forward.events[:at], answered, asked, *forward.events[at:]])
    assert "the point of no return is behind it" in found[0]


def test_a_waiver_takes_two_who_have_both_said_so(backward: Written) -> None:
    first = place(backward, EventKind.WARNED)
    assert backward.events[first].data["needs_second"] == "waive"
    found = reasons(backward, [*backward.events[:first], *backward.events[first + 1 :]])
    assert "tidy #0 by bela: anna has not said so" in found[0]


def test_a_deadline_that_passes_is_followed_by_a_hold(forward: Written) -> None:
    at = place(forward, EventKind.DECISION_ASKED, "go") + 1
    lapsed = replace(forward.events[at - 1], kind=EventKind.DECISION_LAPSED, data={})
    assert "the hold stands directly behind it" in reasons(forward, [*forward.events[:at], lapsed, *forward.events[at:]])[0]
    held = replace(lapsed, kind=EventKind.RUN_HELD, step="")
    assert reasons(forward, [*forward.events[:at], lapsed, held]) == []


def test_an_answer_does_not_lead_to_what_nobody_asked_for(forward: Written) -> None:
    at = place(forward, EventKind.RUN_HELD)
    answered = forward.events[at - 1]
    other = replace(answered, data={**answered.data, "verb": "release"})
    found = reasons(forward, [*forward.events[: at - 1], other, *forward.events[at:]])
    assert "`release` does not lead to it" in found[0]


def test_a_step_that_is_not_in_the_plan_is_named(forward: Written) -> None:
    at = place(forward, EventKind.STEP_STARTED, "copy")
    other = replace(forward.events[at], step="copied")
    assert "the plan has no step copied" in reasons(forward, [*forward.events[:at], other, *forward.events[at:]])[0]
