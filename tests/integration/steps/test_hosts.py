"""ssh, script and upload on a real sshd."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Found
from changeover.errors import Stopped
from changeover.steps.on_hosts import HostsFailed, HostsUnclear
from changeover.testing import FakeContext


def test_a_script_leaves_nothing_behind_and_its_exit_status_counts(bound: Any, with_hosts: FakeContext) -> None:
    with pytest.raises(HostsFailed, match="0 of 1 host; app-1 ended with exit status 4 instead of 0: sorry"):
        bound("script", "{on: app-1, text: 'echo sorry >&2; exit 4'}").run(with_hosts)
    with_hosts.step = "look"
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


@pytest.fixture
def ledger(with_hosts: FakeContext) -> Callable[[], list[str]]:
    """What commands have written, a word for each time they ran."""
    path = with_hosts.folder / "ledger"
    return lambda: sorted(path.read_text().split()) if path.exists() else []


def test_a_resumed_step_goes_on_with_the_hosts_that_are_not_done(
    bound: Any, with_hosts: FakeContext, ledger: Callable[[], list[str]]
) -> None:
    (with_hosts.folder / "broken").touch()
    lines = f"cd {with_hosts.folder}; basename $(dirname $CHANGEOVER_JOB) >> ledger; test $(wc -l < ledger) -lt 3 || ! rm broken"
    ssh = bound("ssh", f"{{on: [app-1, app-2, app-3], run: '{lines}', batches: [1]}}")
    with pytest.raises(HostsFailed, match=r"2 of 3 hosts; app-3 ended with exit status 1"):
        ssh.run(with_hosts)
    assert ssh.probe(with_hosts).found is Found.PARTIAL
    with_hosts.attempt = 2
    assert ssh.run(with_hosts).summary == "3 of 3 hosts"
    assert "done already on app-1, app-2: not done again there" in with_hosts.said
    assert (len(ledger()), len(set(ledger()))) == (4, 3)  # a word for each host, and a second one where it had failed
    assert ssh.probe(with_hosts).found is Found.DONE


def test_a_step_that_never_began_is_clean_and_can_no_longer_arrive(
    bound: Any, with_hosts: FakeContext, ledger: Callable[[], list[str]]
) -> None:
    ssh = bound("ssh", f"{{on: [app-1, app-2, app-3], run: echo ran >> {with_hosts.folder}/ledger}}")
    assert ssh.probe(with_hosts).found is Found.CLEAN
    with pytest.raises(HostsFailed, match="it was not started"):
        ssh.run(with_hosts)
    assert ledger() == []


def test_a_step_in_the_middle_is_in_progress_then_done_with_its_output(bound: Any, with_hosts: FakeContext) -> None:
    gate = with_hosts.folder / "gate"
    ssh = bound("ssh", f"{{on: [app-1, app-2, app-3], run: 'while [ ! -e {gate} ]; do sleep 0.05; done; echo through'}}")
    threading.Timer(1.5, lambda: setattr(with_hosts, "stopped", "shutdown: the engine ends")).start()
    with pytest.raises(Stopped):
        ssh.run(with_hosts)
    with_hosts.stopped = ""
    probe = ssh.probe(with_hosts)
    assert probe.found is Found.IN_PROGRESS
    assert "still running on app-1, app-2, app-3" in probe.summary
    gate.touch()
    while (probe := ssh.probe(with_hosts)).found is Found.IN_PROGRESS:
        time.sleep(0.1)
    assert (probe.found, probe.summary) == (Found.DONE, "done on 3 of 3 hosts")
    assert probe.output == {"hosts": {name: {"exit": 0, "stdout": "through"} for name in ("app-1", "app-2", "app-3")}}


def test_hosts_that_are_done_and_hosts_that_never_began_can_be_resumed(bound: Any, with_hosts: FakeContext) -> None:
    bound("ssh", "{on: app-1, run: 'true'}").run(with_hosts)
    probe = bound("ssh", "{on: [app-1, app-2, app-3], run: 'true'}").probe(with_hosts)
    assert (probe.found, probe.resumable) == (Found.PARTIAL, True)
    assert probe.summary == "done on 1 of 3 hosts; never started on app-2, app-3"


@pytest.mark.parametrize(
    ("check", "found"), [(0, Found.DONE), (1, Found.CLEAN), (2, Found.PARTIAL), (3, Found.CANNOT_TELL), (None, Found.CANNOT_TELL)]
)
def test_a_lost_host_is_for_people_or_for_the_authors_check(
    bound: Any, with_hosts: FakeContext, check: int | None, found: Any
) -> None:
    wanted = "" if check is None else f", on_lost: check, probe: exit {check}"
    ssh = bound("ssh", f"{{on: app-1, run: 'kill -9 $PPID $(cat /proc/$PPID/status | sed -n s/^PPid:.//p)'{wanted}}}")
    with pytest.raises(HostsUnclear, match="nobody can say how the command ended"):
        ssh.run(with_hosts)
    probe = ssh.probe(with_hosts)
    assert probe.found is found
    assert "its runner was killed" in probe.summary or check in {0, 1}


def test_a_script_runs_once_too(bound: Any, with_hosts: FakeContext, ledger: Callable[[], list[str]]) -> None:
    yaml = f"{{on: [app-1, app-2], text: 'echo $1 >> {with_hosts.folder}/ledger; echo $1', arguments: [word]}}"
    first = bound("script", yaml).run(with_hosts)
    assert bound("script", yaml).run(with_hosts).output == first.output
    assert bound("script", yaml).probe(with_hosts).output == first.output
    assert ledger() == ["word", "word"]


def test_what_ran_attached_only_a_probe_can_tell(bound: Any, with_hosts: FakeContext) -> None:
    assert bound("ssh", "{on: [app-1, app-2, app-3], run: 'true', mode: attached}").probe(with_hosts).found is Found.CANNOT_TELL
    told = bound("ssh", "{on: [app-1, app-2, app-3], run: 'true', mode: attached, probe: 'true'}").probe(with_hosts)
    assert told.found is Found.DONE


def test_a_host_that_does_not_answer_is_not_known_of(
    bound: Any, with_hosts: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.steps.detached._ANSWERS_WITHIN", 0.5)
    monkeypatch.setattr("changeover.steps.detached._AGAIN", 0.1)
    probe = bound("ssh", "{on: [app-1, gone], run: 'true'}").probe(with_hosts)
    assert probe.found is Found.CANNOT_TELL
    assert "no answer on gone" in probe.summary
