from __future__ import annotations

import os
import shlex
import subprocess
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from changeover.contracts import Answer, Found, OnUnknown
from changeover.errors import Setback, Stopped, TimedOut
from changeover.remote.errors import HostSetback, HostUnclear
from changeover.runbook.values import ParametersRefused
from changeover.steps.completed import CommandFailed
from changeover.steps.local_process import TOKEN, still_running
from changeover.testing import FakeContext

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(autouse=True)
def _a_run_of_its_own(context: FakeContext) -> None:
    """Commands are looked for by their token on the whole machine, where other tests run too."""
    context.run_id = f"run-{uuid.uuid4()}"


def test_its_output_is_exit_status_and_both_streams(bound: Any, context: FakeContext) -> None:
    result = bound("shell", "echo out; echo err >&2").run(context)
    assert result.output == {"exit": 0, "stdout": "out", "stderr": "err\n"}
    assert "".join(sorted(context.logged)) == "err\nout\n"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, min_size=1, max_size=12))
def test_substituted_values_arrive_as_words_byte_for_byte(bound: Any, context: FakeContext, words: Any) -> None:
    context.run_id = f"run-{uuid.uuid4()}"  # each example is a step of its own
    names = {f"inputs.w{number}": word for number, word in enumerate(words)}
    written = " ".join(f"${{inputs.w{number}}}" for number in range(len(words)))
    result = bound("shell", f"\"printf '%s\\\\0' {written} | od -An -v -tx1\"", names).run(context)
    arrived = bytes.fromhex("".join(result.output["stdout"].split()))
    assert arrived == b"".join(word.encode() + b"\0" for word in words)


def test_a_list_runs_without_a_shell(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "[printf, '%s|', '$HOME', 'a b', '*']").run(context).output["stdout"] == "$HOME|a b|*|"


def test_another_exit_status_is_a_failure_with_the_last_words(bound: Any, context: FakeContext) -> None:
    with pytest.raises(CommandFailed, match="exit status 3 instead of 0: it broke"):
        bound("shell", "echo it broke >&2; exit 3").run(context)


def test_the_expected_exit_status_may_be_another(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "{command: exit 3, expect_exit: 3}").run(context).output["exit"] == 3


def test_it_runs_in_its_folder_with_its_environment_and_secrets_by_reference(bound: Any, context: FakeContext) -> None:
    (context.folder / "inside").mkdir()
    context.secrets = {"env:PASSWORD": "s3cret"}
    shell = bound(
        "shell", "{command: 'pwd; echo $A $B $CHANGEOVER_TOKEN', folder: inside, environment: {A: one, B: 'env:PASSWORD'}}"
    )
    assert shell.run(context).output["stdout"] == f"{context.folder}/inside\none s3cret {context.token}"


def test_standard_input_is_closed(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "cat; echo end").run(context).output["stdout"] == "end"


def test_big_output_on_both_streams_neither_blocks_nor_fills_the_memory(bound: Any, context: FakeContext) -> None:
    result = bound("shell", "head -c 3000000 /dev/zero | tr '\\0' o; head -c 3000000 /dev/zero | tr '\\0' e >&2").run(context)
    assert len(result.output["stdout"]) < 400_000
    assert "characters left out" in result.output["stdout"]
    assert sum(map(len, context.logged)) == 6_000_000


def test_a_time_out_ends_the_whole_group(bound: Any, context: FakeContext) -> None:
    context.seconds_left = 0.0
    with pytest.raises(TimedOut):
        bound("shell", "{command: 'echo $$ > pid; sleep 30 & echo $! >> pid; wait', mode: attached}").run(context)
    for pid in (context.folder / "pid").read_text().split():
        _await_end(int(pid))


@pytest.mark.parametrize("mode", ["attached", "detached"])
def test_a_stop_ends_the_whole_group_even_when_it_ignores_term(
    bound: Any, context: FakeContext, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("changeover.steps.local_process._GRACE", 0.2)
    threading.Timer(0.5, lambda: setattr(context, "stopped", "abort")).start()
    command = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    with pytest.raises(Stopped):
        bound("shell", f'{{command: "{command}", mode: {mode}}}').run(context)
    assert not _alive(int((context.folder / "pid").read_text()))


def test_a_service_left_in_the_background_does_not_hold_the_step(bound: Any, context: FakeContext) -> None:
    began = time.monotonic()
    result = bound("shell", "sleep 20 & echo $!").run(context)
    assert time.monotonic() - began < 5
    os.kill(int(result.output["stdout"]), 9)


@pytest.mark.parametrize("mode", ["attached", "detached"])
@pytest.mark.parametrize("yaml", ["command: [no-such-program]", "command: 'true', folder: no-such-folder"])
def test_what_cannot_start_is_named(bound: Any, context: FakeContext, yaml: str, mode: str) -> None:
    with pytest.raises(Setback, match="no-such"):
        bound("shell", f"{{{yaml}, mode: {mode}}}").run(context)


def test_a_dry_run_shows_a_change_and_does_not_run_it(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "touch traces").dry_run(context).summary == "would run: touch traces"
    assert list(context.folder.iterdir()) == []


def test_a_dry_run_runs_what_only_reads(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "{command: echo 4, changes: false}").dry_run(context).output["stdout"] == "4"
    failed = bound("shell", "{command: exit 1, changes: false}").dry_run(context)
    assert failed.verdict.answer is Answer.NOT_VERIFIABLE


@pytest.mark.parametrize(
    ("status", "found"), [(0, Found.DONE), (1, Found.CLEAN), (2, Found.PARTIAL), (3, Found.CANNOT_TELL), (127, Found.CANNOT_TELL)]
)
def test_the_authors_probe_decides_by_its_exit_status(bound: Any, context: FakeContext, status: int, found: Any) -> None:
    assert bound("shell", f"{{command: 'true', probe: exit {status}, mode: attached}}").probe(context).found is found


def test_a_command_that_outlived_its_engine_is_in_progress_and_a_service_it_left_is_not(bound: Any, context: FakeContext) -> None:
    command = ["/bin/sh", "-c", "sleep 20 & sleep 20"]
    orphan = subprocess.Popen(command, start_new_session=True, env={**os.environ, TOKEN: context.token})
    try:
        deadline = time.monotonic() + 5
        while not still_running(context.token) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert bound("shell", "{command: 'true', probe: exit 0, mode: attached}").probe(context).found is Found.IN_PROGRESS
        orphan.kill()
        orphan.wait()
        assert not still_running(context.token)
    finally:
        os.killpg(orphan.pid, 9)


def test_a_detached_command_that_took_too_long_is_ended_with_all_that_it_started(bound: Any, context: FakeContext) -> None:
    context.seconds_left = 1.0
    with pytest.raises(HostUnclear, match="it was ended there"):
        bound("shell", "echo $$ > pid; setsid sleep 30 & echo $! >> pid; wait").run(context)
    for pid in (context.folder / "pid").read_text().split():
        _await_end(int(pid))
    assert bound("shell", "echo $$ > pid; setsid sleep 30 & echo $! >> pid; wait").probe(context).found is Found.PARTIAL


def test_a_detached_command_is_found_again_with_its_result(bound: Any, context: FakeContext) -> None:
    shell = bound("shell", "echo one >> ran; echo out; echo err >&2")
    assert shell.probe(context).found is Found.CLEAN  # and from now on this attempt can no longer begin
    with pytest.raises(HostSetback, match="it was not started"):
        shell.run(context)
    context.attempt = 2
    expected = {"exit": 0, "stdout": "out", "stderr": "err\n"}
    assert shell.run(context).output == expected
    probe = shell.probe(context)
    assert (probe.found, probe.output) == (Found.DONE, expected)
    assert shell.run(context).output == expected  # the same attempt: only its result is fetched
    assert (context.folder / "ran").read_text() == "one\n"


@pytest.mark.parametrize(("status", "found"), [(0, Found.DONE), (1, Found.CLEAN), (2, Found.PARTIAL)])
def test_of_a_detached_command_that_failed_the_authors_probe_is_believed(
    bound: Any, context: FakeContext, status: int, found: Any
) -> None:
    shell = bound("shell", f"{{command: exit 3, probe: exit {status}}}")
    with pytest.raises(CommandFailed):
        shell.run(context)
    assert shell.probe(context).found is found


def test_another_command_under_the_same_attempt_is_not_taken_for_it(bound: Any, context: FakeContext) -> None:
    bound("shell", "echo one").run(context)
    assert bound("shell", "echo two").probe(context).found is Found.CANNOT_TELL
    with pytest.raises(HostUnclear, match="another command"):
        bound("shell", "echo two").run(context)


def test_an_engine_that_only_ends_leaves_a_detached_command_at_work(bound: Any, context: FakeContext) -> None:
    shell = bound("shell", "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; echo done")
    threading.Timer(1, lambda: setattr(context, "stopped", "shutdown: Ctrl-C")).start()
    with pytest.raises(Stopped):
        shell.run(context)
    context.stopped = ""
    assert _alive(int((context.folder / "pid").read_text()))
    assert shell.probe(context).found is Found.IN_PROGRESS
    (context.folder / "go").touch()
    context.attempt = 2  # another attempt waits for the one that is still at work
    assert shell.run(context).output["stdout"] == "done"


def test_without_a_probe_nobody_can_tell(bound: Any, context: FakeContext) -> None:
    assert bound("shell", "{command: 'true', mode: attached}").probe(context).found is Found.CANNOT_TELL


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("a", OnUnknown.PROBE),
        ("{command: a, mode: attached}", OnUnknown.ASK),
        ("{command: a, changes: false}", OnUnknown.RERUN),
        ("{command: a, probe: b}", OnUnknown.PROBE),
    ],
)
def test_it_may_have_happened_means(bound: Any, yaml: str, expected: Any) -> None:
    assert bound("shell", yaml).on_unknown is expected


def test_an_empty_command_is_refused(bound: Any) -> None:
    with pytest.raises(ParametersRefused, match="empty"):
        bound("shell", "{command: ' '}")


def test_quoting_leaves_the_authors_own_text_alone(bound: Any, context: FakeContext) -> None:
    name = "a'; echo broken; '"
    command = bound("shell", '"for i in 1 2; do echo $i ${inputs.name}; done"', {"inputs.name": name})
    assert command.command == f"for i in 1 2; do echo $i {shlex.quote(name)}; done"
    assert command.run(context).output["stdout"] == f"1 {name}\n2 {name}"


def _await_end(pid: int) -> None:
    """A signal that was sent has not yet arrived everywhere on a busy machine."""
    until = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < until, f"process {pid} lives on"
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
