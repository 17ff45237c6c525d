"""``ssh``: a command on hosts and groups of hosts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Completed, Context, Host, HostName, OnUnknown, Probe, Result, ShellText, Value, key, step_kind
from changeover.remote.job import Order
from changeover.remote.standing import Aim
from changeover.steps.completed import require_exit, stdout_of
from changeover.steps.detached import (
    Check,
    Commanded,
    Mode,
    OnLost,
    lost_problems,
    probe_attached,
    probe_detached,
    run_detached,
    runs_detached,
)
from changeover.steps.dry_run import as_things_stand
from changeover.steps.on_hosts import Batches, Ear, batch_problems, on_hosts
from changeover.steps.rules import not_empty


@step_kind("ssh", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Ssh:
    """Run a command on hosts over SSH.

    It runs in the login shell of each host, at most 50 hosts at a time; a connection is opened once and used again. Host
    keys must be known.

    One that changes something runs detached (`mode`): it is started exactly once on each host, goes on when the connection
    or the engine is lost, and is found again. Its standard input is empty. Of its output the host keeps the first 8 MiB and
    a little of the end. One that only reads runs attached. When the step has to stop, the command and all that it started
    are ended at the host.

    Output: `{hosts: {NAME: {exit, stdout}}}`, stdout without newlines at its end; a host that failed within
    `max_failures` has `{verdict, detail}`.

    Dry run: a command that only reads is run; for any other every host is only asked whether it lets us in.

    It may have happened: the hosts are asked, and whoever has not begun by then never will; hosts that are done are not
    done again. Where it failed or ran attached, and with `on_lost: check` where it is lost, `probe` is believed; else people
    are asked. One that only reads runs again.
    """

    on: tuple[HostName, ...] = key("hosts and groups; one name is a list of one")
    command: ShellText = key("the command", word="run")
    batches: tuple[int | str, ...] = key(
        "sizes of the batches, numbers or percents, such as [1, 10%, 100%]; the last one repeats; left out: all at once",
        default=(),
    )
    max_failures: int = key("how many hosts may fail before no further batch begins and the step fails", default=0)
    expect_exit: int = key("the exit status that means success", default=0)
    changes: bool = key("whether it changes anything; `false` lets a dry run run it", default=True)
    mode: Mode = key("attached or detached; left out: detached when it changes something", default="")
    on_lost: OnLost = key(
        "what becomes of a host that was restarted, or whose command was killed: people decide (hold), or `probe` does (check)",
        default="hold",
    )
    probing: ShellText = key(
        "a command that finds out on a host where it failed whether it happened: exit status 0 done, 1 not at all, 2 in part",
        word="probe",
        default="",
    )

    @property
    def on_unknown(self) -> OnUnknown:
        """Reading again is harmless; otherwise the hosts are asked."""
        return OnUnknown.PROBE if self.changes else OnUnknown.RERUN

    @property
    def tells_after_failure(self) -> bool:
        """Whether a probe can find out what one that failed has left."""
        return bool(self.probing)

    def problems(self) -> Iterable[str]:
        """Somewhere to run, something to run."""
        yield from not_empty("on", self.on)
        yield from not_empty("run", self.command)
        if "\0" in self.command:
            yield "`run` contains a NUL character, which no shell can receive"
        yield from batch_problems(self.batches, self.max_failures)
        yield from lost_problems(self.on_lost, self.probing)

    def run(self, context: Context) -> Result:
        """Run it everywhere."""
        batches = Batches(self.batches, self.max_failures)
        if runs_detached(self.mode, changes=self.changes):
            return run_detached(context, self.on, self._commanded, batches)
        work = commanding(context, lambda _host: self.command, expect_exit=self.expect_exit)
        return on_hosts(context, self.on, work, batches=batches, changes=self.changes)

    def probe(self, context: Context) -> Probe:
        """Ask every host."""
        if runs_detached(self.mode, changes=self.changes):
            check = Check(self.probing, of_lost=self.on_lost == "check")
            return probe_detached(context, self.on, self._commanded, max_failures=self.max_failures, check=check)
        return probe_attached(context, self.on, self.probing)

    @property
    def _commanded(self) -> Commanded:
        order = Order(self.command)
        return Commanded(lambda _host: order, Aim(order.digest, self.expect_exit))

    def dry_run(self, context: Context) -> Result:
        """Run it when it only reads; else ask every host whether it lets us in."""
        return reached(context, self.on, f"run: {self.command}") if self.changes else as_things_stand(lambda: self.run(context))


def commanding(context: Context, command_for: Callable[[Host], str], *, expect_exit: int) -> Callable[[Host], dict[str, Value]]:
    """The work of running a command on one host and judging its exit status."""
    turn = threading.Lock()

    def work(host: Host) -> dict[str, Value]:
        completed = heard(context, host, command_for(host), turn)
        require_exit(host.name, completed, expect_exit)
        return {"exit": completed.exit, "stdout": stdout_of(completed)}

    return work


def heard(context: Context, host: Host, command: str, turn: threading.Lock) -> Completed:
    """Run *command* on *host* with its output going to the step's log."""
    ear = Ear(context, host.name, turn)
    try:
        return host.run(command, timeout=context.remaining(), output=ear)
    finally:
        ear.close()


def reached(context: Context, names: tuple[str, ...], what: str) -> Result:
    """The dry run of a change: every host has to let us in; nothing is run there but `:`, which does nothing."""
    work = commanding(context, lambda _host: ":", expect_exit=0)
    result = on_hosts(context, names, work, batches=Batches(), changes=False)
    return Result(f"would, on {result.summary.replace(' of ', ' of the ', 1)} that let us in, {what}")
