"""The whole engine on a real PostgreSQL journal: forward with a gate, and back; and a server that is restarted meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from changeover.cli import main
from changeover.contracts import RunState, StepState
from changeover.engine.conformance import deviations
from changeover.engine.drive import load_run
from changeover.journal.chain import verify
from changeover.journal.events import EventKind, Verb
from changeover.project import Project
from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord, ordinary_account
from changeover.sandbox.servers import postgresql
from changeover.sandbox.servers.postgresql import PostgresqlServer
from changeover.testing import Trial

pytestmark = pytest.mark.timeout(120)

RUNBOOK = """changeover: 1
id: moved
title: Moved
people: people.yaml
stages:
  freeze:
    owner: anna
    steps:
      - {id: close, shell: echo close >> ledger, undo: {shell: echo reopen >> ledger}, suspend: {what: the shop, resume_by: open}}
    rollback: {none: the undo is enough}
  move:
    owner: anna
    needs: [freeze]
    steps:
      - {id: go, gate: {ask: Shall we?, deciders: [anna]}}
      - {id: copy, shell: 'MOMENT; echo copy >> ledger', undo: {shell: 'MOMENT; echo delete >> ledger'}}
      - {id: count, shell: {command: 'false', changes: false}}
      - {id: open, shell: echo open >> ledger}
    rollback: {none: the undo is enough}
"""
PEOPLE = "persons:\n  anna: {name: Anna Kovács}\n  runner: {name: Rita Runner}\n"


def a_trial(root: Path, url: str, moment: str) -> Trial:
    trial = Trial(root, RUNBOOK.replace("MOMENT", moment), files={"runbooks/people.yaml": PEOPLE}, address=url)
    trial.create()
    return trial.start()


def approve(trial: Trial) -> None:
    trial.until(lambda state: "go" in state.decisions, "the gate", seconds=30)
    assert trial.command(Verb.APPROVE, "go", who="anna").accepted


def turn_back(trial: Trial) -> None:
    trial.until(lambda state: state.step("count").state is StepState.FAILED, "the failed count", seconds=30)
    assert trial.command(Verb.ROLLBACK, who="anna", why="the count is wrong").accepted


def assert_rolled_back(trial: Trial) -> None:
    assert trial.wait(60).state is RunState.ROLLED_BACK
    assert (trial.root / "ledger").read_text().split() == ["close", "copy", "delete", "reopen"]
    assert trial.state().suspensions == {}
    with trial.journal() as journal:
        record, events = journal.run(trial.run_id), journal.events(trial.run_id)
        _, plan = load_run(record, Project(trial.root).load_kinds(), trial.root)
        assert deviations(plan, record.id, events) == []
        assert verify(events, head=journal.head(record.id).hash) is None
        assert all(command.accepted is not None for command in journal.commands(record.id))
    assert len(trial.events(EventKind.ENGINE_STARTED)) == 1


def test_a_run_goes_forward_through_a_gate_and_back(fresh_postgresql_url: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, fresh_postgresql_url, "sleep 0")
    approve(trial)
    turn_back(trial)
    assert_rolled_back(trial)


@dataclass
class Restartable:
    """A server that can be taken down for a moment, as an administrator or a failover does."""

    server: PostgresqlServer
    process: ProcessRecord

    def restart(self) -> None:
        with self.away():
            pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stopped here, and started again afterwards."""
        command = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        folder = Path(f"/proc/{self.process.pid}/cwd").readlink()
        processes.end(self.process, first=signal.SIGINT, seconds=15)
        yield
        log = folder / "server.log"
        self.process = processes.spawn("postgresql", command, log=log, folder=folder, account=ordinary_account("postgres"))
        processes.wait_until_ready(self.process, self._answers, seconds=30, log=log)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.server.url().replace("+psycopg", "", 1), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def restartable(server_folder: Path) -> Iterator[Restartable]:
    """A PostgreSQL server of this test alone."""
    if postgresql.find() is None:
        pytest.skip("PostgreSQL is not installed; `make test` installs it")
    server = postgresql.start(server_folder / "engine", password="pg-s3cret", fsync=False)  # noqa: S106 - a test's own
    made = Restartable(server, server.process)
    yield made
    postgresql.stop(made.process, server.folder)


def test_a_server_that_is_restarted_on_the_way_there_and_on_the_way_back_changes_nothing(
    restartable: Restartable, tmp_path: Path
) -> None:
    trial = a_trial(tmp_path, postgresql.create_database(restartable.server, "journal"), "sleep 1.5")
    approve(trial)
    trial.until(lambda state: state.step("copy").state is StepState.RUNNING, "the copy", seconds=30)
    restartable.restart()
    turn_back(trial)
    trial.until(lambda state: state.step("copy.undo").state is StepState.RUNNING, "its undo", seconds=30)
    restartable.restart()
    assert_rolled_back(trial)


def test_an_abort_while_the_server_is_away_stops_what_runs_and_stands_in_the_record_when_it_is_back(
    restartable: Restartable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = postgresql.create_database(restartable.server, "journal")
    (tmp_path / "project").mkdir()
    trial = a_trial(tmp_path / "project", url, "echo $$ > pid; sleep 60")
    approve(trial)
    trial.until(lambda _: (trial.root / "pid").exists(), "the copy", seconds=30)
    pid = int((trial.root / "pid").read_text())
    monkeypatch.setenv("CHANGEOVER_JOURNAL", url)
    monkeypatch.setenv("CHANGEOVER_WHO", "anna")
    monkeypatch.chdir(trial.root)
    with restartable.away():
        capfd.readouterr()
        assert main(["abort", "--why", "it burns", "--yes"]) == 0
        assert "everything that runs is stopped now" in "".join(capfd.readouterr())
        until = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
    assert trial.wait(60).state is RunState.ABORTED
    (asked,) = trial.events(EventKind.ABORT_REQUESTED)
    assert (asked.who, asked.data["why"]) == ("anna", "it burns")
    assert (trial.root / "ledger").read_text().split() == ["close"]
