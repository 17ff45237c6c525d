"""``script``: a script of the project, carried to hosts and run there."""

from __future__ import annotations

import hashlib
import shlex
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from changeover.contracts import Context, FileName, Host, HostName, OnUnknown, Probe, Result, ShellText, Value, key, step_kind
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
from changeover.steps.on_hosts import Batches, batch_problems, on_hosts
from changeover.steps.project_files import content_of
from changeover.steps.references import takes_values
from changeover.steps.rules import exactly_one, not_empty
from changeover.steps.ssh import heard, reached


@step_kind("script", timeout=timedelta(minutes=30))
@dataclass(frozen=True, slots=True)
class Script:
    """Run a script of the project on hosts over SSH.

    The script is sent into the home directory under a name of its own, verified, run and removed again. One that changes
    something runs detached, as with `ssh`: exactly once on each host, whatever becomes of the connection or the engine.

    Output: `{hosts: {NAME: {exit, stdout}}}`, stdout without newlines at its end; a host that failed within
    `max_failures` has `{verdict, detail}`.

    Dry run: the script must be readable; one that only reads is run; for any other every host is only asked whether it
    lets us in.

    It may have happened: as with `ssh`.
    """

    on: tuple[HostName, ...] = key("hosts and groups; one name is a list of one")
    file: FileName = key("the script, a file of the project", default="")
    text: ShellText = key("or the script itself", default="")
    arguments: tuple[str, ...] = key("its arguments; each arrives as one word, whatever it contains", default=())
    interpreter: str = key("the program that runs it, with options if needed", default="/bin/sh")
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
        """Either a file or a text; values come as arguments where quoting for a shell would be wrong."""
        yield from not_empty("on", self.on)
        yield from exactly_one(file=self.file, text=self.text)
        if takes_values(self.text) and not self.interpreter.split("/")[-1].endswith("sh"):
            yield f"values in `text` are quoted for a shell, which {self.interpreter} is not: hand them over as `arguments`"
        yield from batch_problems(self.batches, self.max_failures)
        yield from lost_problems(self.on_lost, self.probing)

    def run(self, context: Context) -> Result:
        """Send it, run it, remove it, everywhere."""
        content = self._content(context)
        batches = Batches(self.batches, self.max_failures)
        if runs_detached(self.mode, changes=self.changes):
            return run_detached(context, self.on, self._commanded(context, content), batches)
        turn = threading.Lock()

        def work(host: Host) -> dict[str, Value]:
            path = _path(context, host, content)
            host.upload(content, path, mode=0o700)
            completed = heard(context, host, self._command(path), turn)
            require_exit(host.name, completed, self.expect_exit)
            return {"exit": completed.exit, "stdout": stdout_of(completed)}

        return on_hosts(context, self.on, work, batches=batches, changes=self.changes)

    def probe(self, context: Context) -> Probe:
        """Ask every host."""
        if runs_detached(self.mode, changes=self.changes):
            commanded = self._commanded(context, self._content(context))
            check = Check(self.probing, of_lost=self.on_lost == "check")
            return probe_detached(context, self.on, commanded, max_failures=self.max_failures, check=check)
        return probe_attached(context, self.on, self.probing)

    def dry_run(self, context: Context) -> Result:
        """Read the script; run it when it only reads."""
        size = len(self._content(context))
        if not self.changes:
            return as_things_stand(lambda: self.run(context))
        return reached(context, self.on, f"run {self.file or 'the script'} ({size} bytes) with {self.interpreter}")

    def _content(self, context: Context) -> bytes:
        return self.text.encode() if self.text else content_of(context, self.file)

    def _commanded(self, context: Context, content: bytes) -> Commanded:
        what = "\0".join([self.interpreter, *self.arguments, hashlib.sha256(content).hexdigest()])
        digest = Order("", what=what).digest

        def order_for(host: Host) -> Order:
            return Order(self._command(_path(context, host, content)), what=what)

        def send(host: Host) -> None:
            host.upload(content, _path(context, host, content), mode=0o700)

        return Commanded(order_for, Aim(digest, self.expect_exit), send)

    def _command(self, path: str) -> str:
        words = [*shlex.split(self.interpreter), path, *self.arguments]
        script = f'{shlex.join(words)}; code=$?; rm -f -- {shlex.quote(path)}; exit "$code"'
        return f"/bin/sh -c {shlex.quote(script)}"


def _path(context: Context, host: Host, content: bytes) -> str:
    """Its own name for each attempt and host: an earlier attempt may still be running from its copy."""
    key = hashlib.sha256(f"{context.token}\0{host.name}\0".encode() + content).hexdigest()
    return f".changeover-script-{key[:16]}"
