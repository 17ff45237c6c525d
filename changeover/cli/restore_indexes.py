"""``restore-indexes``: make again what a migration took away for its load, when its run ended without doing so."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from changeover.cli.alone import AloneContext
from changeover.cli.choosing import shown_run
from changeover.cli.exit_codes import ExitCode
from changeover.cli.failing import complain
from changeover.cli.resume import refuse_owned
from changeover.cli.session import open_session
from changeover.contracts import Database
from changeover.counting import counted
from changeover.engine.resources import Resources
from changeover.errors import Setback
from changeover.plan.parameters import text_in
from changeover.runbook.bundle import Bundle
from changeover.secrets import Secrets


def restore_indexes(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="The run; left out: the active one, else the newest.", show_default=False),
    ] = "",
) -> int:
    """Make the indexes and foreign keys again that a run's migrations took away with `indexes: after_load`.

    A migration does that itself at its end, and so does its undo. This is for a run that was aborted in between. It can
    be interrupted, and used again: it goes on with what is missing.
    """
    with open_session() as session:
        record = shown_run(session.journal, run)
        refuse_owned(session, record.id)
        bundle = session.reader(record.id).bundle
        root = session.project.root
        with closing(Resources(bundle.systems, session.project, Secrets(root), root)) as resources:
            context = AloneContext(record.id, "restore-indexes", root, resources)
            try:
                back = sum(_restored(resources.database(name), context) for name in targets_of(bundle))
            except Setback as setback:
                complain(str(setback), setback.hint)
                return ExitCode.FAILED
    what = counted(back, "index or foreign key", "indexes and foreign keys")
    sys.stdout.write(f"{record.id}: {what} made again\n" if back else f"{record.id}: nothing is missing\n")
    return ExitCode.FINE


def targets_of(bundle: Bundle) -> list[str]:
    """The databases that the run's migrations fill."""
    steps = [step for stage in bundle.runbook.stages.values() for step in stage.all_steps]
    names = {text_in(step.parameters, "to") for step in steps if step.kind == "migrate"}
    return sorted(names & set(bundle.systems.databases))


def _restored(target: Database, context: AloneContext) -> int:
    from changeover.transfer.adapters import dialect_of  # noqa: PLC0415 - loads SQLAlchemy
    from changeover.transfer.deferred import Deferred, left_by_run  # noqa: PLC0415
    from changeover.transfer.rebuilding import MOST, Rebuilder, bring_back  # noqa: PLC0415

    back: list[Deferred] = []

    def told(each: Deferred | None) -> None:
        if each is not None:
            back.append(each)
            context.say(f"{each.definition.sort} {each.words} of {each.definition.relation} is back")

    for control in left_by_run(target, context.run_id):
        bring_back(Rebuilder(control, target, dialect_of(target), context), MOST, told)
    return len(back)
