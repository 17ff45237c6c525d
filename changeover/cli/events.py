"""``events``: the journal of a run, one line an event, for people or other programs."""

from __future__ import annotations

import sys
import threading
from typing import Annotated, Final

import typer

from changeover.cli.choosing import shown_run
from changeover.cli.exit_codes import ExitCode
from changeover.cli.lines import json_of, line_of
from changeover.cli.session import Session, open_session

#: Seconds between two looks at the journal.
_POLL: Final = 0.25

#: Events read at a time: a run has no limit, memory does.
_PAGE: Final = 1000


def events(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only active one, or the newest.", show_default=False),
    ] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with every field.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    after: Annotated[int, typer.Option("--after", help="Only events after this sequence number.", min=0)] = 0,
) -> int:
    """Print the journal of a run, one line an event."""
    with open_session() as session:
        found = shown_run(session.journal, run)
        _print(session, found.id, as_json=as_json, follow=follow, after=after)
    return ExitCode.FINE


def _print(session: Session, run: str, *, as_json: bool, follow: bool, after: int) -> None:
    reader = session.reader(run)
    pause = threading.Event()
    while True:
        page = session.journal.events(run, after=after, limit=_PAGE)
        for event in page:
            after = event.seq
            line = json_of(event) if as_json else line_of(event, reader.plan, reader.bundle)
            if line:
                sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if len(page) == _PAGE:
            continue
        if not follow or (reader.refresh().state.final and session.journal.changed(run).seq <= after):
            return
        pause.wait(_POLL)
