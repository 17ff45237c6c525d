"""``shell``: a command on the engine's own machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, Found, OnUnknown, Probe, Result, ShellText, key, step_kind
from changeover.steps.completed import ended, require_exit, stdout_of
from changeover.steps.dry_run import as_things_stand, would
from changeover.steps.local_process import run_locally, still_running
from changeover.steps.references import revealed
from changeover.steps.rules import not_empty


@step_kind("shell", shorthand="command", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Shell:
    """Run a command on the machine of the engine.

    A text runs as `/bin/sh -c`, and substituted values arrive as one word each, whatever they contain. A list runs as it
    is, without a shell. Standard input is closed. When the step has to stop, the whole process group is ended.

    Output: `{exit, stdout, stderr}`, stdout without newlines at its end; of very long outputs the beginning and the end.

    Dry run: a command that only reads is run; any other is only shown.

    It may have happened: `probe` decides by its exit status (0 done, 1 not at all, 2 in part); one that only reads runs
    again; otherwise people are asked.
    """

    command: ShellText | tuple[str, ...] = key("the command: a text for `/bin/sh`, or a list of the program and its arguments")
    folder: str = key("where it runs, relative to the project", default="")
    environment: Mapping[str, str] = key(
        "environment variables; values may be references such as `env:TOKEN`", default_factory=dict
    )
    expect_exit: int = key("the exit status that means success", default=0)
    changes: bool = key("whether it changes anything; `false` lets a dry run run it", default=True)
    probing: ShellText = key("a command that finds out whether it happened: exit status 0 means done", word="probe", default="")

    @property
    def on_unknown(self) -> OnUnknown:
        """Reading again is harmless; a probe is believed; else people find out."""
        if not self.changes:
            return OnUnknown.RERUN
        return OnUnknown.PROBE if self.probing else OnUnknown.ASK

    def problems(self) -> Iterable[str]:
        """A command is there, and can be handed to a program."""
        yield from not_empty("command", self.command if isinstance(self.command, str) else "".join(self.command[:1]))
        if any("\0" in part for part in self._arguments):
            yield "`command` contains a NUL character, which no program can receive"

    def run(self, context: Context) -> Result:
        """Run it and compare its exit status."""
        completed = run_locally(
            context,
            self._arguments,
            what="the command",
            folder=context.folder / self.folder,
            environment=revealed(context, self.environment),
        )
        require_exit("the command", completed, self.expect_exit)
        return Result(ended(completed), {"exit": completed.exit, "stdout": stdout_of(completed), "stderr": completed.stderr})

    def dry_run(self, context: Context) -> Result:
        """Run it when it only reads; show it otherwise."""
        return would(f"run: {self._shown}") if self.changes else as_things_stand(lambda: self.run(context))

    def probe(self, context: Context) -> Probe:
        """Look for a child that outlived the engine, then ask the author's probe."""
        if still_running(context.token):
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
    def _arguments(self) -> tuple[str, ...]:
        return ("/bin/sh", "-c", self.command) if isinstance(self.command, str) else self.command

    @property
    def _shown(self) -> str:
        return self.command if isinstance(self.command, str) else " ".join(self.command)
