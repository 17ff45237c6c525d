from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.cli import main

RUNBOOK = """
changeover: 1
id: small
title: A small cutover
timezone: Europe/Budapest
people: people.yaml
inputs:
  wave: {type: choice, of: [residential, business], default: residential}
stages:
  freeze:
    title: Stop <taking> orders
    owner: lead
    steps:
      - id: close
        title: Close the shop
        shell: 'true'
        expect: 5s
        undo: {shell: 'true'}
    rollback: {none: every step has its own undo}
  decide:
    owner: lead
    steps:
      - id: go
        gate: {ask: 'Reopen the shop?', deciders: [lead, second], quorum: 2}
        expect: 10s
    rollback: {none: nothing to undo}
"""

PEOPLE = """
persons:
  anna: {name: Nagy Anna, chat: U1}
  bela: {name: Kovács Béla, chat: U2}
roles:
  lead: {person: anna}
  second: {person: bela}
"""


def write_project(folder: Path) -> None:
    """A project with a small runbook."""
    (folder / "runbooks").mkdir(parents=True)
    (folder / "runbooks" / "small.yaml").write_text(RUNBOOK, encoding="utf-8")
    (folder / "runbooks" / "people.yaml").write_text(PEOPLE, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the current folder, with a small runbook."""
    folder = tmp_path / "project"
    write_project(folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CHANGEOVER_JOURNAL", raising=False)
    monkeypatch.setenv("CHANGEOVER_WHO", "anna")
    return folder


@pytest.fixture
def changeover(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in the project: exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a project whose rehearsal waits at its gate, made once and only to be copied."""
    folder = tmp_path_factory.mktemp("rehearsed") / "project"
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("CHANGEOVER_JOURNAL", raising=False)
        patch.setenv("CHANGEOVER_WHO", "anna")
        code = main(["rehearse", "runbooks/small.yaml", "--engine", "local", "--no-wait", "--lines"])
    assert code == 3
    return folder / ".changeover"


@pytest.fixture
def waiting(
    rehearsed: Path, project: Path, changeover: Callable[..., tuple[int, str, str]]
) -> Callable[..., tuple[int, str, str]]:
    """The same, with a rehearsal that waits at its gate and that no engine drives."""
    shutil.copytree(rehearsed, project / ".changeover")
    return changeover
