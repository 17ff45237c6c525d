from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Mode
from changeover.journal.events import Event, EventKind
from changeover.notify.blocks import TEXT_LIMIT, escape
from changeover.notify.thread import SILENT, URGENT, Teller


def teller(mode: Mode = Mode.LIVE, members: tuple[str, ...] = ()) -> Teller:
    return Teller(
        "crm-1", mode, ZoneInfo("Europe/Budapest"), lambda event: str(event.data["line"]), lambda _: members, lambda _: False
    )


def said(seq: int, line: str) -> Event:
    return Event("crm-1", seq, datetime(2027, 3, 13, 18, 0, tzinfo=UTC), 1, EventKind.STEP_SAID, "copy", 1, "", {"line": line})


def test_every_message_bears_the_mode_and_the_run() -> None:
    for mode in Mode:
        [(post, _)] = teller(mode).messages([said(1, "hello")])
        assert post.text.startswith(f"{mode.value.upper()} · crm-1\n")
        assert post.blocks[0]["elements"][0]["elements"][0]["text"].startswith(mode.value.upper())


def test_times_are_those_of_the_runbook() -> None:
    [(post, _)] = teller().messages([said(1, "hello")])
    assert post.text.endswith("19:00:00 hello")


def test_markup_in_a_value_stays_text() -> None:
    [(post, _)] = teller().messages([said(1, "<!channel> <@U1> <http://x|y> & *bold*")])
    assert "<" not in post.text
    assert "&lt;!channel&gt; &lt;@U1&gt; &lt;http://x|y&gt; &amp; *bold*" in post.text
    assert {element["type"] for element in post.blocks[0]["elements"][0]["elements"]} == {"text"}  # literals, never parsed


@pytest.mark.parametrize("kind", [EventKind.DECISION_ASKED, EventKind.DECISION_GIVEN, EventKind.RUN_SUCCEEDED])
def test_the_head_of_the_journal_stands_at_each_gate_and_at_the_end_however_long_the_line(kind: EventKind) -> None:
    head = "3f2a9c81d0aa41b7" + "0" * 48
    [(post, _)] = teller().messages([replace(said(7, "x" * 9000), kind=kind, hash=head)])
    assert post.text.endswith("(journal row 7, head `3f2a9c81d0aa41b7`)")
    [(quiet, _)] = teller().messages([replace(said(7, "hello"), hash=head)])
    assert "head" not in quiet.text


def test_the_people_it_calls_are_mentioned() -> None:
    [(post, _)] = teller(members=("U7",)).messages([said(1, "go?")])
    assert {"type": "user", "user_id": "U7"} in post.blocks[0]["elements"][0]["elements"]


def test_a_line_longer_than_a_message_is_cut_not_refused() -> None:
    [(post, seq)] = teller().messages([said(1, "x" * 10_000)])
    assert len(post.text) < TEXT_LIMIT
    assert seq == 1


@given(st.lists(st.integers(0, 2000), max_size=60))
def test_messages_stay_below_the_limit_and_tell_every_event_in_order(lengths: list[int]) -> None:
    events = [said(number, "x" * length) for number, length in enumerate(lengths, 1)]
    messages = list(teller().messages(events))
    assert all(len(post.text) <= TEXT_LIMIT + 100 for post, _ in messages)
    assert [seq for _, seq in messages] == sorted(seq for _, seq in messages)
    told = [number for post, _ in messages for number in range(int(post.mark["first"]), int(post.mark["last"]) + 1)]
    assert told == [event.seq for event in events]


@given(st.text())
def test_an_escaped_text_has_no_bracket_and_comes_back(text: str) -> None:
    escaped = escape(text)
    assert "<" not in escaped
    assert ">" not in escaped
    assert escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


def test_nothing_urgent_is_silent() -> None:
    assert not SILENT & URGENT
