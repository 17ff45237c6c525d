"""Files on a host: sent to ``NAME.part-KEY``, verified by SHA-256 on the host, then moved into place in one step."""

from __future__ import annotations

import posixpath
import shlex
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

from changeover.contracts import Completed, Uploaded
from changeover.remote.command import closed_after
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.remote.file_hash import digest_of, hash_command, hash_in, opened
from changeover.remote.login import Deadlines

_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Remote:
    """What a transfer needs of its host."""

    host: str
    connected: Callable[[], paramiko.Transport]  # its connection, opened anew when it has died
    deadlines: Deadlines
    become: bool
    run: Callable[[str], Completed]  # runs a short command there, as the user who will own the file


def upload(remote: Remote, content: bytes | Path, target: str, mode: int) -> Uploaded:
    """Put *content* at *target*; see :meth:`changeover.contracts.Host.upload`."""
    digest = digest_of(content)
    if _hash_there(remote, target) == digest:
        return Uploaded(digest, changed=_settle_mode(remote, target, mode))
    part = f"{posixpath.basename(target) if remote.become else target}.part-{digest[:12]}"
    transport = remote.connected()  # not before: the question above may have found the old one dead
    with _sftp(remote, transport) as sftp:
        _send(remote, sftp, content, part)
        _verify(remote, sftp, part, digest)
        _move(remote, sftp, part, target, mode)
    return Uploaded(digest, changed=True)


def _sftp(remote: Remote, transport: paramiko.Transport) -> paramiko.SFTPClient:
    try:
        with closed_after(transport, remote.deadlines.channel):
            channel = transport.open_session(timeout=remote.deadlines.channel)
            channel.invoke_subsystem("sftp")
            channel.settimeout(remote.deadlines.transfer)
            return paramiko.SFTPClient(channel)
    except (paramiko.SSHException, OSError, EOFError) as error:
        detail = f"cannot send files to it: {str(error) or 'it offers no SFTP'}"
        raise HostSetback(remote.host, HostVerdict.LOST, detail, "Its SSH server must offer the sftp subsystem.") from error


def _transport(sftp: paramiko.SFTPClient) -> paramiko.Transport:
    channel = sftp.get_channel()
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


def _send(remote: Remote, sftp: paramiko.SFTPClient, content: bytes | Path, part: str) -> None:
    try:
        with opened(content) as source, sftp.open(part, "wb") as there:
            there.set_pipelined(True)
            there.chmod(stat.S_IRUSR | stat.S_IWUSR)  # nobody else reads it before it has its mode
            while piece := source.read(_PIECE):
                there.write(piece)
    except TimeoutError as error:
        _transport(sftp).close()
        detail = f"nothing moved for {remote.deadlines.transfer:g} s while sending {part}"
        raise HostSetback(remote.host, HostVerdict.TIME_OUT, detail) from error
    except (FileNotFoundError, PermissionError) as error:
        detail = f"cannot write {part}: {error.strerror}"
        raise HostSetback(
            remote.host, HostVerdict.FAILED, detail, "Does its folder exist, and may this user write there?"
        ) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        if _transport(sftp).is_active():
            detail = f"cannot write {part}: {error}"
            raise HostSetback(remote.host, HostVerdict.FAILED, detail, "Is its disk full?") from error
        raise HostSetback(remote.host, HostVerdict.LOST, f"the connection was cut while sending {part}") from error


def _verify(remote: Remote, sftp: paramiko.SFTPClient, part: str, digest: str) -> None:
    found = _hash_there(remote, part)
    if found == digest:
        return
    with suppress(OSError, paramiko.SSHException, EOFError):  # the file is in nobody's way, and the failure is told below
        sftp.remove(part)
    detail = f"{part} arrived with SHA-256 {found or '(none)'} instead of {digest}"
    raise HostSetback(remote.host, HostVerdict.FAILED, detail, "Is its disk full? Nothing was put in place.")


def _move(remote: Remote, sftp: paramiko.SFTPClient, part: str, target: str, mode: int) -> None:
    if remote.become:  # SFTP has our rights only: the last step is done with the others'
        staged = shlex.quote(f"{target}.{part.rsplit('.', 1)[1]}")
        command = f"cp {shlex.quote(part)} {staged} && chmod {mode:o} {staged} && mv -f {staged} {shlex.quote(target)}"
        completed = remote.run(f"{command} && rm -f {shlex.quote(part)}")
        if completed.exit != 0:
            raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot put {target} in place: {completed.stderr.strip()}")
        return
    try:
        sftp.chmod(part, mode)
        sftp.posix_rename(part, target)
    except TimeoutError as error:
        _transport(sftp).close()
        raise HostUnclear(f"moving {part} to {target} was not answered", remote.host, HostVerdict.TIME_OUT) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        if _transport(sftp).is_active():
            raise HostSetback(remote.host, HostVerdict.FAILED, f"cannot move {part} to {target}: {error}") from error
        raise HostUnclear(f"the connection was cut while {target} was put in place", remote.host, HostVerdict.LOST) from error
