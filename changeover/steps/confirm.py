"""``confirm``: a word that somebody has to type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.contracts import Context, OnUnknown, PersonName, Question, QuestionForm, Result, key, step_kind
from changeover.steps.dry_run import would
from changeover.steps.rules import not_empty


@step_kind("confirm", changes=False, timeout=None)
@dataclass(frozen=True, slots=True)
class Confirm:
    """Let a person type a word, such as the host's or the environment's name, before something that cannot be taken back.

    Output: none; who typed it stands in the journal.

    Dry run: the question is only shown.

    It may have happened: the question is asked again.
    """

    typed: str = key("the word to type", word="type")
    ask: str = key("what is about to happen", default="")
    deciders: tuple[PersonName, ...] = key("persons or roles that may type it; left out: anybody", default=())

    @property
    def on_unknown(self) -> OnUnknown:
        """Asking again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """There is a word."""
        yield from not_empty("type", self.typed)

    def question(self, context: Context) -> Question:  # noqa: ARG002 - the protocol's
        """The word."""
        return Question(self.ask or f"Type {self.typed} to go on.", QuestionForm.TYPED, self.deciders, typed=self.typed)

    def run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """It was typed."""
        return Result(f"confirmed: {self.typed}")

    def dry_run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """Show it."""
        return would(f"have {self.typed!r} typed by {', '.join(self.deciders) or 'anybody'}")
