from __future__ import annotations

from typing import Any

import pytest

from changeover.contracts import Answer, OnUnknown, Result, Verdict
from changeover.steps.check import NoVerdict
from changeover.testing import FakeContext

VERDICTS = {
    "yes": Verdict(Answer.PASSED, "all there", expected=3, found=3),
    "no": Verdict(Answer.FAILED, "one is missing", expected=3, found=2),
}
VERDICTS["unknown"] = Verdict(Answer.NOT_VERIFIABLE, "0 of 0")


@pytest.fixture
def checking(context: FakeContext) -> Any:
    context.functions = {"checks.x:answer": lambda _context, *, which: VERDICTS[which]}
    return context


@pytest.mark.parametrize("which", VERDICTS)
def test_the_verdict_of_a_fatal_check_is_the_verdict_of_the_step(bound: Any, checking: FakeContext, which: Any) -> None:
    result = bound("check", "'checks.x:answer'", which=which).run(checking)
    assert result.verdict == VERDICTS[which]
    assert result.output["answer"] == str(VERDICTS[which].answer)


def test_figures_stand_in_the_summary_and_the_output(bound: Any, checking: FakeContext) -> None:
    result = bound("check", "{function: 'checks.x:answer', with: {which: 'no'}}").run(checking)
    assert result.summary == "one is missing (expected 3, found 2)"
    assert (result.output["expected"], result.output["found"]) == (3, 2)


@pytest.mark.parametrize("which", ["no", "unknown"])
def test_a_warning_is_said_and_does_not_fail_the_step(bound: Any, checking: FakeContext, which: Any) -> None:
    result = bound("check", "{function: 'checks.x:answer', severity: warn}", which=which).run(checking)
    assert (result.verdict, result.warns) == (VERDICTS[which], True)
    assert result.summary.startswith("warning: ")
    assert checking.said == [result.summary]
    assert result.output["answer"] == str(VERDICTS[which].answer)


@pytest.mark.parametrize(("other", "answer"), [("no", Answer.PASSED), ("yes", Answer.FAILED), ("unknown", Answer.NOT_VERIFIABLE)])
def test_a_paired_check_must_fail_with_the_other_arguments(bound: Any, checking: FakeContext, other: Any, answer: Any) -> None:
    result = bound("check", f"{{function: 'checks.x:answer', also_not_with: {{which: '{other}'}}}}", which="yes").run(checking)
    assert result.verdict.answer is answer


def test_the_other_half_is_not_asked_when_the_first_has_failed(bound: Any, checking: FakeContext) -> None:
    result = bound("check", "{function: 'checks.x:answer', also_not_with: {which: 'boom'}}", which="no").run(checking)
    assert result.verdict.answer is Answer.FAILED


@pytest.mark.parametrize("which", ["no", "unknown"])
def test_in_a_dry_run_a_no_is_not_verifiable(bound: Any, checking: FakeContext, which: Any) -> None:
    result = bound("check", "'checks.x:answer'", which=which).dry_run(checking)
    assert result.verdict.answer is Answer.NOT_VERIFIABLE
    assert "as things stand now" in result.summary


def test_in_a_dry_run_a_yes_is_a_yes(bound: Any, checking: FakeContext) -> None:
    assert bound("check", "'checks.x:answer'", which="yes").dry_run(checking).verdict.answer is Answer.PASSED


def test_a_function_without_a_verdict_is_a_mistake(bound: Any, context: FakeContext) -> None:
    context.functions = {"checks.x:answer": lambda _context: True}
    with pytest.raises(NoVerdict, match="bool instead of a verdict"):
        bound("check", "'checks.x:answer'").run(context)


@pytest.mark.parametrize(
    ("returned", "output"),
    [(None, None), ({"saved": 3}, {"saved": 3}), (Result("kept", [1]), [1])],
    ids=["nothing", "value", "result"],
)
def test_a_python_function_may_return_nothing_a_value_or_a_result(
    bound: Any, context: FakeContext, returned: Any, output: Any
) -> None:
    context.functions = {"rollback.x:restore": lambda _context, *, table: returned if table == "prices" else 1 / 0}
    assert bound("python", "'rollback.x:restore'", table="prices").run(context).output == output


def test_a_python_function_may_return_a_verdict(bound: Any, context: FakeContext) -> None:
    context.functions = {"checks.x:answer": lambda _context: VERDICTS["no"]}
    assert bound("python", "'checks.x:answer'").run(context).verdict is VERDICTS["no"]


def test_a_dry_run_looks_for_the_python_function_and_does_not_call_it(bound: Any, context: FakeContext) -> None:
    context.functions = {"rollback.x:restore": lambda _context: 1 / 0}
    assert bound("python", "'rollback.x:restore'").dry_run(context).summary == "would call rollback.x:restore"


def test_it_may_have_happened_means(bound: Any) -> None:
    assert bound("check", "'checks.x:answer'").on_unknown is OnUnknown.RERUN
    assert bound("python", "'checks.x:answer'").on_unknown is OnUnknown.ASK
