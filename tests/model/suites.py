"""Small runbooks and what may befall them: each is looked at completely, every moment of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.model.graph import Graph, Node
from tests.model.state import Left, Suite, runbook, step
from tests.model.words import APPROVAL, TASK


def _chain(length: int = 2) -> Graph:
    return runbook(step("copy"), *(step(key, number) for number, key in enumerate(("verify", "open")[: length - 1])))


def _diamond() -> Graph:
    return runbook(step("freeze"), step("copy", 0), step("count", 0, repeatable=True), step("open", 1, 2))


def _opaque() -> Graph:
    """The first step's target can neither refuse a late attempt nor say what became of it."""
    return runbook(step("call", fenced=False), step("verify", 0))


def _repeatable(*, fenced: bool = True) -> Graph:
    return runbook(step("copy", repeatable=True, fenced=fenced), step("verify", 0))


def _no_return(length: int = 2) -> Graph:
    return runbook(step("copy"), step("cut", 0, no_return=True), *([step("open", 1)] if length > 2 else []))


def _gate() -> Graph:
    return runbook(step("copy"), step("go", 0, form=APPROVAL, quorum=2), step("open", 1))


def _task() -> Graph:
    return runbook(step("copy"), step("cable", 0, form=TASK), step("open", 1))


def _gate_first() -> Graph:
    return runbook(step("go", form=APPROVAL), step("open", 0))


def _shy() -> Node:
    return step("call", fenced=False, repeatable=True)


def _task_first() -> Graph:
    return runbook(step("cable", form=TASK), step("copy", 0))


#: Explored in every run of the test suite.
SUITES: Final = (
    # crashes between any two events
    Suite("a chain; two crashes, a rollback, an abort", _chain(), Left(crashes=2, rollbacks=1, aborts=1)),
    Suite("a longer chain; two crashes, a rollback", _chain(3), Left(crashes=2, rollbacks=1)),
    Suite("a diamond; a crash, a rollback", _diamond(), Left(crashes=1, rollbacks=1)),
    Suite("a diamond; a fault", _diamond(), Left(faults=1)),
    # messages lost, late, doubled, half done
    Suite("a chain; a crash, a fault, a time-out, a rollback", _chain(), Left(crashes=1, faults=1, timeouts=1, rollbacks=1)),
    Suite("a chain; a fault, a time-out, an abort", _chain(), Left(faults=1, timeouts=1, aborts=1)),
    Suite("a chain; a doubled and a late message, a fault, a time-out", _chain(), Left(doubles=1, late=1, faults=1, timeouts=1)),
    Suite(
        "a repeatable step; a crash, a fault, a time-out, a rollback",
        _repeatable(),
        Left(crashes=1, faults=1, timeouts=1, rollbacks=1),
    ),
    # two engines
    Suite("two engines; a takeover, a time-out, a rollback", _chain(), Left(takeovers=1, timeouts=1, rollbacks=1), 2),
    Suite("two engines; a takeover, a crash, a rollback", _chain(), Left(takeovers=1, crashes=1, rollbacks=1), 2),
    Suite("two engines, an opaque target; a takeover, a crash, a rollback", _opaque(), Left(1, 1, rollbacks=1), 2),
    # targets that cannot be asked
    Suite("an opaque target; a crash, a time-out, a rollback, an abort", _opaque(), Left(1, timeouts=1, rollbacks=1, aborts=1)),
    Suite("an opaque, repeatable target; a crash, a fault", _repeatable(fenced=False), Left(crashes=1, faults=1)),
    # the point of no return
    Suite(
        "a point of no return; a crash, a fault, a rollback, broken glass, an abort",
        _no_return(),
        Left(crashes=1, faults=1, rollbacks=1, glasses=1, aborts=1),
    ),
    Suite("a point of no return; a fault, a rollback, a skip", _no_return(3), Left(faults=1, rollbacks=1, skips=1)),
    # people
    Suite(
        "a gate of two; a crash, a refusal, a deadline, a changed plan, a hold, an abort",
        _gate(),
        Left(crashes=1, refusals=1, lapses=1, changes=1, holds=1, aborts=1),
    ),
    Suite("a gate of two; a crash, a fault, a deadline, a rollback", _gate(), Left(1, faults=1, lapses=1, rollbacks=1)),
    Suite("a task; a crash, a fault, a rollback, an abort", _task(), Left(crashes=1, faults=1, rollbacks=1, aborts=1)),
    Suite(
        "a task first; a crash, a fault, a deadline, a skip, a rollback",
        _task_first(),
        Left(crashes=1, faults=1, lapses=1, skips=1, rollbacks=1),
    ),
    Suite("a longer chain; a fault, a rollback to its first stage", _chain(3), Left(faults=1, stages=1)),
    Suite("a chain; a fault, a rollback, a waiver", _chain(), Left(faults=1, rollbacks=1, waivers=1)),
    Suite(
        "a repeatable step alone; a crash, two faults, a rollback, a waiver",
        runbook(step("copy", repeatable=True)),
        Left(crashes=1, faults=2, rollbacks=1, waivers=1),
    ),
    Suite(
        "a chain; a fault, a mistake, a skip, a hold, a rollback",
        _chain(),
        Left(faults=1, mistakes=1, skips=1, holds=1, rollbacks=1),
    ),
    Suite("a chain; a crash, a hold, a rollback, an abort", _chain(), Left(crashes=1, holds=1, rollbacks=1, aborts=1)),
)

#: How many moments of each are looked at, at the least: a suite that has shrunk proves less than it says.
AT_LEAST: Final = {
    "a chain; two crashes, a rollback, an abort": 22_400,
    "a longer chain; two crashes, a rollback": 82_100,
    "a diamond; a crash, a rollback": 168_400,
    "a diamond; a fault": 3_800,
    "a chain; a crash, a fault, a time-out, a rollback": 158_700,
    "a chain; a fault, a time-out, an abort": 3_000,
    "a chain; a doubled and a late message, a fault, a time-out": 12_000,
    "a repeatable step; a crash, a fault, a time-out, a rollback": 169_400,
    "two engines; a takeover, a time-out, a rollback": 39_100,
    "two engines; a takeover, a crash, a rollback": 49_300,
    "two engines, an opaque target; a takeover, a crash, a rollback": 12_700,
    "an opaque target; a crash, a time-out, a rollback, an abort": 7_300,
    "an opaque, repeatable target; a crash, a fault": 700,
    "a point of no return; a crash, a fault, a rollback, broken glass, an abort": 121_200,
    "a point of no return; a fault, a rollback, a skip": 14_700,
    "a gate of two; a crash, a refusal, a deadline, a changed plan, a hold, an abort": 15_900,
    "a gate of two; a crash, a fault, a deadline, a rollback": 70_100,
    "a task; a crash, a fault, a rollback, an abort": 163_600,
    "a task first; a crash, a fault, a deadline, a skip, a rollback": 26_700,
    "a longer chain; a fault, a rollback to its first stage": 18_100,
    "a chain; a fault, a rollback, a waiver": 22_500,
    "a repeatable step alone; a crash, two faults, a rollback, a waiver": 61_500,
    "a chain; a fault, a mistake, a skip, a hold, a rollback": 30_600,
    "a chain; a crash, a hold, a rollback, an abort": 11_300,
}

#: In `make soak` as well.
BIG: Final = (
    Suite("a longer chain; a crash, a fault, a rollback to its first stage", _chain(3), Left(crashes=1, faults=1, stages=1)),
    Suite("a chain; two faults, a rollback, a waiver", _chain(), Left(faults=2, rollbacks=1, waivers=1)),
    Suite("a longer chain; a crash, a fault, a rollback", _chain(3), Left(crashes=1, faults=1, rollbacks=1)),
    Suite("a diamond; two crashes, a rollback", _diamond(), Left(crashes=2, rollbacks=1)),
    Suite("two engines; two takeovers, a time-out, a fault", _chain(), Left(takeovers=2, timeouts=1, faults=1), 2),
    Suite(
        "two engines, a point of no return; a takeover, a crash, a fault, a rollback",
        _no_return(),
        Left(1, 1, faults=1, rollbacks=1),
        2,
    ),
    Suite("three engines; two takeovers, a crash, a rollback", _chain(), Left(1, 2, rollbacks=1), 3),
    Suite("a gate of two; everything", _gate(), Left(1, 0, 1, refusals=1, lapses=1, changes=1, holds=1, rollbacks=1)),
)


#: Together they make every move there is (test_table.py); small, for they are explored once more for that.
COVERING: Final = (
    Suite("a task, and every word about it", _task_first(), Left(crashes=1, faults=1, lapses=1, rollbacks=1)),
    Suite("a gate, and every word about it", _gate_first(), Left(1, faults=1, refusals=1, lapses=1, changes=1, aborts=1)),
    Suite("an opaque step that fails, and is skipped", _opaque(), Left(faults=1, timeouts=1, skips=1, rollbacks=1)),
    Suite("an opaque, repeatable step", runbook(_shy()), Left(faults=2, timeouts=2, rollbacks=1, waivers=1)),
    Suite("a step that cannot be sent", runbook(step("copy")), Left(mistakes=2, skips=1, rollbacks=1)),
    Suite("a repeatable step in doubt", _repeatable(), Left(faults=1, timeouts=1, skips=1, rollbacks=1)),
    Suite("an undo in every trouble", runbook(step("copy")), Left(faults=1, timeouts=1, rollbacks=1, aborts=1)),
    Suite("a repeatable undo in doubt", runbook(step("copy", repeatable=True)), Left(1, faults=1, rollbacks=1, waivers=1)),
)


def without_crashes(suite: Suite) -> Suite:
    """The same suite in which no engine dies."""
    return replace(suite, left=suite.left._replace(crashes=0))
