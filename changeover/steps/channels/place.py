"""Where a channel is switched: on the engine's own machine, or on a host. Files, sockets and programs, and nothing else."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from changeover.contracts import Completed, Context, Host
from changeover.errors import Setback

#: Seconds for one question to a control; they answer in milliseconds or not at all.
ANSWER: Final = 15.0
_MISSING: Final = 66  # exit status of our own "there is no such file"
_LONGEST: Final = 16 * 1024 * 1024
_PIECE: Final = 64 * 1024


@dataclass(eq=False)
class ControlFailed(Setback):
    """A file, socket or program of a channel's control does not do what it is asked."""

    place: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}"

    @property
    def hint(self) -> str:
        return "Check the channel's paths in the systems file, and what the user of the engine (or of the host) may do there."


class Place(Protocol):
    """A machine with the control of a channel on it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def ask(self, address: str, text: str) -> str:
        """Send *text* to the stream socket at *address*, a path or ADDRESS:PORT, and return all that it answers."""
        ...

    def run(self, arguments: Sequence[str]) -> Completed:
        """Run a program that ends at once."""
        ...

    def command(self, text: str, environment: Mapping[str, str]) -> Completed:
        """Run a shell command with *environment* added."""
        ...

    def read(self, path: str) -> str | None:
        """The text of a file; None when there is none."""
        ...

    def write(self, path: str, text: str) -> None:
        """Put *text* into a file, whole or not at all, and for good."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """The engine's own machine."""

    context: Context

    @property
    def name(self) -> str:
        return "here"

    def ask(self, address: str, text: str) -> str:
        self.context.check_stopped()
        family, target = _socket_address(address, self.context.folder)
        ends = time.monotonic() + ANSWER
        answer = bytearray()
        try:
            with socket.socket(family) as line:
                line.settimeout(ANSWER)
                line.connect(target)
                line.sendall(text.encode())
                line.shutdown(socket.SHUT_WR)
                while piece := line.recv(_PIECE):
                    answer += piece
                    if len(answer) > _LONGEST or time.monotonic() > ends:
                        raise TimeoutError("its answer does not end")
        except OSError as error:
            raise ControlFailed(self.name, f"socket {address}", error.strerror or str(error)) from error
        return answer.decode(errors="replace")

    def run(self, arguments: Sequence[str]) -> Completed:
        self.context.check_stopped()
        try:
            ended = subprocess.run(
                list(arguments),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=ANSWER,
                check=False,
                cwd=self.context.folder,
            )
        except subprocess.TimeoutExpired:
            raise ControlFailed(self.name, arguments[0], f"it did not end within {ANSWER:g} s") from None
        except OSError as error:
            raise ControlFailed(self.name, arguments[0], error.strerror or str(error)) from error
        return Completed(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))

    def command(self, text: str, environment: Mapping[str, str]) -> Completed:
        return self.run(["/bin/sh", "-c", _exported(text, environment)])

    def read(self, path: str) -> str | None:
        try:
            return self._path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ControlFailed(self.name, f"cannot read {path}", error.strerror or str(error)) from error

    def write(self, path: str, text: str) -> None:
        target = self._path(path)
        part = target.with_name(f".{target.name}.part-{os.getpid()}")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)  # its reader is somebody else
            part.replace(target)
            _made_durable(target.parent)
        except OSError as error:
            with suppress(OSError):  # the first error is the one that matters
                part.unlink(missing_ok=True)
            raise ControlFailed(self.name, f"cannot write {path}", error.strerror or str(error)) from error

    def remove(self, path: str) -> None:
        target = self._path(path)
        try:
            target.unlink(missing_ok=True)
            _made_durable(target.parent)
        except OSError as error:
            raise ControlFailed(self.name, f"cannot remove {path}", error.strerror or str(error)) from error

    def _path(self, written: str) -> Path:
        return self.context.folder / Path(written).expanduser()


@dataclass(frozen=True, slots=True)
class There:
    """A host of the systems file. It needs a POSIX shell, and socat where a socket is asked."""

    context: Context
    host: Host

    @property
    def name(self) -> str:
        return self.host.name

    def ask(self, address: str, text: str) -> str:
        target = f"TCP:{address}" if _is_network(address) else f"UNIX-CONNECT:{_home(address)}"
        ended = self._run(f"socat -t {ANSWER:g} - {_quoted(target)}", text.encode())
        if ended.exit != 0:
            raise ControlFailed(self.name, f"socket {address}", _words(ended))
        return ended.stdout

    def run(self, arguments: Sequence[str]) -> Completed:
        return self._run(shlex.join(arguments))

    def command(self, text: str, environment: Mapping[str, str]) -> Completed:
        return self._run(_exported(text, environment))

    def read(self, path: str) -> str | None:
        name = _quoted(_home(path))
        ended = self._run(f"if [ -e {name} ]; then cat {name}; else exit {_MISSING}; fi")
        if ended.exit == _MISSING:
            return None
        return self._done(ended, f"cannot read {path}").stdout

    def write(self, path: str, text: str) -> None:
        self.context.check_stopped()
        self.host.upload(text.encode(), path)

    def remove(self, path: str) -> None:
        name = _quoted(_home(path))
        self._done(self._run(f"rm -f {name} && sync -f {_quoted(str(Path(_home(path)).parent))}"), f"cannot remove {path}")

    def _run(self, command: str, stdin: bytes = b"") -> Completed:
        return self.host.run(command, stdin=stdin, timeout=ANSWER * 2, output=lambda _piece: self.context.check_stopped())

    def _done(self, ended: Completed, what: str) -> Completed:
        if ended.exit != 0:
            raise ControlFailed(self.name, what, _words(ended))
        return ended


def _is_network(address: str) -> bool:
    before, colon, port = address.rpartition(":")
    return bool(colon) and port.isdecimal() and "/" not in before


def _socket_address(address: str, folder: Path) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    if _is_network(address):
        host, _, port = address.rpartition(":")
        inside = host.strip("[]")
        return (socket.AF_INET6 if ":" in inside else socket.AF_INET), (inside, int(port))
    return socket.AF_UNIX, str(folder / Path(address).expanduser())


def _exported(text: str, environment: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}; " for name, value in environment.items()) + text


def _home(path: str) -> str:
    return path.removeprefix("~/")  # commands start in the home directory


def _quoted(text: str) -> str:
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def _words(ended: Completed) -> str:
    return " ".join((ended.stderr or ended.stdout).split())[:200] or f"exit status {ended.exit}"


def _made_durable(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
