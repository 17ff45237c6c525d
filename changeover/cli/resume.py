"""``resume``: go on with a run, from the journal alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from changeover.cli.asking import NoReason, RunOver
from changeover.cli.changed_view import look_at_changes
from changeover.cli.choosing import active_run, state_of
from changeover.cli.executing import Execution, execute
from changeover.cli.people import acting_person
from changeover.cli.run import AsJson, Engine, EngineChoice, Lines, NoWait
from changeover.cli.session import Session, open_session
from changeover.journal.errors import RunOwned

AcceptChange = Annotated[
    bool, typer.Option("--accept-change", help="The runbook or the program has changed since; go on, on the record.")
]


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
    takeover: Annotated[
        bool, typer.Option("--takeover", help="Take it from an engine that is still alive; needs --why.")
    ] = False,
    why: Annotated[str, typer.Option("--why", help="Why it is taken over, for the record.", show_default=False)] = "",
    accept_change: AcceptChange = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    lines: Lines = False,
) -> int:
    """Go on with a run after a crash or Ctrl-C; what is finished is never done again."""
    if takeover and not why.strip():
        raise NoReason("resume --takeover")
    return _go_on(run, Execution(engine.value, not no_wait, as_json, lines, who, takeover, why), accept_change=accept_change)


def takeover(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the only one that is not over.", show_default=False),
    ] = "",
    *,
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.", show_default=False)] = "",
    engine: Engine = EngineChoice.AUTO,
    who: Annotated[
        str, typer.Option("--who", help="Who takes it over; left out: $CHANGEOVER_WHO, or the login name.", show_default=False)
    ] = "",
    accept_change: AcceptChange = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
    lines: Lines = False,
) -> int:
    """Take a run from an engine that is still alive, and go on with it here.

    The other engine writes nothing any more, stops what it runs and ends with exit code 7. What it had begun is in doubt,
    and is looked at first. An engine that is gone needs no takeover: `resume` is enough.
    """
    if not why.strip():
        raise NoReason("takeover")
    execution = Execution(engine.value, not no_wait, as_json, lines, who, takeover=True, takeover_why=why)
    return _go_on(run, execution, accept_change=accept_change)


def _go_on(run: str, execution: Execution, *, accept_change: bool) -> int:
    with open_session() as session:
        record = active_run(session.journal, run)
        state = state_of(session.journal, record.id)
        if state.final:
            raise RunOver(record.id, state)
        if not execution.takeover:
            refuse_owned(session, record.id)
        person = acting_person(execution.who, session.reader(record.id).bundle.people)
        accepted = look_at_changes(session, record, accept=accept_change, quiet=execution.as_json)
        return execute(session, record, replace(execution, who=person, accept_change=person if accepted else ""))


def refuse_owned(session: Session, run: str) -> None:
    """Raise RunOwned when an engine drives the run, before there is a screen that seems to drive it too."""
    found = session.journal.ownership(run)
    if found.live and found.owner is not None and found.since is not None:
        left = (found.until - session.clock.now()).total_seconds() if found.until is not None else 0.0
        raise RunOwned(run, found.owner, found.since, max(left, 0.0))
