from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.contracts import Found
from changeover.remote.job import JobState, Stage
from changeover.remote.standing import Aim, HostStanding, Standing, kept, now, standing_of, together

AIM = Aim("d1")
DONE = JobState(1, Stage.DONE, "d1", 0)
FAILED = JobState(1, Stage.DONE, "d1", 3)
NEVER = JobState(1, Stage.FENCED)
RUNNING = JobState(1, Stage.RUNNING, "d1")
LOST = JobState(1, Stage.LOST, "d1", word="the host was restarted")
STATES = [DONE, FAILED, NEVER, RUNNING, LOST, JobState(1, Stage.DONE, "d2", 0), JobState(1, Stage.DONE, "d1", 143, "killed")]


def numbered(*states: JobState) -> tuple[JobState, ...]:
    return tuple(JobState(number, one.stage, one.digest, one.exit, one.word) for number, one in enumerate(states, start=1))


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (DONE, Standing.DONE),
        (FAILED, Standing.FAILED),
        (NEVER, Standing.NEVER),
        (JobState(1, Stage.ABSENT), Standing.NEVER),
        (RUNNING, Standing.RUNNING),
        (LOST, Standing.LOST),
        (JobState(1, Stage.DONE, "d2", 0), Standing.OTHER),
        (JobState(1, Stage.DONE, "d1", 124, "time-out"), Standing.ENDED),
        (JobState(1, Stage.DONE, "d1", 0, "killed"), Standing.DONE),  # it had ended well before the signal came
    ],
)
def test_what_a_host_says_means(state: Any, standing: Any) -> None:
    assert standing_of(state, AIM).standing is standing


def test_hosts_that_are_done_are_kept_from_an_unfinished_round() -> None:
    histories = {"a": numbered(DONE), "b": numbered(FAILED), "c": numbered(NEVER)}
    assert list(kept(histories, AIM)) == ["a"]
    histories = {"a": numbered(DONE, NEVER), "b": numbered(FAILED, DONE), "c": numbered(NEVER, LOST)}
    assert sorted(kept(histories, AIM)) == ["a", "b"]


def test_a_round_that_was_done_everywhere_is_over_and_another_attempt_does_all_of_it() -> None:
    assert kept({"a": numbered(DONE), "b": numbered(DONE)}, AIM) == {}
    histories = {"a": numbered(DONE, NEVER, DONE), "b": numbered(FAILED, DONE, FAILED)}
    assert {host: one.attempt for host, one in kept(histories, AIM).items()} == {"a": 3}


def test_what_another_command_did_is_not_kept() -> None:
    assert kept({"a": numbered(JobState(1, Stage.DONE, "d2", 0)), "b": numbered(NEVER)}, AIM) == {}


def test_now_is_the_last_attempt_and_what_earlier_ones_did_for_it() -> None:
    histories = {"a": numbered(DONE, NEVER), "b": numbered(FAILED, DONE), "c": numbered(RUNNING, NEVER), "d": ()}
    found = {host: (one.standing, one.attempt) for host, one in now(histories, AIM).items()}
    assert found == {
        "a": (Standing.DONE, 1),
        "b": (Standing.DONE, 2),
        "c": (Standing.RUNNING, 1),
        "d": (Standing.SILENT, 0),
    }


@pytest.mark.parametrize(
    ("standings", "found", "resumable"),
    [
        ([Standing.DONE, Standing.DONE], Found.DONE, False),
        ([Standing.NEVER, Standing.NEVER], Found.CLEAN, False),
        ([Standing.DONE, Standing.NEVER], Found.PARTIAL, True),
        ([Standing.DONE, Standing.FAILED], Found.PARTIAL, False),
        ([Standing.FAILED], Found.PARTIAL, False),
        ([Standing.ENDED], Found.PARTIAL, False),
        ([Standing.DONE, Standing.RUNNING, Standing.LOST], Found.IN_PROGRESS, False),
        ([Standing.DONE, Standing.LOST], Found.CANNOT_TELL, False),
        ([Standing.DONE, Standing.SILENT], Found.CANNOT_TELL, False),
        ([Standing.OTHER], Found.CANNOT_TELL, False),
    ],
)
def test_all_hosts_together_mean(standings: Any, found: Any, resumable: Any) -> None:
    answer = together({f"h{number}": HostStanding(one) for number, one in enumerate(standings)})
    assert (answer.found, answer.resumable) == (found, resumable)


def test_as_many_may_have_failed_as_the_author_allows() -> None:
    standings = {"a": HostStanding(Standing.DONE), "b": HostStanding(Standing.FAILED, exit=3)}
    assert together(standings, max_failures=1).found is Found.DONE
    assert together(standings).summary == "done on 1 of 2 hosts; failed on b (exit status 3)"


def test_a_long_list_of_hosts_is_cut_short() -> None:
    answer = together({f"h{number}": HostStanding(Standing.LOST) for number in range(9)})
    assert answer.summary == "lost on h0, h1, h2, h3, h4 and 4 more"


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.sampled_from(STATES), min_size=1, max_size=4), min_size=1))
def test_never_called_clean_when_anything_may_be_there_and_never_done_when_something_is_missing(histories: Any) -> None:
    answer = together(now({host: numbered(*states) for host, states in histories.items()}, AIM))
    if answer.found is Found.CLEAN:
        assert {one.stage for states in histories.values() for one in states} == {Stage.FENCED}
    if answer.found is Found.DONE:
        assert all(any(standing_of(one, AIM).standing is Standing.DONE for one in states) for states in histories.values())
