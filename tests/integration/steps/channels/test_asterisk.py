"""Against a fake of the manager interface: no Asterisk can be installed from Debian 12."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import ChannelBroken
from changeover.steps.channels.switching import NotDrained


@dataclass
class FakeAsterisk:
    """Speaks the interface's blocks: greeting, answers with the asker's number, events between them, values in events."""

    port: int = 0
    database: dict[tuple[str, str], str] = field(default_factory=dict)
    calls: int = 0
    refuses: str = ""

    def answers(self, asked: dict[str, str]) -> Iterator[dict[str, str]]:
        action, number = asked["action"], asked["actionid"]
        place = asked.get("family", ""), asked.get("key", "")
        if action == self.refuses:
            yield {"Response": "Error", "ActionID": number, "Message": "Permission denied"}
        elif action == "Login":
            good = (asked["username"], asked["secret"]) == ("cutover", "s3cret")
            yield {"Response": "Success" if good else "Error", "ActionID": number, "Message": "Authentication failed"}
            yield {"Event": "FullyBooted", "Status": "Fully Booted"}
        elif action == "DBPut":
            self.database[place] = asked["val"]
            yield {"Response": "Success", "ActionID": number, "Message": "Updated database successfully"}
        elif action == "DBDel":
            there = self.database.pop(place, None) is not None
            yield {"Response": "Success" if there else "Error", "ActionID": number, "Message": "Key deleted successfully"}
        elif action == "DBGet" and place not in self.database:
            yield {"Response": "Error", "ActionID": number, "Message": "Database entry not found"}
        elif action == "DBGet":
            yield {"Response": "Success", "ActionID": number, "Message": "Result will follow"}
            yield {"Event": "Newchannel", "Channel": "PJSIP/caller-1"}
            yield {"Event": "DBGetResponse", "Family": place[0], "Key": place[1], "Val": self.database[place], "ActionID": number}
        elif action == "CoreStatus":
            yield {"Response": "Success", "ActionID": number, "CoreCurrentCalls": str(self.calls)}
        else:
            yield {"Response": "Goodbye", "ActionID": number}


@pytest.fixture
def asterisk() -> Iterator[FakeAsterisk]:
    made = FakeAsterisk()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"Asterisk Call Manager/9.0\r\n")
            asked: dict[str, str] = {}
            for line in self.rfile:
                name, colon, value = line.decode().strip().partition(":")
                if colon:
                    asked[name.lower()] = value.strip()
                elif asked:
                    for block in made.answers(asked):
                        self.wfile.write("".join(f"{word}: {text}\r\n" for word, text in block.items()).encode() + b"\r\n")
                    asked = {}

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def behind_asterisk(context: Any, asterisk: FakeAsterisk) -> ChannelEntry:
    entry = ChannelEntry("asterisk", address=f"127.0.0.1:{asterisk.port}", user="cutover", password="env:AMI", table="channels")  # noqa: S106 - a reference
    context.secrets = {"env:AMI": "s3cret"}
    context.systems = {"channels": {"call-centre": entry}}
    return entry


@pytest.mark.usefixtures("behind_asterisk")
def test_it_closes_drains_shares_and_opens(bound: Any, context: Any, asterisk: FakeAsterisk) -> None:
    asterisk.calls = 2
    assert bound("channel", "{close: call-centre}").run(context).output["before"] == "open"
    assert asterisk.database == {("channels", "call-centre"): "0"}
    with pytest.raises(NotDrained, match="2 are still under way"):
        bound("channel", "{drain: call-centre, within: 1s}").run(context)
    asterisk.calls = 0
    bound("channel", "{drain: call-centre}").run(context)
    assert bound("channel", "{open: call-centre, share: [20%, 100%]}").run(context).output["percent"] == 100
    assert asterisk.database == {("channels", "call-centre"): "100"}


@pytest.mark.usefixtures("behind_asterisk")
def test_an_entry_that_was_not_there_is_not_there_again(bound: Any, context: Any, asterisk: FakeAsterisk) -> None:
    saved = {"was": bound("channel", "{read: call-centre}").run(context).output["saved"]}
    assert saved == {"was": None}
    asterisk.database["channels", "call-centre"] = "40"
    saved = bound("channel", "{close: call-centre}").run(context).output["saved"]
    back = bound("channel", "{put_back: call-centre, as: '${s}'}", {"s": saved})
    assert back.run(context).output["percent"] == 40
    assert back.probe(context).found is Found.DONE


@pytest.mark.parametrize(
    "case",
    [
        ({"user": "somebody"}, "", "asterisk refuses Login: Authentication failed"),
        ({}, "DBPut", "asterisk refuses DBPut: Permission denied"),
        ({}, "DBGet", "asterisk refuses DBGet: Permission denied"),
        ({"address": "127.0.0.1:1"}, "", "asterisk at 127.0.0.1:1: Connection refused"),
        ({"address": "pbx-1"}, "", "`address` is ADDRESS:PORT, not pbx-1"),
        ({"table": "channels\r\nAction: Command"}, "", "the end of a line"),
    ],
)
def test_what_is_wrong_is_named(
    bound: Any, context: Any, asterisk: FakeAsterisk, behind_asterisk: ChannelEntry, case: tuple[dict[str, Any], str, str]
) -> None:
    keys, asterisk.refuses, says = case
    context.systems = {"channels": {"call-centre": replace(behind_asterisk, **keys)}}
    with pytest.raises(ChannelBroken, match=says):
        bound("channel", "{close: call-centre}").run(context)
