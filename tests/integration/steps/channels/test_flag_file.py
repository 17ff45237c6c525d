from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest

from changeover.contracts import Found
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import CannotShare, ChannelBroken
from changeover.steps.channels.place import ControlFailed
from changeover.steps.channels.switching import CannotDrain, NotDrained
from tests.integration.steps.channels.conftest import tell


@pytest.fixture
def behind_nginx(context: Any, nginx: Any, shop: Any) -> ChannelEntry:
    entry = ChannelEntry("flag_file", path=str(nginx.flag), probe=f"{nginx.url}/", under_way=f"{shop.url}/under-way")
    context.systems = {"channels": {"web-shop": entry}}
    return entry


@pytest.mark.usefixtures("behind_nginx")
def test_no_request_fails_while_nginx_closes_drains_and_reopens(
    bound: Any, context: Any, nginx: Any, load: Any, toggles: int
) -> None:
    with load(nginx.url) as customers:
        for _ in range(toggles):
            customers.settle()
            assert bound("channel", "{close: web-shop, says: Back at 21:00}").run(context).output["after"] == "closed"
            bound("channel", "{drain: web-shop}").run(context)
            served = customers.served
            customers.settle()
            assert customers.served == served, "somebody was served after draining"
            assert bound("channel", "{open: web-shop}").run(context).output["after"] == "open"
        customers.settle()
    tell("nginx flag", toggles, customers.asked, len(customers.failed))
    assert customers.failed == []
    assert customers.sent_away > 300
    assert customers.served > 300


@pytest.mark.usefixtures("behind_nginx")
def test_a_request_under_way_ends_before_it_counts_as_drained(bound: Any, context: Any, nginx: Any, shop: Any, soon: Any) -> None:
    answers: list[bytes] = []
    slow = threading.Thread(target=lambda: answers.append(httpx.get(f"{nginx.url}/slow", timeout=30).content))
    slow.start()
    soon(lambda: shop.under_way)
    bound("channel", "{close: web-shop}").run(context)
    with pytest.raises(NotDrained, match="1 are still under way"):
        bound("channel", "{drain: web-shop, within: 1s}").run(context)
    shop.slow.set()
    bound("channel", "{drain: web-shop}").run(context)
    slow.join(10)
    assert answers == [b"the shop"]


def test_the_status_page_of_nginx_tells_what_is_under_way(bound: Any, context: Any, nginx: Any, shop: Any, soon: Any) -> None:
    entry = ChannelEntry("flag_file", path=str(nginx.flag), under_way=f"{nginx.url}/status")
    context.systems = {"channels": {"web-shop": entry}}
    slow = threading.Thread(target=lambda: httpx.get(f"{nginx.url}/slow", timeout=30).content)
    slow.start()
    soon(lambda: shop.under_way)
    bound("channel", "{close: web-shop}").run(context)
    with pytest.raises(NotDrained, match="1 are still under way"):
        bound("channel", "{drain: web-shop, within: 1s}").run(context)
    shop.slow.set()
    bound("channel", "{drain: web-shop}").run(context)
    slow.join(10)


@pytest.fixture
def app(context: Any) -> Any:
    """A channel that is closed while a file exists."""
    (context.folder / "web").mkdir()
    context.systems = {"channels": {"app": ChannelEntry("flag_file", path="web/closed.flag")}}
    return context.folder / "web" / "closed.flag"


def test_a_flag_file_closes_and_opens(bound: Any, context: Any, app: Any) -> None:
    result = bound("channel", "{close: app, says: Vissza 21-kor}").run(context)
    assert result.output == {"before": "open", "after": "closed", "percent": 0, "saved": {"here": None}}
    assert "not looked at from outside" in result.summary
    assert json.loads(app.read_text())["says"] == "Vissza 21-kor"
    assert [path.name for path in app.parent.iterdir()] == ["closed.flag"]
    assert bound("channel", "{open: app}").run(context).output["after"] == "open"
    assert bound("channel", "{open: app}").run(context).output["before"] == "open"
    assert not app.exists()


def test_a_flag_is_put_back_with_its_text_and_its_absence_too(bound: Any, context: Any, app: Any) -> None:
    absent = bound("channel", "{read: app}").run(context).output["saved"]
    app.write_text("since Monday, by Judit\n")
    present = bound("channel", "{read: app}").run(context).output["saved"]
    bound("channel", "{open: app}").run(context)
    bound("channel", "{put_back: app, as: '${s}'}", {"s": present}).run(context)
    assert app.read_text() == "since Monday, by Judit\n"
    back = bound("channel", "{put_back: app, as: '${s}'}", {"s": absent})
    assert back.probe(context).found is Found.CLEAN
    back.run(context)
    assert not app.exists()
    assert back.probe(context).found is Found.DONE


@pytest.mark.parametrize("saved", [{"here": 3}, {"lb-9": None}, "closed", [1]])
def test_what_was_saved_elsewhere_is_not_put_back(bound: Any, context: Any, app: Any, saved: Any) -> None:
    with pytest.raises(ChannelBroken, match="was not saved from"):
        bound("channel", "{put_back: app, as: '${s}'}", {"s": saved}).run(context)


def test_a_flag_file_cannot_tell_what_is_under_way_nor_share(bound: Any, context: Any, app: Any) -> None:
    app.touch()
    with pytest.raises(CannotDrain, match="flag_file"):
        bound("channel", "{drain: app}").run(context)
    with pytest.raises(CannotShare, match="open or closed"):
        bound("channel", "{open: app, share: [10%, 100%]}").run(context)


def test_a_flag_file_whose_folder_is_missing_is_named(bound: Any, context: Any, app: Any) -> None:
    app.parent.rmdir()
    with pytest.raises(ControlFailed, match=r"cannot write web/closed.flag: No such file"):
        bound("channel", "{close: app}").run(context)


def test_two_machines_are_one_channel(bound: Any, context: Any, with_hosts: Any, tmp_path: Any) -> None:
    """One flag through two hosts of the same sshd, and one host that is gone."""
    flag = tmp_path / "with space.closed"
    context.systems = {"channels": {"app": ChannelEntry("flag_file", on=("app-1", "app-2"), path=str(flag))}}
    closed = bound("channel", "{close: app, says: 'Back; \"soon\"'}").run(context)
    assert closed.output["saved"] == {"app-1": None, "app-2": None}
    assert json.loads(flag.read_text())["says"] == 'Back; "soon"'
    assert bound("channel", "{close: app}").probe(context).found is Found.DONE
    context.systems = {"channels": {"app": ChannelEntry("flag_file", on=("gone", "app-1"), path=str(flag))}}
    with pytest.raises(Exception, match="cannot connect"):
        bound("channel", "{open: app}").run(context)
    context.systems = {"channels": {"app": ChannelEntry("flag_file", on=("app-1",), path=str(flag))}}
    bound("channel", "{open: app}").run(context)
    assert not flag.exists()
