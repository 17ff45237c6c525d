"""A flow run on a Prefect server, created once per token and waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import get_current_settings
from prefect.states import Cancelling

from changeover.contracts import Context, Found, Probe, Result, Value
from changeover.errors import Setback, Stopped, Unclear

_LOOK_EVERY: Final = 1.0
_LOOKS_LOST: Final = 30  # looks in a row that may fail: the server restarts, the flow run goes on


@dataclass(eq=False)
class FlowRunFailed(Setback):
    """The flow run ended, and not well."""

    deployment: str
    name: str
    state: str
    message: str

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"flow run {self.name} of {self.deployment} ended as {self.state}{said}"


@dataclass(eq=False)
class PrefectRefused(Setback):
    """The Prefect server does not answer, or has no such deployment."""

    deployment: str
    why: str

    def __str__(self) -> str:
        return f"cannot run the deployment {self.deployment}: {self.why}"

    @property
    def hint(self) -> str:
        return "Does PREFECT_API_URL name the right server, and does `prefect deployment ls` list it?"


def require_deployment(deployment: str) -> None:
    """Raise PrefectRefused unless the server has it."""
    with _server(deployment) as client:
        client.read_deployment_by_name(deployment)


def run_to_its_end(context: Context, deployment: str, parameters: Mapping[str, Value]) -> Result:
    """Create the flow run of this attempt, or find it, and wait for its end.

    Raises:
        PrefectRefused: nothing was created.
        FlowRunFailed: it ended in another state than completed.
        Unclear: the server no longer answers, so nobody can say how it ended.
        Stopped: it was told to cancel.
    """
    with _server(deployment) as client:
        found = client.read_deployment_by_name(deployment)
    with _server(deployment, sent=True) as client:
        flow_run = client.create_flow_run_from_deployment(
            found.id, parameters=dict(parameters), idempotency_key=context.token, tags=["changeover", context.run_id]
        )
        context.say(f"flow run {flow_run.name} of {deployment}")
        return _awaited(client, context, deployment, flow_run)


def look_for(context: Context, deployment: str) -> Probe:
    """Find the flow run of the attempt in doubt by its token."""
    with _server(deployment) as client:
        wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[context.token]))
        # there is one at most; the order is named because servers on newer FastAPI refuse a request without
        found = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1)
    flow_run = next(iter(found), None)
    if flow_run is None:
        return Probe(Found.CLEAN, "no flow run has this attempt's token")
    state = flow_run.state
    if state is None or not state.is_final():
        return Probe(Found.IN_PROGRESS, f"flow run {flow_run.name} has not ended yet")
    if state.is_completed():
        return Probe(Found.DONE, f"flow run {flow_run.name} completed", _told(flow_run))
    if state.is_cancelled() and flow_run.run_count == 0:
        return Probe(Found.CLEAN, f"flow run {flow_run.name} was cancelled before it began")
    return Probe(Found.PARTIAL, f"flow run {flow_run.name} ended as {state.name}")


@contextmanager
def _server(deployment: str, *, sent: bool = False) -> Iterator[SyncPrefectClient]:
    """The server; its refusals in our words. *sent*: something may have been created."""
    if not get_current_settings().api.url:
        # Without this, Prefect would start a server of its own, which knows no deployment.
        raise PrefectRefused(deployment, "PREFECT_API_URL names no server")
    try:
        with get_client(sync_client=True) as client:
            yield client
    except ObjectNotFound as error:
        raise PrefectRefused(deployment, "the server has no such deployment") from error
    except (httpx.HTTPStatusError, PrefectException) as error:
        raise PrefectRefused(deployment, str(error).splitlines()[0]) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, RuntimeError) as error:
        raise PrefectRefused(deployment, f"the server does not answer: {error}") from error
    except httpx.HTTPError as error:
        if sent:
            raise Unclear(f"deployment {deployment}: the server did not answer ({type(error).__name__})") from error
        raise PrefectRefused(deployment, f"the server does not answer: {error}") from error


def _awaited(client: SyncPrefectClient, context: Context, deployment: str, flow_run: FlowRun) -> Result:
    lost = 0
    while True:
        state = flow_run.state
        if state is not None and state.is_final():
            if state.is_completed():
                return Result(f"flow run {flow_run.name} completed", _told(flow_run))
            raise FlowRunFailed(deployment, flow_run.name, state.name or str(state.type.value), state.message or "")
        try:
            context.sleep(_LOOK_EVERY)
        except Stopped:
            with suppress(httpx.HTTPError, PrefectException):  # it is told to cancel; whether it hears is its own affair
                client.set_flow_run_state(flow_run.id, Cancelling(), force=True)
            raise
        try:
            flow_run = client.read_flow_run(flow_run.id)
        except httpx.HTTPError as error:
            lost += 1
            if lost >= _LOOKS_LOST:
                raise Unclear(f"flow run {flow_run.name} of {deployment}: the server no longer answers") from error
        else:
            lost = 0
            context.progress(0, None, "flow run", state=(flow_run.state.name if flow_run.state else None) or "")


def _told(flow_run: FlowRun) -> Value:
    state = flow_run.state
    return {"flow_run": str(flow_run.id), "name": flow_run.name, "state": (state.name if state else None) or ""}
