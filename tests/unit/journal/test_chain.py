from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.journal.chain import START, hash_of, verify
from changeover.journal.events import Event, EventKind

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(EventKind),
        st.sampled_from(["close-web-shop", "deploy[app-1]", "перенос"]),
        st.dictionaries(st.sampled_from(["line", "reason", "done"]), st.integers() | st.text(st.characters(codec="utf-8"))),
    ),
    min_size=2,
    max_size=12,
)


def chained(drafts: list[tuple[EventKind, str, dict[str, object]]]) -> list[Event]:
    events: list[Event] = []
    at, previous = datetime(2027, 3, 13, 19, 0, tzinfo=UTC), START
    for seq, (kind, step, data) in enumerate(drafts, start=1):
        event = Event("crm-1", seq, at + timedelta(seconds=seq), 1, kind, step, 1, "oksana", data)  # type: ignore[arg-type]  # JSON
        previous = hash_of(previous, event)
        events.append(replace(event, hash=previous))
    return events


@given(EVENTS)
def test_an_untouched_chain_is_whole(drafts: list[tuple[EventKind, str, dict[str, object]]]) -> None:
    events = chained(drafts)
    assert verify(events, head=events[-1].hash) is None


@given(EVENTS, st.data())
def test_a_changed_field_is_found_where_it_is(
    drafts: list[tuple[EventKind, str, dict[str, object]]], data: st.DataObject
) -> None:
    events = chained(drafts)
    place = data.draw(st.integers(0, len(events) - 1))
    old = events[place]
    change: dict[str, object] = data.draw(
        st.sampled_from(
            [
                {"run": "crm-2"},
                {"seq": old.seq + 1},
                {"at": old.at + timedelta(microseconds=1)},
                {"epoch": 2},
                {"kind": next(kind for kind in EventKind if kind is not old.kind)},
                {"step": old.step + " "},
                {"attempt": 2},
                {"who": "somebody else"},
                {"data": {**old.data, "more": 1}},
                {"hash": old.hash[::-1] + "0"},
            ]
        )
    )
    events[place] = replace(old, **change)  # type: ignore[arg-type]  # one of its fields
    assert verify(events) == place + 1


@given(EVENTS, st.data())
def test_a_dropped_row_is_found_where_it_was(drafts: list[tuple[EventKind, str, dict[str, object]]], data: st.DataObject) -> None:
    events = chained(drafts)
    head = events[-1].hash
    place = data.draw(st.integers(0, len(events) - 1))
    del events[place]
    assert verify(events, head=head) == place + 1


@given(EVENTS, st.data())
def test_two_rows_that_changed_places_are_found(
    drafts: list[tuple[EventKind, str, dict[str, object]]], data: st.DataObject
) -> None:
    events = chained(drafts)
    place = data.draw(st.integers(0, len(events) - 2))
    first, second = events[place], events[place + 1]
    events[place], events[place + 1] = replace(second, seq=first.seq), replace(first, seq=second.seq)
    assert verify(events) == place + 1


def test_a_tail_cut_off_is_seen_only_with_the_head() -> None:
    events = chained([(EventKind.STEP_SAID, "a", {"line": "one"}), (EventKind.STEP_SAID, "a", {"line": "two"})])
    assert verify(events[:1]) is None
    assert verify(events[:1], head=events[-1].hash) == 2
    assert verify([], head=events[-1].hash) == 1


def test_text_moved_from_one_column_to_the_next_is_found() -> None:
    events = chained([(EventKind.STEP_SAID, 'a","b', {})])
    moved = replace(events[0], step="a", who='b",' + events[0].who)
    assert verify([moved]) == 1


@pytest.mark.parametrize("events", [[]])
def test_a_run_without_events_is_whole(events: list[Event]) -> None:
    assert verify(events, head=START) is None
