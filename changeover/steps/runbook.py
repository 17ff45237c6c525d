"""``runbook``: another runbook, as a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from changeover.contracts import Context, OnUnknown, Result, RunbookName, Value, key, step_kind


@step_kind("runbook", shorthand="file", timeout=None)
@dataclass(frozen=True, slots=True)
class RunbookStep:
    """Run another runbook to its end.

    It is a run of its own, with its own lock, journal and rollback, in the mode and environment of this one.

    Output: `{run}`, the id of the other run.

    Dry run: the other runbook's dry run.

    It may have happened: the other run stands in the journal; it is taken up again where it stopped.
    """

    file: RunbookName = key("the other runbook")
    inputs: Mapping[str, Value] = key("its inputs", default_factory=dict)

    @property
    def on_unknown(self) -> OnUnknown:
        """The engine finds the other run by this step's token and goes on with it."""
        return OnUnknown.RERUN

    def run(self, context: Context) -> Result:
        """Run it."""
        return context.include(self.file, self.inputs)

    def dry_run(self, context: Context) -> Result:
        """Run its dry run: the mode goes along."""
        return context.include(self.file, self.inputs)
