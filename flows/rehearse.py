"""Rehearse a runbook as a Prefect flow: everything is real, in the rehearsal environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from changeover.contracts import Mode, RunState
from changeover.engine.drive import drive
from changeover.engine.options import Options
from changeover.engine.starting import Wanted, record_run
from changeover.project import Project


@flow(name="rehearse", flow_run_name="{file} in {environment}", retries=0, persist_result=False)
def rehearse(file: str, environment: str, who: str, inputs: dict[str, Any] | None = None, *, wait: bool = True) -> State[Any]:
    """Rehearse the runbook *file* of this project, started by *who*."""
    project = Project.find(Path.cwd())
    options = Options(engine="prefect", root=project.root, who=who, wait=wait)
    record = record_run(Wanted(file, environment, Mode.REHEARSE, who, inputs or {}), options)
    ended = drive(project.journal_url, record.id, options)
    message = f"rehearsal {record.id} is {ended.state.value.replace('_', ' ')}"
    if ended.state is RunState.SUCCEEDED:
        return Completed(message=message)
    return Failed(message="; ".join([message, ended.why, *ended.waiting]))
