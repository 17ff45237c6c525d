"""Watch after reopening as a Prefect flow: it ends when every exit check passes, and fails when its time is over before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from changeover.contracts import Answer
from changeover.engine.hypercare import watch
from changeover.engine.options import Options
from changeover.project import Project


@flow(name="hypercare", flow_run_name="watch {run_id}", retries=0, persist_result=False)
def hypercare(run_id: str, every: float = 300.0) -> State[Any]:
    """Ask the exit checks of the run *run_id* every *every* seconds."""
    project = Project.find(Path.cwd())
    watched = watch(project.journal_url, run_id, Options(root=project.root), every=every)
    if watched.over:
        return Completed(message=f"every exit check has passed, in round {watched.rounds}")
    failed = [verdict.summary for verdict in watched.verdicts.values() if verdict.answer is not Answer.PASSED]
    return Failed(message="hypercare is over, and has not passed: " + "; ".join(failed))
