from __future__ import annotations

import json
from typing import Any

import pytest

from changeover.contracts import Answer, Found, OnUnknown
from changeover.runbook.channels import ChannelEntry
from changeover.runbook.values import ParametersRefused
from changeover.steps.channels import front_door
from changeover.steps.channels.contract import ChannelBroken, ChannelMisconfigured
from changeover.steps.channels.front_door import NotSeenOutside
from changeover.steps.channels.http import Refused
from changeover.steps.channels.switching import NotSwitched
from changeover.testing import FakeContext


@pytest.fixture
def shop(context: FakeContext, service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A web shop with a control resource, whose front door follows it."""
    monkeypatch.setattr(front_door, "WITHIN", 0.5)
    state = {"state": "open", "in_flight": 3}

    def control(handler: Any, content: Any) -> None:
        if content:
            state.update(json.loads(content))
        service.answer("GET", "/", *([200, b"shop"] if state["state"] != "closed" else [503, b"closed", {"Retry-After": "60"}]))
        send(handler, 200, state)

    def send(handler: Any, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    service.answers["GET", "/control"] = service.answers["PUT", "/control"] = control
    service.answer("GET", "/", 200, b"shop")
    context.secrets = {"env:KEY": "k3y"}
    entry = ChannelEntry("http", url=f"{service.url}/control", probe=f"{service.url}/", headers={"X-Key": "env:KEY"})
    context.systems = {"channels": {"web-shop": entry}}
    return state


def test_closing_tells_customers_why_and_is_seen_from_outside(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    result = bound("channel", "{close: web-shop, says: Back at 21, until: 2027-03-14 21:00}").run(context)
    assert result.output == {"before": "open", "after": "closed", "percent": 0, "saved": {"state": "open"}}
    assert "503, in maintenance" in result.summary
    assert (shop["says"], shop["until"]) == ("Back at 21", "2027-03-14T21:00:00+00:00")
    assert all(headers.get("X-Key") == "k3y" for _, path, headers, _ in service.asked if path == "/control")


def test_closing_and_opening_again_is_harmless(bound: Any, context: FakeContext, shop: Any) -> None:
    close, reopen = bound("channel", "{close: web-shop}"), bound("channel", "{open: web-shop}")
    moves = [step.run(context).output for step in (close, close, reopen, reopen)]
    assert [(move["before"], move["after"]) for move in moves] == [
        ("open", "closed"),
        ("closed", "closed"),
        ("closed", "open"),
        ("open", "open"),
    ]


def test_it_is_put_back_with_the_words_it_had(bound: Any, context: FakeContext, shop: Any) -> None:
    bound("channel", "{close: web-shop, says: Back at 21}").run(context)
    as_it_was = bound("channel", "{read: web-shop}").run(context).output["saved"]
    bound("channel", "{open: web-shop}").run(context)
    shop["says"] = ""
    back = bound("channel", "{put_back: web-shop, as: '${s}'}", {"s": as_it_was})
    assert back.run(context).output["after"] == "closed"
    assert shop["says"] == "Back at 21"
    with pytest.raises(ChannelBroken, match="was not saved from"):
        bound("channel", "{put_back: web-shop, as: '${s}'}", {"s": "open"}).run(context)


def test_a_control_that_knows_shares_is_opened_by_shares(bound: Any, context: FakeContext, shop: Any) -> None:
    bound("channel", "{close: web-shop}").run(context)
    result = bound("channel", "{open: web-shop, share: [25%], pause: 1s}").run(context)
    assert (result.output["after"], result.output["percent"], shop["percent"]) == ("partly open", 25, 25)
    assert "web-shop is open for 25 %" in context.said


def test_a_channel_that_does_not_reopen_outside_fails(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    bound("channel", "{close: web-shop}").run(context)
    control = service.answers["PUT", "/control"]

    def broken(handler: Any, content: Any) -> None:
        control(handler, content)
        service.answer("GET", "/", 503, b"no server is available")

    service.answers["PUT", "/control"] = service.answers["GET", "/control"] = broken
    with pytest.raises(NotSeenOutside, match=r"to be open, but after .* still answers 503: no server is available"):
        bound("channel", "{open: web-shop}").run(context)


def test_a_broken_back_end_is_not_taken_for_maintenance(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    control = service.answers["PUT", "/control"]

    def broken(handler: Any, content: Any) -> None:
        control(handler, content)
        service.answer("GET", "/", 503, b"no server is available")

    service.answers["PUT", "/control"] = service.answers["GET", "/control"] = broken
    with pytest.raises(NotSeenOutside, match="no server"):
        bound("channel", "{close: web-shop}").run(context)


def test_a_control_that_does_not_obey_is_noticed(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    read = service.answers["GET", "/control"]
    service.answers["PUT", "/control"] = lambda handler, _content: read(handler, b"")
    with pytest.raises(NotSwitched, match="is open, not closed"):
        bound("channel", "{close: web-shop}").run(context)


@pytest.mark.parametrize(
    ("answer", "error"),
    [((403, b"who are you"), Refused), ((200, b"hello"), ChannelBroken), ((200, {"state": "ajar"}), ChannelBroken)],
)
@pytest.mark.usefixtures("shop")
def test_a_control_that_answers_nonsense_is_named(
    bound: Any, context: FakeContext, service: Any, answer: Any, error: Any
) -> None:
    service.answer("GET", "/control", *answer)
    with pytest.raises(error, match="web-shop"):
        bound("channel", "{close: web-shop}").run(context)


def test_a_put_that_is_not_answered_is_sent_again(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    control, turns = service.answers["PUT", "/control"], []

    def once_silent(handler: Any, content: Any) -> None:
        turns.append(content)
        if len(turns) == 1:
            handler.close_connection = True
        else:
            control(handler, content)

    service.answers["PUT", "/control"] = once_silent
    assert bound("channel", "{close: web-shop}").run(context).output["after"] == "closed"
    assert len(turns) == 2


def test_its_state_decides_whether_it_happened(bound: Any, context: FakeContext, shop: Any) -> None:
    close = bound("channel", "{close: web-shop}")
    assert close.on_unknown is OnUnknown.PROBE
    assert close.probe(context).found is Found.CLEAN
    close.run(context)
    probe = close.probe(context)
    assert probe.found is Found.DONE
    assert probe.output == {"before": None, "after": "closed", "percent": 0, "saved": None}


def test_control_and_front_door_that_differ_are_partial(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    close = bound("channel", "{close: web-shop}")
    close.run(context)
    service.answers["GET", "/control"] = lambda handler, _c, control=service.answers["GET", "/control"]: (
        control(handler, b""),
        service.answer("GET", "/", 200, b"still open"),
    )
    assert close.probe(context).found is Found.PARTIAL


def test_a_dry_run_reads_the_state_and_switches_nothing(bound: Any, context: FakeContext, shop: Any, service: Any) -> None:
    assert bound("channel", "{close: web-shop}").dry_run(context).summary == "would close web-shop, which is open now"
    assert [asked[0] for asked in service.asked] == ["GET"]
    assert shop["state"] == "open"
    service.answer("GET", "/control", 500)
    assert bound("channel", "{close: web-shop}").dry_run(context).verdict.answer is Answer.NOT_VERIFIABLE


def test_draining_waits_until_nothing_is_under_way(
    bound: Any, context: FakeContext, shop: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.steps.channels.switching.DRAIN_LOOK", 0.01)
    bound("channel", "{close: web-shop}").run(context)
    control = service.answers["GET", "/control"]

    def fewer(handler: Any, content: Any) -> None:
        shop["in_flight"] = max(0, shop["in_flight"] - 1)
        control(handler, content)

    service.answers["GET", "/control"] = fewer
    assert "drained" in bound("channel", "{drain: web-shop}").run(context).summary


def test_an_open_channel_cannot_be_drained(bound: Any, context: FakeContext, shop: Any) -> None:
    with pytest.raises(NotSwitched):
        bound("channel", "{drain: web-shop}").run(context)


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ({"adapter": "http"}, "url"),
        ({"adapter": "flag_file"}, "path"),
        ({"adapter": "haproxy", "socket": "s"}, "map"),
        ({"adapter": "haproxy", "socket": "s", "servers": ("app",)}, "backend"),
        ({"adapter": "kamailio", "socket": "s"}, "table"),
        ({"adapter": "asterisk", "address": "a:1", "user": "u", "table": "t"}, "password"),
        ({"adapter": "ssh", "on": ("app-1",)}, "commands"),
    ],
)
def test_a_channel_without_what_its_adapter_needs_is_named(bound: Any, context: FakeContext, keys: Any, missing: str) -> None:
    context.systems = {"channels": {"app": ChannelEntry(**keys)}}
    with pytest.raises(ChannelMisconfigured, match=f"app has no `{missing}`"):
        bound("channel", "{open: app}").run(context)


@pytest.mark.parametrize(
    "yaml",
    [
        "{}",
        "{open: a, close: a}",
        "{open: a, says: hello}",
        "{close: a, share: [10%]}",
        "{open: a, share: [50%, 10%]}",
        "{open: a, share: [10%, 10%]}",
        "{open: a, share: [0%, 10%]}",
        "{open: a, share: [110%]}",
        "{open: a, share: [ten]}",
        "{open: a, pause: 5m}",
        "{open: a, share: [10%], pause: 0s}",
        "{close: a, check: 'checks.web:well'}",
        "{close: a, within: 5m}",
        "{put_back: a}",
        "{open: a, as: {x: 1}}",
    ],
)
def test_what_is_no_change_of_a_channel_is_refused(bound: Any, yaml: str) -> None:
    with pytest.raises(ParametersRefused):
        bound("channel", yaml)
