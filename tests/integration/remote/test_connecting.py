"""Getting in, or being told why not: every way to fail has its own verdict."""

from __future__ import annotations

import logging.handlers
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from changeover.remote import connections
from changeover.remote.errors import HostSetback, HostVerdict
from changeover.remote.fleet import on_each
from changeover.remote.hosts import Hosts
from changeover.remote.login import Deadlines
from changeover.runbook.systems import HostEntry, Systems
from changeover.sandbox.servers.ssh import known_hosts_line, make_key

QUICK = Deadlines(connect=1, key_exchange=1, authenticate=2, channel=2)


@contextmanager
def answering(talk: Any) -> Iterator[int]:
    """A server on loopback that treats each connection with *talk*."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve_one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                talk(connection)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is turned away at the door comes again at once."""
    monkeypatch.setattr(connections, "_PAUSE", 0.01)


def stay_silent(connection: socket.socket) -> None:
    connection.recv(1)
    time.sleep(5)


def refused(host: Any) -> HostSetback:
    with pytest.raises(HostSetback) as caught:
        host.run("true")
    return caught.value


def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_what_to_do(make_host: Any, tmp_path: Path) -> None:
    setback = refused(make_host(known_hosts=str(tmp_path / "none")))
    assert setback.verdict is HostVerdict.HOST_KEY
    assert "is not known" in str(setback)
    assert "SHA256:" in str(setback)
    assert "nothing was sent" in str(setback)
    assert "hosts trust FILE" in setback.hint
    assert "ssh-keygen -lf" in setback.hint


def test_a_changed_host_key_is_refused_with_both_fingerprints(make_host: Any, tmp_path: Path, sshd: Any) -> None:
    other = make_key(tmp_path / "other")
    known = tmp_path / "known_hosts"
    known.write_text(known_hosts_line(sshd.address, sshd.port, other))
    setback = refused(make_host(known_hosts=str(known)))
    assert setback.verdict is HostVerdict.HOST_KEY
    assert "has changed" in str(setback)
    assert str(setback).count("SHA256:") == 2
    assert "ssh-keygen -R" in setback.hint
    assert known.read_text() == known_hosts_line(sshd.address, sshd.port, other)


def test_a_revoked_host_key_is_refused(make_host: Any, tmp_path: Path, sshd: Any) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("@revoked " + sshd.known_hosts.read_text())
    assert "revoked" in str(refused(make_host(known_hosts=str(known))))


def test_an_identity_that_is_not_accepted_is_named(make_host: Any, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    setback = refused(make_host(private_key=str(tmp_path / "stranger")))
    assert setback.verdict is HostVerdict.AUTH
    assert "does not accept key" in str(setback)


def test_without_an_identity_none_is_guessed(make_host: Any) -> None:
    setback = refused(make_host(private_key=""))
    assert setback.verdict is HostVerdict.AUTH
    assert "no identity is configured" in str(setback)


def test_a_wrong_password_is_an_auth_verdict(make_host: Any) -> None:
    setback = refused(make_host(private_key="", password="env:PASSWORD"))  # noqa: S106 - a reference
    assert setback.verdict is HostVerdict.AUTH
    assert "s3cret" not in str(setback)


@pytest.mark.parametrize("content", [None, "no key at all", ""])
def test_a_private_key_that_cannot_be_used_is_named(make_host: Any, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    setback = refused(make_host(private_key=str(path)))
    assert setback.verdict is HostVerdict.AUTH
    assert str(path) in str(setback)


def test_a_closed_port_is_unreachable(make_host: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    setback = refused(make_host(port=port))
    assert setback.verdict is HostVerdict.UNREACHABLE
    assert "refused" in str(setback)


def test_a_name_that_does_not_exist_is_unreachable(make_host: Any) -> None:
    assert refused(make_host(address="no-such-host.invalid")).verdict is HostVerdict.UNREACHABLE


def test_a_server_that_says_nothing_is_a_time_out(make_host: Any) -> None:
    with answering(stay_silent) as port:
        began = time.monotonic()
        assert refused(make_host(QUICK, port=port)).verdict in {HostVerdict.TIME_OUT, HostVerdict.UNREACHABLE}
        assert time.monotonic() - began < 5


def test_a_server_that_hangs_up_is_unreachable(make_host: Any) -> None:
    with answering(lambda connection: connection.close()) as port:
        assert refused(make_host(QUICK, port=port)).verdict in {HostVerdict.UNREACHABLE, HostVerdict.KEY_EXCHANGE}


def test_a_server_of_the_last_century_is_incompatible_not_down(make_host: Any) -> None:
    def old(connection: socket.socket) -> None:
        connection.sendall(b"SSH-1.5-1.2.27\r\n")
        connection.recv(100)
        time.sleep(2)

    with answering(old) as port:
        setback = refused(make_host(QUICK, port=port))
    assert setback.verdict is HostVerdict.INCOMPATIBLE
    assert "1.5" in str(setback)


def test_something_that_is_no_ssh_server_is_incompatible(make_host: Any) -> None:
    def web(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 120)
        connection.recv(100)
        time.sleep(1)

    with answering(web) as port:
        assert refused(make_host(QUICK, port=port)).verdict is HostVerdict.INCOMPATIBLE


def test_a_handshake_that_breaks_off_is_a_key_exchange_verdict(make_host: Any) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-Broken\r\n")
        connection.recv(4096)
        connection.close()

    with answering(cut) as port:
        assert refused(make_host(QUICK, port=port)).verdict is HostVerdict.KEY_EXCHANGE


def test_no_failure_writes_to_the_terminal_or_to_the_programs_log(make_host: Any, capfd: pytest.CaptureFixture[str]) -> None:
    heard = logging.handlers.BufferingHandler(1000)
    logging.getLogger().addHandler(heard)
    try:
        refused(make_host(private_key=""))
        with answering(lambda connection: connection.close()) as port:
            refused(make_host(QUICK, port=port))
    finally:
        logging.getLogger().removeHandler(heard)
    assert heard.buffer == []
    assert capfd.readouterr() == ("", "")


def test_of_many_hosts_every_one_has_its_verdict(sshd: Any, tmp_path: Path) -> None:
    good = HostEntry(sshd.address, sshd.port, sshd.user, str(sshd.key), str(sshd.known_hosts))
    entries = {f"app-{number}": good for number in range(6)}
    entries["gone"] = HostEntry("127.0.0.1", 1, sshd.user, str(sshd.key), str(sshd.known_hosts))
    entries["stranger"] = HostEntry(sshd.address, sshd.port, sshd.user, str(sshd.key), str(tmp_path / "none"))
    systems = Systems(hosts=entries, groups={"all": tuple(entries)})
    with Hosts(systems, base=tmp_path, secret=str) as hosts:
        outcomes = on_each(hosts.select(["all"]), lambda host: host.run("echo hi").stdout)
    assert list(outcomes) == list(entries)
    assert [outcome.verdict for outcome in outcomes.values()] == [HostVerdict.OK] * 6 + [
        HostVerdict.UNREACHABLE,
        HostVerdict.HOST_KEY,
    ]
