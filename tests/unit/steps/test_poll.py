from __future__ import annotations

import itertools
from typing import Any

import pytest

from changeover.contracts import Answer, OnUnknown, Verdict
from changeover.errors import Stopped
from changeover.runbook.values import ParametersRefused
from changeover.steps.poll import NeverSo
from changeover.testing import FakeContext


def test_it_looks_until_the_condition_holds(bound: Any, context: FakeContext) -> None:
    poll = bound("poll", "{shell: {command: 'echo x >> turns; wc -l < turns', changes: false}, until: $.stdout == 3, limit: 1m}")
    result = poll.run(context)
    assert result.output["stdout"] == "3"
    assert "3 readings" in result.summary
    assert context.clock.monotonic() == 1010.0


def test_it_gives_up_at_its_limit_and_tells_the_last_reading(bound: Any, context: FakeContext) -> None:
    poll = bound("poll", "{shell: {command: echo 7}, until: $.stdout == 8, limit: 20s}")
    with pytest.raises(NeverSo, match=r"within 20 s: \$\.stdout == 8; 5 readings, .*7"):
        poll.run(context)


def test_a_look_that_fails_is_a_reading_and_the_next_one_may_succeed(bound: Any, context: FakeContext) -> None:
    poll = bound("poll", "{shell: {command: 'test -e there || { touch there; exit 1; }'}, until: $.exit == 0, limit: 1m}")
    assert "2 readings" in poll.run(context).summary


def test_readings_have_to_be_equal_as_often_in_a_row_as_asked(bound: Any, context: FakeContext) -> None:
    numbers = iter([5, 4, 3, 3, 2, 2, 2, 2])
    context.functions = {"checks.x:settled": lambda _context: Verdict(Answer.PASSED, "few", found=next(numbers))}
    poll = bound("poll", "{check: {function: 'checks.x:settled'}, equal_readings: 3, limit: 10m}")
    result = poll.run(context)
    assert result.output["found"] == 2
    assert "7 readings" in result.summary


def test_a_check_needs_no_condition(bound: Any, context: FakeContext) -> None:
    answers = itertools.chain([Answer.FAILED, Answer.NOT_VERIFIABLE], itertools.repeat(Answer.PASSED))
    context.functions = {"checks.x:up": lambda _context: Verdict(next(answers), "up or not")}
    assert "3 readings" in bound("poll", "{check: {function: 'checks.x:up'}, limit: 1m}").run(context).summary


def test_a_value_that_cannot_be_compared_yet_is_a_reading(bound: Any, context: FakeContext) -> None:
    poll = bound("poll", "{shell: {command: echo nothing}, until: $.stdout < 3, limit: 10s}")
    with pytest.raises(NeverSo, match="no order"):
        poll.run(context)


def test_it_stops_at_once_when_it_has_to(bound: Any, context: FakeContext) -> None:
    context.stopped = "abort"
    with pytest.raises(Stopped):
        bound("poll", "{shell: {command: sleep 5}, until: $.exit == 0, limit: 1m}").run(context)


def test_a_dry_run_looks_once_and_says_when_it_is_not_so(bound: Any, context: FakeContext) -> None:
    poll = bound("poll", "{shell: {command: echo 1; echo x >> looks, changes: false}, until: $.stdout == 2, limit: 1m}")
    result = poll.dry_run(context)
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert "not so" in result.summary
    assert (context.folder / "looks").read_text() == "x\n"


def test_a_dry_run_does_not_look_when_looking_may_change_something(bound: Any, context: FakeContext) -> None:
    result = bound("poll", "{shell: {command: touch traces}, until: $.exit == 0, limit: 1m}").dry_run(context)
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert not (context.folder / "traces").exists()


def test_a_dry_run_that_finds_it_so_says_so(bound: Any, context: FakeContext) -> None:
    result = bound("poll", "{shell: {command: echo 2, changes: false}, until: $.stdout == 2, limit: 1m}").dry_run(context)
    assert result.verdict is None
    assert "is so now" in result.summary


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        ("{until: $ == 1, limit: 1m}", "exactly one of sql, http, shell, ssh and check; there is none"),
        ("{shell: {command: a}, http: {get: 'http://x'}, until: $ == 1, limit: 1m}", "there is http and shell"),
        ("{shell: {command: a}, limit: 1m}", "`until` is missing"),
        ("{shell: {command: a}, until: '$ ==', limit: 1m}", "is no condition"),
        ("{shell: {command: a}, until: $ == 1, limit: 1m, equal_readings: 0}", "at least 1"),
        ("{shell: {command: a}, until: $ == 1, limit: 1m, every: 0s}", "more than nothing"),
    ],
)
def test_what_cannot_be_polled_is_refused(bound: Any, yaml: str, problem: str) -> None:
    with pytest.raises(ParametersRefused) as caught:
        bound("poll", yaml)
    assert problem in str(caught.value)


def test_looking_again_is_harmless(bound: Any) -> None:
    assert bound("poll", "{shell: {command: a}, until: $ == 1, limit: 1m}").on_unknown is OnUnknown.RERUN


def test_a_look_may_be_written_as_short_as_a_step(bound: Any, context: FakeContext) -> None:
    assert bound("poll", "{shell: echo 1, until: $.stdout == 1, limit: 1m}").run(context).output["stdout"] == "1"
