"""The same step for several things, and graphs of many steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from changeover.contracts import RunState, StepState
from changeover.engine.graph import Readiness
from changeover.engine.projection import Projection
from changeover.journal.events import EventKind, Verb
from changeover.testing import Trial

TrialOf = Callable[..., Trial]
Ledger = Callable[[Trial], list[str]]


def most_at_once(run: Trial) -> int:
    going = most = 0
    for event in run.events():
        going += (event.kind is EventKind.STEP_STARTED) - (event.kind in {EventKind.STEP_PASSED, EventKind.STEP_FAILED})
        most = max(most, going)
    return most


def test_each_item_is_a_step_of_its_own(trial: TrialOf, ledger: Ledger) -> None:
    run = trial("- {id: a, for_each: {in: [x, y]}, act: 'at ${item}'}\n- {id: b, act: two}")
    assert run.drive().state is RunState.SUCCEEDED
    assert ledger(run) == ["a[x] 1 at x", "a[y] 1 at y", "b 1 two"]


def test_no_more_than_its_limit_at_a_time(trial: TrialOf) -> None:
    items = ", ".join(f"i{n}" for n in range(6))
    run = trial(f"- {{id: a, for_each: {{in: [{items}], max_parallel: 2}}, act: {{takes: 0.05}}}}")
    assert run.drive().state is RunState.SUCCEEDED
    assert most_at_once(run) == 2


def test_too_many_failures_stop_further_ones_until_somebody_decides(trial: TrialOf, ledger: Ledger) -> None:
    steps = "- {id: a, for_each: {in: [0, 1, 1, 0], max_failures: 1}, act: {fails: '${item}'}}"
    run = trial(
        steps.replace("[0, 1, 1, 0]", "[{id: p, n: 0}, {id: q, n: 1}, {id: r, n: 1}, {id: s, n: 0}]").replace("item}", "item.n}")
    )
    ended = run.drive(wait=False)
    assert len(ended.waiting) == 2
    assert ledger(run) == ["a[p] 1", "a[q] 1", "a[r] 1"]
    run.start()
    run.command(Verb.RETRY)
    assert run.wait().state is RunState.SUCCEEDED
    assert sorted(ledger(run)[3:]) == ["a[q] 2", "a[r] 2", "a[s] 1"]


def test_each_item_has_its_own_undo_and_its_own_values(trial: TrialOf, ledger: Ledger) -> None:
    steps = (
        "- {id: a, for_each: {in: [x, y]}, act: {output: {id: '${item}1'}}, capture: {id: $.id}, "
        "undo: {act: 'forget ${captured.id}'}}\n"
        "- {id: b, act: {fails: 1}, on_failure: roll-back}"
    )
    run = trial(steps)
    assert run.drive().state is RunState.ROLLED_BACK
    assert sorted(ledger(run)[-2:]) == ["a[x].undo 1 forget x1", "a[y].undo 1 forget y1"]


def counted(monkeypatch: pytest.MonkeyPatch, of: type[Any], name: str) -> list[int]:
    """Count the calls of a method."""
    calls = [0]
    original = getattr(of, name)

    def count(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        return original(*given, **named)

    monkeypatch.setattr(of, name, count)
    return calls


def test_two_thousand_steps_are_looked_at_a_constant_number_of_times_each(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, taken = counted(monkeypatch, Readiness, "ready"), counted(monkeypatch, Projection, "take_in")
    count = 2000
    run = trial("\n".join(f"- {{id: s{n}, look: passed, needs: []}}" for n in range(count)))
    assert run.drive().state is RunState.SUCCEEDED
    assert looked[0] <= 3 * count
    assert taken[0] == 2 * count + 4
    state = run.state()
    assert all(state.step(f"s{n}").state is StepState.PASSED for n in range(count))


def test_a_long_for_each_is_linear_too(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = counted(monkeypatch, Readiness, "ready")
    items = ", ".join(f"i{n}" for n in range(400))
    run = trial(f"- {{id: a, for_each: {{in: [{items}], max_parallel: 4}}, look: passed}}")
    assert run.drive().state is RunState.SUCCEEDED
    assert looked[0] < 400 * 8
