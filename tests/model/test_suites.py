"""Every moment of every suite: no invariant is broken, and each can still reach an end."""

from __future__ import annotations

import os

import pytest

from tests.model.explore import explore
from tests.model.state import Suite
from tests.model.suites import AT_LEAST, BIG, SUITES, without_crashes

pytestmark = pytest.mark.timeout(900 if os.environ.get("CHANGEOVER_SOAK") else 300)

_CRASHES = [suite for suite in SUITES if suite.left.crashes and not suite.left.faults and not suite.left.timeouts]


def looked_at(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    report = explore(suite)
    with capsys.disabled():
        print(f"\n{report}", end="")  # noqa: T201 - what was explored is the result of this test
    assert report.violation == "", "\n".join([*report.trace, report.violation])
    assert report.states >= AT_LEAST.get(suite.name, 1), "it explores less than it did"


@pytest.mark.parametrize("suite", SUITES, ids=[suite.name for suite in SUITES])
def test_nothing_goes_wrong_and_everything_ends(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    looked_at(suite, capsys)


@pytest.mark.skipif("CHANGEOVER_SOAK" not in os.environ, reason="minutes each: in `make soak`")
@pytest.mark.parametrize("suite", BIG, ids=[suite.name for suite in BIG])
def test_nothing_goes_wrong_in_the_big_ones_either(suite: Suite, capsys: pytest.CaptureFixture[str]) -> None:
    looked_at(suite, capsys)


@pytest.mark.parametrize("suite", [suite for suite in _CRASHES if AT_LEAST[suite.name] < 60_000], ids=lambda suite: suite.name)
def test_a_run_that_crashes_ends_as_it_would_have_ended(suite: Suite) -> None:
    assert set(explore(suite).ends) == set(explore(without_crashes(suite)).ends)


def test_more_than_half_a_million_moments_are_looked_at() -> None:
    assert set(AT_LEAST) == {suite.name for suite in SUITES}
    assert sum(AT_LEAST.values()) >= 600_000
