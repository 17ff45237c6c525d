"""``watch``: a run live, four times a second; plain lines where there is no terminal."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from changeover.cli import render
from changeover.cli.choosing import shown_run, state_of
from changeover.cli.exit_codes import ExitCode
from changeover.cli.live import LineView, LiveView, View, follow, terminal_is_large_enough
from changeover.cli.session import Session, open_session
from changeover.cli.summary import print_summary
from changeover.journal.store import Journal


def watch(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only active one, or the newest.", show_default=False),
    ] = "",
    *,
    lines: Annotated[bool, typer.Option("--lines", help="Lines instead of a screen.")] = False,
) -> int:
    """Watch a run live, until it is over or you press Ctrl-C. Watching changes nothing."""
    with open_session() as session:
        found = shown_run(session.journal, run)
        alone = is_alone(session.journal, found.id)
        view: View
        if terminal_is_large_enough() and not lines:
            view = LiveView(alone=alone)
        else:
            view = LineView(session, found.id, as_json=False, alone=alone)
        return _watch(session, found.id, view)


def _watch(session: Session, run: str, view: View) -> int:
    try:
        shown = follow(session, run, view, threading.Event())
    except KeyboardInterrupt:
        return ExitCode.FINE
    if isinstance(view, LiveView) and shown.status is not None:
        print_summary(render.console(), shown.status)
    return ExitCode.FINE


def is_alone(journal: Journal, run: str) -> bool:
    """Whether every other run is over, so that commands need not name this one."""
    return all(state_of(journal, other.id).final for other in journal.runs() if other.id != run)
