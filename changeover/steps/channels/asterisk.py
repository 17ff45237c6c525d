"""The ``asterisk`` adapter: an entry of its own database, which survives restarts, set over the manager interface (AMI).

The dial plan reads the entry: how many percent of the new calls are let in. Tested against a fake of the interface.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from changeover.contracts import Context, Value
from changeover.runbook.channels import ChannelEntry
from changeover.steps.channels.contract import EVERYBODY, NOBODY, Announcement, ChannelBroken, Standing, percent_of
from changeover.steps.channels.place import ANSWER

_END: Final = b"\r\n\r\n"
_LONGEST: Final = 1024 * 1024
_ADVICE: Final = "Are address, user and password right, and may the user read and write `system` (see manager.conf)?"

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AsteriskChannel:
    """A call centre behind Asterisk."""

    name: str
    entry: ChannelEntry
    context: Context

    def standing(self) -> Standing:
        """What the database says; an entry that is not there lets everybody in."""
        with self._session() as session:
            said = session.read(self.entry.table, self._word)
        percent = EVERYBODY if said is None else percent_of(self.name, said, f"{self.entry.table}/{self._word}")
        return Standing(percent, said)

    def close(self, announcement: Announcement) -> None:  # noqa: ARG002 - the dial plan speaks
        """Nobody."""
        self.share(NOBODY)

    def open(self) -> None:
        """Everybody."""
        self.share(EVERYBODY)

    def share(self, percent: int) -> None:
        """So many of a hundred."""
        self.put_back(str(percent))

    def put_back(self, saved: Value) -> None:
        """The entry as it was, or none."""
        with self._session() as session:
            if saved is None:
                session.ask({"Action": "DBDel", "Family": self.entry.table, "Key": self._word}, may_fail=True)
            else:
                session.ask({"Action": "DBPut", "Family": self.entry.table, "Key": self._word, "Val": str(saved)})

    def in_flight(self) -> int | None:
        """Calls under way in the whole of this Asterisk."""
        with self._session() as session:
            said = session.ask({"Action": "CoreStatus"}).get("corecurrentcalls", "")
        if not said.isdecimal():
            raise ChannelBroken(self.name, f"asterisk at {self.entry.address} does not say how many calls are under way", _ADVICE)
        return int(said)

    @property
    def _word(self) -> str:
        return self.entry.entry or self.name

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        host, _, port = self.entry.address.rpartition(":")
        if not (host and port.isdecimal()):
            raise ChannelBroken(self.name, f"`address` is ADDRESS:PORT, not {self.entry.address}")
        self.context.check_stopped()
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER) as line:
                session = _Session(self.name, line)
                session.ask({"Action": "Login", "Username": self.entry.user, "Secret": self._password, "Events": "off"})
                yield session
                session.ask({"Action": "Logoff"}, may_fail=True)
        except OSError as error:
            why = f"asterisk at {self.entry.address}: {error.strerror or error}"
            raise ChannelBroken(self.name, why, _ADVICE) from error

    @property
    def _password(self) -> str:
        return self.context.secret(self.entry.password)


class _Session:
    """A connection to the manager interface: blocks of ``Name: value`` lines, each answer carrying our number."""

    def __init__(self, channel: str, line: socket.socket) -> None:
        self._channel = channel
        self._line = line
        self._number = 0
        self._rest = b""
        self._greeted = False

    def ask(self, action: Message, *, may_fail: bool = False) -> Message:
        """Send *action* and return its answer. Raises ChannelBroken when that is an error."""
        self._number += 1
        lines = {**action, "ActionID": str(self._number)}
        if any(letter in f"{name}{value}" for name, value in lines.items() for letter in "\r\n"):
            raise ChannelBroken(
                self._channel, "a value for asterisk contains the end of a line, which would begin another header"
            )
        self._line.sendall("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n")
        answer = self._answer()
        if answer.get("response") not in {"Success", "Goodbye"} and not may_fail:
            said = answer.get("message", "no reason given")
            raise ChannelBroken(self._channel, f"asterisk refuses {action['Action']}: {said}", _ADVICE)
        return answer

    def read(self, family: str, word: str) -> str | None:
        """An entry of its database; None when there is none. The value comes in an event after the answer."""
        answer = self.ask({"Action": "DBGet", "Family": family, "Key": word}, may_fail=True)
        if answer.get("response") != "Success":
            if "not found" in answer.get("message", "").lower():
                return None
            raise ChannelBroken(self._channel, f"asterisk refuses DBGet: {answer.get('message', '')}", _ADVICE)
        while (event := self._block()).get("event") != "DBGetResponse":
            continue
        return event.get("val", "")

    def _answer(self) -> Message:
        while True:
            block = self._block()
            if "response" in block and block.get("actionid") == str(self._number):
                return block

    def _block(self) -> Message:
        while _END not in self._rest:
            piece = self._line.recv(65536)
            if not piece or len(self._rest) > _LONGEST:
                raise OSError("it closed the connection" if not piece else "its answer does not end")
            self._rest += piece
            if not self._greeted and b"\r\n" in self._rest:  # "Asterisk Call Manager/9.0", alone on its line
                self._rest, self._greeted = self._rest.partition(b"\r\n")[2], True
        block, _, self._rest = self._rest.partition(_END)
        lines = (line.partition(":") for line in block.decode(errors="replace").split("\r\n"))
        return {name.strip().lower(): value.strip() for name, _, value in lines}
