"""Channels that commands on hosts switch, and haproxy on a host: by a real sshd."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.runbook.channels import ChannelCommands, ChannelEntry
from changeover.steps.channels.contract import CannotShare, ChannelBroken
from changeover.steps.channels.place import ControlFailed


@pytest.fixture
def desk(context: Any, with_hosts: Any, tmp_path: Path) -> Any:
    """A desktop whose state is a file, switched on one of the hosts."""
    state = tmp_path / "desk state"
    state.write_text("open\n")
    commands = ChannelCommands(
        state=f"cat '{state}'",
        close=f"printf '%s|%s' \"$SAYS\" \"$UNTIL\" > '{state}.said'; echo closed > '{state}'",
        open=f"echo open > '{state}'",
        share=f"echo $PERCENT% > '{state}'",
        under_way="echo 0",
    )
    context.systems = {"channels": {"desk": ChannelEntry("ssh", on=("app-1",), commands=commands)}}
    return state


def test_commands_close_drain_share_and_open(bound: Any, context: Any, desk: Path) -> None:
    says = 'We\'re moving; "back" $(id) at 21:00'
    close = bound("channel", json.dumps({"close": "desk", "says": says, "until": "2027-03-14 21:00"}))
    assert close.run(context).output == {"before": "open", "after": "closed", "percent": 0, "saved": {"app-1": 100}}
    assert Path(f"{desk}.said").read_text() == f"{says}|2027-03-14T21:00:00+00:00"
    bound("channel", "{drain: desk}").run(context)
    shared = bound("channel", "{open: desk, share: [20%]}").run(context)
    assert (shared.output["after"], desk.read_text()) == ("partly open", "20%\n")
    bound("channel", "{open: desk}").run(context)
    for saved, text in ((shared.output["saved"], "closed\n"), ({"app-1": 20}, "20%\n"), ({"app-1": 100}, "open\n")):
        back = bound("channel", "{put_back: desk, as: '${s}'}", {"s": saved})
        back.run(context)
        assert desk.read_text() == text
        assert back.probe(context).found is Found.DONE


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        ({"close": "echo no >&2; exit 3"}, "app-1: `echo no >&2; exit 3` ended with 3: no"),
        ({"state": "echo ajar"}, "`state` on app-1 says 'ajar', which is neither open, closed nor a percentage"),
    ],
)
def test_a_command_that_fails_or_talks_nonsense_is_named(
    bound: Any, context: Any, desk: Path, commands: dict[str, str], says: str
) -> None:
    entry = context.system("channels", "desk")
    context.systems = {"channels": {"desk": replace(entry, commands=replace(entry.commands, **commands))}}
    with pytest.raises(ChannelBroken) as caught:
        bound("channel", "{close: desk}").run(context)
    assert says in str(caught.value)


def test_a_channel_without_a_share_command_is_open_or_closed(bound: Any, context: Any, desk: Path) -> None:
    entry = context.system("channels", "desk")
    context.systems = {"channels": {"desk": replace(entry, commands=replace(entry.commands, share=""))}}
    bound("channel", "{close: desk}").run(context)
    with pytest.raises(CannotShare):
        bound("channel", "{open: desk, share: [10%, 100%]}").run(context)


def test_haproxy_on_two_hosts_is_one_channel(
    bound: Any, context: Any, with_hosts: Any, behind_haproxy: ChannelEntry, balancer: Any
) -> None:
    both = replace(behind_haproxy, on=("app-1", "app-2"))
    context.systems = {"channels": {"web-shop": both}}
    closed = bound("channel", "{close: web-shop, says: 'Back; at 21'}").run(context)
    assert closed.output["after"] == "closed"
    assert "503, in maintenance" in closed.summary
    assert balancer.map.read_text() == "web-shop 0\n"
    bound("channel", "{drain: web-shop}").run(context)
    bound("channel", "{put_back: web-shop, as: '${s}'}", {"s": closed.output["saved"]}).run(context)
    assert balancer.map.read_text() == "web-shop 100\n"
    context.systems = {"channels": {"web-shop": replace(both, socket="/nowhere.sock")}}
    with pytest.raises(ControlFailed, match=r"app-1: socket /nowhere.sock: .*No such file"):
        bound("channel", "{close: web-shop}").run(context)
