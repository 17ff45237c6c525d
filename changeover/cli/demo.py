"""``demo``: a whole cutover of a small telecom company on this machine, with scripted people."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from changeover.cli import render
from changeover.cli.exit_codes import ExitCode
from changeover.cli.sandbox import Bundled
from changeover.errors import Mistake
from changeover.sandbox.faults import Fault
from changeover.sandbox.lifecycle import CUSTOMERS, FEWEST, MOST

if TYPE_CHECKING:
    from changeover.cli.demo_view import DemoView
    from changeover.cli.session import Session
    from changeover.sandbox.fingerprint import Fact
    from changeover.sandbox.performance import Performed
    from changeover.sandbox.state import State
    from changeover.status.read import StatusReader

#: Faults after which everything has to be as it was.
_ROLLED_BACK: Final = frozenset({Fault.DEPLOY, Fault.SMOKE})


@dataclass(eq=False)
class SandboxInUse(Mistake):
    """A demonstration needs a sandbox that nothing has happened in."""

    customers: int

    def __str__(self) -> str:
        return f"a sandbox with {self.customers:,} customers is running here, and something may have happened in it"

    @property
    def hint(self) -> str:
        return "stop it first: `changeover sandbox stop`"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was said on the command line."""

    customers: int
    fault: Fault | None
    installed: bool
    keep: bool


def demo(
    customers: Annotated[int, typer.Option(min=FEWEST, max=MOST, help="Fixed-line customers who move.")] = CUSTOMERS,
    *,
    fault: Annotated[Fault | None, typer.Option(help="What goes wrong in the night.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the sandbox running afterwards.")] = False,
    bundled: Bundled = False,
) -> int:
    """Watch a whole cutover: freeze, deploy, migrate, verify, decide, reopen, watch. Nothing outside this machine is touched."""
    from changeover.cli.demo_view import DemoView  # noqa: PLC0415 - all of this is loaded when it is needed
    from changeover.cli.session import open_session  # noqa: PLC0415
    from changeover.sandbox import lifecycle, state  # noqa: PLC0415

    wanted = Wanted(customers, fault, installed=not bundled, keep=keep)
    with open_session(create=True) as session:
        folder = session.project.state / "sandbox"
        running = state.read(folder)
        if running is not None and running.running:
            raise SandboxInUse(running.customers)
        view = DemoView(render.console(), session.reader)
        try:
            return _perform(session, view, wanted)
        finally:
            if wanted.keep:
                view.line("The sandbox goes on running; end it with `changeover sandbox stop`.")
            else:
                with _undisturbed():
                    lifecycle.stop(folder)


def _perform(session: Session, view: DemoView, wanted: Wanted) -> int:
    from changeover.sandbox import fingerprint, performance  # noqa: PLC0415 - loaded when it is needed

    begun = time.monotonic()
    state = _start(session, view, wanted)
    before = fingerprint.take(state) if wanted.fault in _ROLLED_BACK else ()
    stage = performance.Stage(session.project.root, state.folder, session.journal, wanted.fault)
    performed = performance.perform(stage, view)
    if not performed.run:
        view.line()
        view.line((stage.log.read_text(encoding="utf-8", errors="replace").strip(), render.LOUD))
        return performed.exit
    proven = _results(session, view, state, performed, before)
    _, report = performance.command(stage, ("report", performed.run))
    view.line()
    view.line(("report   ", render.FAINT), report.splitlines()[-1] if report else "none")
    view.line(("took     ", render.FAINT), f"{time.monotonic() - begun:.0f} s with everything")
    _what_next(view, wanted, performed)
    return performed.exit if proven else ExitCode.BUG


def _start(session: Session, view: DemoView, wanted: Wanted) -> State:
    from changeover.sandbox import lifecycle  # noqa: PLC0415 - loaded when it is needed
    from changeover.sandbox.databases import Choice  # noqa: PLC0415

    view.line((f"A small telecom company with {wanted.customers:,} fixed-line customers starts on 127.0.0.1 ...", render.FINE))
    state = lifecycle.start(
        session.project.state / "sandbox",
        customers=wanted.customers,
        fault=wanted.fault,
        choice=Choice(installed=wanted.installed),
        say=lambda line: view.line("   ", line),
    )
    if wanted.fault is not None:
        view.line((f"   fault: {wanted.fault.story}", render.CARE))
    return state


def _results(session: Session, view: DemoView, state: State, performed: Performed, before: tuple[Fact, ...]) -> bool:
    """The tables at the end; False when they do not say what the exit code says."""
    from changeover.cli.demo_view import comparison_table, fingerprint_table, stages_table  # noqa: PLC0415
    from changeover.sandbox import comparison, fingerprint  # noqa: PLC0415 - loaded when it is needed

    reader: StatusReader = session.reader(performed.run)
    stages_table(view, reader.refresh())
    if performed.exit == ExitCode.FINE:
        return comparison_table(view, comparison.compare(reader.bundle, reader.plan, session.project.root))
    if performed.exit == ExitCode.ROLLED_BACK and before:
        same = fingerprint_table(view, before, fingerprint.take(state))
        view.line()
        sentence = "Every row, file, channel and job is as it was before." if same else "Something is NOT as it was before."
        view.line((sentence, render.FINE if same else render.LOUD))
        return same
    return True


def _what_next(view: DemoView, wanted: Wanted, performed: Performed) -> None:
    view.line()
    view.line(("What to try next", render.FINE))
    for command, what in _ideas(wanted, performed.run):
        view.line(f"  {command:<52} ", (what, render.FAINT))


def _ideas(wanted: Wanted, run: str) -> Iterator[tuple[str, str]]:
    if wanted.fault is None:
        yield "make demo FAULT=smoke", "let the smoke test fail, and see everything come back"
        yield "make demo FAULT=channel", "the web shop does not reopen until somebody mends it"
    else:
        yield "make demo", "the same night without a fault"
    yield ".venv/bin/changeover plan runbooks/telecom-crm.yaml", "the real night: 18 hours, and a way back"
    yield f".venv/bin/changeover events {run}", "everything that happened"
    yield ".venv/bin/changeover sandbox start", "a company of your own: break it, run it, hold it"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not interrupt the clearing away."""

    def patience(_number: int, _frame: FrameType | None) -> None:
        typer.echo("clearing away; a moment more", err=True)

    before = signal.signal(signal.SIGINT, patience)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
