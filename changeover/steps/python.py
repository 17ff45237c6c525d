"""``python``: a function of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, FunctionName, OnUnknown, Result, Value, Verdict, key, step_kind
from changeover.steps.dry_run import would


@step_kind("python", shorthand="function", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Python:
    """Call a function of the project's `checks/` or `rollback/`.

    It is given the context and the arguments, and returns a value, a `Result`, or nothing. What it raises as a `Setback`
    fails the step; whether it looks at `context.check_stopped()` decides whether it can be stopped.

    Output: what it returns.

    Dry run: the function must exist; it is not called.

    It may have happened: people are asked.
    """

    function: FunctionName = key("the function, such as `rollback.crm:restore_prices`")
    arguments: Mapping[str, Value] = key("its arguments; they may also stand beside `python`", word="with", default_factory=dict)

    @property
    def on_unknown(self) -> OnUnknown:
        """Nobody knows what it does."""
        return OnUnknown.ASK

    def run(self, context: Context) -> Result:
        """Call it."""
        returned = context.function(self.function)(context, **self.arguments)
        if isinstance(returned, Result):
            return returned
        if isinstance(returned, Verdict):
            return Result(returned.summary, verdict=returned)
        if returned is None:
            return Result(f"called {self.function}")
        return Result(f"{self.function} returned {str(returned)[:200]}", returned)

    def dry_run(self, context: Context) -> Result:
        """See that it is there."""
        context.function(self.function)
        return would(f"call {self.function}")
