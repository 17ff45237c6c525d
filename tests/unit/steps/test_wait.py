from __future__ import annotations

from typing import Any

import pytest

from changeover.contracts import OnUnknown
from changeover.errors import Stopped
from changeover.runbook.values import ParametersRefused
from changeover.steps.wait import NotBegun
from changeover.testing import FakeContext


def test_it_waits_for_a_while_and_says_why(bound: Any, context: FakeContext) -> None:
    result = bound("wait", "{for: 90s, why: DNS}").run(context)
    assert result.output == {"waited": 90.0}
    assert context.clock.monotonic() == 1090.0
    assert context.said == ["waiting 1 min 30 s: DNS"]
    assert context.progressed[0] == (0, 90, "s")
    assert context.progressed[-1] == (85, 90, "s")


def test_a_plain_duration_will_do(bound: Any, context: FakeContext) -> None:
    assert bound("wait", "2m").run(context).output == {"waited": 120.0}


def test_it_waits_until_a_time_of_day(bound: Any, context: FakeContext) -> None:
    assert bound("wait", "{until: 2027-03-13 19:30}").run(context).output == {"waited": 5400.0}
    assert context.clock.now().isoformat() == "2027-03-13T19:30:00+00:00"


def test_it_follows_a_clock_that_is_set_while_it_waits(bound: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep, jumps = type(context).sleep, iter([1800.0])

    def sleep_while_the_clock_is_set(self: Any, seconds: float) -> None:
        self.clock.jump(next(jumps, 0.0))
        sleep(self, seconds)

    monkeypatch.setattr(type(context), "sleep", sleep_while_the_clock_is_set)
    assert bound("wait", "{until: 2027-03-13 19:00}").run(context).output == {"waited": 1800.0}


def test_a_time_that_has_passed_is_no_wait(bound: Any, context: FakeContext) -> None:
    assert bound("wait", "{until: 2027-03-13 17:00}").run(context).summary == "no wait was left"
    assert context.clock.monotonic() == 1000.0


def test_it_waits_the_rest_of_a_while_since_another_step(bound: Any, context: FakeContext) -> None:
    context.passed_at = {"lower-ttl": 700.0}
    assert bound("wait", "{rest_of: {since: lower-ttl, for: 10m}}").run(context).output == {"waited": 300.0}


def test_the_rest_since_a_step_that_has_not_passed_is_refused(bound: Any, context: FakeContext) -> None:
    with pytest.raises(NotBegun, match="lower-ttl"):
        bound("wait", "{rest_of: {since: lower-ttl, for: 10m}}").run(context)


def test_it_stops_at_once(bound: Any, context: FakeContext) -> None:
    context.stopped = "abort"
    with pytest.raises(Stopped):
        bound("wait", "1h").run(context)


@pytest.mark.parametrize("yaml", ["1h", "{until: 2027-03-13 19:30}", "{rest_of: {since: x, for: 10m}}"])
def test_a_dry_run_does_not_wait(bound: Any, context: FakeContext, yaml: str) -> None:
    assert bound("wait", yaml).dry_run(context).summary.startswith("would wait ")
    assert context.clock.monotonic() == 1000.0
    assert bound("wait", yaml).on_unknown is OnUnknown.RERUN


@pytest.mark.parametrize("yaml", ["{why: x}", "{for: 1m, until: 2027-03-13 19:00}"])
def test_exactly_one_way_to_wait(bound: Any, yaml: str) -> None:
    with pytest.raises(ParametersRefused, match="exactly one of for, until and rest_of"):
        bound("wait", yaml)
