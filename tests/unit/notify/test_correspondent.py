from __future__ import annotations

from typing import Any

import pytest

from changeover.journal.events import EventKind
from changeover.notify.outlet import ChatAway, ChatBusy, ChatGone, ChatRefused

Desk = Any  # the fixture of conftest.py


def run_turns(desk: Desk, correspondent: Any, seconds: float, every: float = 0.25) -> None:
    until = desk.clock.seconds + seconds
    while desk.clock.seconds < until:
        correspondent.turn()
        desk.clock.seconds += every


def test_the_card_is_posted_first_and_then_updated_in_place(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 1)
    desk.journal.write(EventKind.STEP_STARTED, "freeze")
    run_turns(desk, correspondent, 4)
    assert [thread for _, thread in desk.wall.posts if thread is None] == [None]
    assert [post.text for post in desk.wall.updates] == ["card 2"]


def test_the_card_is_updated_every_two_seconds_at_most_while_only_progress_is_made(desk: Desk) -> None:
    correspondent = desk.correspondent()
    for _ in range(80):
        desk.journal.write(EventKind.STEP_PROGRESSED, "copy")
        run_turns(desk, correspondent, 0.25)
    assert 8 <= len(desk.wall.updates) <= 10  # 20 s


def test_a_change_of_state_updates_the_card_at_once(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 0.25)
    desk.journal.write(EventKind.RUN_HELD)
    desk.mood = "held"
    correspondent.turn()
    assert [post.text for post in desk.wall.updates] == ["card 2"]


def test_a_card_that_says_the_same_is_not_sent_again(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 200, every=1)
    assert desk.wall.updates == []


def test_ordinary_events_are_collected_for_ten_seconds_and_keep_their_order(desk: Desk) -> None:
    correspondent = desk.correspondent()
    for number in range(20):
        desk.journal.write(EventKind.STEP_STARTED, f"step-{number}")
        run_turns(desk, correspondent, 0.4, every=0.2)
    assert desk.wall.lines == []
    run_turns(desk, correspondent, 4)
    assert [line.split()[1] for line in desk.wall.lines] == [str(number) for number in range(1, 21)]
    assert len(desk.wall.posts) == 2  # the card, and one message


def test_an_urgent_event_takes_those_before_it_along_at_once(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.STEP_STARTED, "freeze")
    run_turns(desk, correspondent, 3)
    assert desk.wall.lines == []
    desk.journal.write(EventKind.STEP_FAILED, "freeze")
    run_turns(desk, correspondent, 0.25)
    assert [line.split()[1] for line in desk.wall.lines] == ["1", "2"]


def test_progress_is_never_told_in_the_thread(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.STEP_PROGRESSED, "copy")
    run_turns(desk, correspondent, 30, every=1)
    assert desk.wall.lines == []


def test_a_rate_limit_is_obeyed_to_the_second_and_nothing_is_lost(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 5)
    desk.wall.failures.append(ChatBusy(7))
    desk.journal.write(EventKind.RUN_HELD)
    desk.mood = "held"
    correspondent.turn()  # the update is refused
    calls = len(desk.wall.updates)
    run_turns(desk, correspondent, 6.75)
    assert len(desk.wall.updates) == calls
    run_turns(desk, correspondent, 1)
    assert desk.wall.updates[-1].text == "card 2"
    assert [line.split()[2] for line in desk.wall.lines] == ["run_started", "run_held"]


def test_an_outage_delays_everything_and_loses_nothing(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 5)
    desk.wall.failures = [ChatAway("connection refused")] * 5
    for number in range(100):
        desk.journal.write(EventKind.STEP_SAID, "copy", line=f"line {number}")
        run_turns(desk, correspondent, 0.5)
    run_turns(desk, correspondent, 60)
    said = [line.split("line ")[1] for line in desk.wall.lines if "line " in line]
    assert said == [str(number) for number in range(100)]
    assert desk.reports == ["chat cannot be reached: connection refused", "chat is back; what it missed follows in order"]


def test_a_message_that_arrived_before_the_time_out_is_not_posted_twice(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.wall.swallow = [ChatAway("timed out")]
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 10)
    assert [line.split()[2] for line in desk.wall.lines] == ["run_started"]


def test_a_message_in_doubt_keeps_its_events_when_more_have_happened_meanwhile(desk: Desk) -> None:
    desk.wall.swallow = [ChatAway("timed out")]
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, desk.correspondent(), 2, every=1.2)
    desk.journal.write(EventKind.RUN_HELD)
    run_turns(desk, desk.correspondent(), 10)  # another process goes on
    assert [line.split()[2] for line in desk.wall.lines] == ["run_started", "run_held"]


def test_another_process_goes_on_where_this_one_ended(desk: Desk) -> None:
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, desk.correspondent(), 5)
    desk.journal.write(EventKind.RUN_HELD)
    run_turns(desk, desk.correspondent(), 5)
    assert [line.split()[2] for line in desk.wall.lines] == ["run_started", "run_held"]
    assert len([thread for _, thread in desk.wall.posts if thread is None]) == 1


def test_a_card_that_somebody_deleted_is_posted_again(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 5)
    desk.wall.failures = [ChatGone()]
    desk.journal.write(EventKind.RUN_HELD)
    run_turns(desk, correspondent, 5)
    assert len([thread for _, thread in desk.wall.posts if thread is None]) == 2


def test_a_refusal_is_reported_once_with_its_cure_and_tried_again_each_minute(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.wall.failures = [ChatRefused("not_in_channel")] * 3
    desk.journal.write(EventKind.RUN_STARTED)
    run_turns(desk, correspondent, 170, every=1)
    assert desk.wall.posts == []
    assert desk.reports == ["chat refuses: not_in_channel"]
    run_turns(desk, correspondent, 20, every=1)
    assert [line.split()[2] for line in desk.wall.lines] == ["run_started"]


def test_an_announcement_stands_alone_and_is_shown_in_the_channel(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.STEP_STARTED, "before")
    desk.journal.write(EventKind.STEP_SAID, "announce", line="we are back")
    desk.journal.write(EventKind.STEP_STARTED, "after")
    run_turns(desk, correspondent, 20)
    threads = [post for post, thread in desk.wall.posts if thread]
    assert [post.broadcast for post in threads] == [False, True, False]


def test_the_last_turns_tell_everything_without_waiting(desk: Desk) -> None:
    correspondent = desk.correspondent()
    desk.journal.write(EventKind.STEP_STARTED, "freeze")
    correspondent.turn(last=True)
    desk.clock.seconds += 1.2
    assert correspondent.turn(last=True)
    assert len(desk.wall.lines) == 1
    assert correspondent.untold == 0


@pytest.mark.parametrize("pages", [499, 500, 501, 1200])
def test_a_long_backlog_arrives_complete_and_in_order(desk: Desk, pages: int) -> None:
    for number in range(pages):
        desk.journal.write(EventKind.STEP_SAID, "copy", line=f"line {number}")
    run_turns(desk, desk.correspondent(), 120, every=1.2)
    assert [line.split("line ")[1] for line in desk.wall.lines] == [str(number) for number in range(pages)]
