"""``gate``: a point that the run must not pass until named people decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from changeover.contracts import Context, OnUnknown, PersonName, Question, QuestionForm, Result, key, step_kind
from changeover.runbook.model import WallTime
from changeover.steps.dry_run import would
from changeover.steps.rules import at_least_one, not_empty


@step_kind("gate", changes=False, timeout=None)
@dataclass(frozen=True, slots=True)
class Gate:
    """Ask named people for a go, and wait until enough of them have given it.

    Refusal is not failure: the run holds. At the deadline it holds too; nothing is ever approved by silence.

    Output: none; each decision, its person and reason stand in the journal.

    Dry run: the question is only shown.

    It may have happened: decisions stand in the journal; the question is asked again when they do not.
    """

    ask: str = key("the question, as one would say it on the bridge")
    deciders: tuple[PersonName, ...] = key("persons or roles that may decide")
    quorum: int = key("how many of them have to approve", default=1)
    excluded: tuple[str, ...] = key(
        "persons or roles that may not decide; `runner` is whoever started the run", word="not", default=()
    )
    by: WallTime | None = key("when the run holds for want of a decision", default=None)
    otherwise: Literal["hold"] = key("what happens then: the run holds", default="hold")

    @property
    def on_unknown(self) -> OnUnknown:
        """Asking again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """A question, and people who can answer it."""
        yield from not_empty("ask", self.ask)
        if not self.deciders:
            yield "`deciders` names nobody"
        yield from at_least_one("quorum", self.quorum)

    def question(self, context: Context) -> Question:
        """The question."""
        by = None if self.by is None else context.at(self.by.local)
        return Question(self.ask, QuestionForm.APPROVAL, self.deciders, self.quorum, self.excluded, by)

    def run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """Enough people have approved."""
        return Result(f"go: {self.ask}")

    def dry_run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """Show it."""
        return would(f"ask {', '.join(self.deciders)} ({self.quorum} of them): {self.ask}")
