"""``manual``: something a person does by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.contracts import Context, OnUnknown, PersonName, Question, QuestionForm, Result, key, step_kind
from changeover.steps.dry_run import would
from changeover.steps.rules import not_empty


@step_kind("manual", shorthand="do", timeout=None)
@dataclass(frozen=True, slots=True)
class Manual:
    """Ask a person to do something by hand, and wait until it is done.

    The answer is *done* or *failed*, with the evidence that is asked for. It waits as long as it takes.

    Output: none; the answer, the person and the evidence stand in the journal.

    Dry run: the task is only shown.

    It may have happened: the question is asked again.
    """

    do: str = key("what to do, as one would say it on the bridge")
    assignee: PersonName = key("the person or role that does it; left out: anybody may answer", default="")
    evidence: str = key("what has to be shown, in words", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Asking again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """There is something to do."""
        yield from not_empty("do", self.do)

    def question(self, context: Context) -> Question:  # noqa: ARG002 - the protocol's
        """The task."""
        deciders = (self.assignee,) if self.assignee else ()
        return Question(self.do, QuestionForm.TASK, deciders, evidence=self.evidence)

    def run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """People have answered."""
        return Result(f"done by hand: {self.do}")

    def dry_run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """Show it."""
        return would(f"ask {self.assignee or 'anybody'} to do: {self.do}")
