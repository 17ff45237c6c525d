"""An SSH server for machines without one: ``python -m changeover.sandbox.ssh_server CONFIGURATION``.

It serves several hosts, each with its own key, port and home, in one process: commands and file transfers, one login key.
It writes its ports beside the configuration once it listens, and ends on SIGTERM or when the configuration is gone.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import paramiko

from changeover.sandbox.ssh_files import Files

_PIECE: Final = 32_768
_HANDSHAKE_WITHIN: Final = 20.0
_LOOK_EVERY: Final = 2.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One host that is played."""

    name: str
    home: Path
    host_key: Path
    slow: Path  # while it exists, every command first waits as many seconds as stand in it
    environment: Mapping[str, str]


class _Login(paramiko.ServerInterface):
    """Lets one key in, and runs commands."""

    def __init__(self, machine: Machine, user: str, key: paramiko.PKey) -> None:
        self.machine, self._user, self._key = machine, user, key

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == self._user and key == self._key
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return paramiko.common.OPEN_SUCCEEDED if kind == "session" else paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_execute, args=(self.machine, channel, command), daemon=True).start()
        return True


def main(arguments: list[str]) -> int:
    """Serve until told to end."""
    file = Path(arguments[0])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    configuration = json.loads(file.read_text(encoding="utf-8"))
    kind, text = str(configuration["login"]).split()[:2]
    login = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
    ports: dict[str, int] = {}
    for entry in configuration["hosts"]:
        machine = _machine(entry, configuration["environment"])
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        ports[machine.name] = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, machine, configuration["user"], login), daemon=True).start()
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps(ports), encoding="utf-8")
    unfinished.rename(file.with_suffix(".ports"))
    while not stop.wait(_LOOK_EVERY) and file.exists():
        pass
    return 0


def _machine(entry: dict[str, Any], environment: Mapping[str, str]) -> Machine:
    home = Path(entry["home"])
    return Machine(entry["name"], home, Path(entry["host_key"]), Path(entry["slow"]), {**environment, "HOME": str(home)})


def _accept(listener: socket.socket, machine: Machine, user: str, login: paramiko.PKey) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, machine, user, login), daemon=True).start()


def _converse(connection: socket.socket, machine: Machine, user: str, login: paramiko.PKey) -> None:
    """One connection, to its end."""
    transport = paramiko.Transport(connection)
    transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(machine.host_key)))
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files, home=machine.home)
    transport.auth_timeout = _HANDSHAKE_WITHIN
    try:
        transport.start_server(server=_Login(machine, user, login))
    except (paramiko.SSHException, OSError, EOFError):
        transport.close()
        return
    transport.join()


def _execute(machine: Machine, channel: paramiko.Channel, command: bytes) -> None:
    """Run a command as a login shell would, and tell its exit status."""
    if machine.slow.exists():
        time.sleep(float(machine.slow.read_text(encoding="utf-8")))
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=machine.home,
        env=dict(machine.environment),
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
    errors = threading.Thread(target=_pump, args=(process.stderr, channel.sendall_stderr), daemon=True)
    errors.start()
    _pump(process.stdout, channel.sendall)
    errors.join()
    status = process.wait()
    try:
        channel.send_exit_status(status if status >= 0 else 128 - status)
        channel.close()
    except (OSError, EOFError, paramiko.SSHException):
        return


def _feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    try:
        while piece := channel.recv(_PIECE):
            stdin.write(piece)
            stdin.flush()
        stdin.close()
    except (OSError, ValueError):
        return


def _pump(stream: IO[bytes], send: Any) -> None:
    while piece := os.read(stream.fileno(), _PIECE):
        try:
            send(piece)
        except OSError:
            return  # the client went away; the command goes on, as with a real server


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
