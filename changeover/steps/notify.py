"""``notify``: a message to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, OnUnknown, Result, key, step_kind
from changeover.steps.dry_run import would
from changeover.steps.rules import not_empty


@step_kind("notify", shorthand="text", changes=False, timeout=timedelta(minutes=1))
@dataclass(frozen=True, slots=True)
class Notify:
    """Tell people something. It goes into the journal, and from there to chat.

    Output: `{text, audience}`.

    Dry run: the message is only shown.

    It may have happened: it is said again.
    """

    text: str = key("the message")
    audience: str = key("whom it is for, in words; it stands before the message", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Saying it twice is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """There is something to say."""
        yield from not_empty("text", self.text)

    def run(self, context: Context) -> Result:
        """Say it."""
        context.say(self._message)
        return Result(f"said: {self._message}", {"text": self.text, "audience": self.audience})

    def dry_run(self, context: Context) -> Result:  # noqa: ARG002 - the protocol's
        """Show it."""
        return would(f"say: {self._message}")

    @property
    def _message(self) -> str:
        return f"{self.audience}: {self.text}" if self.audience else self.text
