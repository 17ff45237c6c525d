"""Roll a run back as a Prefect flow: from the journal alone, in another process, also days later."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from changeover.contracts import RunState
from changeover.engine.drive import drive
from changeover.engine.options import Options
from changeover.journal.events import Command, Verb
from changeover.journal.store import Journal
from changeover.project import Project


@flow(name="roll-back", flow_run_name="roll back {run_id}", retries=0, persist_result=False)
def roll_back(run_id: str, who: str, why: str, *, wait: bool = True) -> State[Any]:
    """Roll the run *run_id* back, by *who*'s word. An engine that drives it does so; when there is none, this flow does."""
    project = Project.find(Path.cwd())
    options = Options(engine="prefect", root=project.root, who=who, wait=wait)
    with Journal.open(project.journal_url, clock=options.clock, create=False) as journal:
        record = journal.run(run_id)
        asked = Command(record.id, Verb.ROLLBACK, who, why, key=uuid.uuid4().hex, whence="a Prefect flow")
        number = journal.request(asked).id
        driven = journal.ownership(record.id).live
    if driven:
        return Completed(message=f"asked of the engine that drives {record.id}")
    ended = drive(project.journal_url, record.id, options)
    with Journal.open(project.journal_url, clock=options.clock, create=False) as journal:
        answer = journal.command(number).answer
    message = f"run {record.id} is {ended.state.value.replace('_', ' ')}"
    if ended.state is RunState.ROLLED_BACK:
        return Completed(message=message)
    return Failed(message="; ".join([message, answer, ended.why, *ended.waiting]))
