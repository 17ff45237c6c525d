"""Files on a host: sent to ``NAME.part-KEY``, verified by SHA-256 on the host, then moved into place in one step."""

from __future__ import annotations

import io
import posixpath
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

from changeover.contracts import Completed, Uploaded
from changeover.remote.cut import LOSSES, closed_after, let_go
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.remote.file_hash import digest_of, hash_command, hash_in, opened
from changeover.remote.login import Deadlines

#: Bytes of one write: with what SSH and SFTP put around them they fill one packet, and no second one is begun for the rest.
_PIECE: Final = 32_640


@dataclass(frozen=True, slots=True)
class Remote:
    """What a transfer needs of its host."""

    host: str
    connected: Callable[[], paramiko.Transport]  # its connection, opened anew when it has died
    deadlines: Deadlines
    become: bool
    run: Callable[[str], Completed]  # runs a short command there, as the user who will own the file


@dataclass(eq=False)
class Refused(Exception):
    """The server's own answer: it does not do it. Every other error of a transfer is a loss."""

    why: str
    lacks: bool = False  # the file or its folder is not there, or not ours


class Files(paramiko.SFTPClient):
    """SFTP that tells a refusal from a loss; in paramiko both are an OSError, or both an EOFError."""

    def _convert_status(self, msg: paramiko.Message) -> None:
        try:
            super()._convert_status(msg)  # type: ignore[misc]
        except (OSError, EOFError) as error:
            lacks = isinstance(error, FileNotFoundError | PermissionError)
            raise Refused(getattr(error, "strerror", None) or str(error) or "refused", lacks=lacks) from error


def upload(remote: Remote, content: bytes | Path, target: str, mode: int) -> Uploaded:
    """Put *content* at *target*; see :meth:`changeover.contracts.Host.upload`."""
    digest = digest_of(content)
    if _hash_there(remote, target) == digest:
        return Uploaded(digest, changed=_settle_mode(remote, target, mode))
    part = f"{posixpath.basename(target) if remote.become else target}.part-{digest[:12]}"
    transport = remote.connected()  # not before: the question above may have found the old one dead
    with _files(remote, transport) as files:
        _send(remote, files, content, part)
        _verify(remote, files, part, digest)
        _move(remote, files, part, target, mode)
    return Uploaded(digest, changed=True)


@contextmanager
def _files(remote: Remote, transport: paramiko.Transport) -> Iterator[Files]:
    try:
        with closed_after(transport, remote.deadlines.channel):
            channel = transport.open_session(timeout=remote.deadlines.channel)
            channel.invoke_subsystem("sftp")
            channel.settimeout(remote.deadlines.transfer)
            files = Files(channel)
    except LOSSES as error:
        detail = f"cannot send files to it: {str(error) or 'it offers no SFTP'}"
        raise HostSetback(remote.host, HostVerdict.LOST, detail, "Its SSH server must offer the sftp subsystem.") from error
    try:
        yield files
    finally:
        let_go(files)


def _transport(files: Files) -> paramiko.Transport:
    channel = files.get_channel()
    assert channel is not None  # noqa: S101 - made from one above
    return channel.get_transport()


def _hash_there(remote: Remote, path: str) -> str:
    return hash_in(remote.run(hash_command(path)))


def _settle_mode(remote: Remote, target: str, mode: int) -> bool:
    """Give a file that is there already the right mode; whether it had another."""
    quoted = shlex.quote(target)
    command = f'test "$(stat -c %a -- {quoted})" = {mode:o} || {{ chmod {mode:o} -- {quoted} && echo changed; }}'
    completed = remote.run(command)
    if completed.exit != 0:
        raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot set the mode of {target}: {completed.stderr.strip()}")
    return "changed" in completed.stdout


def _send(remote: Remote, files: Files, content: bytes | Path, part: str) -> None:
    try:
        with opened(content) as source, files.open(part, "wb") as there:
            there.set_pipelined(True)
            there.chmod(stat.S_IRUSR | stat.S_IWUSR)  # nobody else reads it before it has its mode
            while piece := _read(remote, source):
                there.write(piece)
    except Refused as error:
        advice = "Does its folder exist, and may this user write there?" if error.lacks else "Is its disk full?"
        raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot write {part}: {error.why}", advice) from error
    except TimeoutError as error:
        let_go(_transport(files))
        detail = f"nothing moved for {remote.deadlines.transfer:g} s while sending {part}"
        raise HostSetback(remote.host, HostVerdict.TIME_OUT, detail) from error
    except LOSSES as error:
        raise HostSetback(remote.host, HostVerdict.LOST, f"the connection was cut while sending {part}") from error


def _read(remote: Remote, source: io.BufferedIOBase) -> bytes:
    try:
        return source.read(_PIECE)
    except OSError as error:  # ours, not the connection's
        detail = f"cannot read what is to be sent to it: {error.strerror or error}"
        raise HostSetback(remote.host, HostVerdict.FAILED, detail) from error


def _verify(remote: Remote, files: Files, part: str, digest: str) -> None:
    found = _hash_there(remote, part)
    if found == digest:
        return
    with suppress(Refused, *LOSSES):  # the file is in nobody's way, and the failure is told below
        files.remove(part)
    detail = f"{part} arrived with SHA-256 {found or '(none)'} instead of {digest}"
    raise HostSetback(remote.host, HostVerdict.FAILED, detail, "Is its disk full? Nothing was put in place.")


def _move(remote: Remote, files: Files, part: str, target: str, mode: int) -> None:
    if remote.become:  # SFTP has our rights only: the last step is done with the others'
        staged = shlex.quote(f"{target}.{part.rsplit('.', 1)[1]}")
        command = f"cp {shlex.quote(part)} {staged} && chmod {mode:o} {staged} && mv -f {staged} {shlex.quote(target)}"
        completed = remote.run(f"{command} && rm -f {shlex.quote(part)}")
        if completed.exit != 0:
            raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot put {target} in place: {completed.stderr.strip()}")
        return
    try:
        files.chmod(part, mode)
        files.posix_rename(part, target)
    except Refused as error:
        raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot move {part} to {target}: {error.why}") from error
    except TimeoutError as error:
        let_go(_transport(files))
        raise HostUnclear(f"moving {part} to {target} was not answered", remote.host, HostVerdict.TIME_OUT) from error
    except LOSSES as error:
        raise HostUnclear(f"the connection was cut while {target} was put in place", remote.host, HostVerdict.LOST) from error
