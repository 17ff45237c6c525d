"""Files on a real sshd."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from changeover.remote.errors import CommandRefused, HostSetback, HostVerdict
from changeover.remote.hosts import Hosts
from changeover.remote.login import Deadlines
from changeover.runbook.systems import HostEntry, Systems


def test_a_file_arrives_whole_with_its_mode_and_nothing_is_left_beside_it(make_host: Any, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    target = tmp_path / "app.tar"
    uploaded = make_host().upload(content, str(target), mode=0o640)
    assert uploaded.changed
    assert uploaded.sha256 == hashlib.sha256(content).hexdigest()
    assert target.read_bytes() == content
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["app.tar"]


def test_a_file_of_this_machine_can_be_sent_by_path(make_host: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("ő\n")
    make_host().upload(source, str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "ő\n"


def test_a_file_that_is_there_already_is_not_touched(make_host: Any, tmp_path: Path) -> None:
    host, target = make_host(), tmp_path / "config"
    host.upload(b"same", str(target))
    before = target.stat()
    assert host.upload(b"same", str(target)).changed is False
    assert target.stat().st_mtime_ns == before.st_mtime_ns
    assert target.stat().st_ino == before.st_ino


def test_another_mode_of_the_same_content_is_set(make_host: Any, tmp_path: Path) -> None:
    host, target = make_host(), tmp_path / "run.sh"
    host.upload(b"#!/bin/sh\n", str(target))
    assert host.upload(b"#!/bin/sh\n", str(target), mode=0o755).changed is True
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_an_empty_file_and_odd_names_work(make_host: Any, tmp_path: Path) -> None:
    for name in ("empty", "a b", "it's", "-n", "ő$HOME"):
        make_host().upload(b"", str(tmp_path / name))
        assert (tmp_path / name).read_bytes() == b""


def test_a_missing_folder_is_said_to_be_missing(make_host: Any, tmp_path: Path) -> None:
    with pytest.raises(HostSetback, match="no-such-folder") as caught:
        make_host().upload(b"x", str(tmp_path / "no-such-folder" / "file"))
    assert caught.value.verdict is HostVerdict.FAILED
    assert "folder" in caught.value.hint


def test_content_that_arrives_damaged_is_not_put_in_place(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.remote.transfer._send", lambda remote, files, content, part: files.open(part, "wb").close())
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(HostSetback, match="arrived with SHA-256"):
        make_host().upload(b"new", str(target))
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("target", ["", "folder/", "a\0b"])
def test_a_place_that_is_no_file_is_refused(make_host: Any, target: str) -> None:
    with pytest.raises(CommandRefused):
        make_host().upload(b"x", target)


def test_become_puts_the_file_in_place_with_the_other_users_rights(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(become=True)
    commands: list[str] = []

    def wire(command: str) -> str:
        commands.append(command)
        return command  # this account may do it anyway

    monkeypatch.setattr(type(host), "_wire", lambda _self, command: wire(command))
    host.upload(b"new", str(tmp_path / "file"), mode=0o600)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert any("mv -f" in command for command in commands)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Interrupting(io.BytesIO):
    """A big file; after its first piece the server gets a signal."""

    def __init__(self, server: int, number: signal.Signals) -> None:
        super().__init__(b"x" * 8_000_000)
        self._server, self._number = server, number

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            with suppress(ProcessLookupError):  # it has had it already
                os.kill(self._server, self._number)
        return super().read(size)


@pytest.mark.parametrize(
    ("number", "verdict"), [(signal.SIGKILL, HostVerdict.LOST), (signal.SIGSTOP, HostVerdict.TIME_OUT)], ids=["cut", "stopped"]
)
def test_a_transfer_that_breaks_off_puts_nothing_in_place(
    make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, verdict: HostVerdict
) -> None:
    host = make_host(Deadlines(transfer=1))
    server = int(host.run("echo $PPID").stdout)
    (tmp_path / "file").write_text("old")
    monkeypatch.setattr("changeover.remote.transfer.opened", lambda _content: Interrupting(server, number))
    try:
        with pytest.raises(HostSetback) as caught:
            host.upload(b"new", str(tmp_path / "file"))
    finally:
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
    assert caught.value.verdict is verdict
    assert (tmp_path / "file").read_text() == "old"
    monkeypatch.undo()
    assert host.upload(b"new", str(tmp_path / "file")).changed
    assert (tmp_path / "file").read_text() == "new"


def test_a_connection_that_died_before_the_transfer_is_replaced(make_host: Any, tmp_path: Path) -> None:
    host = make_host()
    os.kill(int(host.run("echo $PPID").stdout), signal.SIGKILL)
    assert host.upload(b"new", str(tmp_path / "file")).changed


class Waiting(io.BytesIO):
    """A file whose reading takes until the test says."""

    def __init__(self, begun: threading.Event, goes_on: threading.Event) -> None:
        super().__init__(b"new")
        self._begun, self._goes_on = begun, goes_on

    def read(self, size: int | None = -1, /) -> bytes:
        self._begun.set()
        self._goes_on.wait(30)
        return super().read(size)


def test_a_groups_concurrency_holds_for_uploads_too(sshd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = HostEntry(sshd.address, sshd.port, sshd.user, str(sshd.key), str(sshd.known_hosts))
    systems = Systems(hosts={"a": entry, "b": entry}, groups={"both": ("a", "b")}, limits={"both": 1})
    begun, goes_on, told = threading.Event(), threading.Event(), []
    monkeypatch.setattr("changeover.remote.transfer.opened", lambda _content: Waiting(begun, goes_on))
    with Hosts(systems, base=tmp_path, secret=str) as hosts:
        a, b = hosts.select(["both"])
        b.run("true")
        sending = threading.Thread(target=lambda: told.append(a.upload(b"new", str(tmp_path / "file")).changed))
        sending.start()
        assert begun.wait(30)
        with pytest.raises(HostSetback, match="kept it waiting") as caught:  # b waits for its turn as long as a sends
            b.run("true", timeout=1)
        assert caught.value.verdict is HostVerdict.TIME_OUT
        goes_on.set()
        sending.join()
        assert b.run("echo now").stdout == "now\n"
    assert told == [True]


def test_a_host_without_sftp_is_told_so(make_host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paramiko.Channel.invoke_subsystem", lambda channel, _name: channel.close())
    with pytest.raises(HostSetback, match="cannot send files") as caught:
        make_host().upload(b"new", str(tmp_path / "file"))
    assert "sftp subsystem" in caught.value.hint
