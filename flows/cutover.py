"""Run a runbook as a Prefect flow: deploy it, and a schedule or another flow can start the night.

The run stands in changeover's journal, and people act on it there: `changeover status`, `approve`, `hold` ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from changeover.contracts import RunState
from changeover.engine.drive import drive
from changeover.engine.options import Options
from changeover.engine.starting import Wanted, mode_of, record_run
from changeover.project import Project


@flow(name="cutover", flow_run_name="{file} in {environment}, {mode}", retries=0, persist_result=False)
def run(
    file: str, environment: str, who: str, mode: str = "dry-run", inputs: dict[str, Any] | None = None, *, wait: bool = True
) -> State[Any]:
    """Run the runbook *file* of this project, started by *who*."""
    project = Project.find(Path.cwd())
    options = Options(engine="prefect", root=project.root, who=who, wait=wait)
    record = record_run(Wanted(file, environment, mode_of(mode), who, inputs or {}), options)
    ended = drive(project.journal_url, record.id, options)
    message = f"run {record.id} is {ended.state.value.replace('_', ' ')}"
    if ended.state is RunState.SUCCEEDED:
        return Completed(message=message)
    return Failed(message="; ".join([message, ended.why, *ended.waiting]))
