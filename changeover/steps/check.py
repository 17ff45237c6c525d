"""``check``: a function of the project that answers passed, failed or not verifiable, with figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from changeover.contracts import Answer, Context, FunctionName, OnUnknown, Result, Value, Verdict, key, step_kind
from changeover.errors import Mistake
from changeover.steps.dry_run import as_things_stand


class CheckSeverity(StrEnum):
    """What a failed check means."""

    FATAL = "fatal"  # the step has failed
    WARN = "warn"  # it is said, and the run goes on


@dataclass(eq=False)
class NoVerdict(Mistake):
    """A function that is named as a check answered with something else."""

    function: str
    answered: str

    def __str__(self) -> str:
        return f"{self.function} answered with {self.answered} instead of a verdict"

    @property
    def hint(self) -> str:
        return "A check returns `Verdict.of(...)`, or `Verdict(Answer.NOT_VERIFIABLE, why)`."


@step_kind("check", shorthand="function", changes=False, timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Check:
    """Ask a function of the project whether all is well.

    It answers *passed*, *failed* or *not verifiable*, with the figures behind it. What is not verifiable has not passed;
    0 of 0 is not verifiable unless the function says otherwise.

    Output: `{answer, summary, expected, found, figures}`.

    Dry run: it is asked; a *no* is not verifiable there, because the steps before it were not carried out.

    It may have happened: it is asked again.
    """

    function: FunctionName = key("the function, such as `checks.counts:equal`")
    arguments: Mapping[str, Value] = key("its arguments; they may also stand beside `check`", word="with", default_factory=dict)
    severity: CheckSeverity = key("`fatal`: the step fails; `warn`: it is said and the run goes on", default=CheckSeverity.FATAL)
    also_not_with: Mapping[str, Value] | None = key(
        "the other half of a paired check: with these arguments instead it must fail, such as on the old system", default=None
    )

    @property
    def on_unknown(self) -> OnUnknown:
        """Asking again is harmless."""
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:
        """Ask, once or for both halves of a pair."""
        verdict = self._asked(context)
        summary = verdict.summary + _figures(verdict)
        if verdict.answer is Answer.PASSED or self.severity is CheckSeverity.FATAL:
            return Result(summary, _told(verdict), verdict)
        context.say(f"warning: {verdict.answer}: {summary}")
        return Result(f"warning: {verdict.answer}: {summary}", _told(verdict), verdict, warns=True)

    def dry_run(self, context: Context) -> Result:
        """Ask; a no proves nothing yet."""
        return as_things_stand(lambda: self.run(context))

    def _asked(self, context: Context) -> Verdict:
        verdict = ask(context, self.function, self.arguments)
        if self.also_not_with is None or verdict.answer is not Answer.PASSED:
            return verdict
        other = ask(context, self.function, {**self.arguments, **self.also_not_with})
        if other.answer is Answer.FAILED:
            return replace(verdict, summary=f"{verdict.summary}; and, as it must be, not so: {other.summary}")
        answer = Answer.FAILED if other.answer is Answer.PASSED else Answer.NOT_VERIFIABLE
        varied = ", ".join(f"{name}={value}" for name, value in self.also_not_with.items())
        return replace(other, answer=answer, summary=f"it must not hold with {varied}, and: {other.summary}")


def ask(context: Context, function: str, arguments: Mapping[str, Value]) -> Verdict:
    """The verdict of *function*.

    Raises:
        NoVerdict: it returned something else.
    """
    verdict = context.function(function)(context, **arguments)
    if not isinstance(verdict, Verdict):
        raise NoVerdict(function, type(verdict).__name__)
    return verdict


def _told(verdict: Verdict) -> Value:
    return {
        "answer": str(verdict.answer),
        "summary": verdict.summary,
        "expected": verdict.expected,
        "found": verdict.found,
        "figures": dict(verdict.figures),
    }


def _figures(verdict: Verdict) -> str:
    if verdict.expected is None and verdict.found is None:
        return ""
    return f" (expected {verdict.expected}, found {verdict.found})"
