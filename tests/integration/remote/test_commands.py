"""Commands on a real sshd."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from changeover.errors import Stopped
from changeover.remote.errors import CommandRefused, HostUnclear, HostVerdict
from changeover.remote.login import Deadlines

NASTY = [
    *("'", '"', "`id`", "$(id)", "$HOME", "${HOME}", "a b", " lead", "trail ", "\\", "\\\\", "\\n", "\n", "a\nb\n", "\t"),
    *("||", "a || b", "&&", ";", "|", "&", ">x", "<x", "2>&1", "#no", "!", "!!", "*", "?", "[a]", "{a,b}", "~", "~root"),
    *("-n", "--", "-", "%s", "%%", "\r", "\x01", "\x1b[31m", "\x7f", "é", "ő 'ű'", "Їжак", "日本", "😀", "\u202e", "'\"'\"'"),
    *("", "a" * 5000),
]


def test_a_command_gives_its_exit_status_and_both_streams(make_host: Any) -> None:
    completed = make_host().run("echo out; echo err >&2; exit 7")
    assert (completed.exit, completed.stdout, completed.stderr) == (7, "out\n", "err\n")


def test_quoted_words_arrive_byte_for_byte(make_host: Any) -> None:
    host = make_host()
    arrived = [host.run(f"printf %s {shlex.quote(text)} | od -An -v -tx1").stdout for text in NASTY]
    assert [bytes.fromhex("".join(words.split())) for words in arrived] == [text.encode() for text in NASTY]


def test_a_command_with_nul_is_refused_and_not_sent(make_host: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="NUL"):
        make_host().run(f"touch {tmp_path}/sent\0")
    assert not (tmp_path / "sent").exists()


def test_big_output_on_both_streams_does_not_block(make_host: Any) -> None:
    completed = make_host().run("head -c 6000000 /dev/zero | tr '\\0' o; head -c 6000000 /dev/zero | tr '\\0' e >&2", timeout=60)
    assert completed.exit == 0
    assert completed.stdout.startswith("ooo")
    assert "characters left out" in completed.stdout
    assert completed.stderr.startswith("eee")
    assert len(completed.stderr) < 400_000


def test_input_and_output_flow_at_the_same_time(make_host: Any) -> None:
    content = os.urandom(5_000_000)
    completed = make_host().run("tee /dev/stderr | sha256sum", stdin=content, timeout=60)
    assert completed.stdout.split()[0] == hashlib.sha256(content).hexdigest()


def test_a_child_left_in_the_background_does_not_hold_the_command(make_host: Any) -> None:
    began = time.monotonic()
    assert make_host().run("sleep 60 & echo $!").exit == 0
    assert time.monotonic() - began < 10


def test_a_command_that_takes_too_long_is_ended_at_the_host_and_unclear(make_host: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(HostUnclear, match="it was ended there") as caught:
        make_host().run(f"echo $$ > {pid}; sleep 60; echo late", timeout=0.5)
    assert caught.value.verdict is HostVerdict.TIME_OUT
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_command_is_ended_at_the_host_when_the_listener_stops_it(make_host: Any, tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def stop(_piece: str) -> None:
        if pid.exists() and pid.read_text().strip():
            raise Stopped("abort")

    with pytest.raises(Stopped):
        make_host().run(f"trap '' HUP; echo $$ > {pid}; sleep 60", output=stop)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_one_connection_serves_many_commands_at_once(make_host: Any) -> None:
    host = make_host()
    seen = set()

    def ask() -> None:
        seen.add(host.run("sleep 0.2; echo $SSH_CONNECTION").stdout)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 1


def test_a_connection_that_died_between_two_commands_is_replaced(make_host: Any) -> None:
    host = make_host()
    server = int(host.run("echo $PPID").stdout)
    os.kill(server, signal.SIGKILL)
    assert host.run("echo again").stdout == "again\n"


def test_a_connection_cut_while_a_command_runs_is_lost_and_unclear(make_host: Any) -> None:
    with pytest.raises(HostUnclear) as caught:
        make_host().run("kill -9 $PPID; sleep 5", timeout=20)
    assert caught.value.verdict is HostVerdict.LOST


def test_a_host_that_stands_still_is_noticed_and_its_socket_closed(make_host: Any) -> None:
    host = make_host(Deadlines(silence=0.3, sign_of_life=0.5))
    server = int(host.run("echo $PPID").stdout)
    began = time.monotonic()
    try:
        with pytest.raises(HostUnclear) as caught:
            host.run(f"kill -STOP {server}; sleep 30")
    finally:
        os.kill(server, signal.SIGKILL)
    assert caught.value.verdict is HostVerdict.LOST
    assert time.monotonic() - began < 10
    assert host.run("echo again").stdout == "again\n"


def test_a_silent_host_that_lives_is_left_alone(make_host: Any) -> None:
    assert make_host(Deadlines(silence=0.2, sign_of_life=5)).run("sleep 1.5; echo done").stdout == "done\n"


def test_become_runs_the_command_under_sudo_in_one_word(make_host: Any, tmp_path: Path, sshd: Any) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    sudo = bin_folder / "sudo"
    sudo.write_text('#!/bin/sh\ntest "$1" = -n && test "$2" = -- || exit 99\nshift 2\nBECAME=root exec "$@"\n')
    sudo.chmod(0o755)
    host = make_host(become=True)
    host._wire = lambda command, wire=host._wire: f"PATH={bin_folder}:$PATH; {wire(command)}"  # noqa: SLF001 - the search path of sudo
    assert host.run("echo \"$BECAME 'a  b'\"").stdout == "root 'a  b'\n"


def test_a_command_behind_a_forced_command_is_ended_too(forced_sshd: Any, make_host: Any, tmp_path: Path) -> None:
    host = make_host(
        Deadlines(ending=0.5),
        port=forced_sshd.port,
        private_key=str(forced_sshd.key),
        known_hosts=str(forced_sshd.known_hosts),
        user=forced_sshd.user,
    )
    pid = tmp_path / "pid"
    with pytest.raises(HostUnclear, match="it was ended there"):
        host.run(f"echo $$ > {pid}; trap '' TERM; sleep 60; echo late", timeout=0.5)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_with_two_commands_on_one_connection_none_is_ended_by_mistake(forced_sshd: Any, make_host: Any, tmp_path: Path) -> None:
    host = make_host(
        Deadlines(ending=0.5),
        port=forced_sshd.port,
        private_key=str(forced_sshd.key),
        known_hosts=str(forced_sshd.known_hosts),
        user=forced_sshd.user,
    )
    ends: list[str] = []
    other = threading.Thread(target=lambda: ends.append(host.run("sleep 4; echo mine").stdout))
    other.start()
    time.sleep(0.3)
    with pytest.raises(HostUnclear, match="it may still run there"):
        host.run(f"echo $$ > {tmp_path}/pid; sleep 5", timeout=0.3)
    other.join()
    assert ends == ["mine\n"]
