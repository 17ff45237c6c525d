from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from changeover.contracts import Answer, Found, OnUnknown
from changeover.errors import Stopped, Unclear
from changeover.runbook.systems import ServiceEntry
from changeover.runbook.values import ParametersRefused
from changeover.steps.exchange import NoAnswer, NotSent
from changeover.steps.http import UnexpectedStatus
from changeover.testing import FakeContext


def hang_up(handler: Any, _content: Any) -> None:
    handler.close_connection = True


def stay_silent(handler: Any, _content: Any) -> None:
    time.sleep(3)
    handler.close_connection = True


def test_json_is_sent_with_the_token_and_its_answer_is_the_output(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("POST", "/silence", 201, {"id": 7})
    names = {"services.alerts": service.url}
    result = bound("http", "{post: '${services.alerts}/silence', json: {for: 30h, who: 'Őrs'}}", names).run(context)
    assert result.output == {"id": 7}
    assert result.summary.startswith("201 from POST")
    (_, _, headers, content) = service.asked[0]
    assert headers["Idempotency-Key"] == "run:step:1"
    assert headers["Content-Type"] == "application/json"
    assert content.decode() == '{"for": "30h", "who": "Őrs"}'


def test_a_get_carries_no_token_and_gives_text(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("GET", "/health", 200, b"fine")
    assert bound("http", f"{{get: '{service.url}/health'}}").run(context).output == "fine"
    assert "Idempotency-Key" not in service.asked[0][2]


def test_headers_may_be_secrets_by_reference(bound: Any, context: FakeContext, service: Any) -> None:
    context.secrets = {"env:TOKEN": "Bearer s3cret"}
    service.answer("DELETE", "/x", 204)
    assert bound("http", f"{{delete: '{service.url}/x', headers: {{Authorization: 'env:TOKEN'}}}}").run(context).output is None
    assert service.asked[0][2]["Authorization"] == "Bearer s3cret"


def test_a_service_lends_its_address_and_headers(bound: Any, context: FakeContext, service: Any) -> None:
    context.systems = {"services": {"alerts": ServiceEntry(service.url + "/api/", {"X-Key": "k"})}}
    service.answer("PUT", "/api/rules/1", 200, {})
    bound("http", "{on: alerts, put: /rules/1, body: text}").run(context)
    assert service.asked[0][2]["X-Key"] == "k"
    assert service.asked[0][3] == b"text"


def test_another_status_fails_with_the_beginning_of_the_answer(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("POST", "/x", 422, b"the wave is\nunknown " + b"x" * 1000)
    with pytest.raises(UnexpectedStatus, match=r"answered 422 instead of 2xx: the wave is unknown x+…"):
        bound("http", f"{{post: '{service.url}/x'}}").run(context)


def test_the_expected_status_may_be_several(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("DELETE", "/x", 404)
    assert bound("http", f"{{delete: '{service.url}/x', expect: [200, 404]}}").run(context)
    with pytest.raises(UnexpectedStatus, match="404 instead of 200"):
        bound("http", f"{{delete: '{service.url}/x', expect: 200}}").run(context)


def test_a_redirect_is_an_answer(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("GET", "/old", 301, headers={"Location": "/new"})
    with pytest.raises(UnexpectedStatus, match="301"):
        bound("http", f"{{get: '{service.url}/old'}}").run(context)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_closed_port_means_not_sent(bound: Any, context: FakeContext, method: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotSent, match=r"was not sent: Connection refused$"):
        bound("http", f"{{{method}: 'http://127.0.0.1:{port}/'}}").run(context)


def test_a_name_that_does_not_exist_means_not_sent(bound: Any, context: FakeContext) -> None:
    with pytest.raises(NotSent):
        bound("http", "{post: 'http://no-such-host.invalid/'}").run(context)


@pytest.mark.parametrize("behaviour", [hang_up, stay_silent])
def test_a_change_that_is_not_answered_is_unclear_and_a_reading_is_not(
    bound: Any, context: FakeContext, service: Any, behaviour: Any
) -> None:
    service.answers["POST", "/x"] = service.answers["GET", "/x"] = behaviour
    context.seconds_left = 0.5
    with pytest.raises(Unclear, match="was sent and not answered"):
        bound("http", f"{{post: '{service.url}/x'}}").run(context)
    with pytest.raises(NoAnswer):
        bound("http", f"{{get: '{service.url}/x'}}").run(context)


def test_an_answer_that_drips_for_ever_ends_with_the_time_out(bound: Any, context: FakeContext, service: Any) -> None:
    def drip(handler: Any, _content: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(240):
            handler.wfile.write(b"x")
            time.sleep(0.05)
        handler.close_connection = True

    service.answers["GET", "/drip"] = drip
    context.seconds_left = 0.4
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="too long"):
        bound("http", f"{{get: '{service.url}/drip'}}").run(context)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("method", "error"), [("get", Stopped), ("post", Unclear)])
def test_a_stop_cuts_the_connection(bound: Any, context: FakeContext, service: Any, method: str, error: Any) -> None:
    over = threading.Event()

    def stop(handler: Any, _content: Any) -> None:
        context.stopped = "abort"
        for action in context.on_stopping:
            action()
        over.wait(15)
        handler.close_connection = True

    service.answers[method.upper(), "/x"] = stop
    began = time.monotonic()
    with pytest.raises(error):
        bound("http", f"{{{method}: '{service.url}/x'}}").run(context)
    assert time.monotonic() - began < 10
    over.set()


def test_a_dry_run_reads_and_does_not_change(bound: Any, context: FakeContext, service: Any) -> None:
    service.answer("GET", "/x", 200, {"open": 3})
    assert bound("http", f"{{get: '{service.url}/x'}}").dry_run(context).output == {"open": 3}
    assert "would send POST" in bound("http", f"{{post: '{service.url}/x'}}").dry_run(context).summary
    assert [asked[0] for asked in service.asked] == ["GET"]
    assert bound("http", f"{{get: '{service.url}/gone'}}").dry_run(context).verdict.answer is Answer.NOT_VERIFIABLE


@pytest.mark.parametrize(("status", "found"), [(200, Found.DONE), (404, Found.CLEAN), (500, Found.CANNOT_TELL)])
def test_the_authors_probe_decides(bound: Any, context: FakeContext, service: Any, status: int, found: Any) -> None:
    service.answer("GET", "/rule", status, {})
    assert bound("http", f"{{post: '{service.url}/x', probe: '{service.url}/rule'}}").probe(context).found is found


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("{get: 'http://x'}", OnUnknown.RERUN),
        ("{put: 'http://x'}", OnUnknown.RERUN),
        ("{post: 'http://x'}", OnUnknown.ASK),
        ("{patch: 'http://x'}", OnUnknown.ASK),
        ("{post: 'http://x', probe: 'http://y'}", OnUnknown.PROBE),
    ],
)
def test_it_may_have_happened_means(bound: Any, yaml: str, expected: Any) -> None:
    assert bound("http", yaml).on_unknown is expected


@pytest.mark.parametrize(
    "yaml",
    [
        "{}",
        "{get: 'http://x', post: 'http://x'}",
        "{get: ftp://x}",
        "{get: 'http://x', json: {}}",
        "{post: 'http://x', json: 1, body: a}",
    ],
)
def test_what_is_no_request_is_refused(bound: Any, yaml: str) -> None:
    with pytest.raises(ParametersRefused):
        bound("http", yaml)


def test_a_poll_waits_for_a_service_that_is_still_starting(bound: Any, context: FakeContext, service: Any) -> None:
    def not_yet(handler: Any, _content: Any) -> None:
        service.answer("GET", "/health", 200, {"open": 0})
        handler.send_error(503)

    service.answers["GET", "/health"] = not_yet
    poll = bound("poll", f"{{http: {{get: '{service.url}/health'}}, until: $.open == 0, every: 1s, limit: 10s}}")
    assert poll.run(context).output == {"open": 0}
    assert len(service.asked) == 2
