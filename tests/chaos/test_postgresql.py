"""The journal's PostgreSQL is stopped again and again under a run, fast and at once; nothing is lost or doubled."""

from __future__ import annotations

import itertools
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from changeover.contracts import RunState
from changeover.engine.drive import load_run
from changeover.project import Project
from changeover.sandbox import processes
from changeover.sandbox.processes import ProcessRecord, ordinary_account
from changeover.sandbox.servers import postgresql
from changeover.sandbox.servers.postgresql import PostgresqlServer
from changeover.testing import Trial
from tests.chaos.conftest import needed
from tests.chaos.judging import judge
from tests.chaos.nights import Night

if TYPE_CHECKING:
    from tests.chaos.conftest import Scale

pytestmark = pytest.mark.timeout(1200)

NIGHT = Night(
    "restarted",
    """  there:
    owner: lead
    steps:
      - {id: a, effect: x, suspend: {what: alerts, resume_by: z}, undo: {effect: x}}
      - {id: b, for_each: {in: [ITEMS], max_parallel: 3}, effect: {takes: 0.15}, undo: {effect: {takes: 0.1}}}
      - {id: c, effect: {unclear: 1}, undo: {effect: x}}
      - {id: d, effect: {fails: 99}, on_failure: roll-back}
      - {id: z, effect: x}
    rollback: {none: the undos are enough}
""",
)


@dataclass
class Mortal:
    """A server that is stopped and started again."""

    server: PostgresqlServer
    process: ProcessRecord
    restarts: int = 0

    def restart(self, how: signal.Signals) -> None:
        """SIGINT is the fast way, SIGQUIT the immediate one, which leaves the rest to recovery."""
        command = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        folder = Path(f"/proc/{self.process.pid}/cwd").readlink()
        processes.end(self.process, first=how, seconds=20)
        time.sleep(0.2)
        log = folder / "server.log"
        self.process = processes.spawn("postgresql", command, log=log, folder=folder, account=ordinary_account("postgres"))
        processes.wait_until_ready(self.process, self._answers, seconds=60, log=log)
        self.restarts += 1

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.server.url().replace("+psycopg", "", 1), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def mortal(server_folder: Path) -> Iterator[Mortal]:
    needed(postgresql.find() is not None, "PostgreSQL")
    server = postgresql.start(server_folder / "chaos", password="pg-s3cret")  # noqa: S106 - a test's own
    made = Mortal(server, server.process)
    yield made
    postgresql.stop(made.process, server.folder)


def test_a_server_that_is_stopped_every_few_seconds_loses_and_doubles_nothing(
    mortal: Mortal, tmp_path: Path, scale: Scale, record: Callable[..., None]
) -> None:
    dice = random.Random(scale.seed)  # noqa: S311 - it has to repeat itself
    items = ", ".join(map(str, range(scale.many(80, 1500))))
    trial = Trial(
        tmp_path,
        NIGHT.runbook.replace("ITEMS", items),
        files=NIGHT.files,
        address=postgresql.create_database(mortal.server, "journal"),
    )
    for name, text in NIGHT.files.items():  # the project's kinds have to be there before they are loaded
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    trial.create()
    trial.start()
    over = threading.Event()

    def disturb() -> None:
        for how in itertools.cycle((signal.SIGINT, signal.SIGQUIT)):
            if over.wait(dice.uniform(0.5, 3.0)):
                return
            mortal.restart(how)

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        ended = trial.wait(scale.many(200, 1000))
    finally:
        over.set()
        disturbing.join(timeout=100)
    assert ended.state is RunState.ROLLED_BACK
    with trial.journal() as journal:
        _, plan = load_run(journal.run(trial.run_id), Project(tmp_path).load_kinds(), tmp_path)
        found = judge(journal, trial.run_id, plan, tmp_path)
    record("PostgreSQL restarted under a run", runs=1, kills=mortal.restarts, violations=len(found))
    assert found == []
    assert mortal.restarts >= scale.many(1, 20)
    assert any("no step starts until" in line for line in trial.told), "no restart was noticed"
