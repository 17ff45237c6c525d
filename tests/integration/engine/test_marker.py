"""An engine killed around the commit of a `sql` step: its marker tells, and the row is inserted exactly once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from changeover.engine.failpoints import VARIABLE

pytestmark = pytest.mark.timeout(120)
PROGRAM = (sys.executable, "-c", "from changeover.cli import main; raise SystemExit(main())")
RUNBOOK = """changeover: 1
id: night
title: A night
systems: systems.yaml
stages:
  work:
    owner: anna
    steps:
      - {id: note, sql: {on: crm, marker: true, run: "insert into moved values ('once')"}}
      - {id: after, shell: echo after >> ledger}
    rollback: {none: nothing to undo}
"""


@pytest.mark.parametrize(
    ("point", "before", "said"),
    [("intended:1", 0, "it did not happen: crm has no marker of it"), ("acted:1", 1, "found out by looking at the target")],
)
def test_a_row_is_inserted_once_whether_the_engine_dies_before_or_after_the_commit(
    tmp_path: Path, point: str, before: int, said: str
) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "night.yaml").write_text(RUNBOOK)
    (tmp_path / "runbooks" / "systems.yaml").write_text(f"databases:\n  crm: {{url: 'sqlite:///{tmp_path / 'crm.db'}'}}\n")
    crm = sqlite3.connect(tmp_path / "crm.db", isolation_level=None)
    crm.execute("create table moved (what text)")

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CHANGEOVER_", "PREFECT_"))}
        environment = {**own, "CHANGEOVER_WHO": "anna", **more}
        return subprocess.run(
            [*PROGRAM, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    words = ("rehearse", "runbooks/night.yaml", "--environment", "test", "--engine", "local", "--lines")
    killed = run(*words, **{VARIABLE: point})
    assert killed.returncode == -9, killed.stderr
    assert crm.execute("select count(*) from moved").fetchone() == (before,)
    resumed = run("resume", "--engine", "local", "--lines")
    assert resumed.returncode == 0, resumed.stderr
    assert said in resumed.stdout
    assert crm.execute("select count(*) from moved").fetchone() == (1,)
    assert (tmp_path / "ledger").read_text().split() == ["after"]
    crm.close()
