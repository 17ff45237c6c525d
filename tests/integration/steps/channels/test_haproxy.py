from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest

from changeover.contracts import Answer, Found, Verdict
from changeover.runbook.channels import ChannelEntry
from changeover.sandbox import processes
from changeover.sandbox.servers import haproxy
from changeover.steps.channels.contract import ChannelBroken
from changeover.steps.channels.front_door import NotSeenOutside
from changeover.steps.channels.haproxy import Runtime
from changeover.steps.channels.place import ControlFailed, Here
from changeover.steps.channels.switching import NotDrained, NotSwitched, ShareRefused
from tests.integration.steps.channels.conftest import tell

CLOSE = "{close: web-shop, says: 'Back at 21:00; the \"new\" CRM <3'}"


@pytest.mark.usefixtures("behind_haproxy")
def test_no_request_fails_while_the_shop_closes_drains_and_reopens(
    bound: Any, context: Any, balancer: Any, load: Any, toggles: int
) -> None:
    with load(balancer.doors["web-shop"]) as customers:
        for _ in range(toggles):
            customers.settle()
            assert bound("channel", CLOSE).run(context).output["after"] == "closed"
            bound("channel", "{drain: web-shop}").run(context)
            served = customers.served
            customers.settle()
            assert customers.served == served, "somebody was served after draining"
            assert bound("channel", "{open: web-shop}").run(context).output["after"] == "open"
        customers.settle()
    tell("haproxy map", toggles, customers.asked, len(customers.failed))
    assert customers.failed == []
    assert customers.sent_away > 300
    assert customers.served > 300


@pytest.mark.usefixtures("behind_haproxy")
def test_what_is_said_reaches_customers_word_for_word(bound: Any, context: Any, balancer: Any) -> None:
    bound("channel", CLOSE).run(context)
    answer = httpx.get(balancer.doors["web-shop"], timeout=5)
    assert "<h1>Back at 21:00; the &quot;new&quot; CRM &lt;3</h1>" in answer.text
    assert "Back at 21:00; the &quot;new&quot; CRM &lt;3" in balancer.says_map.read_text()


def test_a_request_under_way_ends_before_the_shop_counts_as_drained(
    bound: Any, context: Any, behind_haproxy: Any, shop: Any, soon: Any
) -> None:
    answers: list[bytes] = []
    slow = threading.Thread(target=lambda: answers.append(httpx.get(f"{behind_haproxy.probe}slow", timeout=30).content))
    slow.start()
    soon(lambda: shop.under_way)
    bound("channel", "{close: web-shop}").run(context)
    with pytest.raises(NotDrained, match="1 are still under way"):
        bound("channel", "{drain: web-shop, within: 1s}").run(context)
    shop.slow.set()
    assert "drained" in bound("channel", "{drain: web-shop}").run(context).summary
    slow.join(10)
    assert answers == [b"the shop"]


def test_an_open_shop_cannot_be_drained(bound: Any, context: Any, behind_haproxy: Any) -> None:
    with pytest.raises(NotSwitched, match="web-shop is open, not closed"):
        bound("channel", "{drain: web-shop}").run(context)


@pytest.mark.usefixtures("behind_haproxy")
def test_its_state_survives_a_restart(bound: Any, context: Any, balancer: Any, shop: Any) -> None:
    bound("channel", "{close: web-shop}").run(context)
    processes.end(balancer.process)
    port = int(balancer.doors["web-shop"].rpartition(":")[2])
    again = haproxy.start(balancer.folder, {"web-shop": shop.url}, ports={"web-shop": port})
    try:
        assert bound("channel", "{close: web-shop}").run(context).output == {
            "before": "closed",
            "after": "closed",
            "percent": 0,
            "saved": {"here": {"percent": "0", "says": "We are back soon."}},
        }
    finally:
        processes.end(again.process)


def test_a_switch_that_a_restart_would_lose_is_no_switch(bound: Any, context: Any, behind_haproxy: Any, balancer: Any) -> None:
    bound("channel", "{close: web-shop}").run(context)
    balancer.map.write_text("web-shop 100\n")
    close = bound("channel", "{close: web-shop}")
    probe = close.probe(context)
    assert probe.found is Found.PARTIAL
    assert "a restart of haproxy would make it open" in probe.summary
    close.run(context)
    assert close.probe(context).found is Found.DONE
    assert balancer.map.read_text() == "web-shop 0\n"


@pytest.mark.usefixtures("behind_haproxy")
def test_the_rest_of_the_map_stays_as_it_is(bound: Any, context: Any, balancer: Any) -> None:
    balancer.map.write_text("# who is let in\nweb 7\n\nweb-shop 100\nweb-shop-2 50\n")
    bound("channel", "{close: web-shop}").run(context)
    assert balancer.map.read_text() == "# who is let in\nweb 7\n\nweb-shop 0\nweb-shop-2 50\n"


@pytest.mark.usefixtures("behind_haproxy")
def test_it_is_put_back_exactly_as_it_was_saved(bound: Any, context: Any, balancer: Any) -> None:
    bound("channel", "{close: web-shop, says: first}").run(context)
    bound("channel", "{open: web-shop, share: [37%]}").run(context)
    before = balancer.map.read_text(), balancer.says_map.read_text()
    saved = bound("channel", "{read: web-shop}").run(context).output["saved"]
    bound("channel", "{close: web-shop, says: nobody}").run(context)
    back = bound("channel", "{put_back: web-shop, as: '${captured.s}'}", {"captured.s": saved})
    assert back.probe(context).found is Found.CLEAN
    assert back.run(context).output["percent"] == 37
    assert back.run(context).output["percent"] == 37
    assert back.probe(context).found is Found.DONE
    assert (balancer.map.read_text(), balancer.says_map.read_text()) == before


def test_an_entry_that_was_not_there_is_not_there_again(bound: Any, context: Any, behind_haproxy: Any, balancer: Any) -> None:
    bound("channel", "{read: web-shop}").run(context)
    context.systems = {"channels": {"new": replace(behind_haproxy, probe="")}}
    saved = bound("channel", "{read: new}").run(context).output["saved"]
    assert saved == {"here": {"percent": None, "says": None}}
    bound("channel", "{close: new, says: gone}").run(context)
    assert "new 0\n" in balancer.map.read_text()
    bound("channel", "{put_back: new, as: '${s}'}", {"s": saved}).run(context)
    assert balancer.map.read_text() == "web-shop 100\n"
    assert balancer.says_map.read_text() == "web-shop We are back soon.\n"


def test_it_reopens_share_by_share_with_a_check_after_each(
    bound: Any, context: Any, behind_haproxy: Any, balancer: Any, load: Any
) -> None:
    shares: list[str] = []

    def well(context: Any) -> Verdict:
        customers.settle(120)
        shares.append(balancer.map.read_text().split()[1])
        return Verdict.of(not customers.failed, "nobody complains")

    context.functions = {"checks.web:well": well}
    bound("channel", "{close: web-shop, says: 'Back at 21:00'}").run(context)
    with load(balancer.doors["web-shop"]) as customers:
        reopen = bound("channel", "{open: web-shop, share: [10%, 50%, 100%], check: checks.web:well}")
        result = reopen.run(context)
        assert result.output["after"] == "open"
        sent_away = customers.sent_away
        customers.settle()
        assert customers.sent_away - sent_away <= 8
    assert shares == ["10", "50", "100"]
    assert customers.failed == []
    assert customers.served > 100
    assert reopen.probe(context).found is Found.DONE


@pytest.mark.usefixtures("behind_haproxy")
def test_a_share_that_fares_ill_is_taken_back_and_a_retry_goes_on(bound: Any, context: Any, balancer: Any) -> None:
    answers = {10: True, 50: False, 100: True}
    asked: list[int] = []

    def well(context: Any) -> Verdict:
        percent = int(balancer.map.read_text().split()[1])
        asked.append(percent)
        return Verdict.of(answers[percent], "errors per minute", expected=0, found=3)

    context.functions = {"checks.web:well": well}
    bound("channel", "{close: web-shop}").run(context)
    reopen = bound("channel", "{open: web-shop, share: [10%, 50%, 100%], check: checks.web:well}")
    with pytest.raises(ShareRefused, match=r"with 50 % of its customers: failed: errors .*; it is open for 10 % again"):
        reopen.run(context)
    assert balancer.map.read_text() == "web-shop 10\n"
    answers[50] = True
    assert reopen.run(context).output["percent"] == 100
    assert asked == [10, 50, 10, 50, 100]


@pytest.mark.usefixtures("behind_haproxy")
def test_the_first_share_that_fares_ill_closes_the_shop_again(bound: Any, context: Any, balancer: Any) -> None:
    context.functions = {"checks.web:ill": lambda _context: Verdict(Answer.NOT_VERIFIABLE, "no figures")}
    bound("channel", CLOSE).run(context)
    with pytest.raises(ShareRefused, match="not verifiable: no figures; it is closed again"):
        bound("channel", "{open: web-shop, share: [10%, 100%], check: checks.web:ill}").run(context)
    assert balancer.map.read_text() == "web-shop 0\n"
    assert "Back at 21:00" in balancer.says_map.read_text()


def test_reopening_without_a_back_end_is_noticed_outside(
    bound: Any, context: Any, behind_haproxy: Any, balancer: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("changeover.steps.channels.front_door.WITHIN", 0.5)
    bound("channel", "{close: web-shop}").run(context)
    Runtime("web-shop", behind_haproxy.socket, Here(context)).tell("set server web-shop/app state maint")
    with pytest.raises(NotSeenOutside, match=r"to be open, but after .* still answers 503"):
        bound("channel", "{open: web-shop}").run(context)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"socket": "/nowhere/haproxy.sock"}, "here: socket /nowhere/haproxy.sock: No such file or directory"),
        ({"map": "/nowhere.map"}, "map /nowhere.map: Unknown map identifier"),
        ({"backend": "nobody"}, "it has no backend nobody"),
    ],
)
def test_what_is_wrong_with_the_control_is_named(
    bound: Any, context: Any, behind_haproxy: Any, keys: dict[str, str], says: str
) -> None:
    bound("channel", "{close: web-shop}").run(context)
    context.systems = {"channels": {"web-shop": replace(behind_haproxy, **keys)}}
    with pytest.raises((ChannelBroken, ControlFailed), match=says) as caught:
        bound("channel", "{drain: web-shop}").run(context)
    assert caught.value.hint


def test_servers_are_drained_and_made_ready(bound: Any, context: Any, behind_haproxy: Any, balancer: Any) -> None:
    state_file = context.folder / "servers.state"
    entry = ChannelEntry("haproxy", socket=str(balancer.socket), backend="web-shop", servers=("app",), state_file=str(state_file))
    context.systems = {"channels": {"web-shop": entry}}
    closed = bound("channel", "{close: web-shop}").run(context)
    assert closed.output == {"before": "open", "after": "closed", "percent": 0, "saved": {"here": {"app": "ready"}}}
    assert "web-shop 1 app" in state_file.read_text()
    bound("channel", "{drain: web-shop}").run(context)
    back = bound("channel", "{put_back: web-shop, as: '${s}'}", {"s": closed.output["saved"]})
    assert back.run(context).output["after"] == "open"
    context.systems = {"channels": {"web-shop": replace(entry, servers=("app", "none"))}}
    with pytest.raises(ChannelBroken, match="backend web-shop has no server none"):
        bound("channel", "{close: web-shop}").run(context)


def test_servers_stay_as_they_are_set_when_haproxy_restarts_with_its_state_file(
    bound: Any, context: Any, behind_haproxy: Any, balancer: Any, shop: Any
) -> None:
    state_file = context.folder / "servers.state"
    entry = ChannelEntry("haproxy", socket=str(balancer.socket), backend="web-shop", servers=("app",), state_file=str(state_file))
    context.systems = {"channels": {"web-shop": entry}}
    close, port = bound("channel", "{close: web-shop}"), int(balancer.doors["web-shop"].rpartition(":")[2])
    servers: list[Any] = [balancer]

    def restart() -> None:
        processes.end(servers[-1].process)
        servers.append(haproxy.start(balancer.folder, {"web-shop": shop.url}, ports={"web-shop": port}, state_file=state_file))

    try:
        close.run(context)
        restart()
        assert close.probe(context).found is Found.DONE
        bound("channel", "{open: web-shop}").run(context)
        restart()
        assert bound("channel", "{open: web-shop}").probe(context).found is Found.DONE
        assert httpx.get(balancer.doors["web-shop"]).status_code == 200
    finally:
        processes.end(servers[-1].process)


def test_servers_that_a_restart_would_set_otherwise_are_not_done(
    bound: Any, context: Any, behind_haproxy: Any, balancer: Any
) -> None:
    state_file = context.folder / "servers.state"
    entry = ChannelEntry("haproxy", socket=str(balancer.socket), backend="web-shop", servers=("app",), state_file=str(state_file))
    context.systems = {"channels": {"web-shop": entry}}
    close = bound("channel", "{close: web-shop}")
    assert close.probe(context).found is Found.CLEAN
    close.run(context)
    assert close.probe(context).found is Found.DONE
    state_file.unlink()
    probe = close.probe(context)
    assert probe.found is Found.PARTIAL
    assert "a restart of haproxy would make app ready" in probe.summary
    close.run(context)
    assert close.probe(context).found is Found.DONE
