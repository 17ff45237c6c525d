"""The prefect kind against a real Prefect server; the test plays the worker."""
# ruff: noqa: PLC0415 - Prefect takes seconds to import, and collecting tests should not

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.errors import Stopped
from changeover.steps import flow_run as flow_runs
from changeover.steps.flow_run import FlowRunFailed, PrefectRefused
from changeover.testing import FakeContext

pytestmark = pytest.mark.filterwarnings("ignore")  # Prefect's client warns of itself


@pytest.fixture
def deployment(prefect_server: Any) -> Iterator[str]:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        with get_client(sync_client=True) as client:
            flow = client.create_flow_from_name("nightly")
            client.create_deployment(flow, "production", enforce_parameter_schema=False)
        yield "nightly/production"


@pytest.fixture
def worker(context: FakeContext) -> Iterator[Callable[[str], None]]:
    """Ends the flow run of the step's token in a state, once it is there."""
    threads: list[threading.Thread] = []

    def play(state: str) -> None:
        from prefect import states
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
        from prefect.client.schemas.sorting import FlowRunSort
        from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

        newest = FlowRunSort.EXPECTED_START_TIME_DESC
        api = get_current_settings().api.url

        def work() -> None:
            wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[context.token]))
            with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
                while not (found := client.read_flow_runs(flow_run_filter=wanted, sort=newest)):
                    time.sleep(0.05)
                client.set_flow_run_state(found[0].id, getattr(states, state)(message="said the worker"), force=True)

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()

    yield play
    for thread in threads:
        thread.join(10)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_runs, "_LOOK_EVERY", 0.05)


def test_a_completed_flow_run_passes_and_is_found_by_its_token(
    bound: Any, context: FakeContext, deployment: Any, worker: Any
) -> None:
    context.step = "completes"
    prefect = bound("prefect", f"{{deployment: {deployment}, parameters: {{wave: residential}}}}")
    assert prefect.probe(context).found is Found.CLEAN
    worker("Completed")
    result = prefect.run(context)
    assert result.output["state"] == "Completed"
    again = prefect.probe(context)
    assert again.found is Found.DONE
    assert again.output == result.output
    assert prefect.run(context).output == result.output


def test_a_failed_flow_run_fails_with_its_message(bound: Any, context: FakeContext, deployment: Any, worker: Any) -> None:
    context.step = "fails"
    worker("Failed")
    with pytest.raises(FlowRunFailed, match="ended as Failed: said the worker"):
        bound("prefect", deployment).run(context)
    assert bound("prefect", deployment).probe(context).found is Found.PARTIAL


def test_a_stop_cancels_the_flow_run(bound: Any, context: FakeContext, deployment: Any) -> None:
    context.step = "stops"
    threading.Timer(0.5, lambda: setattr(context, "stopped", "abort")).start()
    with pytest.raises(Stopped):
        bound("prefect", deployment).run(context)
    probe = bound("prefect", deployment).probe(context)
    assert probe.found is Found.CLEAN
    assert "cancelled before it began" in probe.summary


def test_a_dry_run_only_looks_whether_it_exists(bound: Any, context: FakeContext, deployment: Any) -> None:
    assert bound("prefect", deployment).dry_run(context).summary == "would run the deployment nightly/production"
    with pytest.raises(PrefectRefused, match="no such deployment"):
        bound("prefect", "nightly/other").dry_run(context)


def test_without_a_server_none_is_started(bound: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(PrefectRefused, match="names no server"):
        bound("prefect", "nightly/production").run(context)


def test_a_server_that_is_down_is_said_to_be_down(bound: Any, context: FakeContext) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    settings = {PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(settings), pytest.raises(PrefectRefused, match="does not answer"):
        bound("prefect", "nightly/production").run(context)
