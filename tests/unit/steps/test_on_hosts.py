"""ssh, script and upload against hosts that are not there."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from changeover.contracts import Completed, Found, OnUnknown, Uploaded
from changeover.errors import Stopped
from changeover.remote.errors import HostSetback, HostUnclear, HostVerdict
from changeover.runbook.values import ParametersRefused
from changeover.steps.on_hosts import Batches, Ear, HostsFailed, HostsUnclear
from changeover.steps.project_files import FileNotReadable
from changeover.steps.script import Script
from changeover.testing import FakeContext

FINE = Completed(0, "ok\n", "")


@dataclass
class FakeHost:
    name: str
    answer: Completed | Exception = FINE
    commands: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float | None = None, output: Callable[[str], None] | None = None
    ) -> Completed:
        if "sha256sum" in command:
            content = next((content for path, content in self.files.items() if path in command), None)
            return Completed(0, f"{hashlib.sha256(content).hexdigest()}  -\n" if content is not None else "", "")
        words = shlex.split(command)
        if "changeover" in words:
            return self._job(words[words.index("changeover") + 2 :], stdin.decode(), output)
        self.commands.append(command)
        self.journal.append(self.name)
        if isinstance(self.answer, Exception):
            raise self.answer
        if output:
            output(self.answer.stdout)
        return self.answer

    def _job(self, words: list[str], command: str, output: Callable[[str], None] | None) -> Completed:
        """What the runner of detached jobs would say."""
        verb, _slot, attempt, *arguments = words
        assert output is not None
        if verb == "fence":
            output(f"@= {attempt} - fenced\n")
            return Completed(0, "", "")
        assert verb == "start"
        self.commands.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        digest = arguments[1]
        for mark, text in (("@o", self.answer.stdout), ("@e", self.answer.stderr)):
            output(f"{mark} {base64.b64encode(text.encode()).decode()}\n")
        output(f"@= {attempt} {digest} done {self.answer.exit}\n")
        return Completed(0, "", "")

    def upload(self, content: bytes | Path, target: str, *, mode: int = 0o644) -> Uploaded:
        if isinstance(self.answer, Exception):
            raise self.answer
        data = content if isinstance(content, bytes) else content.read_bytes()
        changed = self.files.get(target) != data
        self.files[target] = data
        return Uploaded(hashlib.sha256(data).hexdigest(), changed)


@pytest.fixture
def hosts(context: FakeContext) -> Any:
    journal: list[str] = []
    context.host_names = {f"h{number}": FakeHost(f"h{number}", journal=journal) for number in range(1, 11)}
    return context.host_names


DOWN = HostSetback("h2", HostVerdict.UNREACHABLE, "connection refused", "Is it on?")
LOST = HostUnclear("the connection was lost", "h2", HostVerdict.LOST)


def test_every_host_answers_with_its_output(bound: Any, context: FakeContext, hosts: Any) -> None:
    result = bound("ssh", "{on: [h1, h2], run: uptime}").run(context)
    assert result.output == {"hosts": {"h1": {"exit": 0, "stdout": "ok"}, "h2": {"exit": 0, "stdout": "ok"}}}
    assert result.summary == "2 of 2 hosts"
    assert hosts["h2"].commands == ["uptime"]
    assert sorted(context.logged) == ["h1: ok\n", "h2: ok\n"]


def test_one_host_may_be_written_as_a_plain_name(bound: Any, context: FakeContext, hosts: Any) -> None:
    assert list(bound("ssh", "{on: h3, run: uptime}").run(context).output["hosts"]) == ["h3"]


def test_a_failing_host_is_named_and_fails_the_step(bound: Any, context: FakeContext, hosts: Any) -> None:
    hosts["h2"].answer = Completed(3, "", "no space left\n")
    with pytest.raises(HostsFailed, match="2 of 3 hosts; h2 ended with exit status 3 instead of 0: no space left"):
        bound("ssh", "{on: [h1, h2, h3], run: deploy}").run(context)


def test_so_many_hosts_may_fail_and_are_told_of(bound: Any, context: FakeContext, hosts: Any) -> None:
    hosts["h2"].answer = DOWN
    result = bound("ssh", "{on: [h1, h2, h3], run: deploy, max_failures: 1}").run(context)
    assert result.output["hosts"]["h2"] == {"verdict": "unreachable", "detail": str(DOWN)}
    assert "2 of 3 hosts" in result.summary
    assert "connection refused" in result.summary


def test_after_a_failing_batch_no_further_one_begins(bound: Any, context: FakeContext, hosts: Any) -> None:
    hosts["h2"].answer = DOWN
    everyone = ", ".join(hosts)
    with pytest.raises(HostsFailed, match=r"2 of 10 hosts; h2: .*; not started: h4, h5, h6, h7, h8 ...") as caught:
        bound("ssh", f"{{on: [{everyone}], run: deploy, batches: [1, 20%, 100%]}}").run(context)
    assert caught.value.hint == "Is it on?"
    assert not any(hosts[f"h{number}"].commands for number in range(4, 11))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), [10]),
        ((1, "10%", "100%"), [1, 1, 8]),
        ((3,), [3, 3, 3, 1]),
        (("5%",), [1] * 10),
        ((1, 2), [1, 2, 2, 2, 2, 1]),
        ((50,), [10]),
    ],
)
def test_batches_split_all_hosts_in_order(hosts: Any, sizes: Any, expected: Any) -> None:
    split = list(Batches(sizes).split(tuple(hosts.values())))
    assert [len(batch) for batch in split] == expected
    assert [host.name for batch in split for host in batch] == list(hosts)


def test_a_lost_host_makes_a_change_unclear_and_a_reading_failed(
    bound: Any, context: FakeContext, hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.remote.detached.PATIENCE", 0.1)
    hosts["h2"].answer = LOST
    with pytest.raises(HostsUnclear, match="on h2 it may have happened"):
        bound("ssh", "{on: [h1, h2], run: deploy}").run(context)
    with pytest.raises(HostsFailed):
        bound("ssh", "{on: [h1, h2], run: uptime, changes: false}").run(context)


def test_a_stop_reaches_the_hosts(bound: Any, context: FakeContext, hosts: Any) -> None:
    context.stopped = "abort"
    with pytest.raises(Stopped):
        bound("ssh", "{on: [h1, h2], run: sleep 60}").run(context)


def test_a_dry_run_of_a_change_only_knocks(bound: Any, context: FakeContext, hosts: Any) -> None:
    result = bound("ssh", "{on: [h1, h2], run: reboot}").dry_run(context)
    assert hosts["h1"].commands == [":"]
    assert "would" in result.summary
    assert "reboot" in result.summary


def test_a_dry_run_runs_what_only_reads(bound: Any, context: FakeContext, hosts: Any) -> None:
    assert bound("ssh", "{on: [h1], run: uptime, changes: false}").dry_run(context).output["hosts"]["h1"]["stdout"] == "ok"


def test_a_host_that_does_not_let_us_in_fails_the_dry_run(bound: Any, context: FakeContext, hosts: Any) -> None:
    hosts["h2"].answer = DOWN
    with pytest.raises(HostsFailed, match="connection refused"):
        bound("ssh", "{on: [h1, h2], run: reboot}").dry_run(context)


def test_a_script_is_sent_run_with_its_arguments_and_removed(bound: Any, context: FakeContext, hosts: Any) -> None:
    (context.folder / "deploy.sh").write_text("echo $1\n")
    result = bound(
        "script", "{on: h1, file: deploy.sh, arguments: ['${inputs.v}', b], interpreter: /bin/sh -e}", {"inputs.v": "it's"}
    ).run(context)
    path, content = next(iter(hosts["h1"].files.items()))
    assert path.startswith(".changeover-script-")
    assert content == b"echo $1\n"
    assert result.summary == "1 of 1 host"
    (command,) = hosts["h1"].commands
    assert command.startswith("/bin/sh -c ")
    assert "/bin/sh -e" in command
    assert "rm -f" in command


def test_each_attempt_of_a_script_has_a_copy_of_its_own(bound: Any, context: FakeContext, hosts: Any) -> None:
    script = bound("script", "{on: h1, text: echo hi}")
    script.run(context)
    context.attempt = 2
    script.run(context)
    assert len(hosts["h1"].files) == 2


def test_a_missing_script_is_a_mistake_in_a_dry_run_too(bound: Any, context: FakeContext, hosts: Any) -> None:
    with pytest.raises(FileNotReadable, match="no such file"):
        bound("script", "{on: h1, file: gone.sh}").dry_run(context)


def test_an_upload_tells_what_it_changed_and_again_changes_nothing(bound: Any, context: FakeContext, hosts: Any) -> None:
    upload = bound("upload", "{on: [h1, h2], text: hello, to: /etc/motd}")
    hosts["h1"].files["/etc/motd"] = b"hello"
    digest = hashlib.sha256(b"hello").hexdigest()
    assert upload.dry_run(context).summary == "would send /etc/motd to 1 host; already there on 1"
    assert upload.probe(context).found is Found.PARTIAL
    result = upload.run(context)
    assert result.output == {"hosts": {"h1": {"sha256": digest, "changed": False}, "h2": {"sha256": digest, "changed": True}}}
    assert upload.probe(context).found is Found.DONE
    assert bound("upload", "{on: [h3], text: hello, to: /etc/motd}").probe(context).found is Found.CLEAN


def test_an_upload_takes_a_file_of_the_project(bound: Any, context: FakeContext, hosts: Any) -> None:
    (context.folder / "motd").write_bytes(b"from the project")
    bound("upload", "{on: h1, from: motd, to: ~/motd, mode: '0600'}").run(context)
    assert hosts["h1"].files == {"~/motd": b"from the project"}


def test_an_upload_to_an_unreachable_host_fails_by_name(bound: Any, context: FakeContext, hosts: Any) -> None:
    hosts["h2"].answer = DOWN
    with pytest.raises(HostsFailed, match="connection refused"):
        bound("upload", "{on: [h1, h2], text: x, to: /tmp/x}").run(context)


@pytest.mark.parametrize(
    ("word", "yaml", "problem"),
    [
        ("ssh", "{on: [], run: a}", "`on` is empty"),
        ("ssh", "{on: h1, run: ' '}", "`run` is empty"),
        ("ssh", "{on: h1, run: a, batches: [0]}", "numbers of hosts or percents"),
        ("ssh", "{on: h1, run: a, batches: [200%]}", "numbers of hosts or percents"),
        ("ssh", "{on: h1, run: a, max_failures: -1}", "negative"),
        ("script", "{on: h1}", "exactly one of file and text; there is none"),
        ("script", "{on: h1, file: a, text: b}", "exactly one of file and text"),
        ("upload", "{on: h1, to: /x}", "exactly one of from and text"),
        ("upload", "{on: h1, to: /x/, text: a}", "path of a file"),
        ("upload", "{on: h1, to: /x, text: a, mode: '0999'}", "octal"),
        ("upload", "{on: h1, to: /x, text: a, mode: rw}", "octal"),
    ],
)
def test_what_cannot_be_done_on_hosts_is_refused(bound: Any, word: str, yaml: str, problem: str) -> None:
    with pytest.raises(ParametersRefused) as caught:
        bound(word, yaml)
    assert problem in str(caught.value)


def test_values_quoted_for_a_shell_are_refused_in_a_script_for_another_interpreter() -> None:
    assert list(Script(on=("h1",), text="print(${inputs.x})", interpreter="/usr/bin/python3").problems())
    assert not list(Script(on=("h1",), text="echo ${inputs.x}", interpreter="/bin/bash").problems())


def test_it_may_have_happened_means(bound: Any) -> None:
    assert bound("ssh", "{on: h1, run: a}").on_unknown is OnUnknown.PROBE
    assert bound("ssh", "{on: h1, run: a, changes: false}").on_unknown is OnUnknown.RERUN
    assert bound("script", "{on: h1, text: a}").on_unknown is OnUnknown.PROBE
    assert bound("upload", "{on: h1, to: /x, text: a}").on_unknown is OnUnknown.PROBE


def heard(context: FakeContext, *pieces: str) -> str:
    ear = Ear(context, "a", threading.Lock())
    for piece in pieces:
        ear(piece)
    ear.close()
    return "".join(context.logged)


def test_the_log_gets_the_beginning_and_the_end_of_an_output_without_end(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("changeover.steps.on_hosts.LOGGED", 1000)
    lines = [f"line {number}\n" for number in range(100_000)]
    logged = heard(context, *("".join(lines[begin : begin + 50]) for begin in range(0, len(lines), 50)))
    assert logged.startswith("a: line 0\na: line 1\n")
    assert logged.endswith("a: line 99998\na: line 99999\n")
    left_out = re.search(r"a: \.\.\. (\d+) characters left out \.\.\.\n", logged)
    assert left_out is not None
    assert len(logged) - len(left_out[0]) + int(left_out[1]) == sum(len(line) + len("a: ") for line in lines)
    assert len(logged) < 1000 + 2000 + 65 * 1024


def test_a_line_without_end_does_not_grow_in_memory(context: FakeContext) -> None:
    logged = heard(context, *["x" * 10_000] * 20)
    assert max(len(line) for line in logged.splitlines()) < 80_000
    assert logged.count("x") == 200_000
