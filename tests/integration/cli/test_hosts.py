"""``hosts list | check | trust`` against a real sshd."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from changeover.cli import main
from changeover.contracts import Completed
from changeover.remote.checking import Wanted, look
from changeover.remote.known_hosts import fingerprint
from changeover.runbook.systems import HostEntry
from changeover.sandbox.servers.ssh import make_key

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def systems(tmp_path: Path, sshd: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three hosts on one sshd, one that is gone, and one whose key is not known."""
    (tmp_path / "runbooks").mkdir()
    file = tmp_path / "systems.yaml"
    (tmp_path / "unknown").write_text("")
    file.write_text(
        f"""
defaults: {{user: {sshd.user}, port: {sshd.port}, key: {sshd.key}, known_hosts: {sshd.known_hosts}}}
hosts:
  app-[1:3]: {sshd.address}
  gone: {{address: 127.0.0.1, port: 1}}
  stranger: {{address: {sshd.address}, known_hosts: {tmp_path / "unknown"}}}
groups:
  apps: {{members: ['app-[1:3]'], concurrency: 2}}
  all: [apps, gone, stranger]
""".replace("app-[1:3]: 127.0.0.1", "app-1: 127.0.0.1\n  app-2: 127.0.0.1\n  app-3: 127.0.0.1")
    )
    monkeypatch.chdir(tmp_path)
    return file


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def type_(*words: str) -> tuple[int, str, str]:
        code = main(["hosts", *words])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return type_


def test_list_says_what_names_stand_for(run: Run, systems: Path, sshd: Any) -> None:
    code, out, _ = run("list", str(systems), "apps", "--json")
    assert code == 0
    hosts = json.loads(out)["hosts"]
    assert list(hosts) == ["app-1", "app-2", "app-3"]
    assert hosts["app-1"]["port"] == sshd.port
    assert hosts["app-1"]["groups"] == ["apps", "all"]
    assert run("list", str(systems), "nobody")[0] == 2


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_tables_fit_the_terminal_and_name_every_host(
    run: Run, systems: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (("list", str(systems)), ("check", str(systems))):
        _, out, _ = run(*words)
        assert max(map(len, out.splitlines())) <= columns
        for name in ("app-1", "app-2", "app-3", "gone", "stranger"):
            assert re.search(rf"^{name}\b", out, re.MULTILINE)


def test_check_gives_every_host_a_verdict_and_says_what_to_do(run: Run, systems: Path) -> None:
    code, out, _ = run("check", str(systems), "--json")
    assert code == 2
    results = {entry["host"]: entry for entry in json.loads(out)["hosts"]}
    assert {name: entry["verdict"] for name, entry in results.items()} == {
        "app-1": "ok",
        "app-2": "ok",
        "app-3": "ok",
        "gone": "unreachable",
        "stranger": "host key",
    }
    assert "hosts trust" in results["stranger"]["hint"]
    assert results["app-1"]["free_mb"] > 0
    assert abs(results["app-1"]["clock_skew_s"]) <= 5
    assert results["app-1"]["system"].startswith("Linux")
    assert run("check", str(systems), "apps")[0] == 0


def test_what_a_host_lacks_is_named(run: Run, systems: Path) -> None:
    code, out, _ = run("check", str(systems), "app-1", "--program", "no-such-program", "--free", "999999999", "--json")
    (result,) = json.loads(out)["hosts"]
    assert (code, result["fit"]) == (2, False)
    assert result["problems"][0] == "no-such-program is not installed"
    assert "999999999 are needed" in result["problems"][1]


def test_a_clock_that_differs_is_told_by_how_much(with_shell: Any) -> None:
    found = look(with_shell, HostEntry("a"), Wanted(0), lambda: time.time() + 100)
    (problem,) = found.problems
    assert re.fullmatch(r"its clock is (99|100|101)(\.\d)? s behind", problem)


def test_sudo_that_asks_for_a_password_is_named(with_shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\nprintf '%s ' \"$@\" > called; echo 'sudo: a password is required' >&2; exit 1\n")
    sudo.chmod(0o755)
    with_shell.path = f"{tmp_path}:/usr/bin:/bin"
    found = look(with_shell, HostEntry("a", become=True, become_user="deploy"), Wanted(0), time.time)
    assert found.problems == ("`sudo -n` does not work: sudo: a password is required",)
    assert (tmp_path / "called").read_text() == "-n -u deploy -- true "


@pytest.fixture
def with_shell(tmp_path: Path) -> Any:
    """A host that is a shell on this machine."""

    class Shell:
        name = "a"
        path = "/usr/bin:/bin"

        def run(self, command: str, **_: Any) -> Completed:
            ended = subprocess.run(
                ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, env={"PATH": self.path}, check=False
            )
            return Completed(ended.returncode, ended.stdout, ended.stderr)

    return Shell()


def test_without_hosts_there_is_nothing_to_be_sure_of(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("production: false\n")
    assert run("check", str(tmp_path / "empty.yaml"))[0] == 2


def test_an_ansible_inventory_is_listed_and_what_is_not_understood_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("[web]\nwww[1:2] ansible_connection=winrm\n")
    code, out, err = run("list", str(tmp_path / "hosts"), "--json")
    assert code == 0
    assert list(json.loads(out)["hosts"]) == ["www1", "www2"]
    assert "warning[inventory-not-understood]: `ansible_connection`" in err


def fingerprint_of(sshd: Any) -> str:
    return fingerprint(base64.b64decode(Path(sshd.known_hosts).read_text().split()[2]))


def test_an_expected_key_is_written_down_and_then_known(run: Run, systems: Path, sshd: Any, tmp_path: Path) -> None:
    expected = fingerprint_of(sshd)
    assert run("trust", str(systems), "stranger", "--fingerprint", expected)[0] == 0
    assert (tmp_path / "unknown").read_text() == Path(sshd.known_hosts).read_text()
    assert run("check", str(systems), "stranger")[0] == 0
    code, out, _ = run("trust", str(systems), "stranger")
    assert (code, "is known already" in out) == (0, True)
    assert (tmp_path / "unknown").read_text().count("\n") == 1


def test_a_key_that_is_not_the_expected_one_is_not_written_down(run: Run, systems: Path, tmp_path: Path) -> None:
    code, out, _ = run("trust", str(systems), "stranger", "--fingerprint", "stranger=SHA256:AAAA")
    assert code == 2
    assert "is not what you expect" in out
    assert (tmp_path / "unknown").read_text() == ""


def test_nothing_is_trusted_without_a_word(run: Run, systems: Path, tmp_path: Path) -> None:
    code, _, err = run("trust", str(systems), "stranger")
    assert code == 2
    assert "there is no terminal to ask on" in err
    assert (tmp_path / "unknown").read_text() == ""
    assert run("trust", str(systems), "all", "--fingerprint", "SHA256:AAAA")[0] == 2


@pytest.mark.parametrize(("answer", "trusted"), [(True, True), (False, False)])
def test_a_person_who_has_compared_decides(
    run: Run, systems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, answer: bool, trusted: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    asked: list[str] = []

    def confirm(question: str, **_: Any) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    code, out, _ = run("trust", str(systems), "stranger")
    assert asked == ["Is it the same there?"]
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in out
    assert (code == 0, bool((tmp_path / "unknown").read_text())) == (trusted, trusted)


def test_a_changed_key_is_refused_with_what_to_do(run: Run, systems: Path, sshd: Any, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    (tmp_path / "unknown").write_text(f"[{sshd.address}]:{sshd.port} {other}\n")
    before = (tmp_path / "unknown").read_text()
    code, out, _ = run("trust", str(systems), "stranger", "--fingerprint", fingerprint_of(sshd))
    assert code == 2
    assert "its key has changed" in out
    assert "ssh-keygen -R" in out
    assert (tmp_path / "unknown").read_text() == before


def test_a_revoked_key_is_never_trusted(run: Run, systems: Path, sshd: Any, tmp_path: Path) -> None:
    (tmp_path / "unknown").write_text(f"@revoked {Path(sshd.known_hosts).read_text()}")
    code, out, _ = run("trust", str(systems), "stranger", "--fingerprint", fingerprint_of(sshd))
    assert code == 2
    assert "declared it stolen" in out
