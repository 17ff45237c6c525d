"""What a rehearsal leaves for the night: how long it took after the rows of each table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from changeover.contracts import Mode
from changeover.journal.rehearsed import rehearsed
from changeover.journal.store import Journal
from changeover.testing import Trial

RUNBOOK = """
changeover: 1
id: trial
title: A small cutover
timezone: Europe/Budapest
systems: systems.yaml
people: people.yaml
stages:
  migrate:
    owner: lead
    steps:
      - id: copy
        migrate: {from: legacy, to: crm, tables: [t]}
        expect: 1m
    rollback: {none: it is only a trial}
"""
PEOPLE = "persons: {runner: {name: Anna, chat: U1}}\nroles: {lead: {person: runner}}\n"


def told(journal: Journal, trial: Trial) -> dict[str, object]:
    return dict(rehearsed(journal, journal.run(trial.run_id), "copy"))


def trial_in(folder: Path, mode: Mode) -> Trial:
    for name in ("legacy", "crm"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as database, database:
            database.execute("drop table if exists t")
            database.execute("create table t (id integer primary key)")
            if name == "legacy":
                database.executemany("insert into t values (?)", [(number,) for number in range(1, 1001)])
    systems = f"databases: {{legacy: 'sqlite:///{folder}/legacy.db', crm: 'sqlite:///{folder}/crm.db'}}\n"
    files = {"runbooks/people.yaml": PEOPLE, "runbooks/systems.yaml": systems}
    return Trial(folder, RUNBOOK, files=files, mode=mode)


def test_the_night_knows_what_the_rehearsal_needed_after_the_rows(tmp_path: Path) -> None:
    first = trial_in(tmp_path, Mode.REHEARSE)
    first.start().wait()
    with first.journal() as journal:
        assert told(journal, first) == {}  # it does not know itself
        assert first.state().steps["copy"].progress is not None
    night = trial_in(tmp_path, Mode.LIVE)
    night.start().wait()
    with night.journal() as journal:
        known = told(journal, night)
    assert set(known["tails"]) == {"t", ""}  # type: ignore[call-overload]
    ended = first.state().steps["copy"].ended_at
    assert ended is not None
    assert known["at"] == ended.isoformat()
    progress = night.state().steps["copy"].progress
    assert progress is not None
    assert progress["figures"]["tail_from"] == known["at"]  # type: ignore[index,call-overload]
    another = trial_in(tmp_path, Mode.REHEARSE)
    another.create()
    with another.journal() as journal:
        assert told(journal, another)["at"] == known["at"]  # of a rehearsal, not of the night
