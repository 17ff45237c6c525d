"""ssh, script and upload on a real sshd."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.errors import Stopped
from changeover.steps.on_hosts import HostsFailed, HostsUnclear
from changeover.testing import FakeContext

NASTY = [
    "'",
    '"',
    "$(touch x)",
    "`touch x`",
    "a\nb",
    "; touch x",
    "|| touch x",
    "\\",
    "%s",
    "-n",
    "ő Їж 😀",
    "\t\r",
    "!",
    "*",
    "'\"'\"'",
]


def test_values_reach_a_command_on_a_host_byte_for_byte(bound: Any, with_hosts: FakeContext) -> None:
    for text in NASTY:
        result = bound("ssh", "{on: app-1, run: 'printf %s ${inputs.text} | od -An -v -tx1'}", {"inputs.text": text}).run(
            with_hosts
        )
        assert bytes.fromhex("".join(result.output["hosts"]["app-1"]["stdout"].split())) == text.encode()


def test_values_reach_a_script_as_one_argument_each(bound: Any, with_hosts: FakeContext) -> None:
    for text in NASTY:
        yaml = "{on: app-1, text: 'printf %s \"$2\" | od -An -v -tx1', arguments: [x, '${inputs.text}']}"
        result = bound("script", yaml, {"inputs.text": text}).run(with_hosts)
        assert bytes.fromhex("".join(result.output["hosts"]["app-1"]["stdout"].split())) == text.encode()


def test_a_script_leaves_nothing_behind_and_its_exit_status_counts(bound: Any, with_hosts: FakeContext) -> None:
    with pytest.raises(HostsFailed, match="0 of 1 host; app-1 ended with exit status 4 instead of 0: sorry"):
        bound("script", "{on: app-1, text: 'echo sorry >&2; exit 4'}").run(with_hosts)
    listed = bound("ssh", "{on: app-1, run: 'ls -a | grep -c changeover-script || true'}").run(with_hosts)
    assert listed.output["hosts"]["app-1"]["stdout"] == "0"


def test_an_upload_is_verified_skipped_and_probed(bound: Any, with_hosts: FakeContext) -> None:
    (with_hosts.folder / "app.conf").write_text("port = 1\n")
    target = with_hosts.folder / "there.conf"
    upload = bound("upload", f"{{on: app-1, from: app.conf, to: {target}}}")
    assert upload.probe(with_hosts).found is Found.CLEAN
    assert upload.run(with_hosts).output["hosts"]["app-1"]["changed"] is True
    assert target.read_text() == "port = 1\n"
    assert upload.probe(with_hosts).found is Found.DONE
    assert upload.run(with_hosts).output["hosts"]["app-1"]["changed"] is False
    assert "already there on 1" in upload.dry_run(with_hosts).summary


def test_one_host_of_several_that_is_not_there_is_named(bound: Any, with_hosts: FakeContext) -> None:
    with pytest.raises(HostsFailed, match=r"3 of 4 hosts; gone: cannot connect to 127.0.0.1:1: Connection refused"):
        bound("ssh", "{on: [app-1, app-2, app-3, gone], run: 'true'}").run(with_hosts)


def test_a_time_out_of_a_change_is_unclear(bound: Any, with_hosts: FakeContext) -> None:
    with_hosts.seconds_left = 0.5
    with pytest.raises(HostsUnclear, match="on app-1 it may have happened"):
        bound("ssh", "{on: app-1, run: sleep 30}").run(with_hosts)


def test_a_stop_ends_the_command_at_the_host(bound: Any, with_hosts: FakeContext) -> None:
    pid = with_hosts.folder / "pid"
    threading.Timer(0.7, lambda: setattr(with_hosts, "stopped", "abort")).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        bound("ssh", f"{{on: app-1, run: 'echo $$ > {pid}; exec sleep 30'}}").run(with_hosts)
    assert time.monotonic() - began < 10
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_dry_run_knocks_at_every_host(bound: Any, with_hosts: FakeContext) -> None:
    traces = with_hosts.folder / "traces"
    ssh = bound("ssh", f"{{on: [app-1, app-2], run: touch {traces}}}")
    assert "2 of the 2 hosts that let us in" in ssh.dry_run(with_hosts).summary
    assert not traces.exists()


def test_output_goes_to_the_log_line_by_line_with_the_hosts_name(bound: Any, with_hosts: FakeContext) -> None:
    bound("ssh", "{on: [app-1, app-2], run: 'echo one; printf two'}").run(with_hosts)
    lines = "".join(with_hosts.logged).splitlines()
    assert sorted(lines) == ["app-1: one", "app-1: two", "app-2: one", "app-2: two"]
