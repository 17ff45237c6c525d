"""``resume``: go on with a run, from the journal alone."""

from __future__ import annotations

from typing import Annotated

import typer

from changeover.cli.asking import RunOver
from changeover.cli.choosing import active_run, state_of
from changeover.cli.executing import Execution, execute
from changeover.cli.people import acting_person
from changeover.cli.run import AsJson, Engine, EngineChoice, Lines, NoWait
from changeover.cli.session import Session, open_session
from changeover.journal.errors import RunOwned


def resume(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only one that is not over.", show_default=False),
    ] = "",
    *,
    engine: Engine = EngineChoice.AUTO,
    who: Annotated[
        str, typer.Option("--who", help="Who resumes it; left out: $CHANGEOVER_WHO, or the login name.", show_default=False)
    ] = "",
    takeover: Annotated[bool, typer.Option("--takeover", help="Take it from an engine whose lease has not ended yet.")] = False,
    accept_change: Annotated[
        bool, typer.Option("--accept-change", help="The runbook or the program has changed since; go on, on the record.")
    ] = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    lines: Lines = False,
) -> int:
    """Go on with a run after a crash or Ctrl-C; what is finished is never done again."""
    with open_session() as session:
        record = active_run(session.journal, run)
        state = state_of(session.journal, record.id)
        if state.final:
            raise RunOver(record.id, state)
        if not takeover:
            refuse_owned(session, record.id)
        reader = session.reader(record.id)
        person = acting_person(who, reader.bundle.people)
        execution = Execution(
            engine.value,
            wait=not no_wait,
            as_json=as_json,
            lines=lines,
            who=person,
            takeover=takeover,
            accept_change=person if accept_change else "",
        )
        return execute(session, record, execution)


def refuse_owned(session: Session, run: str) -> None:
    """Raise RunOwned when an engine drives the run, before there is a screen that seems to drive it too."""
    found = session.journal.ownership(run)
    if found.live and found.owner is not None and found.since is not None:
        left = (found.until - session.clock.now()).total_seconds() if found.until is not None else 0.0
        raise RunOwned(run, found.owner, found.since, max(left, 0.0))
