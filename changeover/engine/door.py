"""The way to an engine while its journal cannot be written: to hold and to abort must stay possible even then.

A socket in Linux's abstract namespace: it needs no disk, no database and no network, and it is gone with the engine. Only the
engine's own user and root are let in. What comes in this way is acted on at once, and is written into the journal as an
ordinary command as soon as that can be written again.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from changeover.errors import Mistake
from changeover.journal.events import Command, Verb

#: What can be asked at the door.
AT_THE_DOOR: Final = frozenset({Verb.HOLD, Verb.ABORT})
#: Seconds that either side waits for the other; bytes that are read at most.
_PATIENCE: Final = 5.0
_LONGEST: Final = 8192
#: Characters of a run's id in the name; a name has 107 at most.
_RUN: Final = 70
_CREDENTIALS: Final = "3i"  # struct ucred: pid, uid, gid

Answer = Callable[[Command], str]


@dataclass(eq=False)
class NobodyIn(Mistake):
    """No engine of this machine and user drives the run."""

    run: str

    def __str__(self) -> str:
        which = f"that drives {self.run}" if self.run else "that is meant"
        return f"there is no engine of yours on this machine {which}: it cannot be asked past the journal"

    @property
    def hint(self) -> str:
        return "go to its machine and its user; Ctrl-C (or SIGTERM) lets it begin nothing more and end"


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine said at its door."""

    run: str
    pid: int
    text: str


class Door:
    """The engine's side: answers on a thread of its own until it is closed."""

    def __init__(self, journal_url: str, run: str, answer: Answer) -> None:
        self._answer = answer
        self._run = run
        self._name = _name(journal_url, run)
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Let people in, unless it is open; nothing where there is no such socket, or another engine of the run has it."""
        if self._socket is not None:
            return
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(self._name)
            made.listen(8)
        except OSError:
            made.close()
            return
        self._socket = made
        threading.Thread(target=self._serve, args=(made,), name="door", daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listening.accept()
            except OSError:
                return
            with visitor, suppress(OSError, ValueError, KeyError, TypeError):
                visitor.settimeout(_PATIENCE)
                if _user(visitor) in {os.geteuid(), 0}:
                    asked = json.loads(_read(visitor))
                    who, why, key = (str(asked[name]) for name in ("who", "why", "key"))
                    command = Command(self._run, Verb(asked["verb"]), who, why, key, whence="past the journal")
                    text = self._answer(command) if command.verb in AT_THE_DOOR else f"{command.verb} has to wait for the journal"
                    visitor.sendall(json.dumps({"pid": os.getpid(), "text": text}).encode() + b"\n")


def knock(journal_url: str, run: str, command: Command) -> Answered:
    """Ask the engine of *run* (its id, a beginning of it, or nothing for the only one) past its journal. Raises NobodyIn."""
    found = [name for name in _open_doors(journal_url) if name.startswith(run[:_RUN])]
    if len(found) != 1:
        raise NobodyIn(run)
    asked = {"verb": command.verb.value, "who": command.who, "why": command.why, "key": command.key}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(_PATIENCE)
            door.connect(_name(journal_url, found[0]))
            door.sendall(json.dumps(asked).encode() + b"\n")
            answer = json.loads(_read(door))
            return Answered(found[0], int(answer["pid"]), str(answer["text"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise NobodyIn(found[0]) from None


def _name(journal_url: str, run: str) -> str:
    return f"\0{_prefix(journal_url)}{run[:_RUN]}"


def _prefix(journal_url: str) -> str:
    return f"changeover/{sha256(journal_url.encode()).hexdigest()[:16]}/"


def _open_doors(journal_url: str) -> list[str]:
    """The runs whose engines listen on this machine."""
    try:
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    mark = f"@{_prefix(journal_url)}"
    return list(dict.fromkeys(line.partition(mark)[2] for line in lines if mark in line))


def _user(visitor: socket.socket) -> int:
    found: tuple[Any, ...] = struct.unpack(
        _CREDENTIALS, visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_CREDENTIALS))
    )
    return int(found[1])


def _read(stream: socket.socket) -> bytes:
    """One line, or what there is of it."""
    read = b""
    while not read.endswith(b"\n") and len(read) < _LONGEST:
        piece = stream.recv(_LONGEST)
        if not piece:
            break
        read += piece
    return read
