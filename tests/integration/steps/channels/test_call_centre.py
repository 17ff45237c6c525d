from __future__ import annotations

import csv
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.adapters import adapter_of
from changeover.steps.channels.contract import ChannelBroken
from changeover.steps.channels.front_door import look
from changeover.steps.channels.switching import NotDrained
from tests.integration.steps.channels.conftest import tell

_CALL = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a call of two seconds">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]x[call_number]
To: agents <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: sip:caller@[local_ip]:[local_port]
Max-Forwards: 70
Content-Length: 0

]]></send>
  {answer}
</scenario>
"""
_TALKS = """<recv response="100" optional="true"/><recv response="180" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]x[call_number]
To: agents <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="{milliseconds}"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: caller <sip:caller@[local_ip]:[local_port]>;tag=[pid]x[call_number]
To: agents <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>"""
_SENT_AWAY = """<recv response="503"><action>
    <ereg regexp="600" search_in="hdr" header="Retry-After:" check_it="true" assign_to="1"/><log message="[$1]"/></action></recv>
  <send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>"""


_MAYBE_AWAY, _AWAY = _SENT_AWAY.replace('<recv response="503">', '<recv response="503" optional="true" next="1">').split(
    "\n  <send>"
)
#: Talks, or is sent away as designed; anything else is a failed call.
_EITHER = (
    _TALKS.replace('<recv response="200" rrs="true"/>', f'{_MAYBE_AWAY}<recv response="200" rrs="true"/>').removesuffix(
        '<recv response="200"/>'
    )
    + f'<recv response="200" next="2"/><label id="1"/><send>{_AWAY}<label id="2"/>'
)


@dataclass(frozen=True, slots=True)
class Calls:
    """Scenarios of callers."""

    talks: Path
    short: Path
    sent_away: Path
    either: Path


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(
        talks=_written(tmp_path / "talks.xml", _CALL.replace("{answer}", _TALKS.replace("{milliseconds}", "3000"))),
        short=_written(tmp_path / "short.xml", _CALL.replace("{answer}", _TALKS.replace("{milliseconds}", "50"))),
        sent_away=_written(tmp_path / "sent-away.xml", _CALL.replace("{answer}", _SENT_AWAY)),
        either=_written(tmp_path / "either.xml", _CALL.replace("{answer}", _EITHER.replace("{milliseconds}", "50"))),
    )


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def behind_kamailio(context: Any, call_centre: Any) -> ChannelEntry:
    entry = ChannelEntry(
        "kamailio",
        socket=str(call_centre.socket),
        table="channels",
        file=str(call_centre.file),
        probe=f"sip:1000@127.0.0.1:{call_centre.port}",
    )
    context.systems = {"channels": {"call-centre": entry}}
    return entry


@pytest.mark.usefixtures("behind_kamailio")
def test_calls_under_way_end_and_new_ones_are_told_when_to_call_again(
    bound: Any, context: Any, call_centre: Any, calls: Calls, soon: Any
) -> None:
    adapter_counts = "{drain: call-centre, within: 1s}"
    running = call_centre.calls(calls.talks, 40, rate=100)
    closing = bound("channel", "{close: call-centre}")
    adapter = adapter_of("call-centre", context.system("channels", "call-centre"), context)
    soon(lambda: adapter.in_flight() == 40)
    result = closing.run(context)
    assert result.output["after"] == "closed"
    assert "503, in maintenance" in result.summary
    assert call_centre.calls(calls.sent_away, 20).wait(60) == 0
    with pytest.raises(NotDrained, match="40 are still under way"):
        bound("channel", adapter_counts).run(context)
    bound("channel", "{drain: call-centre}").run(context)
    assert running.wait(60) == 0, "a running call was cut"
    assert bound("channel", "{open: call-centre}").run(context).output["after"] == "open"
    assert call_centre.calls(calls.short, 40).wait(60) == 0


@pytest.mark.usefixtures("behind_kamailio")
def test_no_call_fails_while_the_call_centre_closes_and_reopens(
    bound: Any, context: Any, call_centre: Any, calls: Calls, toggles: int
) -> None:
    """Each caller talks, or is told when to call again."""
    told = call_centre.folder / "counted.csv"
    callers = call_centre.calls(calls.either, 1_000_000, rate=100, options=["-trace_stat", "-stf", str(told), "-fd", "1"])
    for _ in range(toggles):
        assert bound("channel", "{close: call-centre}").run(context).output["after"] == "closed"
        context.sleep(0.2)
        assert bound("channel", "{open: call-centre}").run(context).output["after"] == "open"
        context.sleep(0.2)
    callers.send_signal(signal.SIGUSR1)  # nobody begins to call any more; who calls ends as usual
    ended = callers.wait(60)
    last = list(csv.DictReader(told.read_text().splitlines(), delimiter=";"))[-1]
    good, failed = int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])
    tell("kamailio table", toggles, good + failed, failed)
    assert (ended, failed) == (0, 0)
    assert good > 20 * toggles


@pytest.mark.usefixtures("behind_kamailio")
def test_the_call_centre_stays_closed_when_kamailio_restarts(bound: Any, context: Any, call_centre: Any) -> None:
    call_centre.file.write_text("# by hand\n$sht(channels=>other) = 1;\n")
    bound("channel", "{close: call-centre}").run(context)
    call_centre.restart()
    close = bound("channel", "{close: call-centre}")
    assert close.probe(context).found is Found.DONE
    assert close.run(context).output["before"] == "closed"
    assert call_centre.file.read_text().startswith("# by hand\n$sht(channels=>other) = 1;\n")
    call_centre.file.write_text("$sht(channels=>call-centre) = 100;\n")
    assert "a restart of kamailio would make it open" in close.probe(context).summary
    call_centre.file.write_text("")  # as if somebody had closed it by hand, in memory alone
    probe = close.probe(context)
    assert probe.found is Found.PARTIAL
    assert "does not keep that over a restart of kamailio" in probe.summary
    close.run(context)
    assert close.probe(context).found is Found.DONE


@pytest.mark.usefixtures("behind_kamailio")
def test_a_share_of_the_callers_is_let_in_and_put_back(bound: Any, context: Any, behind_kamailio: Any) -> None:
    bound("channel", "{close: call-centre}").run(context)
    shared = bound("channel", "{open: call-centre, share: [50%]}").run(context)
    assert shared.output == {"before": "closed", "after": "partly open", "percent": 50, "saved": {"here": 0}}
    answers = {look(context, behind_kamailio.probe).state for _ in range(60)}
    assert {str(state) for state in answers} == {"open", "closed"}
    back = bound("channel", "{put_back: call-centre, as: '${s}'}", {"s": shared.output["saved"]})
    assert back.run(context).output["after"] == "closed"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"table": "nothing"}, "No such htable"),
        ({"entry": "nobody"}, "Key name doesn't exist"),
        ({"socket": "/nowhere/ctl"}, r"connect\(/nowhere/ctl\): No such file"),
    ],
)
def test_what_is_wrong_with_the_control_is_named(
    bound: Any, context: Any, behind_kamailio: Any, keys: dict[str, str], says: str
) -> None:
    context.systems = {"channels": {"call-centre": replace(behind_kamailio, **keys)}}
    with pytest.raises(ChannelBroken, match=says) as caught:
        bound("channel", "{close: call-centre}").run(context)
    assert "htable" in caught.value.hint


@pytest.mark.parametrize(
    ("probe", "says"),
    [("sip:nobody@127.0.0.1:9", "nothing"), ("sip:", "no address such as"), ("sip:a b@c", "no address such as")],
)
def test_a_front_door_that_does_not_answer_is_neither_open_nor_closed(context: Any, probe: str, says: str) -> None:
    seen = look(context, probe)
    assert seen.state is None
    assert says in seen.words
