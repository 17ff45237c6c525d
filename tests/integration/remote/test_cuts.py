"""A connection is cut, and the thread that reads from it has not heard of that yet: only an answer of the server is a refusal."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paramiko
import pytest

from changeover.errors import Stopped
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.sandbox.servers.ssh import known_hosts_line, make_key
from tests.integration.remote.conftest import alive
from tests.integration.remote.proxy import proxied

Transport = paramiko.Transport


@pytest.fixture
def unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection says of itself that it is active."""
    monkeypatch.setattr(Transport, "is_active", lambda _transport: True)


@pytest.fixture
def noticed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels are closed a while before their connection says that it is no longer active."""
    unlinked = Transport._unlink_channel  # type: ignore[attr-defined]  # noqa: SLF001 - the moment in between

    def slowly(transport: Transport, number: int) -> None:
        time.sleep(0.2)
        unlinked(transport, number)

    monkeypatch.setattr(Transport, "_unlink_channel", slowly)


def killing(monkeypatch: pytest.MonkeyPatch, host: Any, method: str) -> None:
    """The connection of *host* is cut just before *method* of its SFTP client does its work."""
    server, real = int(host.run("echo $PPID").stdout), getattr(paramiko.SFTPClient, method)

    def cut_first(client: paramiko.SFTPClient, *arguments: Any) -> Any:
        os.kill(server, signal.SIGKILL)
        return real(client, *arguments)

    monkeypatch.setattr(paramiko.SFTPClient, method, cut_first)


@pytest.mark.usefixtures("unnoticed")
def test_a_connection_that_is_cut_while_sending_is_no_full_disk(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host()
    killing(monkeypatch, host, "open")
    with pytest.raises(HostSetback) as caught:
        host.upload(b"new", str(tmp_path / "file"))
    assert caught.value.verdict is HostVerdict.LOST
    assert caught.value.hint == ""


@pytest.mark.usefixtures("unnoticed")
def test_a_connection_that_is_cut_while_a_file_is_put_in_place_is_unclear(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host()
    killing(monkeypatch, host, "posix_rename")
    with pytest.raises(HostUnclear) as caught:
        host.upload(b"new", str(tmp_path / "file"))
    assert caught.value.verdict is HostVerdict.LOST


def test_a_server_that_refuses_to_put_a_file_in_place_has_failed_and_nothing_is_unclear(make_host: Any, tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(HostSetback, match="cannot move") as caught:
        make_host().upload(b"new", str(tmp_path / "file"))
    assert caught.value.verdict is HostVerdict.FAILED


class Unreadable(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_file_of_ours_that_cannot_be_read_is_not_the_connections_fault(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.remote.transfer.opened", lambda _content: Unreadable())
    with pytest.raises(HostSetback, match="cannot read what is to be sent to it: Input/output error") as caught:
        make_host().upload(b"new", str(tmp_path / "file"))
    assert caught.value.verdict is HostVerdict.FAILED


def test_a_connection_that_is_cut_during_login_is_no_refusal(housed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the host would not be asked again."""
    cut, real = threading.Event(), Transport.auth_publickey

    def cut_first(transport: Transport, *arguments: Any) -> Any:
        cut.set()
        return real(transport, *arguments)

    monkeypatch.setattr(Transport, "auth_publickey", cut_first)
    with proxied(housed.server.address, housed.server.port, lambda _one: cut.is_set()) as proxy:
        with pytest.raises(HostSetback, match="broke off during login") as caught:
            housed.host(port=proxy.port).run("true")
        assert proxy.happened == 1
    assert caught.value.verdict is HostVerdict.UNREACHABLE


def test_a_connection_that_is_cut_right_after_the_handshake_has_its_verdict(
    make_host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Transport.get_remote_server_key

    def cut_first(transport: Transport) -> Any:
        transport.close()
        return real(transport)

    monkeypatch.setattr(Transport, "get_remote_server_key", cut_first)
    with pytest.raises(HostSetback, match="cut after the SSH handshake") as caught:
        make_host().run("true")
    assert caught.value.verdict is HostVerdict.KEY_EXCHANGE


class Odd(paramiko.ServerInterface):
    """Lets everybody in, and treats each command with *talk*."""

    def __init__(self, talk: Callable[[paramiko.Channel, bytes], None]) -> None:
        self._talk = talk

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Timer(0.1, self._talk, (channel, command)).start()  # after the answer to this
        return True


@pytest.fixture
def make_odd_host(make_host: Any, tmp_path: Path) -> Iterator[Any]:
    """A host whose server behaves as the test wants."""
    closing = ExitStack()

    def make(talk: Callable[[paramiko.Channel, bytes], None]) -> Any:
        public = make_key(tmp_path / "odd-key")
        listener = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        (tmp_path / "odd-known").write_text(known_hosts_line("127.0.0.1", port, public))

        def serve() -> None:
            connection, _ = listener.accept()
            transport = Transport(connection)
            closing.callback(transport.close)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "odd-key")))
            transport.start_server(server=Odd(talk))

        threading.Thread(target=serve, daemon=True).start()
        return make_host(address="127.0.0.1", port=port, known_hosts=str(tmp_path / "odd-known"))

    with closing:
        yield make


def cut(channel: paramiko.Channel) -> None:
    transport = channel.get_transport()
    transport.sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.usefixtures("noticed_late")
def test_an_output_that_was_cut_off_after_the_exit_status_is_not_taken_for_whole(make_odd_host: Any) -> None:
    def talk(channel: paramiko.Channel, _command: bytes) -> None:
        channel.sendall(b"half of ")
        channel.send_exit_status(0)
        time.sleep(0.2)
        cut(channel)

    with pytest.raises(HostUnclear) as caught:
        make_odd_host(talk).run("cat it")
    assert caught.value.verdict is HostVerdict.LOST


def test_a_server_that_closes_without_an_end_of_its_output_has_said_all(make_odd_host: Any) -> None:
    def talk(channel: paramiko.Channel, _command: bytes) -> None:
        channel.sendall(b"all of it")
        channel.send_exit_status(3)
        channel.eof_sent = True  # so that it is not sent
        channel.close()

    completed = make_odd_host(talk).run("cat it")
    assert (completed.exit, completed.stdout) == (3, "all of it")


@pytest.mark.usefixtures("noticed_late")
def test_a_command_whose_connection_is_cut_while_it_is_told_to_end_is_not_known_to_have_ended(make_odd_host: Any) -> None:
    def talk(channel: paramiko.Channel, _command: bytes) -> None:
        channel.sendall(b"begun")
        threading.Timer(0.5, cut, (channel,)).start()

    def stop(piece: str) -> None:
        if piece:
            raise Stopped("abort")

    with pytest.raises(HostUnclear, match="it may still run there"):
        make_odd_host(talk).run("sleep 60", output=stop)


def test_a_command_that_has_closed_its_streams_is_not_taken_for_ended(make_host: Any, tmp_path: Path) -> None:
    """Its output ends, and it goes on: TERM does nothing to it, KILL does."""
    pid = tmp_path / "pid"
    with pytest.raises(HostUnclear, match="it was ended there"):
        make_host().run(
            f"trap '' TERM; echo $$ > {pid}; exec >&- 2>&-; while :; do sleep 1 </dev/null >/dev/null; done", timeout=1
        )
    assert not alive(int(pid.read_text()))
