"""``shell``: a command on the engine's own machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, Found, OnUnknown, Probe, Result, ShellText, key, step_kind
from changeover.remote.job import Order
from changeover.remote.standing import Aim
from changeover.steps.completed import ended, require_exit, stdout_of
from changeover.steps.detached import Mode, runs_detached
from changeover.steps.dry_run import as_things_stand, would
from changeover.steps.here import probe_here, run_here
from changeover.steps.local_process import run_locally, still_running
from changeover.steps.references import revealed
from changeover.steps.rules import not_empty


@step_kind("shell", shorthand="command", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Shell:
    """Run a command on the machine of the engine.

    A text runs as `/bin/sh -c`, and substituted values arrive as one word each, whatever they contain. A list runs as it
    is, without a shell. Standard input is empty.

    One that changes something runs detached (`mode`): it is started exactly once, outlives the engine and is found again.
    Of its output the first 8 MiB and a little of the end are kept. One that only reads runs attached. When the step has to
    stop, the command and all that it started are ended.

    Output: `{exit, stdout, stderr}`, stdout without newlines at its end; of very long outputs the beginning and the end.

    Dry run: a command that only reads is run; any other is only shown.

    It may have happened: the kept result of a detached command decides; where there is none, or it failed, `probe` does by
    its exit status (0 done, 1 not at all, 2 in part). One that only reads runs again. Otherwise people are asked.
    """

    command: ShellText | tuple[str, ...] = key("the command: a text for `/bin/sh`, or a list of the program and its arguments")
    folder: str = key("where it runs, relative to the project", default="")
    environment: Mapping[str, str] = key(
        "environment variables; values may be references such as `env:TOKEN`", default_factory=dict
    )
    expect_exit: int = key("the exit status that means success", default=0)
    changes: bool = key("whether it changes anything; `false` lets a dry run run it", default=True)
    mode: Mode = key("attached or detached; left out: detached when it changes something", default="")
    probing: ShellText = key("a command that finds out whether it happened: exit status 0 means done", word="probe", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Reading again is harmless; a kept result and a probe are believed; else people find out."""
        if not self.changes:
            return OnUnknown.RERUN
        return OnUnknown.PROBE if self.probing or self._detached else OnUnknown.ASK

    @property
    def tells_after_failure(self) -> bool:
        """Whether a probe can find out what one that failed has left."""
        return bool(self.probing)

    def problems(self) -> Iterable[str]:
        """A command is there, and can be handed to a program."""
        yield from not_empty("command", self.command if isinstance(self.command, str) else "".join(self.command[:1]))
        if any("\0" in part for part in self._arguments):
            yield "`command` contains a NUL character, which no program can receive"

    def run(self, context: Context) -> Result:
        """Run it and compare its exit status."""
        environment = revealed(context, self.environment)
        folder = context.folder / self.folder
        if self._detached:
            completed = run_here(context, self._order, self._aim, folder=folder, environment=environment)
        else:
            completed = run_locally(context, self._arguments, what="the command", folder=folder, environment=environment)
        require_exit("the command", completed, self.expect_exit)
        return Result(ended(completed), {"exit": completed.exit, "stdout": stdout_of(completed), "stderr": completed.stderr})

    def dry_run(self, context: Context) -> Result:
        """Run it when it only reads; show it otherwise."""
        return would(f"run: {self._shown}") if self.changes else as_things_stand(lambda: self.run(context))

    def probe(self, context: Context) -> Probe:
        """Look for a result that was kept, or for a child that outlived the engine; then ask the author's probe."""
        if self._detached:
            probe = probe_here(context, self._aim)
            if probe.found not in {Found.CANNOT_TELL, Found.PARTIAL} or not self.probing:
                return probe
        elif still_running(context.token):
            return Probe(Found.IN_PROGRESS, "the command still runs on this machine")
        if not self.probing:
            return Probe(Found.CANNOT_TELL, "no `probe` was written")
        completed = run_locally(
            context,
            ("/bin/sh", "-c", self.probing),
            what="the probe",
            folder=context.folder / self.folder,
            environment=revealed(context, self.environment),
        )
        found = {0: Found.DONE, 1: Found.CLEAN, 2: Found.PARTIAL}.get(completed.exit, Found.CANNOT_TELL)
        return Probe(found, f"the probe says: {ended(completed)}")

    @property
    def _detached(self) -> bool:
        return runs_detached(self.mode, changes=self.changes)

    @property
    def _order(self) -> Order:
        text = self.command if isinstance(self.command, str) else f"exec {shlex.join(self.command)}"
        return Order(text, interpreter="/bin/sh")

    @property
    def _aim(self) -> Aim:
        return Aim(self._order.digest, self.expect_exit)

    @property
    def _arguments(self) -> tuple[str, ...]:
        return ("/bin/sh", "-c", self.command) if isinstance(self.command, str) else self.command

    @property
    def _shown(self) -> str:
        return self.command if isinstance(self.command, str) else " ".join(self.command)
