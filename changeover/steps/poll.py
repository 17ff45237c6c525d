"""``poll``: looks again and again until it is so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from changeover.contracts import Answer, Context, OnUnknown, Result, StepKind, Value, key, step_kind
from changeover.counting import counted
from changeover.errors import Setback, Stopped
from changeover.runbook.conditions import ConditionInvalid, holds, parse
from changeover.runbook.references import ValueMissing
from changeover.steps.attached import attached
from changeover.steps.check import Check
from changeover.steps.dry_run import not_verifiable
from changeover.steps.http import Http
from changeover.steps.rules import at_least_one, exactly_one, positive
from changeover.steps.shell import Shell
from changeover.steps.sql import Sql
from changeover.steps.ssh import Ssh

_SHOWN: Final = 120


@dataclass(eq=False)
class NeverSo(Setback):
    """The limit passed before it was so."""

    limit: timedelta
    wanted: str
    readings: int
    last: str

    def __str__(self) -> str:
        seconds = f"{self.limit.total_seconds():g} s"
        return f"not so within {seconds}: {self.wanted}; {counted(self.readings, 'reading')}, the last: {self.last}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look gave."""

    value: Value
    words: str
    so: bool
    failed: bool = False  # the look itself failed; the next one may not


@step_kind("poll", changes=False, timeout=None)
@dataclass(frozen=True, slots=True)
class Poll:
    """Look again and again until a condition holds, as many times in a row as asked for.

    A look that fails is a reading too: a service that is still starting answers nothing yet. A `check` needs no condition.

    Output: that of the last look, so `$` in `capture` means the same as in `until`.

    Dry run: one look, if it changes nothing.

    It may have happened: it looks again.
    """

    limit: timedelta = key("how long it may take before the step has failed")
    until: str = key("the condition on the output `$`, such as `$.open == 0`", default="")
    every: timedelta = key("the pause between two looks", default=timedelta(seconds=5))
    equal_readings: int = key("how many readings in a row have to satisfy it and be equal", default=1)
    sql: Sql | None = key("look with a statement", default=None)
    http: Http | None = key("look with a request", default=None)
    shell: Shell | None = key("look with a command on the engine's machine", default=None)
    ssh: Ssh | None = key("look with a command on hosts", default=None)
    check: Check | None = key("look with a check", default=None)

    @property
    def on_unknown(self) -> OnUnknown:
        """Looking again is harmless."""
        return OnUnknown.RERUN

    def problems(self) -> Iterable[str]:
        """One way to look, and a condition that can be read."""
        yield from exactly_one(sql=self.sql, http=self.http, shell=self.shell, ssh=self.ssh, check=self.check)
        if not self.until and self.check is None:
            yield "`until` is missing: the condition on what is read, such as `$.open == 0`"
        if self.until:
            try:
                parse(self.until)
            except ConditionInvalid as problem:
                yield str(problem)
        yield from at_least_one("equal_readings", self.equal_readings)
        yield from positive("every", self.every)

    def run(self, context: Context) -> Result:
        """Look until it is so."""
        began = context.clock.monotonic()
        in_a_row: list[Reading] = []
        number = 0
        while True:
            number += 1
            reading = self._read(context)
            unit = "reading" if number == 1 else "readings"
            context.progress(number, None, unit, reading=reading.words, in_a_row=len(in_a_row))
            context.log(f"reading {number}: {reading.words}\n")
            if not reading.so or (in_a_row and in_a_row[-1].value != reading.value):
                in_a_row = []
            if reading.so:
                in_a_row.append(reading)
            if len(in_a_row) >= self.equal_readings:
                waited = context.clock.monotonic() - began
                return Result(
                    f"{self._wanted}, after {counted(number, 'reading')} in {waited:.3g} s: {reading.words}", reading.value
                )
            left = self.limit.total_seconds() - (context.clock.monotonic() - began)
            if left <= 0:
                raise NeverSo(self.limit, self._wanted, number, reading.words)
            context.sleep(min(self.every.total_seconds(), left))

    def dry_run(self, context: Context) -> Result:
        """Look once."""
        result = self._look.dry_run(context)
        if getattr(self._look, "changes", False):
            return not_verifiable(f"looking might change something ({result.summary})")
        if result.verdict is not None and result.verdict.answer is not Answer.PASSED:
            return result
        try:
            so = self._satisfied(result)
        except (Setback, ConditionInvalid) as problem:
            return not_verifiable(f"as things stand now: {problem}")
        if not so:
            return not_verifiable(f"as things stand now it is not so: {self._wanted}; {_words(result.output)}")
        return Result(f"it is so now: {self._wanted}", result.output)

    def _read(self, context: Context) -> Reading:
        try:
            result = self._look.run(context)
            so = self._satisfied(result)
        except Stopped:
            raise
        except (Setback, ConditionInvalid) as problem:  # null has no order with 3: that is an answer of the moment too
            context.check_stopped()
            return Reading(None, str(problem)[:_SHOWN], so=False, failed=True)
        words = result.summary if self.check is not None else _words(result.output)
        return Reading(result.output, words[:_SHOWN], so)

    def _satisfied(self, result: Result) -> bool:
        if result.verdict is not None and result.verdict.answer is not Answer.PASSED:
            return False
        return not self.until or holds(self.until, _NoNames(), result.output)

    @property
    def _wanted(self) -> str:
        return self.until or "the check passes"

    @property
    def _look(self) -> StepKind:
        looks: tuple[StepKind | None, ...] = (self.sql, self.http, self.shell, self.ssh, self.check)
        return attached(next(look for look in looks if look is not None))


class _NoNames:
    """Every ``${...}`` has its value before the step begins."""

    def lookup(self, path: tuple[str, ...]) -> Value:
        raise ValueMissing(".".join(path), "only `$` is known while polling")


def _words(output: Value) -> str:
    return " ".join(str(output).split())[:_SHOWN]
