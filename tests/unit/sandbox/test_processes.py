from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from changeover.sandbox import leftovers, processes
from changeover.sandbox.hosts import COOKIE
from changeover.sandbox.processes import DidNotStart, ProcessRecord
from changeover.sandbox.servers import place

SLEEPER = (sys.executable, "-S", "-c", "import time; time.sleep(600)")


def shell(tmp_path: Path, script: str, **environment: str) -> ProcessRecord:
    return processes.spawn("shell", ["/bin/sh", "-c", script], log=tmp_path / "log", environment={**os.environ, **environment})


def test_a_process_and_all_that_it_started_are_ended(tmp_path: Path) -> None:
    record = shell(tmp_path, "sleep 600 & echo started; wait")
    processes.wait_until_ready(record, lambda: (tmp_path / "log").read_text() == "started\n", seconds=5, log=tmp_path / "log")
    family = [record, *processes.descendants(record.pid)]
    assert len(family) == 2
    processes.end(record, seconds=5)
    assert not [process for process in family if processes.is_alive(process)]
    processes.end(record, seconds=5)  # again: harmless


def test_one_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    record = shell(tmp_path, "trap '' TERM; echo deaf; while :; do sleep 1; done")
    processes.wait_until_ready(record, lambda: (tmp_path / "log").read_text() == "deaf\n", seconds=5, log=tmp_path / "log")
    processes.end(record, first=signal.SIGTERM, seconds=0.1)
    assert not processes.is_alive(record)


def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path) -> None:
    record = processes.spawn("sleeper", SLEEPER, log=tmp_path / "log")
    earlier = ProcessRecord("earlier", record.pid, record.born - 1)
    processes.end(earlier, seconds=0.1)
    assert processes.is_alive(record)
    processes.end(record, seconds=5)


def test_a_program_that_dies_at_once_says_why(tmp_path: Path) -> None:
    record = shell(tmp_path, "echo no such tablespace >&2; exit 3")
    with pytest.raises(DidNotStart, match="shell did not start: no such tablespace") as raised:
        processes.wait_until_ready(record, lambda: False, seconds=5, log=tmp_path / "log")
    assert str(tmp_path / "log") in raised.value.hint


def test_a_program_that_never_becomes_ready_is_ended(tmp_path: Path) -> None:
    record = processes.spawn("sleeper", SLEEPER, log=tmp_path / "log")
    with pytest.raises(DidNotStart, match=r"not ready after 0\.1 s"):
        processes.wait_until_ready(record, lambda: False, seconds=0.1, log=tmp_path / "log")
    assert not processes.is_alive(record)


def test_a_set_up_that_fails_gives_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(DidNotStart, match="set-up: disk full"):
        processes.run_to_end("db", ["/bin/sh", "-c", "echo 'set-up: disk full'; exit 1"], log=tmp_path / "log", folder=tmp_path)
    processes.run_to_end("db", ["/bin/sh", "-c", "true"], log=tmp_path / "log", folder=tmp_path)


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", processes.free_port())) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_what_carries_the_cookie_is_found_and_nothing_else(tmp_path: Path) -> None:
    ours = shell(tmp_path, "sleep 600", **{COOKIE: str(tmp_path)})
    other = shell(tmp_path, "sleep 600", **{COOKIE: f"{tmp_path}-other"})
    reader = processes.spawn("tail", ["tail", "-f", tmp_path / "log"], log=tmp_path / "tail.log")
    found = {record.pid for record in leftovers.find(tmp_path)}
    assert ours.pid in found
    assert other.pid not in found
    assert reader.pid not in found, "somebody who reads our log is none of us"
    leftovers.end_all(tmp_path)
    assert not processes.is_alive(ours)
    for record in (other, reader):
        processes.end(record, seconds=5)


def test_a_folder_of_another_account_stands_elsewhere_and_goes_with_its_link(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs servers as somebody else")
    account = processes.ordinary_account("nobody")
    real = place.prepare(tmp_path / "db", account, name="test")
    assert (tmp_path / "db").is_symlink()
    assert account is not None
    assert real.stat().st_uid == account.uid
    place.write_private(real / "secret", "x", account)
    assert (real / "secret").stat().st_mode & 0o777 == 0o600
    place.remove(tmp_path / "db")
    assert not real.exists()
    assert list(tmp_path.iterdir()) == []
